mod access;

use std::convert::Infallible;
use std::future::pending;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rest::problem::{Code, Problem};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::config::Size;

/// Longer than anything here takes, so that what hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

/// Told when something is dropped.
#[derive(Clone, Default)]
struct Dropped(Arc<Notify>);

struct OnDrop(Dropped);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.notify_one();
    }
}

/// Answers by path.
#[derive(Default)]
struct Canned {
    dropped: Dropped,
    release: Notify,
}

fn body(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

impl Handler for Canned {
    async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let guard = OnDrop(self.dropped.clone());
        match request.uri().path() {
            "/echo" => match request.into_body().collect().await {
                Ok(whole) => Response::new(body(whole.to_bytes())),
                Err(error) => Response::new(body(error.to_string())),
            },
            "/whoami" => Response::new(body(format!(
                "{} {} {:?}",
                caller.request_id,
                caller
                    .authorization
                    .as_ref()
                    .map_or("nobody", |secret| secret.expose_secret()),
                request.headers().get("authorization"),
            ))),
            "/opens" => {
                let mut answer = Response::new(body("read me"));
                let headers = answer.headers_mut();
                headers.insert("access-control-allow-origin", "*".parse().expect("text"));
                answer
            }
            "/hang" => pending().await,
            "/wait" => {
                self.release.notified().await;
                Response::new(body("done"))
            }
            "/endless" => {
                let chunks = stream::repeat(Bytes::from(vec![b'x'; 64 << 10]));
                let frames = chunks.map(move |data| {
                    let _ = &guard;
                    Ok(Frame::data(data))
                });
                Response::new(Body::new(StreamBody::new(frames)))
            }
            "/breaks" => {
                let frames = stream::iter([
                    Ok(Frame::data(Bytes::from_static(b"half"))),
                    Err("broken".into()),
                ]);
                Response::new(Body::new(StreamBody::new(frames)))
            }
            _ => Problem::new(Code::RouteNotFound, "no")
                .to_response()
                .map(body),
        }
    }
}

struct Fixture {
    ingress: Ingress<Canned>,
    canned: Arc<Canned>,
}

async fn ingress(change: impl FnOnce(&mut Limits)) -> Fixture {
    let mut limits = Limits::default();
    change(&mut limits);
    let canned = Arc::<Canned>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress =
        Ingress::start(listener, Arc::clone(&canned), Setup::local(limits)).expect("starts");
    Fixture { ingress, canned }
}

type Sent = http_body_util::combinators::BoxBody<Bytes, Infallible>;

