//! Releases that run an image.

use rules::{Event, Finder, Image, Kind, Look, Quest, QuestError, Rule, Wanted};
use serde_json::{Value, json};

const SHA: &str = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";

fn quest(rule: &str, image: &str, tag: Option<&str>, digest: Option<&str>) -> Quest {
    let rule: Rule = toml::from_str(&format!("name = \"r\"\n{rule}")).expect("a rule");
    Quest {
        rule,
        cluster: "prod".into(),
        event: Event {
            kind: Kind::ImagePushed,
            image: Some(Image {
                name: image.into(),
                digest: digest.map(Into::into),
                ..Image::default()
            }),
            tag: tag.map(Into::into),
            ..Event::default()
        },
    }
}

fn look(quest: &Quest, values: &Value) -> Option<Look> {
    Finder::new(quest)
        .expect("it makes sense")
        .look("web", "shop", values)
}

/// The values that are set, if the release fits.
fn set(quest: &Quest, values: &Value) -> Result<Value, String> {
    let look = look(quest, values).expect("it runs the image");
    match look.wanted {
        Some(Wanted::Request { body, .. }) => Ok(body["values"].clone()),
        _ => Err(look.candidate.why),
    }
}

const CHARTS: &str = "[[discover.charts.shop]]\nrepository = \"image.repository\"\ntag = \"image.tag\"\ndigest = \"image.digest\"\n";

#[test]
fn a_release_of_a_chart_that_the_rule_knows_gets_the_new_tag() {
    let quest = quest(CHARTS, "quay.io/shop/web", Some("1.3"), None);
    let values = json!({"image": {"repository": "quay.io/shop/web", "tag": "1.2"}, "keel": {"policy": "never"}});
    assert_eq!(set(&quest, &values), Ok(json!({"image": {"tag": "1.3"}})));
    let look = look(&quest, &values).unwrap();
    assert_eq!(look.candidate.why, "it runs quay.io/shop/web");
    let Some(Wanted::Request {
        target, body, plan, ..
    }) = look.wanted
    else {
        panic!("a request");
    };
    assert_eq!(target, "/v1/clusters/prod/releases/web");
    assert_eq!(
        (plan.cluster.as_str(), plan.release.as_deref()),
        ("prod", Some("web"))
    );
    assert_eq!(body["chart"], json!({"deployed": true}));
    assert_eq!(body["reuse_values"], json!(true));
}

#[test]
fn other_images_and_other_charts_are_none_of_it() {
    let quest = quest(CHARTS, "quay.io/shop/web", Some("1.3"), None);
    for values in [
        json!({"image": {"repository": "quay.io/shop/webx", "tag": "1.2"}}),
        json!({"image": {"repository": "shop/web", "tag": "1.2"}}),
        json!({"image": {"repository": ["quay.io/shop/web"]}}),
        json!({"image": "quay.io/shop/web"}),
        json!({}),
        json!(null),
    ] {
        assert_eq!(look(&quest, &values), None, "{values}");
    }
    let finder = Finder::new(&quest).unwrap();
    let values = json!({"image": {"repository": "quay.io/shop/web", "tag": "1.2"}});
    assert_eq!(finder.look("web", "other", &values), None);
}

#[test]
fn names_are_compared_with_all_that_docker_adds() {
    for (event, value) in [
        ("docker.io/library/nginx", "nginx"),
        ("docker.io/library/nginx", "docker.io/nginx"),
        ("docker.io/shop/web", "shop/web"),
        ("docker.io/shop/web", "index.docker.io/shop/web"),
        ("localhost:5000/web", "localhost:5000/web"),
    ] {
        let quest = quest(CHARTS, event, Some("2"), None);
        let values = json!({"image": {"repository": value, "tag": "1"}});
        assert_eq!(
            set(&quest, &values),
            Ok(json!({"image": {"tag": "2"}})),
            "{value}"
        );
    }
}

#[test]
fn a_registry_may_stand_apart() {
    let rule = "[[discover.charts.shop]]\nregistry = \"image.registry\"\nrepository = \"image.repository\"\ntag = \"image.tag\"\n";
    let quest = quest(rule, "quay.io/shop/web", Some("2"), None);
    let values = |registry: &str| json!({"image": {"registry": registry, "repository": "shop/web", "tag": "1"}});
    assert!(set(&quest, &values("quay.io")).is_ok());
    assert_eq!(look(&quest, &values("docker.io")), None);
}

#[test]
fn a_whole_reference_keeps_the_form_it_has() {
    let rule = "[[discover.charts.shop]]\nrepository = \"image\"\n";
    let values = json!({"image": "nginx:1.20"});
    let pushed = quest(rule, "docker.io/library/nginx", Some("1.21"), None);
    assert_eq!(set(&pushed, &values), Ok(json!({"image": "nginx:1.21"})));
    let values = json!({"image": "localhost:5000/web"});
    let pushed = quest(rule, "localhost:5000/web", Some("7"), None);
    assert_eq!(
        set(&pushed, &values),
        Ok(json!({"image": "localhost:5000/web:7"}))
    );
}

#[test]
fn a_digest_goes_with_its_tag() {
    let values =
        json!({"image": {"repository": "quay.io/shop/web", "tag": "1", "digest": "sha256:old"}});
    let with = quest(CHARTS, "quay.io/shop/web", Some("2"), Some(SHA));
    assert_eq!(
        set(&with, &values),
        Ok(json!({"image": {"tag": "2", "digest": SHA}}))
    );
    let without = quest(CHARTS, "quay.io/shop/web", Some("2"), None);
    assert_eq!(
        set(&without, &values),
        Ok(json!({"image": {"tag": "2", "digest": ""}}))
    );
    let untagged = quest(CHARTS, "quay.io/shop/web", None, Some(SHA));
    assert_eq!(
        set(&untagged, &values),
        Ok(json!({"image": {"digest": SHA}}))
    );
    let nothing = quest(CHARTS, "quay.io/shop/web", None, None);
    assert_eq!(
        set(&nothing, &values),
        Err("the event names no tag".to_owned())
    );
}

