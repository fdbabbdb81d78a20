//! Callers with tokens of an identity provider, good and bad ones, and providers likewise.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use sim::identity::{Fault, Identity, identity};
use tiller_edge::config::Config;
use tokio::time::{Instant, sleep};

use super::{ALICE, by, people};
use crate::support::charts;
use crate::support::log::{Log, has_none_of};
use crate::support::{PATIENCE, Plan, Stage, Transport, get, post, soon, stage};

/// Whoever is in `dev` runs the shop, and everybody may look at it.
const GRANTS: &str = r#"
[[grant]]
name = "developers"
groups = ["corp:dev"]
actions = ["*"]
namespaces = ["shop"]

[[grant]]
name = "readers"
principals = ["corp:*"]
actions = ["read"]
namespaces = ["shop"]
"#;

/// With the tokens of `provider`.
fn trusting(plan: Plan, provider: &Identity) -> Plan {
    let text = format!(
        "[[oidc]]\nissuer = {:?}\naudiences = [\"tiller-edge\"]\nalgorithms = [\"EdDSA\"]\nprefix = \"corp:\"\n\
         name_claim = \"email\"\ngroups_claim = \"/realm/groups\"\nrequired_claims = {{ hd = \"example.com\" }}\n\
         ca_file = {:?}\n{GRANTS}",
        provider.issuer(),
        provider.ca(),
    );
    plan.configure(move |config, home| {
        let rules = Config::parse(&text, Path::new("oidc.toml"));
        let rules = rules.unwrap_or_else(|error| panic!("{error}"));
        config.oidc = rules.oidc;
        config.grants.extend(rules.grants);
        config.audit.file = Some(home.join("audit.log"));
    })
}

/// Claims in order.
fn claims(user: &str, groups: &[&str]) -> Value {
    json!({
        "sub": "0815",
        "email": format!("{user}@example.com"),
        "email_verified": true,
        "hd": "example.com",
        "realm": { "groups": groups },
    })
}

