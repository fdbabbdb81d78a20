//! An edge that ends: what is under way is finished, what comes is refused, what takes too long is cut off.

use std::time::{Duration, Instant};

use futures::StreamExt;
use sim::tiller::Point;
use tiller_api::Method;
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Protocol, Transport, charts, get, post, releases, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_finished_and_nobody_is_let_in() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut stage = stage().start().await;
        let addr = stage.edge().addr();
        let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
        let install = post(Transport::GrpcWeb.path("releases")).json(&charts::install("web"));
        let install = stage.later(install.over(protocol));
        soon(hold.reached(1)).await;
        let draining = tokio::spawn(stage.take_edge().drain(PATIENCE));
        soon(async {
            while TcpStream::connect(addr).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(!draining.is_finished());
        hold.release();
        let answer = soon(install).await.expect("no panic").expect("whole");
        answer.expect(201);
        assert!(
            soon(draining).await.expect("no panic"),
            "nothing was cut off"
        );
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_under_way_is_finished() {
    let mut stage = stage()
        .cluster(|cluster| cluster.with_releases(releases::in_two_messages()))
        .start()
        .await;
    let tiller = stage.cluster.tiller();
    let mut hold = tiller.hold(Method::ListReleases, Point::Message(1));
    let mut answer = stage.open(get(Transport::Grpc.path("releases"))).await;
    soon(hold.reached(1)).await;
    answer.reaches(|seen| seen.contains("r00000")).await;
    let draining = tokio::spawn(stage.take_edge().drain(PATIENCE));
    hold.release();
    let list = answer.rest().await.expect("whole").json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(4));
    assert!(
        soon(draining).await.expect("no panic"),
        "nothing was cut off"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_cut_off() {
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut stage = stage().start().await;
        let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
        let install = post(Transport::GrpcWeb.path("releases")).json(&charts::install("web"));
        let install = stage.later(install.over(protocol));
        soon(hold.reached(1)).await;
        let begun = Instant::now();
        let whole = soon(stage.take_edge().drain(Duration::from_millis(200))).await;
        assert!(!whole);
        assert!(begun.elapsed() < Duration::from_secs(5));
        let answer = soon(install).await.expect("no panic");
        assert!(answer.is_err(), "{answer:?}");
        hold.release();
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_still_coming_is_finished_too() {
    let mut stage = stage().start().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<bytes::Bytes>(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let echo = post("/guests/echo").pieces("text/plain", pieces.boxed());
    let mut answer = stage.open(echo).await;
    soon(sender.send("one".into())).await.expect("taken");
    answer.reaches(|seen| seen == "one").await;
    let draining = tokio::spawn(stage.take_edge().drain(PATIENCE));
    soon(sender.send(" two".into())).await.expect("taken");
    drop(sender);
    assert_eq!(answer.rest().await.expect("whole").text(), "one two");
    assert!(soon(draining).await.expect("no panic"));
    stage.end().await;
}
