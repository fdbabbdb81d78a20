//! Which rules an event fits, and what it comes to.

use rest::relay::ClusterView;
use rules::{Event, Image, Kind, Outcome, Rule, TooMuch, Wanted, compile};
use serde_json::{Value, json};

/// Rules as an operator writes them.
#[derive(serde::Deserialize)]
struct File {
    rule: Vec<Rule>,
}

fn rules(text: &str) -> Vec<Rule> {
    toml::from_str::<File>(text).expect("rules").rule
}

fn push(image: &str, tag: &str) -> Event {
    Event {
        kind: Kind::ImagePushed,
        name: "PUSH_ARTIFACT".into(),
        image: Some(Image {
            name: image.into(),
            ..Image::default()
        }),
        tag: Some(tag.into()),
        payload: json!({"operator": "ci"}),
        ..Event::default()
    }
}

fn clusters() -> Vec<ClusterView> {
    let cluster = |name: &str, region: &str, stage: &str| ClusterView {
        name: name.into(),
        region: Some(region.into()),
        labels: [("stage".to_owned(), stage.to_owned())].into(),
        ..ClusterView::default()
    };
    vec![
        cluster("prod-eu", "eu", "prod"),
        cluster("prod-us", "us", "prod"),
        cluster("test-eu", "eu", "test"),
    ]
}

fn judge(text: &str, events: Vec<Event>) -> Outcome {
    let rules = compile(&rules(text)).expect("they make sense");
    rules
        .judge(events)
        .outcome(&clusters())
        .expect("not too much")
}

/// What one rule says to one event, and whether it fits.
fn verdict(conditions: &str, event: Event) -> (bool, String) {
    let text = format!(
        "[[rule]]\nname = \"r\"\n{conditions}\ntarget = {{ release = \"web\", clusters = [\"prod-eu\"] }}\n\
         upgrade.set.\"image.tag\" = \"event.tag\"\n"
    );
    let outcome = judge(&text, vec![event]);
    let verdict = &outcome.events[0].verdicts[0];
    assert_eq!(verdict.fits, !outcome.events[0].wanted.is_empty());
    assert_eq!(verdict.fits, outcome.reason.is_none());
    (verdict.fits, verdict.why.clone())
}

const WEB: &str = "harbor.example.com/shop/web";

#[test]
fn an_event_that_fits_becomes_an_upgrade() {
    let outcome = judge(
        r#"
        [[rule]]
        name = "web"
        images = ["harbor.example.com/shop/*"]
        semver = "^1.0"
        coalesce = "newest"
        approve = true
        target = { release = "web", clusters = ["prod-eu"], tiller = "blue" }
        upgrade = { set = { "image.tag" = "event.tag", "by.name" = "event.payload.operator" }, wait = true, timeout = "2m" }
        "#,
        vec![push(WEB, "1.2.0")],
    );
    let event = &outcome.events[0];
    assert_eq!(outcome.reason, None);
    assert_eq!(event.summary, format!("image-pushed {WEB}:1.2.0"));
    assert_eq!(event.verdicts[0].why, "upgrades web in prod-eu");
    let wanted = serde_json::to_value(&event.wanted).unwrap();
    assert_eq!(
        wanted,
        json!([{
            "kind": "request",
            "rule": "web",
            "method": "PUT",
            "target": "/v1/clusters/prod-eu/tillers/blue/releases/web",
            "body": {
                "chart": {"deployed": true},
                "values": {"image": {"tag": "1.2.0"}, "by": {"name": "ci"}},
                "reuse_values": true,
                "wait": true,
                "timeout": "120s",
                "description": format!("image-pushed {WEB}:1.2.0"),
            },
            "plan": {
                "action": "upgrade", "cluster": "prod-eu", "tiller": "blue", "release": "web", "timeout": 120,
            },
            "coalesce": true,
            "approve": true,
        }])
    );
}

#[test]
fn a_chart_can_be_changed_and_installed() {
    let outcome = judge(
        r#"
        [[rule]]
        name = "chart"
        events = ["chart-pushed"]
        dry_run = true
        target = { release = "${event.image.name.split('/')[2]}", clusters = ["prod-eu"] }
        [rule.upgrade]
        reset_values = true
        atomic = true
        install = true
        namespace = "shop"
        chart = { repository = "harbor", name = "web", version = "${event.tag}" }
        "#,
        vec![Event {
            kind: Kind::ChartPushed,
            ..push(WEB, "1.2.0")
        }],
    );
    let Wanted::Request {
        body, plan, target, ..
    } = &outcome.events[0].wanted[0]
    else {
        panic!("a request");
    };
    assert_eq!(target, "/v1/clusters/prod-eu/releases/web");
    assert_eq!(plan.namespace.as_deref(), Some("shop"));
    assert!(plan.dry_run);
    assert_eq!(
        body,
        &json!({
            "chart": {"repository": "harbor", "name": "web", "version": "1.2.0"},
            "values": {}, "reset_values": true, "dry_run": true, "atomic": true, "install": true,
            "namespace": "shop", "timeout": "300s", "description": format!("chart-pushed {WEB}:1.2.0"),
        })
    );
    assert_eq!(
        outcome.events[0].verdicts[0].why,
        "tries to upgrade web in prod-eu"
    );
}

