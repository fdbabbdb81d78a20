//! What is shown to callers who may not see everything: the relay leaves it out, and it is said that it did.

use prost::Message;
use rest::problem::Code;
use serde_json::json;
use tiller_api::{
    Method,
    hapi::{
        release::Release,
        services::tiller::{ListReleasesRequest, ListReleasesResponse},
    },
    withheld,
};

use crate::fake::{
    Answer, Reply, edge, history, installed, messages, release, released, with_chart,
};

/// The answer with `message`, of which the relay says that it has left something out.
fn reduced(message: &impl Message) -> Reply {
    let Reply::Response(mut response) = messages(&[message.encode_to_vec()]) else {
        panic!("it is whole");
    };
    response
        .headers_mut()
        .insert("x-tiller-edge-withheld", "values".parse().unwrap());
    Reply::Response(response)
}

/// Release `web` as the relay passes it on.
fn web(revision: i32) -> Release {
    let kept = withheld::release(&release("web", revision, 1).encode_to_vec()).unwrap();
    Release::decode(&kept[..]).unwrap()
}

async fn read(path: &str) -> Answer {
    edge()
        .on(Method::GetReleaseContent, reduced(&released(web(7))))
        .get(&format!("/v1/clusters/prod/releases/web{path}"))
        .await
}

#[tokio::test]
async fn a_release_says_that_its_values_are_withheld_and_not_that_it_has_none() {
    let answer = read("").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "name": "web", "namespace": "shop", "revision": 7, "status": "deployed",
            "chart": {"name": "nginx", "version": "1.2.3", "app_version": "1.21"},
            "first_deployed": "2020-09-13T12:26:40Z", "last_deployed": "2020-09-13T12:26:47Z",
            "description": "Install complete", "withheld": true,
        })
    );
}

#[tokio::test]
async fn what_shows_values_is_refused_to_who_asks_for_it() {
    for path in [
        "/manifest",
        "/values",
        "/values?all=true",
        "/hooks",
        "/notes",
        "/chart",
        "?fields=manifest",
        "?fields=hooks",
        "?fields=notes",
        "?fields=chart_files",
        "?fields=config_yaml",
    ] {
        let answer = read(path).await;
        assert_eq!(answer.status, 403, "{path}");
        let problem = answer.problem();
        assert_eq!(problem.code, Code::ValuesWithheld, "{path}");
        assert!(problem.detail.contains("`web`"), "{path}");
    }
}

#[tokio::test]
async fn a_status_says_that_its_notes_are_withheld() {
    let mut status = installed(&release("web", 7, 1));
    let info = status.info.as_mut().unwrap();
    info.status.as_mut().unwrap().notes.clear();
    let answer = edge()
        .on(Method::GetReleaseStatus, reduced(&status))
        .get("/v1/clusters/prod/releases/web/status")
        .await;
    let view = answer.json();
    assert_eq!(view["withheld"], true);
    assert_eq!(view["resources"], "==> v1/Pod\nweb\n");
    assert!(view.get("notes").is_none());
}

#[tokio::test]
async fn a_change_is_done_whatever_of_it_is_shown() {
    let edge = edge()
        .answers(Method::GetHistory, &history(vec![web(7)]))
        .on(Method::UpdateRelease, reduced(&released(web(8))));
    let answer = edge
        .put(
            "/v1/clusters/prod/releases/web?fields=manifest",
            &with_chart(json!({})),
        )
        .await;
    assert_eq!(answer.status, 200);
    let view = answer.json();
    assert_eq!(
        (&view["revision"], &view["withheld"]),
        (&json!(8), &json!(true))
    );
    for left_out in ["manifest", "config", "notes", "hooks"] {
        assert!(view.get(left_out).is_none(), "{left_out}");
    }
}

/// A chunk with `names`, of a list that goes on with something that the caller is not told.
fn cut(names: &[&str]) -> Vec<u8> {
    ListReleasesResponse {
        next: "*".into(),
        releases: names.iter().map(|name| release(name, 1, 1)).collect(),
        ..ListReleasesResponse::default()
    }
    .encode_to_vec()
}

fn whole(names: &[&str]) -> Vec<u8> {
    ListReleasesResponse {
        releases: names.iter().map(|name| release(name, 1, 1)).collect(),
        ..ListReleasesResponse::default()
    }
    .encode_to_vec()
}

#[tokio::test]
async fn a_page_is_full_although_most_of_what_was_asked_for_is_not_shown() {
    let edge = edge()
        .on(Method::ListReleases, messages(&[cut(&["b"])]))
        .on(Method::ListReleases, messages(&[whole(&["b", "m", "x"])]));
    let answer = edge.get("/v1/clusters/prod/releases?limit=2").await;
    let page = answer.json();
    let names: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["name"])
        .collect();
    assert_eq!(names, ["b", "m"]);
    assert!(page["next"].is_string());
    let asked: Vec<i64> = edge
        .calls()
        .iter()
        .map(|call| call.message::<ListReleasesRequest>().limit)
        .collect();
    assert_eq!(asked, [14, i64::from(i32::MAX)]);
}

#[tokio::test]
async fn a_list_of_which_nothing_is_shown_is_empty_and_ends() {
    let edge = edge()
        .on(Method::ListReleases, messages(&[cut(&[]), cut(&[])]))
        .on(Method::ListReleases, messages(&[]));
    let answer = edge.get("/v1/clusters/prod/releases?limit=2").await;
    assert_eq!(answer.json(), json!({"items": []}));
    assert_eq!(edge.calls().len(), 2);
}

#[tokio::test]
async fn the_next_page_begins_behind_the_last_release_that_was_shown() {
    let first = edge().on(Method::ListReleases, messages(&[cut(&["b", "m", "x"])]));
    let page = first.get("/v1/clusters/prod/releases?limit=1").await.json();
    assert_eq!(page["items"][0]["name"], "b");
    let cursor = page["next"].as_str().unwrap();
    let second = edge()
        .on(Method::ListReleases, messages(&[cut(&["b", "m"])]))
        .on(Method::ListReleases, messages(&[whole(&["b", "m", "x"])]));
    let path = format!("/v1/clusters/prod/releases?limit=1&cursor={cursor}");
    let page = second.get(&path).await.json();
    assert_eq!(page["items"][0]["name"], "m");
    let asked: ListReleasesRequest = second.calls()[0].message();
    assert_eq!(asked.offset, "b");
}