#[test]
fn a_release_that_runs_it_already_is_left_alone_unless_more_is_set() {
    let values = json!({"image": {"repository": "quay.io/shop/web", "tag": "1"}});
    let same = quest(CHARTS, "quay.io/shop/web", Some("1"), None);
    assert_eq!(set(&same, &values), Err("it runs that already".to_owned()));
    let rule = format!("upgrade.set.pushed = \"event.tag\"\n{CHARTS}");
    let more = quest(&rule, "quay.io/shop/web", Some("1"), None);
    assert_eq!(
        set(&more, &values),
        Ok(json!({"image": {"tag": "1"}, "pushed": "1"}))
    );
    let digest = quest(CHARTS, "quay.io/shop/web", Some("1"), Some(SHA));
    assert!(set(&digest, &values).is_ok());
}

#[test]
fn a_number_is_a_tag_too() {
    let values = json!({"image": {"repository": "quay.io/shop/web", "tag": 1.2}});
    let quest = quest(CHARTS, "quay.io/shop/web", Some("1.3"), None);
    assert_eq!(set(&quest, &values), Ok(json!({"image": {"tag": "1.3"}})));
}

fn keel(section: Value) -> Value {
    json!({
        "image": {"repository": "quay.io/shop/web", "tag": "1.2.0"},
        "side": {"image": "quay.io/shop/web:1.1.0"},
        "keel": section,
    })
}

#[test]
fn the_values_own_section_says_where_images_are_and_which_tags_are_taken() {
    let images = json!([{"repository": "image.repository", "tag": "image.tag"}, {"repository": "side.image"}]);
    let values = keel(json!({"policy": "minor", "images": images}));
    let quest = |tag| quest("discover = {}", "quay.io/shop/web", Some(tag), None);
    assert_eq!(
        set(&quest("1.3.0"), &values),
        Ok(json!({"image": {"tag": "1.3.0"}, "side": {"image": "quay.io/shop/web:1.3.0"}}))
    );
    // What is newer for one is older for the other.
    assert_eq!(
        set(&quest("1.1.5"), &values),
        Ok(json!({"side": {"image": "quay.io/shop/web:1.1.5"}}))
    );
    assert_eq!(
        set(&quest("2.0.0"), &values),
        Err("keel's policy does not take `2.0.0` in place of `1.1.0`".to_owned())
    );
}

#[test]
fn sections_that_ask_for_nothing_or_are_none_are_passed_by() {
    let quest = quest("discover = {}", "quay.io/shop/web", Some("1.3.0"), None);
    let images = json!([{"repository": "image.repository", "tag": "image.tag"}]);
    for section in [
        json!(null),
        json!("all"),
        json!({"policy": "never", "images": images}),
        json!({"policy": "all"}),
        json!({"policy": "all", "images": [{"tag": "image.tag"}, 7, {"repository": "a[0]"}]}),
    ] {
        assert_eq!(look(&quest, &keel(section.clone())), None, "{section}");
    }
}

#[test]
fn force_upgrades_even_to_the_same_tag() {
    let images = json!([{"repository": "image.repository", "tag": "image.tag"}]);
    let quest = quest("discover = {}", "quay.io/shop/web", Some("1.2.0"), None);
    let values = keel(json!({"policy": "force", "images": images}));
    assert_eq!(set(&quest, &values), Ok(json!({"image": {"tag": "1.2.0"}})));
    let matching = keel(json!({"policy": "glob:1.*", "images": images}));
    assert_eq!(
        set(&quest, &matching),
        Err("it runs that already".to_owned())
    );
}

#[test]
fn approvals_of_the_section_make_it_wait_for_one() {
    let images = json!([{"repository": "image.repository", "tag": "image.tag"}]);
    let quest = quest("discover = {}", "quay.io/shop/web", Some("1.3.0"), None);
    for (approvals, expected) in [(0, false), (2, true)] {
        let values = keel(json!({"policy": "all", "approvals": approvals, "images": images}));
        let Some(Wanted::Request { approve, .. }) = look(&quest, &values).unwrap().wanted else {
            panic!("a request");
        };
        assert_eq!(approve, expected);
    }
}

#[test]
fn releases_are_chosen_by_name() {
    let quest = quest(
        "discover.releases = [\"shop-*\"]",
        "quay.io/shop/web",
        Some("1"),
        None,
    );
    let finder = Finder::new(&quest).unwrap();
    assert!(finder.is_meant("shop-web"));
    assert!(!finder.is_meant("web"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let web = "quay.io/shop/web";
    let mut no_image = quest("discover = {}", web, Some("1"), None);
    no_image.event.image = None;
    assert_eq!(Finder::new(&no_image).err(), Some(QuestError::NoImage));
    let target = "upgrade.set.a = \"1\"\ntarget = { release = \"web\", clusters = [\"c\"] }";
    let target = quest(target, web, Some("1"), None);
    assert_eq!(Finder::new(&target).err(), Some(QuestError::NoDiscover));
    let rule = quest("discover = {}\nwhen = \"(\"", web, Some("1"), None);
    assert!(matches!(
        Finder::new(&rule).err(),
        Some(QuestError::Rule(_))
    ));
    let change = quest(
        "discover = {}\nupgrade.set.a = \"event.branch\"",
        web,
        Some("1"),
        None,
    );
    assert!(matches!(
        Finder::new(&change).err(),
        Some(QuestError::Change(_))
    ));
}
