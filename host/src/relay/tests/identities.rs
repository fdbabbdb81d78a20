//! Whom a cluster says that a caller is, and what it is told of callers.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use rest::problem::Code;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{advance, pause, resume};

use super::apiserver::{Answer, ApiServer, Seen, grpc_web, json, status};
use super::*;
use crate::access::Method as By;
use crate::config::{GrantConfig, KubernetesConfig};
use crate::relay::principal::principal;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const SELF_REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Someone of whom nothing is known but a token.
fn holder(token: &str) -> Caller {
    Caller {
        identity: Identity::PerCluster,
        authorization: Some(SecretString::from(format!("Bearer {token}"))),
        ..caller()
    }
}

fn known(name: &str, groups: &[&str], method: By) -> Caller {
    Caller {
        identity: Identity::Known(Arc::new(Principal {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            method,
        })),
        ..caller()
    }
}

/// What the APIServer answers to a review of the token in `seen`.
fn reviewed(seen: &Seen) -> Answer {
    let review: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(review["kind"], "TokenReview");
    let status = match review["spec"]["token"].as_str().unwrap() {
        "ci-s3cret" => json!({
            "authenticated": true,
            "user": { "username": "system:serviceaccount:team:ci", "groups": ["b", "a", "b"] },
        }),
        "nobody-s3cret" => json!({ "error": "invalid bearer token" }),
        other => panic!("{other}"),
    };
    json(201, &json!({ "status": status }))
}

/// Reviews tokens, and lets `edge-s3cret` do everything.
async fn reviewing() -> ApiServer {
    ApiServer::start(|seen| async move {
        match seen.path.as_str() {
            TOKEN_REVIEWS => reviewed(&seen),
            SELF_REVIEWS => panic!("nobody has to ask for itself"),
            _ => grpc_web(success(b"")),
        }
    })
    .await
}

fn open_to_all(mut rig: Rig) -> Rig {
    rig.config.kubernetes = Some(KubernetesConfig::default());
    let grant: GrantConfig = toml::from_str("principals = ['*']\nactions = ['*']").unwrap();
    rig.config.grants = vec![grant];
    rig
}

async fn asked(relay: &Relay, caller: &Caller) -> Result<Arc<Principal>, Problem> {
    let cluster = relay.clusters.get("prod").unwrap();
    let found = soon(principal(relay, caller, &cluster)).await;
    found.map_err(|error| error.problem(None))
}

fn authorization(seen: &Seen) -> &str {
    seen.headers["authorization"].to_str().unwrap()
}

