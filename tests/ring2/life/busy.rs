//! More requests than there are sandboxes, or memory.

use std::time::Duration;

use rest::problem::{Code, Outcome};
use tiller_api::Method;
use tiller_edge::config::Size;

use crate::support::{Transport, charts, get, post, soon, stage, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_finds_no_sandbox_is_told_to_come_again() {
    let stage = stage()
        .limits(|limits| {
            limits.sandboxes = 2;
            limits.queue = Duration::from_millis(100);
        })
        .start()
        .await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let install = |name| {
        let install = charts::install(name);
        stage.send(post(Transport::GrpcWeb.path("releases")).json(&install))
    };
    let busy = async {
        soon(hold.reached(2)).await;
        let answer = stage.get(Transport::GrpcWeb.path("version")).await;
        answer.refused(Code::EdgeBusy, Outcome::NotApplied);
        assert_eq!(answer.header("retry-after"), "1");
        // What needs no sandbox is answered.
        stage.get("/healthz").await.expect(200);
        hold.release();
    };
    let (first, second, ()) = tokio::join!(install("a"), install("b"), busy);
    first.expect(201);
    second.expect(201);
    stage.serves().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_long_enough_gets_its_sandbox() {
    let stage = stage().limits(|limits| limits.sandboxes = 1).start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let install = post(Transport::Grpc.path("releases")).json(&charts::install("web"));
    let waiting = async {
        soon(hold.reached(1)).await;
        let (answer, ()) = tokio::join!(stage.get(Transport::Grpc.path("version")), async {
            until("queued", || stage.edge().stats().sandbox.queued == 1).await;
            hold.release();
        });
        answer.expect(200);
    };
    let (answer, ()) = tokio::join!(stage.send(install), waiting);
    answer.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_finds_no_memory_is_told_to_come_again() {
    let stage = stage()
        .limits(|limits| {
            limits.memory = Size::MIB * 16;
            limits.total_memory = Size::MIB * 16;
        })
        .start()
        .await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let install = post(Transport::GrpcWeb.path("releases")).json(&charts::install("web"));
    let greedy = async {
        soon(hold.reached(1)).await;
        let answer = stage.send(get("/guests/allocate")).await;
        answer.refused(Code::EdgeBusy, Outcome::NotApplied);
        assert_eq!(answer.header("retry-after"), "1");
        hold.release();
    };
    let (answer, ()) = tokio::join!(stage.send(install), greedy);
    answer.expect(201);
    stage.end().await;
}
