//! `GET /v1/access`: everybody is told about itself, the truth, and nothing about anybody else.

use rest::problem::{Code, Outcome};
use serde_json::Value;
use tiller_edge::config::AnonymousConfig;
use tiller_edge::grants::Action;

use super::{ALICE, BOB, by, people};
use crate::support::charts::{self, with};
use crate::support::{Ask, Stage, delete, get, post, stage};

/// A question that is answered.
async fn asked(stage: &Stage, token: &str, query: &str) -> Value {
    let ask = by(token, get(format!("/v1/access{query}")));
    stage.send(ask).await.expect(200).json()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().expect("a list");
    items
        .iter()
        .filter_map(|item| item["name"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_about_itself_alone() {
    let stage = people().start().await;
    let alice = asked(&stage, ALICE, "").await;
    assert_eq!(alice["name"], "alice");
    assert_eq!(alice["groups"], serde_json::json!(["shop-team"]));
    assert_eq!(alice["method"], "token");
    assert_eq!(names(&alice["grants"]), ["shop"]);
    assert_eq!(names(&alice["refusals"]), ["inventory"]);
    assert_eq!(alice.get("explanation"), None);
    let bob = asked(&stage, BOB, "?action=upgrade&cluster=sim&namespace=shop").await;
    assert_eq!(names(&bob["grants"]), ["bank-readers"]);
    let said = bob.to_string();
    for of_others in ["alice", "shop-team", "inventory", "stocktaking"] {
        assert!(!said.contains(of_others), "{of_others} is in {said}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_explained_is_what_happens() {
    let stage = people().start().await;
    let install = |name, namespace: &str| {
        let place = serde_json::json!({ "namespace": namespace });
        post("/v1/clusters/sim/releases").json(&with(charts::install(name), place))
    };
    let cases: [(&str, &str, Ask, &str, Option<&str>); 6] = [
        (
            ALICE,
            "action=install&namespace=shop&release=web",
            install("web", "shop"),
            "allowed",
            Some("shop"),
        ),
        (
            ALICE,
            "action=install&namespace=shop&release=stock-eu",
            install("stock-eu", "shop"),
            "refused",
            Some("inventory"),
        ),
        (
            ALICE,
            "action=install&namespace=bank&release=web",
            install("web", "bank"),
            "refused",
            None,
        ),
        (
            BOB,
            "action=install&namespace=shop&release=web",
            install("web", "shop"),
            "refused",
            None,
        ),
        (
            BOB,
            "action=uninstall&namespace=shop&release=web",
            delete("/v1/clusters/sim/releases/web"),
            "refused",
            None,
        ),
        (
            ALICE,
            "action=uninstall&namespace=shop&release=web",
            delete("/v1/clusters/sim/releases/web"),
            "allowed",
            Some("shop"),
        ),
    ];
    for (token, query, ask, decision, rule) in cases {
        let answer = asked(&stage, token, &format!("?cluster=sim&{query}")).await;
        let explanation = &answer["explanation"];
        assert_eq!(explanation["decision"], decision, "{query}: {answer}");
        assert_eq!(explanation["rule"].as_str(), rule, "{query}: {answer}");
        let done = stage.send(by(token, ask)).await;
        if decision == "allowed" {
            assert!(done.status.is_success(), "{query}: {done}");
        } else {
            done.refused(Code::NotAllowed, Outcome::NotApplied);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_depends_on_where_a_release_is_stays_open() {
    let stage = people().start().await;
    let answer = asked(&stage, ALICE, "?action=upgrade&cluster=sim&release=web").await;
    assert_eq!(answer["explanation"]["decision"], "depends", "{answer}");
    let calls = stage.cluster.tiller().calls();
    assert!(calls.is_empty(), "nothing is looked up for it");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_grant_is_not_there() {
    let stage = people().twin().start().await;
    let told = async |cluster: &str| {
        let path = format!("/v1/access?action=read&cluster={cluster}");
        let answer = stage.send(by(BOB, get(path))).await;
        let problem = answer.refused(Code::ClusterNotFound, Outcome::NotApplied);
        problem.detail.replace(cluster, "…")
    };
    assert_eq!(told("twin").await, told("nowhere").await);
    asked(&stage, ALICE, "?action=read&cluster=twin").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_question_is_refused() {
    let stage = people().start().await;
    for query in [
        "action=fly&cluster=sim",
        "action=read",
        "release=web",
        "action=read&cluster=sim&principal=bob",
        "action=uninstall&cluster=sim&dry_run=true",
    ] {
        let answer = stage
            .send(by(BOB, get(format!("/v1/access?{query}"))))
            .await;
        answer.refused(Code::InvalidRequest, Outcome::NotApplied);
    }
    let answer = stage.get("/v1/access").await;
    assert_eq!(answer.problem().code, Code::Unauthenticated);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_without_a_name_have_a_grant_of_their_own() {
    let local = stage().start().await;
    let answer = local.get("/v1/access").await.expect(200).json();
    assert_eq!(answer["method"], "local");
    assert_eq!(names(&answer["grants"]), ["local"]);
    local.end().await;

    let stage = people()
        .configure(|config, _| {
            config.anonymous = Some(AnonymousConfig {
                actions: vec![Action::Read],
                clusters: Vec::new(),
            });
        })
        .start()
        .await;
    let answer = stage.get("/v1/access").await.expect(200).json();
    assert_eq!(answer["method"], "anonymous");
    assert_eq!(names(&answer["grants"]), ["anonymous"]);
    stage.end().await;
}