#[tokio::test]
async fn the_cluster_says_whose_a_token_is_and_is_asked_once() {
    let server = reviewing().await;
    let mut rig = open_to_all(Rig::new(&server));
    rig.config.kubernetes = Some(KubernetesConfig {
        prefix: "k8s:".to_owned(),
        ..KubernetesConfig::default()
    });
    let relay = rig.relay();
    let ci = holder("ci-s3cret");
    let all = futures::future::join_all((0..20).map(|_| asked(&relay, &ci))).await;
    let expected = Principal {
        name: "k8s:system:serviceaccount:team:ci".to_owned(),
        groups: vec!["k8s:a".to_owned(), "k8s:b".to_owned()],
        method: By::Kubernetes,
    };
    for found in all {
        assert_eq!(*found.unwrap(), expected);
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    // Asked by the edge, about the caller.
    assert_eq!(authorization(&seen[0]), "Bearer edge-s3cret");
    assert!(!format!("{:?}", relay.identities).contains("s3cret"));
}

#[tokio::test]
async fn what_a_cluster_said_is_asked_again_after_seconds() {
    let server = reviewing().await;
    let relay = open_to_all(Rig::new(&server)).relay();
    for (token, seconds) in [("ci-s3cret", 10), ("nobody-s3cret", 2)] {
        let before = server.seen().len();
        let first = asked(&relay, &holder(token)).await.map(drop);
        assert_eq!(asked(&relay, &holder(token)).await.map(drop), first);
        assert_eq!(server.seen().len(), before + 1, "{token}");
        pause();
        advance(Duration::from_secs(seconds)).await;
        resume();
        assert_eq!(asked(&relay, &holder(token)).await.map(drop), first);
        assert_eq!(server.seen().len(), before + 2, "{token}");
    }
}

#[tokio::test]
async fn a_token_that_is_nobodys_is_not_authenticated() {
    let server = reviewing().await;
    let relay = open_to_all(Rig::new(&server)).relay();
    let stranger = holder("nobody-s3cret");
    let refused = asked(&relay, &stranger).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert!(!refused.to_string().contains("s3cret"));
    let answer = soon(relay.handle(&stranger, request(INSTALL, frame(b"")))).await;
    assert_eq!(problem(answer).await.code, Code::Unauthenticated);
    assert!(server.seen().iter().all(|seen| seen.path == TOKEN_REVIEWS));
}

#[tokio::test]
async fn where_the_edge_may_not_ask_the_caller_asks_for_itself() {
    let server = ApiServer::start(|seen| async move {
        match seen.path.as_str() {
            TOKEN_REVIEWS => status(403, "tokenreviews.authentication.k8s.io is forbidden"),
            // A certificate would win over the token, and the edge be taken for its caller.
            SELF_REVIEWS if seen.certificate.is_some() => json(
                201,
                &json!({ "status": { "userInfo": { "username": "edge" } } }),
            ),
            SELF_REVIEWS if authorization(&seen) == "Bearer ci-s3cret" => json(
                201,
                &json!({ "status": { "userInfo": { "username": "ci", "groups": ["dev"] } } }),
            ),
            _ => status(401, "Unauthorized"),
        }
    })
    .await;
    let (certificate, key) = server.authority().issue("edge");
    let rig = open_to_all(Rig::with_user(
        &server,
        "{client-certificate: '{dir}/c', client-key: '{dir}/k'}",
    ));
    fs::write(rig.file("c"), certificate).unwrap();
    fs::write(rig.file("k"), key).unwrap();
    let relay = rig.relay();
    let found = asked(&relay, &holder("ci-s3cret")).await.unwrap();
    assert_eq!(found.name, "ci");
    assert_eq!(found.groups, ["dev"]);
    let refused = asked(&relay, &holder("other-s3cret")).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    let seen = server.seen();
    assert!(seen.iter().any(|seen| seen.certificate.is_some()));
}

#[tokio::test]
async fn a_cluster_that_cannot_tell_is_said_to_be_unable() {
    for (code, hinted) in [(404, true), (503, false)] {
        let server = ApiServer::start(move |seen| async move {
            match seen.path.as_str() {
                TOKEN_REVIEWS => status(403, "forbidden"),
                _ => status(code, "not there"),
            }
        })
        .await;
        let relay = open_to_all(Rig::new(&server)).relay();
        let refused = asked(&relay, &holder("ci-s3cret")).await.unwrap_err();
        assert_eq!(refused.code, Code::IdentityUnavailable);
        assert_eq!(refused.hint.is_some(), hinted, "{refused:?}");
        // What was not heard is not remembered.
        let before = server.seen().len();
        asked(&relay, &holder("ci-s3cret")).await.unwrap_err();
        assert!(server.seen().len() > before);
    }
}

#[tokio::test]
async fn only_the_clusters_that_are_named_say_who_callers_are() {
    let server = reviewing().await;
    let mut rig = open_to_all(Rig::new(&server));
    rig.config.kubernetes = Some(KubernetesConfig {
        clusters: vec!["dev-*".to_owned()],
        ..KubernetesConfig::default()
    });
    let relay = rig.relay();
    let refused = asked(&relay, &holder("ci-s3cret")).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert!(server.seen().is_empty());
    // Or whoever makes up a token could find out which clusters there are.
    let nowhere = LIST.replace("/prod/", "/nowhere/");
    let made_up = holder("made-up");
    let answer = soon(relay.handle(&made_up, request(&nowhere, frame(b"")))).await;
    let unknown = problem(answer).await;
    assert_eq!(
        (unknown.code, unknown.detail),
        (refused.code, refused.detail)
    );
}

#[tokio::test]
async fn no_token_goes_where_it_could_be_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = open_to_all(Rig::with(
        &format!("http://{}", listener.local_addr().unwrap()),
        "insecure-skip-tls-verify: true",
        "{token: t}",
    ));
    let relay = rig.relay();
    let refused = asked(&relay, &holder("ci-s3cret")).await.unwrap_err();
    assert_eq!(refused.code, Code::IdentityUnavailable);
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn with_the_callers_credentials_the_edges_own_only_ask_whose_they_are() {
    let server = reviewing().await;
    let (certificate, key) = server.authority().issue("edge");
    let user = "{token: edge-s3cret, client-certificate: '{dir}/c', client-key: '{dir}/k'}";
    let rig = open_to_all(Rig::with_user(&server, user)).for_callers();
    fs::write(rig.file("c"), certificate).unwrap();
    fs::write(rig.file("k"), key).unwrap();
    let relay = rig.relay();
    let answer = soon(relay.handle(&holder("ci-s3cret"), request(INSTALL, frame(b"")))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await;
    let (reviews, calls): (Vec<_>, Vec<_>) = server
        .seen()
        .into_iter()
        .partition(|seen| seen.path == TOKEN_REVIEWS);
    assert!(!reviews.is_empty() && !calls.is_empty());
    for review in reviews {
        assert_eq!(authorization(&review), "Bearer edge-s3cret");
        assert!(review.certificate.is_some());
    }
    for call in calls {
        assert_eq!(authorization(&call), "Bearer ci-s3cret");
        assert!(call.certificate.is_none());
    }
}

#[tokio::test]
async fn a_cluster_is_told_who_calls_and_by_whom_it_is_told() {
    let server = reviewing().await;
    let mut rig = open_to_all(Rig::new(&server));
    rig.config.clusters[0].credentials = CredentialSource::Impersonate;
    let relay = rig.relay();
    let jane = known("oidc:jané", &["oidc:dev"], By::Oidc);
    let answer = soon(relay.handle(&jane, request(INSTALL, frame(b"")))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await;
    let seen = server.seen();
    assert!(!seen.is_empty());
    for call in seen {
        assert_eq!(authorization(&call), "Bearer edge-s3cret");
        assert_eq!(
            call.headers["impersonate-user"].as_bytes(),
            "oidc:jané".as_bytes()
        );
        let groups: Vec<_> = call.headers.get_all("impersonate-group").iter().collect();
        assert_eq!(groups, ["oidc:dev", "system:authenticated"]);
    }
}

#[tokio::test]
async fn who_cannot_be_named_is_not_acted_as() {
    let server = reviewing().await;
    let mut rig = open_to_all(Rig::new(&server));
    rig.config.clusters[0].credentials = CredentialSource::Impersonate;
    let relay = rig.relay();
    for caller in [
        caller(),
        known("", &[], By::Token),
        known("jane ", &[], By::Token),
        known("jane", &["dev\nops"], By::Certificate),
    ] {
        let answer = soon(relay.handle(&caller, request(INSTALL, frame(b"")))).await;
        let problem = problem(answer).await;
        assert_eq!(problem.code, Code::CallerCredentialsRefused, "{problem:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn who_lacks_which_permission_is_told_apart() {
    let cannot = Arc::new(AtomicUsize::new(0));
    let which = Arc::clone(&cannot);
    let server = ApiServer::start(move |_| {
        let which = which.load(Ordering::Relaxed);
        async move {
            status(
                403,
                match which {
                    0 => {
                        "users \"jane\" is forbidden: User \"edge\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
                    }
                    _ => {
                        "services \"tiller-bridge:grpc-web\" is forbidden: User \"jane\" cannot create resource \"services/proxy\" in API group \"\" in the namespace \"kube-system\""
                    }
                },
            )
        }
    })
    .await;
    let mut rig = open_to_all(Rig::new(&server));
    rig.config.clusters[0].credentials = CredentialSource::Impersonate;
    let relay = rig.relay();
    let jane = known("jane", &[], By::Token);
    for (which, code) in [(0, Code::ClusterForbidden), (1, Code::CallerForbidden)] {
        cannot.store(which, Ordering::Relaxed);
        let answer = soon(relay.handle(&jane, request(INSTALL, frame(b"")))).await;
        assert_eq!(problem(answer).await.code, code);
    }
}
