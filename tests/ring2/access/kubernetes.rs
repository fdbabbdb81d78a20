//! The cluster's own say: whose a token is, as whom the edge acts, and what a chart may make.

use std::path::Path;

use rest::problem::{Code, Outcome, Refused};
use serde_json::json;
use sim::apiserver::{Kubernetes, Rule, User};
use tiller_edge::config::{Config, CredentialSource};

use super::{ALICE, PEOPLE, by};
use crate::support::charts::{archive, field};
use crate::support::{Ask, Plan, Transport, get, post, put, soon, stage};

const CI: &str = "ci-s3cret";
const CI_NAME: &str = "system:serviceaccount:shop:ci";

const GRANTS: &str = r#"
[kubernetes]

[[grant]]
principals = ["system:serviceaccount:shop:*"]
actions = ["*"]
namespaces = ["shop"]
"#;

/// Lets the edge reach Tiller, which is what it may from the start.
fn reach(user: &str) -> [Rule; 2] {
    ["tiller-bridge:grpc-web", "https:tiller-deploy:tiller"].map(|name| Rule::create(user, name))
}

/// Lets the user make ConfigMaps, Secrets and Services in `shop`, as chart `web` does.
fn makes(user: &str, verbs: &[&str]) -> [Rule; 3] {
    ["configmaps", "secrets", "services"]
        .map(|resource| Rule::of(user, verbs, resource).in_namespace("shop"))
}

/// An edge that knows people and service accounts, in front of a cluster with these rules.
fn cluster_with(source: CredentialSource, rules: impl IntoIterator<Item = Rule>) -> Plan {
    let rules: Vec<Rule> = rules.into_iter().collect();
    stage()
        .cluster(|mut cluster| {
            cluster.apiserver.rules = rules;
            cluster
        })
        .configure(move |config, _| {
            let text = format!("{GRANTS}{PEOPLE}");
            let rules = Config::parse(&text, Path::new("people.toml"));
            let rules = rules.unwrap_or_else(|error| panic!("{error}"));
            config.kubernetes = rules.kubernetes;
            config.tokens = rules.tokens;
            config.grants = rules.grants;
            for cluster in &mut config.clusters {
                cluster.credentials = source;
            }
        })
}

fn checked(plan: Plan) -> Plan {
    plan.configure(|config, _| {
        for cluster in &mut config.clusters {
            cluster.manifest_authorisation = true;
        }
    })
}

fn reviews() -> [Rule; 2] {
    [
        Rule::of("edge", &["create"], "tokenreviews.authentication.k8s.io"),
        Rule::of(
            "edge",
            &["create"],
            "subjectaccessreviews.authorization.k8s.io",
        ),
    ]
}