#[test]
fn every_condition_must_hold_and_says_so_if_it_does_not() {
    for (conditions, expected) in [
        (
            "events = [\"tagged\"]",
            "it is image-pushed, which the rule is not about",
        ),
        (
            "names = [\"push*\"]",
            "its name `PUSH_ARTIFACT` is none of push*",
        ),
        (
            "images = [\"*/shop/db\"]",
            "its image `harbor.example.com/shop/web` is none of */shop/db",
        ),
        ("repositories = [\"*\"]", "it names no repository"),
        (
            "tags = [\"v*\", \"main\"]",
            "its tag `1.2.0` is none of v*, main",
        ),
        (
            "semver = \">=2\"",
            "its tag `1.2.0` is not in the range `>=2`",
        ),
        ("digest = true", "it names no digest"),
        ("branches = [\"main\"]", "it names no branch"),
        ("environments = [\"prod\"]", "it names no environment"),
        ("when = \"event.tag == '7'\"", "`when` is false"),
        ("when = \"event.tag\"", "`when` is neither true nor false"),
        (
            "when = \"event.branch == 'main'\"",
            "`when` cannot be computed: No such key: branch",
        ),
    ] {
        assert_eq!(
            verdict(conditions, push(WEB, "1.2.0")),
            (false, expected.to_owned()),
            "{conditions}"
        );
    }
    for conditions in [
        "",
        "events = [\"tagged\", \"image-pushed\"]",
        "names = [\"PUSH_*\"]",
        "images = [\"harbor.example.com/shop/web\"]",
        "tags = [\"1.*\"]",
        "semver = \"~1.2\"",
        "when = \"event.payload.operator == 'ci' && !has(event.branch)\"",
    ] {
        assert!(
            verdict(conditions, push(WEB, "v1.2.0".trim_start_matches('v'))).0,
            "{conditions}"
        );
    }
}

#[test]
fn a_leading_v_does_not_matter_to_a_range_and_no_version_is_in_none() {
    assert!(verdict("semver = \"^1.0\"", push(WEB, "v1.2.0")).0);
    let (fits, why) = verdict("semver = \"^1.0\"", push(WEB, "main"));
    assert!(!fits);
    assert_eq!(why, "its tag `main` is no version");
}

#[test]
fn what_cannot_be_computed_is_said_and_nothing_is_done() {
    for (upgrade, release, expected) in [
        (
            "event.branch",
            "web",
            "`upgrade.set.a` cannot be computed: No such key: branch",
        ),
        ("null", "web", "`upgrade.set.a` gives null"),
        (
            "1",
            "${event.branch}",
            "`target.release` cannot be computed: No such key: branch",
        ),
        (
            "1",
            "${event.image.name}",
            "`target.release` gives `harbor.example.com/shop/web`, which is not the name of a release",
        ),
    ] {
        let text = format!(
            "[[rule]]\nname = \"r\"\ntarget = {{ release = {release:?}, clusters = [\"prod-eu\"] }}\n\
             upgrade.set.a = {upgrade:?}\n"
        );
        let outcome = judge(&text, vec![push(WEB, "1")]);
        let event = &outcome.events[0];
        assert_eq!(event.verdicts[0].why, expected);
        assert!(event.verdicts[0].fits);
        assert!(event.wanted.is_empty());
        assert_eq!(
            outcome.reason.as_deref(),
            Some("a rule fits, and there is nothing for it to do")
        );
    }
}

