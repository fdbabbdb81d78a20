//! From acceptance to the end: what a caller sees on the way, and what it can do.

use http::StatusCode;
use rest::problem::{Code, Outcome};
use tiller_api::Method;

use super::{history, install, upgrade};
use crate::support::{Transport, delete, get, post, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_accepted_carried_out_and_can_be_waited_for() {
    let stage = stage().start().await;
    let place = stage.accepted(install("web")).await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(operation["kind"], "request");
    assert_eq!(operation["action"], "install");
    assert_eq!(operation["cluster"], "sim");
    assert_eq!(operation["status"], 201);
    assert_eq!(operation["result"]["revision"], 1);
    assert_eq!(operation["attempts"], 1);
    assert_eq!(operation["steps"][0]["end"], "applied");
    let id = operation["id"].as_str().expect("a name");
    let revisions = history(&stage, "web").await;
    assert_eq!(revisions.len(), 1);
    assert!(revisions[0].1.contains(id), "{revisions:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_request_is_said_at_once() {
    let stage = stage().start().await;
    let wrong = post(Transport::GrpcWeb.path("releases"))
        .header("prefer", "respond-async")
        .json(&serde_json::json!({ "name": "web", "chrat": {} }));
    let answer = stage.send(wrong).await;
    answer.refused(Code::InvalidRequest, Outcome::NotApplied);
    let nowhere = post("/v1/clusters/nowhere/releases").header("prefer", "respond-async");
    let answer = stage.send(nowhere).await;
    answer.refused(Code::ClusterNotFound, Outcome::NotApplied);
    let list = stage.get("/v1/operations").await.expect(200).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tiller_refuses_is_found_in_the_operation() {
    let stage = stage().start().await;
    let place = stage.accepted(upgrade("web", 2)).await;
    let operation = stage.settled(&place).await;
    assert_eq!(operation["state"], "failed", "{operation:#}");
    assert_eq!(operation["code"], "release_not_found");
    assert_eq!(operation["problem"]["code"], "release_not_found");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_can_be_followed_until_it_has_settled() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let place = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    let mut events = stage
        .open(get(place).header("accept", "text/event-stream"))
        .await;
    events
        .reaches(|seen| seen.contains("\"state\":\"running\""))
        .await;
    hold.release();
    let events = events.rest().await.expect("whole");
    assert_eq!(events.header("content-type"), "text/event-stream");
    let last = events.text().trim_end().rsplit("\n\n").next().expect("one");
    assert!(last.starts_with("event: operation\ndata: "), "{last}");
    assert!(last.contains("\"state\":\"succeeded\""), "{last}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_begun_can_be_called_off_and_nothing_else() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let first = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    let second = stage.accepted(upgrade("web", 2)).await;
    let answer = stage.send(delete(&first)).await;
    answer.refused(Code::OperationStateConflict, Outcome::NotApplied);
    let cancelled = stage.send(delete(&second)).await.expect(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    hold.release();
    assert_eq!(stage.settled(&first).await["state"], "succeeded");
    let answer = stage.send(delete(&second)).await;
    answer.refused(Code::OperationStateConflict, Outcome::NotApplied);
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_are_listed_the_newest_first_page_by_page() {
    let stage = stage().start().await;
    let mut places = Vec::new();
    for name in ["one", "two", "three"] {
        let place = stage.accepted(install(name)).await;
        stage.settled(&place).await;
        places.push(place);
    }
    let page = stage.get("/v1/operations?limit=2").await.expect(200).json();
    let releases: Vec<_> = page["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["release"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(releases, ["three", "two"]);
    assert!(page["items"][0].get("result").is_none());
    let next = page["next"].as_str().expect("more");
    let rest = stage
        .get(format!("/v1/operations?cursor={next}"))
        .await
        .expect(200)
        .json();
    assert_eq!(rest["items"][0]["release"], "one");
    assert!(rest.get("next").is_none());
    let lines = stage
        .send(get("/v1/operations?release=two").header("accept", "application/x-ndjson"))
        .await
        .expect(200);
    assert_eq!(lines.text().lines().count(), 1);
    let none = stage.get("/v1/operations?state=dead&cluster=sim").await;
    assert_eq!(
        none.expect(200).json()["items"].as_array().map(Vec::len),
        Some(0)
    );
    let answer = stage.get("/v1/operations?state=done").await;
    answer.refused(Code::InvalidRequest, Outcome::NotApplied);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_without_operations_says_so() {
    let stage = stage()
        .configure(|config, _| {
            config.operations.file = None;
            config.operations.off = true;
        })
        .start()
        .await;
    for ask in [install("web"), get("/v1/operations")] {
        let answer = stage.send(ask).await;
        answer.refused(Code::OperationsUnavailable, Outcome::NotApplied);
    }
    let plain = post(Transport::GrpcWeb.path("releases"));
    let plain = plain.json(&crate::support::charts::install("web"));
    assert_eq!(stage.send(plain).await.status, StatusCode::CREATED);
    stage.end().await;
}
