//! The caller leaves while its call is under way: everything behind it ends, but what Tiller has begun.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use sim::tiller::Point;
use tiller_api::Method;

use crate::support::{
    Ask, Protocol, Stage, Transport, charts, get, post, releases, soon, stage, until,
};

/// Every way to leave.
fn ways() -> impl Iterator<Item = (Protocol, Transport)> {
    [Protocol::H1, Protocol::H2]
        .into_iter()
        .flat_map(|protocol| Transport::BOTH.map(|transport| (protocol, transport)))
}

/// Sends a request and leaves once `there` is over.
async fn leave(stage: &Stage, ask: Ask, there: impl Future<Output = ()>) {
    tokio::select! {
        answer = stage.attempt(ask) => panic!("it was answered: {answer:?}"),
        () = there => {}
    }
    stage.is_clean().await;
}

/// The bridge has seen its caller leave; without a bridge nobody counts.
fn cancelled(stage: &Stage, transport: Transport) {
    let expected = u64::from(transport == Transport::GrpcWeb);
    assert_eq!(stage.cluster.bridge_stats().calls_cancelled, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_an_install_that_tiller_finishes_all_the_same() {
    for (protocol, transport) in ways() {
        let stage = stage().start().await;
        let tiller = stage.cluster.tiller();
        let mut hold = tiller.hold(Method::InstallRelease, Point::Underway);
        let install = post(transport.path("releases")).json(&charts::install("web"));
        leave(&stage, install.over(protocol), hold.reached(1)).await;
        cancelled(&stage, transport);
        hold.release();
        deployed(&stage, &transport.path("releases/web")).await;
        assert_eq!(tiller.count(Method::InstallRelease), 1);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_list_begins() {
    for (protocol, transport) in ways() {
        let stage = stage().start().await;
        let mut hold = stage.cluster.tiller().pause(Method::ListReleases);
        let list = get(transport.path("releases"));
        leave(&stage, list.over(protocol), hold.reached(1)).await;
        cancelled(&stage, transport);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_a_list() {
    for (protocol, transport) in ways() {
        let stage = stage()
            .cluster(|cluster| cluster.with_releases(releases::in_two_messages()))
            .start()
            .await;
        let tiller = stage.cluster.tiller();
        let mut hold = tiller.hold(Method::ListReleases, Point::Message(1));
        let list = get(transport.path("releases"));
        let mut answer = stage.open(list.over(protocol)).await;
        soon(hold.reached(1)).await;
        answer.reaches(|seen| seen.contains("r00000")).await;
        drop(answer);
        stage.is_clean().await;
        cancelled(&stage, transport);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_tests() {
    for (protocol, transport) in ways() {
        let stage = stage()
            .cluster(sim::Options::with_controllers)
            .start()
            .await;
        let tiller = stage.cluster.tiller();
        tiller.put(&releases::tested("web", 2));
        let mut hold = tiller.hold(Method::RunReleaseTest, Point::Message(1));
        let tests = post(transport.path("releases/web/tests"));
        let mut answer = stage.open(tests.over(protocol)).await;
        soon(hold.reached(1)).await;
        answer.reaches(|seen| seen.contains("RUNNING: web-0")).await;
        drop(answer);
        stage.is_clean().await;
        cancelled(&stage, transport);
        stage.end().await;
    }
}

/// A caller that is still sending holds nothing either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_its_own_request() {
    for (protocol, transport) in ways() {
        let stage = stage().start().await;
        let piece = Bytes::from_static(b"{\"name\": ");
        let pieces = stream::iter([piece]).chain(stream::pending());
        let install = post(transport.path("releases")).pieces("application/json", pieces);
        let there = until("in a sandbox", || stage.edge().stats().sandbox.live == 1);
        leave(&stage, install.over(protocol), there).await;
        assert!(stage.cluster.tiller().calls().is_empty());
        stage.end().await;
    }
}

/// Waits until the release is deployed.
async fn deployed(stage: &Stage, path: &str) {
    soon(async {
        while stage.get(path).await.expect(200).json()["status"] != "deployed" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
