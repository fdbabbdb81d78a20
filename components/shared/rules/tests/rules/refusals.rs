//! What is refused: rules that make no sense, payloads that are none, and whatever else somebody may send.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use rules::{Provider, ReadError, Rule, compile, read};
use serde_json::{Value, json};

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

fn errors(text: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct File {
        rule: Vec<Rule>,
    }
    let file: File = toml::from_str(text).expect("rules");
    let errors = compile(&file.rule).expect_err(text);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn rules_that_make_no_sense_say_what_is_wrong_with_them() {
    const TARGET: &str = "target = { release = \"web\", clusters = [\"c\"] }\n";
    const SET: &str = "upgrade.set.a = \"1\"\n";
    for (rule, expected) in [
        (TARGET.to_owned(), "`upgrade` changes nothing"),
        (SET.to_owned(), "`target` is missing, and so is `discover`"),
        (
            format!("{TARGET}{SET}discover = {{}}\n"),
            "`discover` stands beside `target`",
        ),
        (
            format!("{SET}target = {{ release = \"web\" }}\n"),
            "`target.clusters` is missing: name clusters, regions or labels",
        ),
        (
            format!("{SET}target = {{ release = \"a/b\", clusters = [\"c\"] }}\n"),
            "`target.release` is not the name of a release",
        ),
        (
            format!("{SET}target = {{ release = \"${{tag}}\", clusters = [\"c\"] }}\n"),
            "`target.release` names `tag`, which is not there",
        ),
        (
            format!("{TARGET}{SET}when = \"event.tags\"\n"),
            "`when` names `event.tags`",
        ),
        (
            format!("{TARGET}{SET}semver = \">>1\"\n"),
            "`semver` is no range",
        ),
        (
            format!("{TARGET}{SET}images = [\"nginx\"]\n"),
            "`nginx` is `docker.io/library/nginx`",
        ),
        (format!("{TARGET}{SET}tags = [\"\"]\n"), "`tags` is empty"),
        (
            format!("{TARGET}upgrade.set.\"a[0]\" = \"1\"\n"),
            "`upgrade.set.a[0]` is a path into a list",
        ),
        (
            format!("{TARGET}upgrade.set.a = \"(\"\n"),
            "`upgrade.set.a` is no expression",
        ),
        (
            format!("{TARGET}upgrade.set = {{ \"a\" = \"1\", \"a.b\" = \"1\" }}\n"),
            "`upgrade.set.a.b` leads through another path that is set",
        ),
        (
            format!("{TARGET}{SET}upgrade.timeout = \"0\"\n"),
            "`upgrade.timeout`",
        ),
        (
            format!("{TARGET}{SET}upgrade.install = true\n"),
            "`upgrade.install` needs `upgrade.chart`",
        ),
        (
            format!("{TARGET}{SET}upgrade.namespace = \"a\"\n"),
            "`upgrade.namespace` has no meaning",
        ),
        (
            format!("{TARGET}upgrade.chart = {{ repository = \"\", name = \"web\" }}\n"),
            "`upgrade.chart.repository` is empty",
        ),
        (
            "discover.charts.web = [{ repository = \"image\", tag = \"image.tag\" }]\n".to_owned(),
            "`discover.charts.web.tag` is where the repository is",
        ),
    ] {
        let text = format!("[[rule]]\nname = \"r\"\n{rule}");
        let errors = errors(&text);
        assert!(
            errors
                .iter()
                .any(|error| error.contains(expected) && error.starts_with("rule `r`: ")),
            "{text}\n{errors:?}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let errors = errors(
        "[[rule]]\nname = \"a\"\nwhen = \"(\"\nsemver = \"x y\"\n[[rule]]\nname = \"a\"\n[[rule]]\n",
    );
    let rules: Vec<&str> = errors
        .iter()
        .map(|error| error.split(':').next().unwrap())
        .collect();
    assert!(rules.contains(&"rule `#3`"), "{errors:?}");
    assert!(
        errors
            .iter()
            .any(|error| error == "rule `a`: `name` is another rule's too")
    );
    assert!(errors.len() >= 6, "{errors:?}");
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

#[test]
fn what_is_no_json_is_refused() {
    for provider in PROVIDERS {
        for body in ["", "{", "hello", "{\"a\":1,\"a\":2}", "[1,2", "\"\u{1}\""] {
            let read = read(provider, &HeaderMap::new(), body.as_bytes());
            assert!(
                matches!(read, Err(ReadError::Malformed(_))),
                "{provider:?} {body}"
            );
        }
    }
}

#[test]
fn more_than_a_delivery_may_have_is_refused() {
    let many = json!({"events": vec![json!({"action": "push"}); 1001]});
    let read_as = |provider, body: &Value| {
        read(provider, &HeaderMap::new(), body.to_string().as_bytes()).map(|events| events.len())
    };
    assert_eq!(
        read_as(Provider::Distribution, &many),
        Err(ReadError::TooMuch)
    );
    // Few events with a payload that all of them take along.
    let tags: Vec<String> = (0..900).map(|tag| tag.to_string()).collect();
    let padded =
        json!({"docker_url": "quay.io/a/b", "updated_tags": tags, "pad": "x".repeat(100_000)});
    assert_eq!(read_as(Provider::Quay, &padded), Err(ReadError::TooMuch));
    let values = json!({"pad": vec![0; 200_001]});
    assert!(matches!(
        read_as(Provider::Hmac, &values),
        Err(ReadError::Malformed(_))
    ));
}

#[test]
fn cloudevents_are_what_they_must_be_or_refused() {
    let structured = headers(&[("content-type", "application/cloudevents+json")]);
    for event in [
        json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t"}),
        json!({"specversion": "1.0", "source": "s", "type": "t"}),
        json!({"specversion": "1.0", "id": "", "source": "s", "type": "t"}),
        json!([{"specversion": "1.0", "id": "1", "source": "s", "type": "t"}]),
    ] {
        let read = read(
            Provider::Cloudevents,
            &structured,
            event.to_string().as_bytes(),
        );
        assert!(matches!(read, Err(ReadError::Malformed(_))), "{event}");
    }
    let xml = headers(&[("content-type", "application/cloudevents+xml")]);
    assert!(matches!(
        read(Provider::Cloudevents, &xml, b"<event/>"),
        Err(ReadError::MediaType(_))
    ));
    let binary = |value: &[u8]| {
        let mut headers = headers(&[("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-type", "t")]);
        headers.insert("ce-source", HeaderValue::from_bytes(value).unwrap());
        read(Provider::Cloudevents, &headers, b"")
    };
    assert_eq!(
        binary(b"\"a \\\"b\\\"\"").unwrap()[0].key.as_deref(),
        Some("a \"b\" 1")
    );
    assert!(binary(b"%ff").is_err());
    assert!(binary(b"\xff").is_err());
}

#[test]
fn a_name_in_a_payload_is_a_short_text_or_not_there() {
    for name in ["", "a\nb", "a\u{0}b", &"x".repeat(513)] {
        let body = json!({
            "push_data": {"tag": name, "pushed_at": 1},
            "repository": {"repo_name": "shop/web"},
        });
        let events = read(
            Provider::DockerHub,
            &HeaderMap::new(),
            body.to_string().as_bytes(),
        );
        let events = events.unwrap();
        assert_eq!(events[0].image, None, "{name:?}");
        assert_eq!(events[0].kind, rules::Kind::Other);
    }
}

/// Any JSON, mostly of names that payloads have.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        prop::sample::select(vec![
            "push",
            "created",
            "published",
            "PUSH_ARTIFACT",
            "UPLOAD_CHART",
            "refs/heads/main",
            "INSERT",
            "container",
            "sha256:0",
            "a/b:c@d",
            "https://h/chartrepo/p/charts/c-1.tgz",
            ":",
            "@",
            "/",
            "-1.tgz",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let names = prop::sample::select(vec![
            "action",
            "event_data",
            "resources",
            "resource_url",
            "tag",
            "repository",
            "name",
            "namespace",
            "type",
            "events",
            "target",
            "mediaType",
            "digest",
            "request",
            "host",
            "push_data",
            "updated_tags",
            "docker_url",
            "message",
            "data",
            "messageId",
            "registry_package",
            "package_version",
            "container_metadata",
            "release",
            "deployment",
            "environment",
            "ref",
            "after",
            "changes",
            "component",
            "domain",
            "event_type",
            "kind",
            "image",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_payload_is_too_strange(value in value(), event in "[a-z_:]{0,20}") {
        let headers = headers(&[
            ("x-github-event", "push"),
            ("x-event-key", "repo:refs_changed"),
            ("x-nexus-webhook-id", "rm:repository:component"),
            ("x-other", &event),
        ]);
        let wrapped = json!({"message": {"data": BASE64_STANDARD.encode(value.to_string()), "messageId": "1"}});
        for provider in PROVIDERS {
            for body in [&value, &wrapped] {
                if let Ok(events) = read(provider, &headers, body.to_string().as_bytes()) {
                    for event in events {
                        prop_assert!(!event.summary().contains(char::is_control));
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_is_too_strange_for_a_rule(when in ".{0,40}", release in ".{0,40}", path in ".{0,20}") {
        let rule = Rule {
            name: "r".into(),
            when: Some(when.clone()),
            semver: Some(when),
            target: Some(rules::Target {
                release,
                clusters: vec!["c".into()],
                ..rules::Target::default()
            }),
            upgrade: rules::Upgrade {
                set: [(path, "1".to_owned())].into(),
                ..rules::Upgrade::default()
            },
            ..Rule::default()
        };
        let _ = compile(&[rule]);
    }
}
