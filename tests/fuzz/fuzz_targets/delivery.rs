//! Any bytes as a delivery of any provider, held against rules that look at all of it.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rest::relay::ClusterView;
use rules::{MAX_EVENTS, MAX_WANTED, Outcome, Provider, Rules, Wanted, compile, read};

/// The headers that say what a payload is.
const HEADERS: [(&str, &str); 16] = [
    ("content-type", "application/cloudevents+json"),
    ("content-type", "application/cloudevents-batch+json"),
    ("content-type", "application/json"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("x-event-key", "diagnostics:ping"),
    ("x-event-key", "repo:refs_changed"),
    ("x-github-event", "deployment"),
    ("x-github-event", "package"),
    ("x-github-event", "push"),
    ("x-github-event", "registry_package"),
    ("x-github-event", "release"),
    ("x-github-event", "workflow_run"),
    ("x-nexus-webhook-id", "rm:repository:component"),
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("webhook-id", "msg_1"),
];

const PROVIDERS: [Provider; 15] = [
    Provider::Acr,
    Provider::Bitbucket,
    Provider::Cloudevents,
    Provider::Distribution,
    Provider::DockerHub,
    Provider::Github,
    Provider::Gitlab,
    Provider::Harbor,
    Provider::Hmac,
    Provider::Jfrog,
    Provider::Nexus,
    Provider::Pubsub,
    Provider::Quay,
    Provider::StandardWebhooks,
    Provider::Watch,
];

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let rules = serde_json::json!([
        {
            "name": "target",
            "target": {"release": "${event.tag.lowerAscii()}", "regions": ["*"]},
            "upgrade": {"set": {"tag": "event.tag", "all": "event.payload"}},
        },
        {"name": "semver", "semver": ">=0", "images": ["*/*"], "discover": {}, "upgrade": {"set": {"a": "event.payload"}}},
        {
            "name": "when",
            "events": ["other"],
            "when": "event.payload.exists(x, x == event.name) || event.name.matches('^[a-z]')",
            "target": {"release": "web", "clusters": ["a"]},
            "upgrade": {"set": {"a": "[event.name, event.?repository.orValue('')]"}},
        },
    ]);
    let rules: Vec<rules::Rule> = serde_json::from_value(rules).expect("rules");
    compile(&rules).expect("they make sense")
});

// The first three bytes choose provider and headers.
fuzz_target!(|input: &[u8]| {
    let [provider, low, high, body @ ..] = input else {
        return;
    };
    let Some(provider) = PROVIDERS.get(usize::from(*provider) % PROVIDERS.len()) else {
        return;
    };
    let chosen = u16::from_le_bytes([*low, *high]);
    let headers: HeaderMap = HEADERS
        .iter()
        .enumerate()
        .filter(|(bit, _)| chosen & (1 << bit) != 0)
        .map(|(_, (name, value))| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    let Ok(events) = read(*provider, &headers, body) else {
        return;
    };
    assert!(events.len() <= MAX_EVENTS);
    let count = events.len();
    let clusters = [ClusterView {
        name: "a".to_owned(),
        region: Some("eu".to_owned()),
        ..ClusterView::default()
    }];
    let Ok(outcome) = RULES.judge(events).outcome(&clusters) else {
        return;
    };
    assert_eq!(outcome.events.len(), count);
    let wanted: Vec<_> = outcome
        .events
        .iter()
        .flat_map(|event| &event.wanted)
        .collect();
    assert!(wanted.len() <= MAX_WANTED);
    assert_eq!(outcome.reason.is_none(), !wanted.is_empty());
    for wanted in wanted {
        if let Wanted::Request { target, plan, .. } = wanted {
            let release = plan.release.as_deref().expect("a release is named");
            assert_eq!(target, &format!("/v1/clusters/a/releases/{release}"));
        }
    }
    let json = serde_json::to_vec(&outcome).expect("JSON");
    assert_eq!(
        serde_json::from_slice::<Outcome>(&json).expect("it reads back"),
        outcome
    );
});