impl Fixture {
    async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.ingress.addr()))
            .await
            .expect("connects")
    }

    async fn h1(&self) -> http1::SendRequest<Sent> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = soon(http1::handshake(io)).await.expect("h1");
        tokio::spawn(connection);
        sender
    }

    async fn h2(&self) -> http2::SendRequest<Sent> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = soon(http2::handshake(TokioExecutor::new(), io))
            .await
            .expect("h2");
        tokio::spawn(connection);
        sender
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        whole(soon(self.h1().await.send_request(get(path))).await).await
    }

    /// Waits until nothing goes on, which the counters show a moment after the caller can see it.
    async fn quiet(&self) {
        soon(async {
            while self.ingress.stats().requests > 0 || self.ingress.stats().connections > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn get(path: &str) -> Request<Sent> {
    let mut request = Request::new(Empty::new().boxed());
    *request.uri_mut() = path.parse().expect("a path");
    request
        .headers_mut()
        .insert("host", "localhost".parse().expect("a host"));
    request
}

fn post(path: &str, body: Sent) -> Request<Sent> {
    let mut request = get(path).map(|_| body);
    *request.method_mut() = Method::POST;
    request
}

async fn whole(answer: hyper::Result<Response<hyper::body::Incoming>>) -> Response<Bytes> {
    let (head, body) = answer.expect("an answer").into_parts();
    let body = soon(body.collect()).await.expect("whole").to_bytes();
    Response::from_parts(head, body)
}

fn problem(answer: &Response<Bytes>) -> Problem {
    serde_json::from_slice(answer.body()).expect("a problem")
}

#[tokio::test]
async fn the_callers_id_comes_back_and_a_missing_one_is_made() {
    let edge = ingress(|_| {}).await;
    let mut request = get("/whoami");
    request
        .headers_mut()
        .insert("x-request-id", "mine-1".parse().expect("a value"));
    let answer = whole(soon(edge.h1().await.send_request(request)).await).await;
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    assert!(answer.body().starts_with(b"mine-1 "));
    let answer = edge.get("/nowhere").await;
    assert_eq!(answer.headers()["x-request-id"].len(), 32);
}

#[tokio::test]
async fn the_credential_goes_to_the_handler_beside_the_request() {
    let edge = ingress(|_| {}).await;
    let mut request = get("/whoami");
    request
        .headers_mut()
        .insert("authorization", "Bearer s3cret".parse().expect("a value"));
    let answer = whole(soon(edge.h1().await.send_request(request)).await).await;
    assert!(answer.body().ends_with(b" Bearer s3cret None"));
}

#[tokio::test]
async fn a_handler_has_no_say_in_which_pages_may_read_its_answers() {
    let answer = ingress(|_| {}).await.get("/opens").await;
    assert_eq!(answer.body(), "read me");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn health_is_answered_without_the_handler() {
    let edge = ingress(|_| {}).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(edge.get(path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn both_protocols_are_spoken_on_one_port() {
    let edge = ingress(|_| {}).await;
    let echo = || post("/echo", Full::new(Bytes::from_static(b"hello")).boxed());
    let h1 = whole(soon(edge.h1().await.send_request(echo())).await).await;
    let h2 = whole(soon(edge.h2().await.send_request(echo())).await).await;
    assert_eq!((h1.body(), h2.body()), (h2.body(), &Bytes::from("hello")));
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_announced_or_not() {
    let edge = ingress(|limits| limits.body = Size::new(10)).await;
    let large = Bytes::from_static(b"01234567890");
    let announced = post("/echo", Full::new(large.clone()).boxed());
    let streamed = StreamBody::new(stream::iter([Ok(Frame::data(large))]));
    for request in [announced, post("/echo", BodyExt::boxed(streamed))] {
        let answer = whole(soon(edge.h2().await.send_request(request)).await).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let problem = problem(&answer);
        assert_eq!(problem.code, Code::BodyTooLarge);
        assert_eq!(
            problem.request_id.as_deref(),
            answer.headers()["x-request-id"].to_str().ok()
        );
    }
}

/// Whoever writes it all before it reads must still find the answer.
#[tokio::test]
async fn an_answer_to_a_request_that_is_still_coming_is_not_lost() {
    const CHUNK: usize = 64 << 10;
    let fixture = ingress(|limits| limits.body = Size::KIB * 64).await;
    for head in [
        "POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 10485760\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\na00000\r\n",
        "POST /nonsense HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\na00000\r\n",
    ] {
        let mut stream = fixture.connect().await;
        soon(stream.write_all(head.as_bytes()))
            .await
            .expect("taken");
        for _ in 0..(10 << 20) / CHUNK {
            soon(stream.write_all(&[b'x'; CHUNK])).await.expect("taken");
        }
        let mut answer = [0; 12];
        soon(stream.read_exact(&mut answer))
            .await
            .expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{head}");
    }
    fixture.quiet().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused() {
    let edge = ingress(|limits| limits.stall = Duration::from_millis(50)).await;
    let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let answer = soon(
        edge.h2()
            .await
            .send_request(post("/echo", BodyExt::boxed(never))),
    )
    .await;
    assert_eq!(problem(&whole(answer).await).code, Code::InvalidRequest);
}

#[tokio::test]
async fn connections_that_never_ask_are_closed() {
    let edge = ingress(|limits| limits.header_timeout = Duration::from_millis(50)).await;
    let beginnings: [&[u8]; 4] = [
        b"",
        b"PRI * HT",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for beginning in beginnings {
        let mut stream = edge.connect().await;
        stream.write_all(beginning).await.expect("taken");
        let mut rest = Vec::new();
        // Closed one way or the other.
        _ = soon(stream.read_to_end(&mut rest)).await;
    }
    edge.quiet().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let edge = ingress(|limits| limits.header_timeout = Duration::from_millis(50)).await;
    let mut sender = edge.h2().await;
    whole(soon(sender.send_request(get("/healthz"))).await).await;
    edge.quiet().await;
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let edge = ingress(|limits| limits.headers = 8).await;
    let mut request = get("/whoami");
    for n in 0..16_u8 {
        let name: http::HeaderName = format!("x-{n}").parse().expect("a name");
        request
            .headers_mut()
            .insert(name, "1".parse().expect("a value"));
    }
    let answer = soon(edge.h1().await.send_request(request))
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_request() {
    let edge = ingress(|_| {}).await;
    for path in ["/hang", "/endless"] {
        let mut stream = edge.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("taken");
        soon(async {
            while edge.ingress.stats().requests == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(stream);
        soon(edge.canned.dropped.0.notified()).await;
        edge.quiet().await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_ended_on_both_protocols() {
    let edge = ingress(|limits| {
        limits.stall = Duration::from_millis(100);
        limits.header_timeout = Duration::from_millis(100);
    })
    .await;
    let h1 = soon(edge.h1().await.send_request(get("/endless"))).await;
    soon(edge.canned.dropped.0.notified()).await;
    let h2 = soon(edge.h2().await.send_request(get("/endless"))).await;
    soon(edge.canned.dropped.0.notified()).await;
    edge.quiet().await;
    for answer in [h1, h2] {
        let body = answer.expect("a head").into_body();
        soon(body.collect()).await.expect_err("not whole");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let edge = ingress(|_| {}).await;
    let h1 = soon(edge.h1().await.send_request(get("/breaks"))).await;
    let h2 = soon(edge.h2().await.send_request(get("/breaks"))).await;
    // Where it breaks before anything was written, there is not even a head.
    for answer in [h1, h2].into_iter().flatten() {
        soon(answer.into_body().collect())
            .await
            .expect_err("not whole");
    }
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_takes_no_more() {
    let edge = ingress(|_| {}).await;
    let mut busy = edge.h1().await;
    let _idle = edge.h2().await;
    let answer = tokio::spawn(busy.send_request(get("/wait")));
    soon(async {
        while edge.ingress.stats().requests == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let addr = edge.ingress.addr();
    let drained = tokio::spawn(edge.ingress.drain(PATIENCE));
    soon(async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    edge.canned.release.notify_one();
    let answer = whole(soon(answer).await.expect("runs")).await;
    assert_eq!(answer.body(), "done");
    assert!(soon(drained).await.expect("runs"));
}

#[tokio::test]
async fn draining_cuts_off_what_takes_too_long() {
    let edge = ingress(|_| {}).await;
    let mut busy = edge.h1().await;
    let answer = tokio::spawn(busy.send_request(get("/hang")));
    soon(async {
        while edge.ingress.stats().requests == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let started = Instant::now();
    assert!(!soon(edge.ingress.drain(Duration::from_millis(50))).await);
    assert!(started.elapsed() < PATIENCE / 2);
    soon(edge.canned.dropped.0.notified()).await;
    soon(answer).await.expect("runs").expect_err("cut off");
}

#[tokio::test]
async fn dropping_an_ingress_ends_everything() {
    let edge = ingress(|_| {}).await;
    let mut busy = edge.h1().await;
    let answer = tokio::spawn(busy.send_request(get("/hang")));
    soon(async {
        while edge.ingress.stats().requests == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(edge.ingress);
    soon(edge.canned.dropped.0.notified()).await;
    soon(answer).await.expect("runs").expect_err("cut off");
}