#[test]
fn clusters_are_chosen_by_name_region_and_label() {
    let chosen = |target: &str| -> Vec<String> {
        let text = format!(
            "[[rule]]\nname = \"r\"\nupgrade.set.a = \"1\"\ntarget = {{ release = \"web\", {target} }}\n"
        );
        let outcome = judge(&text, vec![push(WEB, "1")]);
        let wanted = outcome.events[0].wanted.iter();
        wanted
            .map(|wanted| match wanted {
                Wanted::Request { plan, .. } => plan.cluster.clone(),
                Wanted::Discovery { .. } => panic!("a request"),
            })
            .collect()
    };
    assert_eq!(chosen("clusters = [\"prod-*\"]"), ["prod-eu", "prod-us"]);
    assert_eq!(chosen("regions = [\"eu\"]"), ["prod-eu", "test-eu"]);
    assert_eq!(
        chosen("labels = { stage = \"prod\" }, regions = [\"e*\"]"),
        ["prod-eu"]
    );
    assert!(chosen("labels = { team = \"*\" }").is_empty());
    // A name that stands there is taken at its word.
    assert_eq!(
        chosen("clusters = [\"elsewhere\", \"prod-us\"]"),
        ["elsewhere", "prod-us"]
    );
}

#[test]
fn clusters_are_asked_for_only_where_it_matters() {
    let asks = |target: &str, image: &str| {
        let text = format!(
            "[[rule]]\nname = \"r\"\nimages = [\"{WEB}\"]\nupgrade.set.a = \"1\"\n{target}\n"
        );
        compile(&rules(&text))
            .expect("they make sense")
            .judge(vec![push(image, "1")])
            .asks_for_clusters()
    };
    let by_name = "target = { release = \"web\", clusters = [\"prod-eu\"] }";
    let by_pattern = "target = { release = \"web\", clusters = [\"prod-*\"] }";
    assert!(!asks(by_name, WEB));
    assert!(asks(by_pattern, WEB));
    assert!(asks("discover = {}", WEB));
    assert!(!asks(by_pattern, "quay.io/other/image"));
}

#[test]
fn discovery_is_wanted_cluster_by_cluster_with_as_much_of_the_event_as_is_looked_at() {
    for (set, with_payload) in [("event.tag", false), ("event.payload.operator", true)] {
        let text = format!(
            "[[rule]]\nname = \"r\"\ndiscover = {{ clusters = [\"prod-*\"] }}\nupgrade.set.by = {set:?}\n"
        );
        let outcome = judge(&text, vec![push(WEB, "1")]);
        let wanted = &outcome.events[0].wanted;
        assert_eq!(wanted.len(), 2);
        let Wanted::Discovery {
            rule,
            cluster,
            event,
        } = &wanted[1]
        else {
            panic!("a discovery");
        };
        assert_eq!((rule.as_str(), cluster.as_str()), ("r", "prod-us"));
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(event.payload != Value::Null, with_payload, "{set}");
        assert_eq!(
            outcome.events[0].verdicts[0].why,
            "finds releases in prod-eu, prod-us"
        );
    }
}

#[test]
fn a_ping_fits_only_who_asks_for_pings() {
    let ping = || Event {
        kind: Kind::Ping,
        ..push(WEB, "1")
    };
    assert_eq!(verdict("", ping()), (false, "it is a ping".to_owned()));
    assert!(verdict("events = [\"ping\"]", ping()).0);
}

#[test]
fn why_nothing_happens_is_said() {
    let rule = "[[rule]]\nname = \"r\"\ntags = [\"x\"]\nupgrade.set.a = \"1\"\n\
                target = { release = \"web\", clusters = [\"c\"] }\n";
    let reason = |text: &str, events| judge(text, events).reason.expect("nothing happens");
    assert_eq!(reason(rule, vec![]), "it says of nothing that it happened");
    assert_eq!(reason(rule, vec![push(WEB, "1")]), "no rule fits");
    let ping = Event {
        kind: Kind::Ping,
        ..Event::default()
    };
    assert_eq!(reason(rule, vec![ping]), "it is a ping");
    assert_eq!(
        reason("rule = []", vec![push(WEB, "1")]),
        "the hook has no rules"
    );
}

#[test]
fn too_much_is_refused() {
    let text = "[[rule]]\nname = \"r\"\nupgrade.set.a = \"1\"\ntarget = { release = \"web\", clusters = [\"*-*\"] }\n";
    let rules = compile(&rules(text)).expect("they make sense");
    let judged = |count| {
        let events = vec![push(WEB, "1"); count];
        rules.judge(events).outcome(&clusters())
    };
    assert!(judged(333).is_ok());
    assert_eq!(judged(334), Err(TooMuch));
}

#[test]
fn an_outcome_reads_back_from_json() {
    let text = "[[rule]]\nname = \"r\"\nupgrade.set.a = \"1\"\ntarget = { release = \"web\", clusters = [\"a\"] }\n\
                [[rule]]\nname = \"d\"\ndiscover = {}\n";
    let outcome = judge(text, vec![push(WEB, "1")]);
    let json = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
}
