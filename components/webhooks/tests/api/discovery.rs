//! Releases that are found.

use rest::problem::Code;
use rules::{Found, Wanted};
use serde_json::{Value, json};
use tiller_api::hapi::{chart::Config, release::Release};

use crate::fake::{Edge, chunk, edge, release};

fn quest() -> Value {
    json!({
        "rule": {
            "name": "web",
            "discover": {"charts": {"shop": [{"repository": "image.repository", "tag": "image.tag"}]}},
            "upgrade": {},
        },
        "cluster": "prod",
        "event": {
            "kind": "image-pushed", "name": "push", "image": {"name": "quay.io/shop/web"}, "tag": "1.2",
        },
    })
}

async fn find(edge: &Edge) -> Found {
    edge.post("/discover", &[], &quest().to_string())
        .await
        .json()
}

/// The releases that are to be upgraded.
fn names(found: &Found) -> Vec<&str> {
    let names = found.wanted.iter().map(|wanted| match wanted {
        Wanted::Request { plan, .. } => plan.release.as_deref().expect("a name"),
        Wanted::Discovery { .. } => panic!("a request"),
    });
    names.collect()
}

#[tokio::test]
async fn releases_that_run_the_image_are_upgraded() {
    let edge = edge().lists(&[
        chunk(
            vec![
                release("a", "{}"),
                release("b", "image: {repository: other}"),
            ],
            "",
        ),
        chunk(
            vec![
                release("c", "image: {tag: \"1.2\"}"),
                release("d", "replicas: 2"),
            ],
            "",
        ),
    ]);
    let found = find(&edge).await;
    assert_eq!(names(&found), ["a", "d"]);
    assert_eq!((found.looked, found.withheld), (4, 0));
    let told: Vec<_> = found
        .releases
        .iter()
        .map(|candidate| {
            (
                candidate.release.as_str(),
                candidate.fits,
                candidate.why.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("a", true, "it runs quay.io/shop/web"),
            ("c", false, "it runs that already"),
            ("d", true, "it runs quay.io/shop/web"),
        ]
    );
    let asked = edge.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].status_codes, [1]);
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_and_nothing_twice() {
    let edge = edge()
        .lists(&[chunk(vec![release("a", "{}"), release("b", "{}")], "more")])
        .lists(&[chunk(vec![release("b", "{}"), release("c", "{}")], "")]);
    let found = find(&edge).await;
    assert_eq!(names(&found), ["a", "b", "c"]);
    let offsets: Vec<_> = edge.asked().into_iter().map(|asked| asked.offset).collect();
    assert_eq!(offsets, ["", "b"]);
}

#[tokio::test]
async fn a_page_that_is_too_long_for_tiller_is_asked_for_in_parts() {
    let too_long = "grpc: trying to send message larger than max (20971530 vs. 20971520)";
    let edge = edge()
        .fails(&[chunk(vec![release("a", "{}")], "")], too_long)
        .lists(&[chunk(vec![release("a", "{}"), release("b", "{}")], "")]);
    let found = find(&edge).await;
    assert_eq!(names(&found), ["a", "b"]);
    let asked = edge.asked();
    assert!(asked[1].limit < asked[0].limit);
    assert_eq!(asked[1].offset, "a");
}

#[tokio::test]
async fn a_list_that_loses_its_place_is_begun_anew() {
    let edge = edge()
        .lists(&[chunk(vec![release("a", "{}")], "more")])
        .fails(&[], "offset \"a\" not found")
        .lists(&[chunk(vec![release("b", "{}")], "")]);
    assert_eq!(names(&find(&edge).await), ["a", "b"]);
}

#[tokio::test]
async fn values_that_the_hook_may_not_see_are_counted() {
    let hidden = Release {
        config: None,
        ..release("a", "{}")
    };
    let broken = Release {
        config: Some(Config {
            raw: "{".into(),
            ..Config::default()
        }),
        ..release("b", "{}")
    };
    let found = find(&edge().lists(&[chunk(vec![hidden, broken], "")])).await;
    assert_eq!((found.looked, found.withheld), (1, 1));
    assert!(found.wanted.is_empty());
    assert!(
        found.releases[0]
            .why
            .starts_with("its values cannot be computed")
    );
}

#[tokio::test]
async fn what_tiller_says_is_what_is_answered() {
    let edge = edge().fails(&[], "configmaps is forbidden");
    let answer = edge.post("/discover", &[], &quest().to_string()).await;
    let problem = answer.problem();
    assert!(
        problem.detail.contains("configmaps is forbidden"),
        "{}",
        problem.detail
    );
    assert_eq!(problem.outcome, rest::problem::Outcome::NotApplied);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    for body in ["", "{}", "[]"] {
        let problem = edge().post("/discover", &[], body).await.problem();
        assert_eq!(problem.code, Code::InvalidRequest, "{body}");
    }
    let mut no_image = quest();
    no_image["event"]["image"] = Value::Null;
    let problem = edge()
        .post("/discover", &[], &no_image.to_string())
        .await
        .problem();
    assert_eq!(
        problem.detail,
        "the event names no image to find releases by"
    );
}
