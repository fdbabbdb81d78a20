//! Components in sandboxes, hostile ones above all: real wasm (`tests/guests`), a relay that is told what to answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rest::problem::{Code, Outcome, Problem};
use secrecy::ExposeSecret;
use tiller_edge::config::{Config, Limits, Size};
use tiller_edge::ingress::{Handler, Ingress, RequestId, Setup};
use tiller_edge::relay::{Body, Caller};
use tiller_edge::sandbox::{Outlet, Refused, Sandbox, Stats};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::fake::{Fake, whole};
use crate::{PATIENCE, guests, soon};

struct Fixture {
    sandbox: Arc<Sandbox>,
    relay: Arc<Fake>,
    limits: Limits,
    _home: tempfile::TempDir,
}

fn load(change: impl FnOnce(&mut Limits)) -> Option<Fixture> {
    let component = guests::component()?;
    let home = tempfile::tempdir().expect("a directory");
    let manifest = home.path().join("spin.toml");
    std::fs::write(&manifest, guests::manifest(&component)).expect("written");
    let mut limits = Limits {
        sandboxes: 8,
        ..Limits::default()
    };
    change(&mut limits);
    let config = Config {
        manifest,
        // One for all tests of this build, so that the component is compiled once.
        cache_dir: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")),
        limits: limits.clone(),
        ..Config::default()
    };
    let relay = Arc::<Fake>::default();
    let outlet: Arc<dyn Outlet> = relay.clone();
    let sandbox = Arc::new(Sandbox::load(&config, outlet).expect("loads"));
    Some(Fixture {
        sandbox,
        relay,
        limits,
        _home: home,
    })
}

fn request(behaviour: &str) -> Request<Body> {
    let mut request = Request::new(whole(""));
    *request.uri_mut() = format!("http://edge/guests/{behaviour}")
        .parse()
        .expect("a URI");
    request
}

fn caller() -> Caller {
    Caller::local(
        RequestId::parse("test-1").expect("well-formed"),
        Some("Bearer s3cret".into()),
    )
}

impl Fixture {
    async fn ask(&self, behaviour: &str) -> Response<Body> {
        soon(self.sandbox.serve(caller(), request(behaviour))).await
    }

    async fn text(&self, behaviour: &str) -> String {
        let answer = self.ask(behaviour).await;
        assert_eq!(answer.status(), StatusCode::OK, "{behaviour}");
        let body = soon(answer.into_body().collect()).await.expect("whole");
        String::from_utf8(body.to_bytes().into()).expect("text")
    }

    async fn problem(&self, behaviour: &str) -> Problem {
        let answer = self.ask(behaviour).await;
        let status = answer.status();
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{behaviour}"
        );
        let body = soon(answer.into_body().collect()).await.expect("whole");
        let problem: Problem = serde_json::from_slice(&body.to_bytes()).expect("a problem");
        assert_eq!(problem.status(), status);
        assert_eq!(problem.request_id.as_deref(), Some("test-1"));
        problem
    }

    /// Nothing is left of any request.
    fn assert_clean(&self) {
        let started = self.sandbox.stats().started;
        let clean = Stats {
            started,
            ..Stats::default()
        };
        assert_eq!(self.sandbox.stats(), clean);
        assert_eq!(self.relay.under_way.load(Ordering::Relaxed), 0);
    }
}

macro_rules! load {
    ($change:expr) => {
        match load($change) {
            Some(fixture) => fixture,
            None => return,
        }
    };
    () => {
        load!(|_| {})
    };
}

#[tokio::test]
async fn a_component_answers_and_leaves_nothing() {
    let edge = load!();
    assert_eq!(edge.text("hello").await, "hello\n");
    assert_eq!(edge.sandbox.stats().started, 1);
    edge.assert_clean();
}

#[tokio::test]
async fn a_path_without_a_route_is_told() {
    let edge = load!();
    let mut request = request("");
    *request.uri_mut() = "http://edge/elsewhere".parse().expect("a URI");
    let answer = soon(edge.sandbox.serve(caller(), request)).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(edge.sandbox.stats().started, 0);
}

