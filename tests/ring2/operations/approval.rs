//! Operations that wait for somebody, and those whose actor is gone.

use bytes::Bytes;
use rest::problem::{Code, Outcome};
use serde_json::json;
use tiller_edge::operations::{Admission, Group, Ids, New, Sqlite, Store};

use super::sight::{by, people};
use crate::support::{PATIENCE, Stage, Transport, charts, get, post, soon};

/// An install by the bearer of that token, as it is stored.
fn stored(actor: &str, state: &str) -> New {
    let approval = match state {
        "awaiting-approval" => "needed",
        _ => "none",
    };
    let operation = json!({
        "id": Ids::after(None).next(),
        "state": state,
        "lane": "release/sim/default/web",
        "job": {
            "kind": "request",
            "head": {
                "method": "POST",
                "target": Transport::GrpcWeb.path("releases"),
                "headers": [["content-type", "application/json"]],
            },
            "plan": {
                "action": "install",
                "cluster": "sim",
                "release": "web",
                "namespace": "shop",
                "timeout": 300,
            },
        },
        "actor": { "name": actor, "groups": [], "method": "token" },
        "approval": { "approval": approval },
        "request_id": "r-1",
        "accepted_at": "2026-01-01T00:00:00Z",
        "expires_at": "2199-01-01T00:00:00Z",
    });
    New {
        operation: serde_json::from_value(operation).expect("an operation"),
        body: Bytes::from(charts::install("web").to_string()),
    }
}

/// An edge that finds `new` in its store; the path of the operation.
async fn left_by_an_earlier_edge(new: New) -> (Stage, String) {
    let mut stage = people().start().await;
    assert!(soon(stage.take_edge().drain(PATIENCE)).await);
    let place = format!("/v1/operations/{}", new.operation.id);
    let store = Sqlite::open(&stage.home().join("operations.db")).expect("it opens");
    let group = Group {
        key: None,
        operations: vec![new],
    };
    let admission = Admission {
        delivery: None,
        groups: vec![group],
    };
    soon(store.admit(admission)).await.expect("admitted");
    soon(store.close()).await;
    drop(store);
    stage.start_edge().await;
    (stage, place)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_waits_for_somebody_else_to_approve_it() {
    let new = stored("alice", "awaiting-approval");
    let (stage, place) = left_by_an_earlier_edge(new).await;
    let approve = || post(format!("{place}/approve"));
    for name in ["alice", "bob"] {
        let answer = stage.send(by(name, approve())).await;
        let code = match name {
            "alice" => Code::NotAllowed,
            _ => Code::OperationNotFound,
        };
        answer.refused(code, Outcome::NotApplied);
    }
    let approved = stage.send(by("carol", approve())).await.expect(200).json();
    assert_eq!(approved["state"], "accepted");
    assert_eq!(approved["approval"], "given");
    assert_eq!(approved["by"], "carol");
    let waited = by("alice", get(format!("{place}?wait=50s")));
    let over = stage.send(waited).await.expect(200).json();
    assert_eq!(over["state"], "succeeded", "{over:#}");
    let answer = stage.send(by("carol", approve())).await;
    answer.refused(Code::OperationStateConflict, Outcome::NotApplied);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_gone_acts_no_more() {
    let (stage, place) = left_by_an_earlier_edge(stored("mallory", "accepted")).await;
    let waited = by("dave", get(format!("{place}?wait=50s")));
    let over = stage.send(waited).await.expect(200).json();
    assert_eq!(over["state"], "failed", "{over:#}");
    assert_eq!(over["code"], "not_allowed");
    assert_eq!(over["steps"].as_array().map(Vec::len), Some(0));
    stage.end().await;
}
