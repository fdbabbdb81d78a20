//! Callers with tokens, with wrong ones, and without.

use std::path::Path;

use rest::problem::{Code, Outcome};
use tiller_edge::access::TokenHash;
use tiller_edge::config::{AnonymousConfig, Config, GrantConfig, TokenConfig};
use tiller_edge::grants::Action;

use super::{ALICE, BOB, by, people};
use crate::support::charts;
use crate::support::log::{Log, has_none_of};
use crate::support::{Ask, Plan, Protocol, Transport, get, post, stage};

const CLUSTERS: &str = "/v1/clusters";

/// An edge whose Alice may do everything.
fn alice(change: impl FnOnce(&mut Config) + 'static) -> Plan {
    stage().configure(move |config, _: &Path| {
        config.tokens = vec![TokenConfig {
            name: "alice".to_owned(),
            hash: Some(TokenHash::of(ALICE)),
            ..TokenConfig::default()
        }];
        config.grants = vec![GrantConfig {
            principals: vec!["alice".to_owned()],
            ..all()
        }];
        change(config);
    })
}

fn all() -> GrantConfig {
    let text = "[[grant]]\nprincipals = [\"*\"]\nactions = [\"*\"]";
    let config = Config::parse(text, Path::new("grant.toml")).expect("valid");
    config.grants.into_iter().next().expect("one grant")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_known_by_its_token_over_both_protocols() {
    let stage = people().start().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        for token in [ALICE, BOB] {
            stage
                .send(by(token, get(CLUSTERS)).over(protocol))
                .await
                .expect(200);
        }
        for (ask, challenge) in [
            (get(CLUSTERS), r#"Bearer realm="tiller-edge""#),
            (
                by("te_somebody-0123456789", get(CLUSTERS)),
                r#"Bearer realm="tiller-edge", error="invalid_token""#,
            ),
            (
                get(CLUSTERS).header("authorization", ALICE),
                r#"Bearer realm="tiller-edge", error="invalid_request""#,
            ),
        ] {
            let answer = stage.send(ask.over(protocol)).await;
            assert_eq!(answer.header("www-authenticate"), challenge);
            answer.refused(Code::Unauthenticated, Outcome::NotApplied);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_over_opens_nothing() {
    let expires = "2001-01-01T00:00:00Z".parse().expect("a time");
    let stage = alice(move |config| config.tokens[0].expires = Some(expires))
        .start()
        .await;
    for transport in Transport::BOTH {
        let ask = by(ALICE, get(transport.path("releases")));
        let problem = stage
            .send(ask)
            .await
            .refused(Code::Unauthenticated, Outcome::NotApplied);
        assert_eq!(problem.detail, "the token expired at 2001-01-01T00:00:00Z");
    }
    assert_eq!(stage.cluster.apiserver().seen().len(), 0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymous_callers_may_do_what_is_said_and_no_more() {
    let stage = alice(|config| {
        config.anonymous = Some(AnonymousConfig {
            actions: vec![Action::Read],
            clusters: vec!["sim".to_owned()],
        });
    })
    .start()
    .await;
    let releases = Transport::GrpcWeb.path("releases");
    let install = || post(&releases).json(&charts::install("web"));
    stage.send(by(ALICE, install())).await.expect(201);
    stage.get(CLUSTERS).await.expect(200);
    for transport in Transport::BOTH {
        let list = stage.get(transport.path("releases")).await.expect(200);
        assert_eq!(list.json()["items"][0]["name"], "web", "{list}");
        let answer = stage.get(transport.path("releases/web/values")).await;
        answer.refused(Code::ValuesWithheld, Outcome::NotApplied);
    }
    let before = stage.cluster.apiserver().seen().len();
    stage
        .send(install())
        .await
        .refused(Code::NotAllowed, Outcome::NotApplied);
    assert_eq!(stage.cluster.apiserver().seen().len(), before);
    // What is shown must be good.
    stage
        .send(by("te_somebody-0123456789", get(CLUSTERS)))
        .await
        .refused(Code::Unauthenticated, Outcome::NotApplied);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_calls_too_often_waits_and_nobody_else_does() {
    let stage = people()
        .configure(|config, _| {
            config.rate.principal = Some("1/h burst 3".parse().expect("a pace"));
        })
        .start()
        .await;
    for _ in 0..3 {
        stage.send(by(ALICE, get(CLUSTERS))).await.expect(200);
    }
    let answer = stage.send(by(ALICE, get(CLUSTERS))).await;
    let problem = answer.refused(Code::RateLimited, Outcome::NotApplied);
    let seconds = problem.retry_after.expect("told");
    assert!((3000..=3600).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("retry-after"), seconds.to_string());
    stage.send(by(BOB, get(CLUSTERS))).await.expect(200);
    stage.get("/healthz").await.expect(200);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cluster_is_called_only_so_often_for_one_principal() {
    let stage = alice(|config| {
        config.rate.cluster = Some("1/h burst 2".parse().expect("a pace"));
        config.tokens.push(TokenConfig {
            name: "bob".to_owned(),
            hash: Some(TokenHash::of(BOB)),
            ..TokenConfig::default()
        });
        config.grants.push(all());
    })
    .twin()
    .start()
    .await;
    let version = |cluster: &str, token| by(token, get(format!("/v1/clusters/{cluster}/version")));
    for _ in 0..2 {
        stage.send(version("sim", ALICE)).await.expect(200);
    }
    let before = stage.cluster.apiserver().seen().len();
    let answer = stage.send(version("sim", ALICE)).await;
    answer.refused(Code::RateLimited, Outcome::NotApplied);
    answer.header("retry-after");
    assert_eq!(stage.cluster.apiserver().seen().len(), before);
    stage.send(version("twin", ALICE)).await.expect(200);
    stage.send(version("sim", BOB)).await.expect(200);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_the_edge_reaches_no_cluster() {
    let stage = alice(|_| ()).callers_credentials().start().await;
    let asks: [fn(Transport) -> Ask; 2] = [
        |transport| get(transport.path("releases")),
        |transport| post(transport.path("releases")).json(&charts::install("web")),
    ];
    for transport in Transport::BOTH {
        for ask in asks {
            stage
                .send(by(ALICE, ask(transport)))
                .await
                .refused(Code::CallerCredentialsRefused, Outcome::NotApplied);
        }
    }
    for seen in stage.cluster.apiserver().seen() {
        let sent = format!("{:?}", seen.headers);
        assert!(!sent.contains(ALICE), "{sent}");
    }
    stage.end().await;
}

/// On one thread, so that the log is this test's.
#[tokio::test]
async fn the_log_says_who_called_and_shows_no_token() {
    let (log, _guard) = Log::of("trace");
    let stage = people().start().await;
    let known = by(ALICE, get(CLUSTERS)).header("x-request-id", "known");
    stage.send(known).await.expect(200);
    let unknown = by("te_somebody-0123456789", get(CLUSTERS)).header("x-request-id", "unknown");
    stage.send(unknown).await.expect(401);
    stage.end().await;
    let text = log.text();
    let line = |id: &str| {
        let id = format!("\"request_id\":\"{id}\"");
        let mut lines = text.lines().filter(|line| line.contains(&id));
        lines
            .find(|line| line.contains("\"status\""))
            .unwrap_or_else(|| panic!("no {id}"))
            .to_owned()
    };
    let known = line("known");
    assert!(known.contains("\"principal\":\"alice\""), "{known}");
    assert!(known.contains("\"authentication\":\"token\""), "{known}");
    assert!(!line("unknown").contains("\"principal\""));
    assert!(text.contains("a caller is not authenticated"));
    has_none_of(&text, &[ALICE, "te_somebody"]);
}