fn audited(stage: &Stage) -> Vec<Value> {
    let text = fs::read_to_string(stage.home().join("audit.log")).expect("it is there");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_groups_of_a_provider_are_what_grants_go_by() {
    let provider = identity().await;
    let stage = trusting(stage(), &provider).start().await;
    let dev = provider.token(&claims("dora", &["dev", "ops"]));
    let other = provider.token(&claims("otto", &["ops"]));
    for transport in Transport::BOTH {
        let releases = transport.path("releases");
        let name = format!("web-{transport:?}").to_lowercase();
        let install = || post(&releases).json(&charts::install(&name));
        stage.send(by(&dev, install())).await.expect(201);
        stage.send(by(&other, get(&releases))).await.expect(200);
        let problem = stage
            .send(by(&other, install()))
            .await
            .refused(Code::NotAllowed, Outcome::NotApplied);
        assert!(
            problem.detail.contains("corp:otto@example.com"),
            "{}",
            problem.detail
        );
    }
    // Two documents for all of these.
    assert_eq!(provider.asked().len(), 2);
    let begun = audited(&stage);
    let begun = begun.iter().find(|line| line["event"] == "begin");
    let principal = &begun.expect("a mutation")["principal"];
    assert_eq!(principal["name"], "corp:dora@example.com");
    assert_eq!(principal["method"], "oidc");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stands_beside_those_of_the_edge_itself() {
    let provider = identity().await;
    let stage = trusting(people(), &provider).start().await;
    for token in [ALICE, &provider.token(&claims("dora", &["dev"]))] {
        stage
            .send(by(token, get("/v1/clusters/sim/releases")))
            .await
            .expect(200);
    }
    let unknown = by("te_nobody-0123456789", get("/v1/clusters"));
    stage
        .send(unknown)
        .await
        .refused(Code::Unauthenticated, Outcome::NotApplied);
    stage.end().await;
}

// On one thread, so that the log is whole.
#[tokio::test]
async fn a_token_that_is_not_good_says_why_and_is_never_quoted() {
    let provider = identity().await;
    let stranger = identity().await;
    let (log, _guard) = Log::of("trace");
    let stage = trusting(stage(), &provider).start().await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("dora", &["dev"]);
        claims[name] = value;
        provider.token(&claims)
    };
    let good = provider.token(&claims("dora", &["dev"]));
    let forged = {
        let mut claims = claims("dora", &["dev"]);
        claims["iss"] = json!(provider.issuer());
        stranger.token(&claims)
    };
    let cases = [
        (with("aud", json!("another")), "it is for another audience"),
        (
            with("exp", json!(1_000_000_000)),
            "the token expired at 2001-09-09T01:46:40Z",
        ),
        (with("nbf", json!(9_000_000_000_u64)), "it is not good yet"),
        (
            with("email_verified", json!(false)),
            "it does not say that the address in `email` is verified",
        ),
        (with("email", Value::Null), "it has no usable claim `email`"),
        (
            with("hd", json!("example.org")),
            "it does not have the claim `hd` that is required here",
        ),
        (
            with("realm", json!({ "groups": 7 })),
            "it has no usable claim `/realm/groups`",
        ),
        (
            with("padding", json!("x".repeat(16 << 10))),
            "it is longer than 16384 bytes",
        ),
        (forged, "it has a signature that is not the provider's"),
        (
            stranger.token(&claims("dora", &["dev"])),
            "the token is not known here",
        ),
    ];
    let mut tokens = vec![good];
    for (token, said) in cases {
        let answer = stage.send(by(&token, get("/v1/clusters"))).await;
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="tiller-edge", error="invalid_token""#
        );
        let problem = answer.refused(Code::Unauthenticated, Outcome::NotApplied);
        assert!(problem.detail.ends_with(said), "{}", problem.detail);
        tokens.push(token);
    }
    stage
        .send(by(&tokens[0], get("/v1/clusters/sim/releases")))
        .await
        .expect(200);
    let written = fs::read_to_string(stage.home().join("audit.log")).expect("it is there");
    let written = format!("{written}{}", log.text());
    for token in &tokens {
        // Every part of it, since each could be put together again.
        let parts: Vec<&str> = token.split('.').skip(1).collect();
        has_none_of(&written, &parts);
    }
    assert_eq!(stranger.asked(), Vec::<String>::new());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_starts_without_its_provider_and_finds_it_later() {
    let provider = identity().await;
    provider.set(Some(Fault::Answer(503, String::new())));
    let stage = trusting(stage(), &provider).start().await;
    let token = provider.token(&claims("dora", &["dev"]));
    let ask = || by(&token, get("/v1/clusters/sim/releases"));
    for _ in 0..3 {
        let answer = stage.send(ask()).await;
        assert!(!answer.header("retry-after").is_empty());
        let problem = answer.refused(Code::IdentityUnavailable, Outcome::NotApplied);
        assert!(
            problem.detail.contains(provider.issuer()),
            "{}",
            problem.detail
        );
        assert!(!problem.detail.contains("503"), "{}", problem.detail);
    }
    assert_eq!(provider.asked().len(), 1);
    provider.set(None);
    until_known(&stage, &token).await;
    // What it said once is good while it is down.
    provider.set(Some(Fault::Silent));
    stage.send(ask()).await.expect(200);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_changes_its_keys_is_asked_again() {
    let provider = identity().await;
    let stage = trusting(stage(), &provider).start().await;
    let old = provider.token(&claims("dora", &["dev"]));
    stage.send(by(&old, get("/v1/clusters"))).await.expect(200);
    provider.rotate();
    let new = provider.token(&claims("dora", &["dev"]));
    until_known(&stage, &new).await;
    let problem = stage
        .send(by(&old, get("/v1/clusters")))
        .await
        .refused(Code::Unauthenticated, Outcome::NotApplied);
    assert!(
        problem
            .detail
            .contains("a key that the provider does not have"),
        "{}",
        problem.detail
    );
    // Each time it was asked for both documents, and not for every token that it did not know.
    let asked = provider.asked().len();
    assert!(asked <= 6, "{asked}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_provider_costs_callers_five_seconds_and_the_edge_nothing() {
    for fault in [
        Fault::Silent,
        Fault::Redirect("https://169.254.169.254/latest/meta-data".to_owned()),
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
        Fault::Answer(200, "{".repeat(4 << 20)),
        Fault::Answer(200, "{".repeat(1 << 20)),
        Fault::Issuer("https://accounts.example.com".to_owned()),
    ] {
        let provider = identity().await;
        provider.set(Some(fault.clone()));
        let stage = trusting(people(), &provider).start().await;
        let token = provider.token(&claims("dora", &["dev"]));
        let asked = Instant::now();
        let refused = stage.later(by(&token, get("/v1/clusters")));
        // Others do not wait with it.
        stage.send(by(ALICE, get("/v1/clusters"))).await.expect(200);
        let refused = soon(refused).await.expect("no panic").expect("an answer");
        refused.refused(Code::IdentityUnavailable, Outcome::NotApplied);
        assert!(asked.elapsed() < Duration::from_secs(20), "{fault:?}");
        stage.end().await;
    }
}

/// Waits until the edge asks the provider again, as it does every ten seconds at most, and knows the token.
async fn until_known(stage: &Stage, token: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = stage.send(by(token, get("/v1/clusters"))).await;
        if answer.status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "{answer}");
        sleep(Duration::from_millis(100)).await;
    }
}