#[tokio::test]
async fn nothing_is_remembered_between_requests() {
    let edge = load!();
    for _ in 0..3 {
        assert_eq!(edge.text("count").await, "1\n");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let edge = load!();
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let data = receiver.recv().await?;
        Some((
            Ok(Frame::data(Bytes::from_static(data.as_bytes()))),
            receiver,
        ))
    });
    let mut request = request("echo").map(|_| Body::new(StreamBody::new(frames)));
    *request.method_mut() = Method::POST;
    let mut answer = soon(edge.sandbox.serve(caller(), request)).await;
    for chunk in ["one", "two", "three"] {
        soon(sender.send(chunk)).await.expect("taken");
        let frame = soon(answer.body_mut().frame()).await.expect("a frame");
        assert_eq!(frame.expect("whole").into_data().expect("data"), chunk);
    }
    drop(sender);
    assert!(soon(answer.body_mut().frame()).await.is_none());
    drop(answer);
    edge.assert_clean();
}

#[tokio::test]
async fn a_large_answer_is_whole() {
    let edge = load!();
    assert_eq!(edge.text("large").await.len(), 64 << 20);
    edge.assert_clean();
}

#[tokio::test]
async fn what_uses_up_its_share_is_told_so() {
    let edge = load!(|limits| {
        limits.cpu = Duration::from_millis(300);
        limits.memory = Size::MIB * 32;
    });
    for behaviour in ["spin", "allocate", "recurse"] {
        let problem = edge.problem(behaviour).await;
        assert_eq!(problem.code, Code::SandboxLimit, "{behaviour}");
        assert_eq!(problem.outcome, Outcome::NotApplied);
        edge.assert_clean();
    }
}

#[tokio::test]
async fn memory_of_all_together_is_bounded() {
    let edge = load!(|limits| {
        limits.memory = Size::MIB * 64;
        limits.total_memory = Size::MIB * 64;
    });
    let held = edge.ask("stall").await;
    let problem = edge.problem("allocate").await;
    assert_eq!(problem.code, Code::EdgeBusy);
    assert!(problem.retry_after.is_some());
    drop(held);
    edge.assert_clean();
}

#[tokio::test]
async fn what_fails_inside_is_told_without_its_inside() {
    let edge = load!();
    for behaviour in ["trap", "panic", "fail"] {
        let problem = edge.problem(behaviour).await;
        assert_eq!(problem.code, Code::SandboxFailed, "{behaviour}");
        for inside in ["wasm", "unreachable", "guest", "panic", "backtrace"] {
            assert!(!problem.detail.contains(inside), "{}", problem.detail);
        }
        edge.assert_clean();
    }
}

#[tokio::test]
async fn a_component_that_does_not_answer_in_time_is_ended_at_the_deadline() {
    let edge = load!(|limits| limits.read_deadline = Duration::from_millis(200));
    let problem = edge.problem("list?cluster=hang").await;
    assert_eq!(problem.code, Code::DeadlineExceeded);
    edge.assert_clean();
}

#[tokio::test]
async fn a_component_that_waits_for_nothing_is_ended_at_once() {
    let edge = load!();
    assert_eq!(edge.problem("hang").await.code, Code::SandboxFailed);
    edge.assert_clean();
}

#[tokio::test]
async fn an_answer_whose_component_dies_is_an_error_and_never_an_end() {
    let edge = load!(|limits| limits.read_deadline = Duration::from_millis(500));
    for behaviour in [
        "trap-mid-stream",
        "stall",
        "short",
        "overlong",
        "list?cluster=cut",
    ] {
        let answer = edge.ask(behaviour).await;
        if answer.status() == StatusCode::OK {
            let body = answer.into_body().collect();
            assert!(soon(body).await.is_err(), "{behaviour} looks whole");
        } else {
            assert!(answer.status().is_server_error(), "{behaviour}");
        }
        edge.assert_clean();
    }
}

struct Front(Arc<Sandbox>);

impl Handler for Front {
    async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        self.0.serve(caller, request).await
    }
}

