//! Calls to the relay, and past it.

use rest::problem::{Code, Outcome};
use sim::cluster::EDGE_TOKEN;

use super::{ask, strict};
use crate::support::Protocol;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn a_right_call_is_carried_out() {
    let stage = strict().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let answer = stage.send(ask("list").over(protocol)).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/grpc-web+proto");
        assert!(
            answer.body.starts_with(b"\x80"),
            "an empty list has its end only"
        );
    }
    assert_eq!(stage.cluster.apiserver().seen().len(), 2);
    assert_eq!(stage.cluster.tiller().calls().len(), 2);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_than_the_edges_does_not_exist() {
    let stage = strict().await;
    stage
        .fails("list?cluster=elsewhere", Code::ClusterNotFound)
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn other_destinations_are_refused() {
    let stage = strict().await;
    stage.denies("foreign-authority", "HttpRequestDenied").await;
    stage
        .denies("foreign-host-header", "Host header does not match")
        .await;
    stage.denies("forge-authorization", "Forbidden").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn what_is_no_call_is_not_relayed() {
    let stage = strict().await;
    for behaviour in [
        "foreign-method",
        "foreign-path",
        "get",
        "html",
        "no-frame",
        "trailer-frame",
        "truncated-frame",
        "two-frames",
    ] {
        stage.fails(behaviour, Code::NotRelayed).await;
    }
    assert!(stage.cluster.apiserver().seen().is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn forged_headers_stay_behind() {
    let stage = strict().await;
    let id = ("x-request-id", "mine-1");
    let asked = ask("forge-audit-headers").header(id.0, id.1);
    stage.send(asked).await.expect(200);
    let seen = stage.cluster.apiserver().seen();
    let [call] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    for forged in [
        "impersonate-user",
        "x-remote-user",
        "cookie",
        "x-request-id",
    ] {
        assert!(!call.headers.contains_key(forged), "{forged}");
    }
    assert_eq!(call.headers["audit-id"], id.1);
    assert_eq!(
        call.headers["authorization"],
        format!("Bearer {EDGE_TOKEN}")
    );
    assert_eq!(call.user, "edge");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_says_that_nothing_happened() {
    let stage = strict().await;
    let problem = stage
        .send(ask("two-frames"))
        .await
        .refused(Code::NotRelayed, Outcome::NotApplied);
    assert_eq!(problem.cluster.as_deref(), Some("sim"));
    stage.end().await;
}
