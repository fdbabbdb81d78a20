//! What deliveries come to.

use rest::problem::Code;
use rules::{Kind, Outcome, Wanted};
use serde_json::{Value, json};

use crate::fake::{Edge, edge};

fn hook(provider: &str, rules: &Value) -> Edge {
    let hook = json!({"provider": provider, "rules": rules});
    edge().document("/hook", &hook)
}

fn rule(target: &Value) -> Value {
    json!([{
        "name": "web",
        "images": ["quay.io/shop/*"],
        "target": target,
        "upgrade": {"set": {"image.tag": "event.tag"}},
    }])
}

fn payload() -> String {
    json!({"docker_url": "quay.io/shop/web", "updated_tags": ["1.2", "1.3"]}).to_string()
}

#[tokio::test]
async fn a_delivery_comes_to_the_requests_of_its_rules() {
    let edge = hook(
        "quay",
        &rule(&json!({"release": "web", "clusters": ["prod"]})),
    );
    let outcome: Outcome = edge.post("/hooks/quay", &[], &payload()).await.json();
    assert_eq!(outcome.reason, None);
    let targets: Vec<_> = outcome
        .events
        .iter()
        .flat_map(|event| &event.wanted)
        .map(|wanted| match wanted {
            Wanted::Request { target, body, .. } => {
                (target.as_str(), &body["values"]["image"]["tag"])
            }
            Wanted::Discovery { .. } => panic!("a request"),
        })
        .collect();
    let target = "/v1/clusters/prod/releases/web";
    assert_eq!(targets, [(target, &json!("1.2")), (target, &json!("1.3"))]);
    // Nothing but the rules has to be known for that.
    assert_eq!(edge.paths(), ["/hook"]);
}

#[tokio::test]
async fn clusters_are_looked_up_where_a_rule_means_them_by_more_than_their_names() {
    let clusters = json!({"items": [
        {"name": "prod-a", "region": "eu", "server": "https://a"},
        {"name": "prod-b", "region": "us", "server": "https://b"},
    ]});
    let rules = rule(&json!({"release": "web", "regions": ["eu"]}));
    let edge = hook("quay", &rules).document("/clusters", &clusters);
    let outcome: Outcome = edge.post("/hooks/quay", &[], &payload()).await.json();
    assert_eq!(outcome.events[0].verdicts[0].why, "upgrades web in prod-a");
    assert_eq!(edge.paths(), ["/hook", "/clusters"]);
}

#[tokio::test]
async fn headers_say_what_a_payload_is_about() {
    let edge = hook("github", &json!([]));
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "ping"),
        ("x-github-delivery", "72d3162e"),
    ];
    let outcome: Outcome = edge.post("/hooks/gh", &headers, "{}").await.json();
    assert_eq!(outcome.reason.as_deref(), Some("it is a ping"));
    assert_eq!(outcome.events[0].kind, Kind::Ping);
    assert_eq!(outcome.events[0].key.as_deref(), Some("72d3162e"));
}

#[tokio::test]
async fn what_cannot_be_read_is_its_senders_fault() {
    let edge = hook("harbor", &json!([]));
    for body in ["", "[]", "nonsense", "{\"a\":1,\"a\":2}"] {
        let problem = edge.post("/hooks/harbor", &[], body).await.problem();
        assert_eq!(problem.code, Code::InvalidDelivery, "{body}");
    }
    let xml = [("content-type", "application/cloudevents+xml")];
    let problem = edge.post("/hooks/harbor", &xml, "<a/>").await.problem();
    assert_eq!(problem.code, Code::UnsupportedMediaType);
}

#[tokio::test]
async fn rules_that_make_no_sense_are_not_its_senders_fault() {
    let edge = hook("quay", &json!([{"name": "x"}]));
    let problem = edge.post("/hooks/quay", &[], &payload()).await.problem();
    assert_eq!(problem.code, Code::NotRelayed);
    assert!(
        problem.detail.contains("rule `x`: `target` is missing"),
        "{}",
        problem.detail
    );
}