#[tokio::test]
async fn a_broken_answer_is_seen_as_such_over_both_protocols() {
    let edge = load!();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress = Ingress::start(
        listener,
        Arc::new(Front(Arc::clone(&edge.sandbox))),
        Setup::local(edge.limits.clone()),
    )
    .expect("starts");
    let connect =
        async || TokioIo::new(TcpStream::connect(ingress.addr()).await.expect("connects"));
    let ask = || {
        Request::get("/guests/trap-mid-stream")
            .header("host", "edge")
            .body(Full::<Bytes>::default())
            .expect("valid")
    };

    let (mut h1, connection) = http1::handshake(connect().await).await.expect("h1");
    tokio::spawn(connection);
    let error = match soon(h1.send_request(ask())).await {
        Ok(answer) => soon(answer.into_body().collect()).await.map(|_| ()),
        Err(error) => Err(error),
    }
    .expect_err("broken");
    assert!(
        error.is_incomplete_message()
            || error.is_body_write_aborted()
            || format!("{error:?}").contains("UnexpectedEof"),
        "{error:?}"
    );

    let (mut h2, connection) = http2::handshake(TokioExecutor::new(), connect().await)
        .await
        .expect("h2");
    tokio::spawn(connection);
    if let Ok(answer) = soon(h2.send_request(ask())).await {
        soon(answer.into_body().collect())
            .await
            .expect_err("broken");
    }
    edge.assert_clean();
}

#[tokio::test]
async fn a_sandbox_has_nothing_but_the_relays_address() {
    let edge = load!();
    assert_eq!(
        edge.text("environment").await,
        "TILLER_EDGE_RELAY=http://relay.internal\n"
    );
    assert_eq!(edge.text("filesystem").await, "");
    assert_eq!(edge.text("sockets").await, "");
}

#[tokio::test]
async fn calls_go_to_the_relay_in_the_callers_name() {
    let edge = load!();
    let mut asked = request("list");
    asked
        .headers_mut()
        .insert("authorization", "Bearer s3cret".parse().expect("a value"));
    let answer = soon(edge.sandbox.serve(caller(), asked)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().get("authorization").is_none());
    let body = soon(answer.into_body().collect()).await.expect("whole");
    assert_eq!(body.to_bytes(), b"\0\0\0\0\x02\x08\x0a".as_slice());
    let calls = edge.relay.calls.lock().expect("usable");
    let [call] = calls.as_slice() else {
        panic!("{} calls", calls.len())
    };
    assert_eq!(
        call.path,
        "/clusters/sim/hapi.services.tiller.ReleaseService/ListReleases"
    );
    assert_eq!(call.headers["x-request-id"], "test-1");
    assert!(call.headers.get("authorization").is_none());
    assert!(call.headers.get("host").is_none());
    let timeout = call.headers["grpc-timeout"].to_str().expect("text");
    let timeout = grpc_web::timeout::parse(timeout).expect("a timeout");
    assert!(
        timeout < edge.limits.read_deadline,
        "a call ends before its sandbox, which can then tell"
    );
    assert_eq!(
        call.caller
            .authorization
            .as_ref()
            .map(ExposeSecret::expose_secret),
        Some("Bearer s3cret")
    );
}

#[tokio::test]
async fn calls_past_the_relay_or_in_another_name_are_refused() {
    let edge = load!();
    for behaviour in [
        "foreign-authority",
        "foreign-host-header",
        "forge-authorization",
    ] {
        let answer = edge.ask(behaviour).await;
        let refused = answer.status().is_server_error() || {
            let body = soon(answer.into_body().collect()).await.expect("whole");
            body.to_bytes().starts_with(b"refused: ")
        };
        assert!(refused, "{behaviour}");
    }
    assert_eq!(edge.relay.calls.lock().expect("usable").len(), 0);
    let noted = || edge.relay.refused.lock().expect("usable").clone();
    // Of a header it is told when there is time for it.
    soon(async {
        while !noted().contains(&Refused::Header(AUTHORIZATION)) {
            yield_now().await;
        }
    })
    .await;
    let noted = noted();
    let destinations = noted.iter().filter_map(|what| match what {
        Refused::Destination(uri) => uri.host(),
        Refused::Header(_) => None,
    });
    let destinations: Vec<_> = destinations.collect();
    assert!(
        !destinations.is_empty(),
        "the relay is told where it wanted to go"
    );
    assert!(!destinations.contains(&"relay.internal"));
}

