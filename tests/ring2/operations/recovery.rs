//! Operations outlive the edge and the cluster.

use std::time::Duration;

use sim::tiller::Point;
use tiller_api::Method;

use serde_json::json;

use super::{history, install, upgrade};
use crate::support::{PATIENCE, Transport, charts, post, put, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_cannot_take_waits_until_it_can() {
    let stage = stage().start().await;
    soon(stage.cluster.kill_apiserver()).await;
    let place = stage.accepted(install("web")).await;
    let waits = soon(async {
        loop {
            let operation = stage.get(&place).await.expect(200).json();
            if operation["note"].is_string() {
                return operation;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(waits["state"], "accepted", "{waits:#}");
    assert!(waits["not_before"].is_string());
    soon(stage.cluster.restart_apiserver()).await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_when_an_edge_ends_is_carried_out_by_the_next() {
    let mut stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let first = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    let second = stage.accepted(upgrade("web", 2)).await;
    let draining = tokio::spawn(stage.take_edge().drain(PATIENCE));
    hold.release();
    assert!(soon(draining).await.expect("no panic"));
    stage.start_edge().await;
    for (place, revision) in [(first, 1), (second, 2)] {
        let operation = stage.settled(&place).await;
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        assert_eq!(operation["result"]["revision"], revision);
        assert_eq!(operation["reconciled"], false);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_is_found_in_tillers_history_and_not_sent_again() {
    let mut stage = stage().start().await;
    let tiller = stage.cluster.tiller();
    let mut hold = tiller.hold(Method::InstallRelease, Point::Answer);
    let place = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    soon(stage.take_edge().drain(Duration::ZERO)).await;
    hold.release();
    stage.start_edge().await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(operation["reconciled"], true);
    assert_eq!(operation["status"], 201);
    assert_eq!(operation["result"]["revision"], 1);
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_is_lost_is_looked_for() {
    let stage = stage().start().await;
    let tiller = stage.cluster.tiller();
    let mut hold = tiller.hold(Method::InstallRelease, Point::Answer);
    let place = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    soon(stage.cluster.kill_apiserver()).await;
    hold.release();
    soon(stage.comes_to(&place, "unknown")).await;
    soon(stage.cluster.restart_apiserver()).await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(operation["reconciled"], true);
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_to_be_undone_is_undone_by_the_next_edge() {
    let mut stage = stage().start().await;
    let chart = charts::field(&charts::archive("faulty"));
    let first = json!({ "name": "web", "chart": chart, "values": { "fault": "" } });
    let first = post(Transport::GrpcWeb.path("releases")).json(&first);
    stage.send(first).await.expect(201);
    let mut hold = stage
        .cluster
        .tiller()
        .hold(Method::UpdateRelease, Point::Answer);
    let body = json!({
        "chart": chart,
        "values": { "fault": "half" },
        "atomic": true,
    });
    let atomic = put(Transport::GrpcWeb.path("releases/web"))
        .header("prefer", "respond-async")
        .json(&body);
    let place = stage.accepted(atomic).await;
    soon(hold.reached(1)).await;
    soon(stage.take_edge().drain(Duration::ZERO)).await;
    hold.release();
    stage.start_edge().await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "failed", "{operation:#}");
    assert_eq!(operation["reconciled"], true, "{operation:#}");
    assert_eq!(
        operation["problem"]["cleanup"]["result"], "done",
        "{operation:#}"
    );
    let revisions = history(&stage, "web").await;
    let described: Vec<_> = revisions.iter().map(|(_, text)| text.as_str()).collect();
    let [undone, failed, _] = described[..] else {
        panic!("{described:?}")
    };
    let id = operation["id"].as_str().expect("a name");
    assert_eq!(undone, format!("Rollback to 1 ({id})"));
    assert!(failed.contains("failed"), "{failed}");
    stage.end().await;
}
