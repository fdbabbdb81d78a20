//! Who sees operations, and who may do something about them.

use std::path::Path;

use rest::problem::{Code, Outcome};
use tiller_edge::access::TokenHash;
use tiller_edge::config::{Config, TokenConfig};

use super::install;
use crate::support::{Ask, Plan, delete, get, post, soon, stage};

/// Alice installs, Bob reads in another namespace only, Carol reads and approves everywhere, Dave may do everything.
const GRANTS: &str = r#"
[[grant]]
principals = ["alice"]
actions = ["install"]
[[grant]]
principals = ["bob"]
actions = ["read"]
namespaces = ["elsewhere"]
[[grant]]
principals = ["carol"]
actions = ["read", "approve"]
[[grant]]
principals = ["dave"]
actions = ["*"]
"#;

pub(super) fn people() -> Plan {
    stage().configure(|config, _: &Path| {
        let tokens = ["alice", "bob", "carol", "dave"].map(|name| TokenConfig {
            name: name.to_owned(),
            hash: Some(TokenHash::of(&token(name))),
            ..TokenConfig::default()
        });
        config.tokens = tokens.into();
        let grants = Config::parse(GRANTS, Path::new("grants.toml")).expect("valid");
        config.grants = grants.grants;
    })
}

fn token(name: &str) -> String {
    format!("te_{name}-0123456789abcdef")
}

pub(super) fn by(name: &str, ask: Ask) -> Ask {
    ask.header("authorization", &format!("Bearer {}", token(name)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_is_seen_by_its_actor_and_by_who_may_read_the_release() {
    let stage = people().start().await;
    let answer = stage.send(by("alice", install("web"))).await.expect(202);
    let place = answer.header("location").to_owned();
    let waited = by("alice", get(format!("{place}?wait=50s")));
    let own = stage.send(waited).await.expect(200).json();
    assert_eq!(own["state"], "succeeded", "{own:#}");
    assert_eq!(own["actor"]["name"], "alice");
    assert_eq!(own["result"]["name"], "web");
    let carols = stage
        .send(by("carol", get(&place)))
        .await
        .expect(200)
        .json();
    assert_eq!(carols["withheld"], true);
    assert!(carols.get("result").is_none(), "{carols:#}");
    let daves = stage.send(by("dave", get(&place))).await.expect(200).json();
    assert_eq!(daves["result"]["name"], "web");
    let answer = stage.send(by("bob", get(&place))).await;
    answer.refused(Code::OperationNotFound, Outcome::NotApplied);
    for (name, count) in [("alice", 1), ("bob", 0), ("carol", 1), ("dave", 1)] {
        let list = stage.send(by(name, get("/v1/operations"))).await;
        let list = list.expect(200).json();
        assert_eq!(
            list["items"].as_array().map(Vec::len),
            Some(count),
            "{name}"
        );
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_might_have_asked_for_it_calls_an_operation_off() {
    let stage = people().start().await;
    soon(stage.cluster.kill_apiserver()).await;
    let answer = stage.send(by("alice", install("web"))).await.expect(202);
    let place = answer.header("location").to_owned();
    let answer = stage.send(by("bob", delete(&place))).await;
    answer.refused(Code::OperationNotFound, Outcome::NotApplied);
    let answer = stage.send(by("carol", delete(&place))).await;
    answer.refused(Code::NotAllowed, Outcome::NotApplied);
    for name in ["alice", "carol"] {
        let answer = stage.send(by(name, post(format!("{place}/resume")))).await;
        let code = match name {
            "alice" => Code::OperationStateConflict,
            _ => Code::NotAllowed,
        };
        answer.refused(code, Outcome::NotApplied);
    }
    let approve = post(format!("{place}/approve"));
    let answer = stage.send(by("alice", approve)).await;
    answer.refused(Code::NotAllowed, Outcome::NotApplied);
    // It may be under way at this moment, and wait again in the next.
    let cancelled = soon(async {
        loop {
            let answer = stage.send(by("dave", delete(&place))).await;
            if answer.status == 200 {
                return answer.json();
            }
            answer.refused(Code::OperationStateConflict, Outcome::NotApplied);
        }
    })
    .await;
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["note"], "called off by `dave`");
    soon(stage.cluster.restart_apiserver()).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_do_it_is_told_before_it_is_accepted() {
    let stage = people().start().await;
    let answer = stage.send(by("carol", install("web"))).await;
    answer.refused(Code::NotAllowed, Outcome::NotApplied);
    stage.end().await;
}
