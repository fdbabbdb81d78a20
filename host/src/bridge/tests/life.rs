//! Readiness, draining, connections.

use http::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn readiness_asks_tiller_at_most_once_a_second() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for _ in 0..3 {
        assert_eq!(caller.get("/readyz").await, (StatusCode::OK, "ok\n".into()));
    }
    let seen = tiller.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].uri().path().ends_with("/GetVersion"));
}

#[tokio::test]
async fn without_tiller_the_bridge_lives_but_is_not_ready() {
    let tiller = Tiller::answering(b"").await;
    let options = before(&tiller);
    tiller.kill();
    until(|| std::net::TcpListener::bind(tiller.addr()).is_ok()).await;
    let bridge = start(options).await;
    let mut caller = Caller::h1(&bridge).await;
    assert_eq!(caller.get("/healthz").await.0, StatusCode::OK);
    let (status, why) = caller.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(why.contains(&tiller.addr().to_string()), "{why}");
    assert!(why.contains("Connection refused"), "{why}");
}

#[tokio::test]
async fn a_tiller_that_does_not_answer_in_time_is_not_ready() {
    let tiller = Tiller::start(|call| async move {
        call.cancelled().await;
    })
    .await;
    let mut options = before(&tiller);
    options.times.ready = Duration::from_millis(50);
    let bridge = start(options).await;
    let (status, why) = Caller::h1(&bridge).await.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(why.contains("no answer within 0.05 s"), "{why}");
}

#[tokio::test]
async fn draining_lets_calls_end_and_takes_no_more() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let mut options = before(&tiller);
    options.times.linger = Duration::ZERO;
    let bridge = start(options).await;
    let addr = bridge.addr();
    let mut caller = Caller::h1(&bridge).await;
    let calling = tokio::spawn(async move { caller.call(INSTALL, b"").await });
    let call = soon(arrivals.recv()).await.unwrap();

    let draining = tokio::spawn(bridge.drain());
    soon(async { while TcpStream::connect(addr).await.is_ok() {} }).await;
    assert!(!draining.is_finished());
    call.reply(&[b"done"], "0", "").await;
    assert_eq!(soon(calling).await.unwrap().messages, ["done"]);
    soon(draining).await.unwrap();
}

#[tokio::test]
async fn while_it_lingers_the_bridge_serves_but_is_not_ready() {
    let tiller = Tiller::answering(b"").await;
    let mut options = before(&tiller);
    options.times.linger = Duration::from_secs(600);
    let bridge = start(options).await;
    let mut probe = Caller::h1(&bridge).await;
    let mut caller = Caller::h1(&bridge).await;
    let draining = tokio::spawn(bridge.drain());
    soon(async { while probe.get("/readyz").await.0 == StatusCode::OK {} }).await;
    assert!(caller.call(INSTALL, b"").await.status().is_ok());
    draining.abort();
}

#[tokio::test]
async fn draining_ends_at_its_limit_with_calls_under_way() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let mut options = before(&tiller);
    options.times.linger = Duration::ZERO;
    options.times.drain = Duration::from_millis(50);
    let bridge = start(options).await;
    let mut caller = Caller::h1(&bridge).await;
    let calling = tokio::spawn(async move {
        caller.call(INSTALL, b"").await;
    });
    let call = soon(arrivals.recv()).await.unwrap();
    soon(bridge.drain()).await;
    soon(call.cancelled()).await;
    assert!(soon(calling).await.is_err());
}

#[tokio::test]
async fn idle_connections_end_after_the_idle_time_and_not_before_a_first_byte() {
    let tiller = Tiller::answering(b"").await;
    let mut options = before(&tiller);
    options.times.idle = Duration::from_millis(100);
    let bridge = start(options).await;
    // One that says nothing, one that was used.
    let mut silent = TcpStream::connect(bridge.addr()).await.unwrap();
    let mut caller = Caller::h1(&bridge).await;
    assert!(caller.call(INSTALL, b"").await.status().is_ok());
    let mut byte = [0];
    assert_eq!(soon(silent.read(&mut byte)).await.unwrap(), 0);
    until(|| bridge.stats().connections_open == 0).await;
    assert_eq!(bridge.stats().connections, 2);
}
