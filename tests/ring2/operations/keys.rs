//! Requests that come again: `Idempotency-Key`.

use rest::problem::{Code, Outcome};
use tiller_api::Method;

use super::{history, install};
use crate::support::{Ask, Transport, charts, post, soon, stage};

fn keyed(name: &str, key: &str) -> Ask {
    post(Transport::GrpcWeb.path("releases"))
        .header("idempotency-key", key)
        .json(&charts::install(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_answered_as_the_first_and_done_once() {
    let stage = stage().start().await;
    let first = stage.send(keyed("web", "\"k-1\"")).await.expect(201);
    assert!(first.headers.get("idempotency-replayed").is_none());
    let again = stage.send(keyed("web", "k-1")).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_belongs_to_one_request() {
    let stage = stage().start().await;
    stage.send(keyed("web", "k-1")).await.expect(201);
    let answer = stage.send(keyed("other", "k-1")).await;
    answer.refused(Code::IdempotencyKeyReused, Outcome::NotApplied);
    stage.send(keyed("other", "k-2")).await.expect(201);
    let answer = stage.send(keyed("third", "\"k")).await;
    answer.refused(Code::InvalidRequest, Outcome::NotApplied);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_under_way_is_not_begun_again() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let first = stage.later(keyed("web", "k-1"));
    soon(hold.reached(1)).await;
    let answer = stage.send(keyed("web", "k-1")).await;
    answer.refused(Code::IdempotencyKeyInUse, Outcome::NotApplied);
    let place = answer.header("location").to_owned();
    hold.release();
    soon(first)
        .await
        .expect("no panic")
        .expect("whole")
        .expect(201);
    assert_eq!(stage.settled(&place).await["state"], "succeeded");
    assert_eq!(history(&stage, "web").await.len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_changes_nothing() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let first = stage.later(keyed("web", "k-1"));
    soon(hold.reached(1)).await;
    first.abort();
    hold.release();
    let place = {
        let list = stage.get("/v1/operations").await.expect(200).json();
        let place = list["items"][0]["links"]["self"].as_str().expect("one");
        place.to_owned()
    };
    assert_eq!(stage.settled(&place).await["state"], "succeeded");
    let again = stage.send(keyed("web", "k-1")).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_works_for_what_is_carried_out_later_too() {
    let stage = stage().start().await;
    let ask = || install("web").header("idempotency-key", "k-1");
    let place = stage.accepted(ask()).await;
    stage.settled(&place).await;
    let again = stage.send(ask()).await.expect(202);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), place);
    assert_eq!(again.json()["state"], "succeeded");
    let waited = stage.send(ask().header("prefer", "wait=1")).await;
    assert_eq!(waited.expect(201).json()["name"], "web");
    assert_eq!(history(&stage, "web").await.len(), 1);
    let waited = install("other").header("prefer", "wait=30");
    let answer = stage.send(waited).await.expect(201);
    assert_eq!(answer.json()["name"], "other");
    stage.end().await;
}
