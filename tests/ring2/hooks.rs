//! Webhooks from the delivery to Tiller, with the real components: which releases are meant, who has to approve, and what a
//! hook may not.

use std::path::Path;

use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_edge::config::Config;

use crate::support::{Answer, Plan, Stage, Transport, charts, post, stage};

const HOOK: &str = r#"
[[hook]]
name = "hub"
provider = "docker-hub"
secrets = ["the-token-in-the-url"]
"#;

const GRANT: &str = r#"
[[grant]]
principals = ["hook:hub"]
actions = ["read", "upgrade", "get-values"]
"#;

/// An edge with a hook that has `rule`, and `grant`.
fn hooked(rule: &str, grant: &str) -> Plan {
    let text = format!("{HOOK}[[hook.rule]]\nname = \"web\"\n{rule}{grant}");
    let parsed = Config::parse(&text, Path::new("edge.toml")).expect("a configuration");
    stage().configure(move |config, _| {
        config.hooks = parsed.hooks;
        config.grants = parsed.grants;
    })
}

impl Stage {
    /// What Docker Hub says when `docker.io/shop/web` was pushed with that tag.
    async fn pushed(&self, tag: &str) -> Answer {
        let payload = json!({
            "push_data": { "pushed_at": 1_763_990_000, "pusher": "ci", "tag": tag },
            "repository": { "repo_name": "shop/web", "namespace": "shop", "name": "web" },
        });
        let path = "/hooks/hub?token=the-token-in-the-url";
        self.send(post(path).json(&payload)).await
    }

    async fn installed(&self, name: &str, values: Value) {
        let body = charts::with(charts::install(name), json!({ "values": values }));
        let path = Transport::GrpcWeb.path("releases");
        self.send(post(path).json(&body)).await.expect(201);
    }

    /// What came of the only operation of a delivery, once it has settled.
    async fn only_outcome(&self, delivered: &Answer) -> Value {
        let json = delivered.json();
        let id = json["operations"][0]
            .as_str()
            .unwrap_or_else(|| panic!("{delivered}"));
        let path = format!("/v1/operations/{id}?wait=50s");
        self.get(path).await.expect(200).json()
    }

    async fn values(&self, release: &str) -> String {
        let path = Transport::GrpcWeb.path(&format!("releases/{release}/values"));
        self.get(path).await.expect(200).text().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_that_run_the_image_are_found_by_their_keel_section() {
    let stage = hooked("discover = {}\n", GRANT).start().await;
    let image = |tag: &str| json!({ "repository": "docker.io/shop/web", "tag": tag });
    let keel = |policy: &str| {
        json!({
            "policy": policy,
            "images": [{ "repository": "image.repository", "tag": "image.tag" }],
        })
    };
    stage
        .installed(
            "minor",
            json!({ "image": image("1.2.3"), "keel": keel("minor"), "kept": 7 }),
        )
        .await;
    stage
        .installed(
            "patch",
            json!({ "image": image("1.2.3"), "keel": keel("patch") }),
        )
        .await;
    stage
        .installed(
            "never",
            json!({ "image": image("1.2.3"), "keel": keel("never") }),
        )
        .await;
    stage
        .installed("silent", json!({ "image": image("1.2.3") }))
        .await;
    let other = json!({ "repository": "docker.io/shop/db", "tag": "1.2.3" });
    stage
        .installed("other", json!({ "image": other, "keel": keel("all") }))
        .await;

    let delivered = stage.pushed("1.3.0").await.expect(202);
    let search = stage.only_outcome(&delivered).await;
    assert_eq!(search["state"], "succeeded", "{search:#}");
    let children = search["children"].as_array().expect("a list");
    assert_eq!(children.len(), 1, "{search:#}");
    let child = children[0].as_str().expect("a name");
    let upgrade = stage
        .get(format!("/v1/operations/{child}?wait=50s"))
        .await
        .expect(200)
        .json();
    assert_eq!(upgrade["state"], "succeeded", "{upgrade:#}");
    assert_eq!(upgrade["release"], "minor", "{upgrade:#}");
    let values = stage.values("minor").await;
    assert!(
        values.contains("tag: 1.3.0") && values.contains("kept: 7"),
        "{values}"
    );
    for release in ["never", "other", "patch", "silent"] {
        assert!(
            stage.values(release).await.contains("tag: 1.2.3"),
            "{release}"
        );
    }
    let again = stage.pushed("1.3.0").await.expect(202);
    assert_eq!(again.json()["duplicate"], true, "{again}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_needs_approval_waits_for_it() {
    let rule = "target = { clusters = [\"s*\"], release = \"web\" }\nupgrade.set = { tag = \"event.tag\" }\napprove = true\n";
    let stage = hooked(rule, GRANT).start().await;
    stage.installed("web", json!({ "tag": "1" })).await;
    let delivered = stage.pushed("2").await.expect(202);
    let id = delivered.json()["operations"][0]
        .as_str()
        .expect("one")
        .to_owned();
    let waiting = stage.get(format!("/v1/operations/{id}")).await.expect(200);
    assert_eq!(waiting.json()["state"], "awaiting-approval", "{waiting}");
    stage
        .send(post(format!("/v1/operations/{id}/approve")))
        .await
        .expect(200);
    let done = stage
        .get(format!("/v1/operations/{id}?wait=50s"))
        .await
        .expect(200);
    assert_eq!(done.json()["state"], "succeeded", "{done}");
    assert!(
        stage.values("web").await.contains("tag: \"2\""),
        "{}",
        stage.values("web").await
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing_and_says_what_it_would() {
    let rule = "target = { clusters = [\"sim\"], release = \"web\" }\nupgrade.set = { tag = \"event.tag\" }\ndry_run = true\n";
    let stage = hooked(rule, GRANT).start().await;
    stage.installed("web", json!({ "tag": "1" })).await;
    let delivered = stage.pushed("2").await.expect(202);
    let outcome = stage.only_outcome(&delivered).await;
    assert_eq!(outcome["state"], "succeeded", "{outcome:#}");
    assert!(stage.values("web").await.contains("tag: \"1\""));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_without_a_grant_changes_nothing() {
    let rule = "target = { clusters = [\"sim\"], release = \"web\" }\nupgrade.set = { tag = \"event.tag\" }\n";
    let grant = "[[grant]]\nprincipals = [\"hook:hub\"]\nactions = [\"upgrade\", \"get-values\"]\nreleases = [\"db\"]\n";
    let stage = hooked(rule, grant).start().await;
    stage.installed("web", json!({ "tag": "1" })).await;
    let delivered = stage.pushed("2").await.expect(202);
    let outcome = stage.only_outcome(&delivered).await;
    assert_eq!(outcome["state"], "failed", "{outcome:#}");
    assert_eq!(outcome["problem"]["code"], "not_allowed", "{outcome:#}");
    let forged = stage
        .send(post("/hooks/hub?token=another-token-in-the-url").json(&json!({})))
        .await;
    forged.refused(Code::DeliveryRefused, Outcome::NotApplied);
    stage.end().await;
}