fn install(name: &str, values: serde_json::Value) -> Ask {
    let body = json!({
        "name": name,
        "namespace": "shop",
        "chart": field(&archive("rights")),
        "values": values,
    });
    post(Transport::GrpcWeb.path("releases")).json(&body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_is_who_its_cluster_says_it_is() {
    for version in [Kubernetes::V1_16, Kubernetes::V1_35] {
        let rules = reach("edge").into_iter().chain(reviews());
        let stage = cluster_with(CredentialSource::Kubeconfig, rules)
            .cluster(move |cluster| cluster.with_kubernetes(version))
            .start()
            .await;
        let apiserver = stage.cluster.apiserver();
        apiserver.add_token(CI, User::service_account("shop", "ci"));
        for transport in Transport::BOTH {
            let list = stage.send(by(CI, get(transport.path("releases")))).await;
            assert_eq!(list.expect(200).json()["items"], json!([]));
        }
        let elsewhere =
            json!({ "name": "web", "namespace": "bank", "chart": field(&archive("web")) });
        let ask = post(Transport::GrpcWeb.path("releases")).json(&elsewhere);
        let problem = stage
            .send(by(CI, ask))
            .await
            .refused(Code::NotAllowed, Outcome::NotApplied);
        assert!(problem.detail.contains(CI_NAME), "{problem}");
        // Nobody but the edge has spoken to the cluster, and no token of a caller was in a header.
        for seen in apiserver.seen() {
            assert_eq!(seen.user, "edge");
            assert!(!format!("{seen:?}").contains(CI));
        }
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_nobodys_is_somebodys_within_seconds() {
    let rules = reach("edge").into_iter().chain(reviews());
    let stage = cluster_with(CredentialSource::Kubeconfig, rules)
        .start()
        .await;
    let apiserver = stage.cluster.apiserver();
    let list = || by(CI, get(Transport::GrpcWeb.path("releases")));
    let nobody = stage.send(list()).await;
    nobody.refused(Code::Unauthenticated, Outcome::NotApplied);
    apiserver.add_token(CI, User::service_account("shop", "ci"));
    soon(async { while stage.send(list()).await.status != 200 {} }).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_own_credentials_a_caller_is_judged_by_rbac() {
    let stage = cluster_with(CredentialSource::Caller, reach(CI_NAME))
        .start()
        .await;
    let apiserver = stage.cluster.apiserver();
    apiserver.add_token(CI, User::service_account("shop", "ci"));
    apiserver.add_token("other-s3cret", User::service_account("shop", "other"));
    for transport in Transport::BOTH {
        // The edge may not review tokens here: the callers ask for themselves.
        stage
            .send(by(CI, get(transport.path("releases"))))
            .await
            .expect(200);
        let problem = stage
            .send(by("other-s3cret", get(transport.path("releases"))))
            .await
            .refused(Code::CallerForbidden, Outcome::NotApplied);
        assert!(problem.detail.contains("shop:other"), "{problem}");
    }
    for seen in apiserver.seen() {
        let is_review = seen.uri.ends_with("/tokenreviews");
        assert_eq!(seen.user == "edge", is_review, "{seen:?}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_sees_as_whom_the_edge_acts() {
    for version in [Kubernetes::V1_16, Kubernetes::V1_35] {
        let rules = reach("alice").into_iter().chain([
            Rule::of("edge", &["impersonate"], "users"),
            Rule::of("edge", &["impersonate"], "groups"),
        ]);
        let stage = cluster_with(CredentialSource::Impersonate, rules)
            .cluster(move |cluster| cluster.with_kubernetes(version))
            .start()
            .await;
        for transport in Transport::BOTH {
            stage
                .send(by(ALICE, get(transport.path("releases"))))
                .await
                .expect(200);
            let problem = stage
                .send(by(super::BOB, get(transport.path("releases"))))
                .await
                .refused(Code::CallerForbidden, Outcome::NotApplied);
            assert!(problem.detail.contains("User \"bob\""), "{problem}");
        }
        for seen in stage.cluster.apiserver().seen() {
            assert_eq!(seen.user, "edge");
            let acting = seen.acting.expect("allowed");
            let groups = acting.groups.join(" ");
            match acting.name.as_str() {
                "alice" => assert_eq!(groups, "shop-team system:authenticated"),
                "bob" => assert_eq!(groups, "system:authenticated"),
                other => panic!("{other}"),
            }
        }
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_may_not_act_as_others_says_so() {
    let stage = cluster_with(CredentialSource::Impersonate, reach("alice"))
        .start()
        .await;
    let problem = stage
        .send(by(ALICE, get(Transport::GrpcWeb.path("releases"))))
        .await
        .refused(Code::ClusterForbidden, Outcome::NotApplied);
    assert!(problem.detail.contains("cannot impersonate"), "{problem}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_makes_what_its_caller_may_make_and_nothing_else() {
    let rules = reach("edge")
        .into_iter()
        .chain(reviews())
        .chain(makes("alice", &["create", "patch"]));
    let stage = checked(cluster_with(CredentialSource::Kubeconfig, rules))
        .start()
        .await;
    stage
        .send(by(ALICE, install("modest", json!({}))))
        .await
        .expect(201);
    let greedy = json!({ "admin": true, "secret": "bank" });
    let answer = stage.send(by(ALICE, install("greedy", greedy))).await;
    let problem = answer.refused(Code::ManifestForbidden, Outcome::NotApplied);
    let refused =
        |api_version: &str, kind: &str, namespace: Option<&str>, name: &str, verb: &str| Refused {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            verb: verb.to_owned(),
            reason: None,
        };
    let rbac = "rbac.authorization.k8s.io/v1";
    for one in [
        refused(rbac, "ClusterRoleBinding", None, "cluster-admin", "bind"),
        refused(rbac, "ClusterRoleBinding", None, "greedy", "create"),
        refused("v1", "Secret", Some("bank"), "greedy", "create"),
    ] {
        assert!(problem.refused().contains(&one), "{one:?} {answer}");
    }
    assert_eq!(problem.refused().len(), 3, "{answer}");
    stage
        .send(by(ALICE, get(Transport::GrpcWeb.path("releases/greedy"))))
        .await
        .refused(Code::ReleaseNotFound, Outcome::NotApplied);

    // May change it, and may not remove anything.
    let upgrade = |values| {
        let body = json!({ "chart": field(&archive("rights")), "values": values });
        by(
            ALICE,
            put(Transport::GrpcWeb.path("releases/modest")).json(&body),
        )
    };
    stage
        .send(upgrade(json!({ "second": true })))
        .await
        .expect(200);
    let problem = stage
        .send(upgrade(json!({ "second": false })))
        .await
        .refused(Code::ManifestForbidden, Outcome::NotApplied);
    assert_eq!(problem.refused()[0].verb, "delete");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_the_cluster_sees_is_asked_about_by_itself() {
    let all = |user: &str| {
        reach(user)
            .into_iter()
            .chain(makes(user, &["create"]))
            .collect::<Vec<_>>()
    };
    let impersonation = [
        Rule::of("edge", &["impersonate"], "users"),
        Rule::of("edge", &["impersonate"], "groups"),
    ];
    for (source, token, rules) in [
        (CredentialSource::Caller, CI, all(CI_NAME)),
        (
            CredentialSource::Impersonate,
            ALICE,
            [all("alice"), impersonation.to_vec()].concat(),
        ),
    ] {
        let stage = checked(cluster_with(source, rules)).start().await;
        let apiserver = stage.cluster.apiserver();
        apiserver.add_token(CI, User::service_account("shop", "ci"));
        stage
            .send(by(token, install("modest", json!({}))))
            .await
            .expect(201);
        let greedy = install("greedy", json!({ "secret": "bank" }));
        let problem = stage
            .send(by(token, greedy))
            .await
            .refused(Code::ManifestForbidden, Outcome::NotApplied);
        assert_eq!(problem.refused().len(), 1);
        let reviewed = apiserver
            .seen()
            .into_iter()
            .filter(|seen| seen.uri.ends_with("/subjectaccessreviews") && seen.acting.is_some());
        assert_eq!(reviewed.count(), 0);
        stage.end().await;
    }
}
