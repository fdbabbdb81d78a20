//! Answers that take their time: back-pressure, deadlines, breaks, and callers that leave.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, future, stream};
use rest::problem::{Code, Outcome};
use tokio::sync::mpsc;

use super::apiserver::{ApiServer, grpc_web, streamed};
use super::*;

/// Tells when it is dropped.
struct Farewell(mpsc::UnboundedSender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

fn within(timeout: &'static str, path: &str) -> Request<Body> {
    let mut request = request(path, frame(b""));
    request
        .headers_mut()
        .insert("grpc-timeout", timeout.parse().unwrap());
    request
}

/// A server whose one answer is what is sent into the channel.
async fn fed() -> (mpsc::UnboundedSender<io::Result<Bytes>>, ApiServer) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Mutex::new(Some(receiver));
    let server = ApiServer::start(move |_| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            streamed(stream::unfold(
                receiver,
                |mut receiver: mpsc::UnboundedReceiver<_>| async move {
                    Some((receiver.recv().await?, receiver))
                },
            ))
        }
    })
    .await;
    (sender, server)
}

#[tokio::test]
async fn pieces_arrive_as_they_are_sent() {
    let (sender, server) = fed().await;
    let relay = Rig::new(&server).relay();
    let mut body = call(&relay, LIST).await.into_body();
    assert_eq!(relay.stats().calls, 1);
    for message in [&b"one"[..], b"two"] {
        sender.send(Ok(Bytes::from_static(message))).unwrap();
        let piece = soon(body.frame()).await.unwrap().unwrap();
        assert_eq!(piece.into_data().unwrap(), message);
    }
    drop(sender);
    assert!(soon(body.frame()).await.is_none());
    assert!(soon(body.frame()).await.is_none(), "it stays over");
    assert_eq!(
        relay.stats().calls,
        0,
        "the end frees the call, not only the drop"
    );
}

#[tokio::test]
async fn a_slow_reader_stops_the_cluster() {
    const PIECE: usize = 64 << 10;
    let produced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&produced);
    let server = ApiServer::start(move |_| {
        let count = Arc::clone(&count);
        async move {
            streamed(stream::repeat_with(move || {
                count.fetch_add(PIECE, Ordering::Relaxed);
                Ok(Bytes::from(vec![0; PIECE]))
            }))
        }
    })
    .await;
    let relay = Rig::new(&server).relay();
    let mut body = call(&relay, LIST).await.into_body();
    let mut read = 0;
    while read < 32 << 20 {
        let piece = soon(body.frame()).await.unwrap().unwrap();
        read += piece.into_data().unwrap().len();
        let ahead = produced.load(Ordering::Relaxed) - read;
        assert!(ahead < 4 << 20, "{ahead} bytes ahead of the reader");
    }
}

#[tokio::test]
async fn the_deadline_covers_waiting_for_an_answer() {
    let server = ApiServer::start(|_| future::pending()).await;
    let relay = Rig::new(&server).relay();
    for (path, outcome) in [(INSTALL, Outcome::Unknown), (LIST, Outcome::NotApplied)] {
        let answer = soon(relay.handle(&caller(), within("200m", path))).await;
        let problem = problem(answer).await;
        assert_eq!(problem.code, Code::DeadlineExceeded);
        assert_eq!(problem.outcome, outcome);
    }
    assert_eq!(server.seen().len(), 2);
    assert!(server.seen()[0].headers.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn the_deadline_covers_the_answer_to_its_end() {
    let server = ApiServer::start(|_| async {
        let head = stream::iter([Ok(frame(b"one"))]);
        streamed(head.chain(stream::pending()))
    })
    .await;
    let relay = Rig::new(&server).relay();
    let answer = soon(relay.handle(&caller(), within("300m", LIST))).await;
    let (body, broken) = read(answer).await;
    assert_eq!(body, frame(b"one"));
    assert!(broken.unwrap().to_string().contains("deadline"));
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn no_call_may_ask_for_more_time_than_the_edge_gives() {
    let server = ApiServer::start(|_| future::pending()).await;
    let mut rig = Rig::new(&server);
    rig.config.limits.read_deadline = Duration::from_millis(200);
    let relay = rig.relay();
    let answer = soon(relay.handle(&caller(), within("99999999H", LIST))).await;
    assert_eq!(problem(answer).await.code, Code::DeadlineExceeded);
    let told = server.seen()[0].headers["grpc-timeout"].clone();
    let told = grpc_web::timeout::parse(told.to_str().unwrap()).unwrap();
    assert!(told <= Duration::from_millis(200), "{told:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_the_body() {
    let (sender, server) = fed().await;
    let relay = Rig::new(&server).relay();
    let mut body = call(&relay, LIST).await.into_body();
    sender.send(Ok(frame(b"one"))).unwrap();
    let piece = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(piece.into_data().unwrap(), frame(b"one"));
    sender
        .send(Err(io::Error::other("the backend died")))
        .unwrap();
    assert!(soon(body.frame()).await.unwrap().is_err());
    assert!(soon(body.frame()).await.is_none());
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn an_apiserver_that_dies_breaks_the_body() {
    let server = ApiServer::start(|_| async {
        streamed(stream::iter([Ok(frame(b"one"))]).chain(stream::pending()))
    })
    .await;
    let relay = Rig::new(&server).relay();
    let mut body = call(&relay, LIST).await.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    server.cut();
    assert!(soon(body.frame()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_ends_the_call() {
    let (ended, mut endings) = mpsc::unbounded_channel();
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    let server = ApiServer::start(move |_| {
        begun.send(()).unwrap();
        let farewell = Farewell(ended.clone());
        async move {
            future::pending::<()>().await;
            drop(farewell);
            grpc_web(success(b""))
        }
    })
    .await;
    let relay = Rig::new(&server).relay();
    let caller = caller();
    let mut call = Box::pin(relay.handle(&caller, request(INSTALL, frame(b""))));
    tokio::select! {
        _ = &mut call => panic!("answered"),
        begun = soon(beginnings.recv()) => begun.unwrap(),
    }
    drop(call);
    soon(endings.recv()).await.unwrap();
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_during_the_answer_ends_the_call() {
    let (ended, mut endings) = mpsc::unbounded_channel();
    let server = ApiServer::start(move |_| {
        let farewell = Farewell(ended.clone());
        async move {
            let rest = stream::once(async move {
                future::pending::<()>().await;
                drop(farewell);
                Ok(Bytes::new())
            });
            streamed(stream::iter([Ok(frame(b"one"))]).chain(rest))
        }
    })
    .await;
    let relay = Rig::new(&server).relay();
    let mut body = call(&relay, LIST).await.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    drop(body);
    soon(endings.recv()).await.unwrap();
    assert_eq!(relay.stats().calls, 0);
}