#[tokio::test]
async fn forged_headers_do_not_leave_the_sandbox() {
    let edge = load!();
    edge.text("forge-audit-headers").await;
    let ids: Vec<_> = edge
        .relay
        .calls
        .lock()
        .expect("usable")
        .iter()
        .map(|call| call.headers["x-request-id"].clone())
        .collect();
    assert_eq!(ids, ["test-1"]);
    for behaviour in ["forge-response-headers", "split-header", "huge-header"] {
        let answer = edge.ask(behaviour).await;
        for name in [
            "authorization",
            "connection",
            "transfer-encoding",
            "x-split",
        ] {
            assert!(answer.headers().get(name).is_none(), "{behaviour} {name}");
        }
    }
}

#[tokio::test]
async fn a_component_that_talks_too_much_is_let_talk() {
    let edge = load!();
    assert_eq!(edge.text("chatter").await, "said it all\n");
}

// It holds on to every answer, so that those beyond the bound wait in vain.
#[tokio::test(start_paused = true)]
async fn a_flood_of_calls_reaches_the_relay_a_few_at_a_time() {
    let edge = load!();
    assert_eq!(edge.text("flood").await, "16\n");
    assert_eq!(edge.relay.calls.lock().expect("usable").len(), 16);
    edge.assert_clean();
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_calls_behind_its_request() {
    let edge = load!();
    let asked = tokio::spawn({
        let sandbox = Arc::clone(&edge.sandbox);
        async move { sandbox.serve(caller(), request("list?cluster=hang")).await }
    });
    soon(edge.relay.arrived.notified()).await;
    asked.abort();
    soon(edge.relay.left.notified()).await;
    assert!(soon(asked).await.is_err());
    edge.assert_clean();

    let mut answer = edge.ask("list?cluster=drip").await;
    soon(answer.body_mut().frame())
        .await
        .expect("a frame")
        .expect("whole");
    assert_eq!(edge.sandbox.stats().live, 1);
    drop(answer);
    soon(edge.relay.left.notified()).await;
    edge.assert_clean();
}

#[tokio::test]
async fn a_request_that_finds_no_sandbox_in_time_is_told_to_come_again() {
    let edge = load!(|limits| {
        limits.sandboxes = 1;
        limits.queue = Duration::from_millis(50);
    });
    let held = edge.ask("stall").await;
    let answer = edge.ask("hello").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(edge.problem("hello").await.code, Code::EdgeBusy);
    drop(held);
    assert_eq!(edge.text("hello").await, "hello\n");
    edge.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_leave_nothing_and_stop_nobody() {
    let edge = load!(|limits| {
        limits.cpu = Duration::from_millis(100);
        limits.memory = Size::MIB * 16;
        limits.read_deadline = Duration::from_millis(500);
        limits.queue = PATIENCE;
    });
    let behaviours = [
        "hello",
        "spin",
        "allocate",
        "trap",
        "panic",
        "hang",
        "recurse",
        "trap-mid-stream",
        "list",
        "list?cluster=cut",
        "list?cluster=hang",
        "large",
    ];
    let asked = behaviours.iter().cycle().take(behaviours.len() * 10);
    let answers = join_all(asked.map(|behaviour| async {
        let answer = edge.ask(behaviour).await;
        let status = answer.status();
        // Some are left in the middle.
        if *behaviour != "large" {
            _ = soon(answer.into_body().collect()).await;
        }
        (*behaviour, status)
    }))
    .await;
    for (behaviour, status) in answers {
        if ["hello", "list", "large"].contains(&behaviour) {
            assert_eq!(status, StatusCode::OK, "{behaviour}");
        }
    }
    edge.assert_clean();
    assert_eq!(edge.text("hello").await, "hello\n");
}
