//! Lists: items and streams.

use bytes::Bytes;
use grpc_web::Code as Grpc;
use http_body_util::BodyExt;
use rest::problem::Code;
use serde_json::{Value, json};
use tiller_api::{
    Method,
    hapi::{release::Release, services::tiller::ListReleasesRequest},
};

use crate::fake::{
    Answer, Edge, chunk, edge, live, messages, messages_then, release, soon, status, trailers,
    version,
};

pub(crate) const LIST: &str = "/v1/clusters/prod/releases";

pub(crate) fn with(releases: Vec<Release>) -> Edge {
    edge().on(Method::ListReleases, messages(&[chunk(releases)]))
}

pub(crate) fn names(answer: &Answer) -> Vec<String> {
    answer.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| format!("{}.v{}", item["name"].as_str().unwrap(), item["revision"]))
        .collect()
}

pub(crate) fn asked(edge: &Edge) -> Vec<ListReleasesRequest> {
    edge.calls()
        .iter()
        .map(crate::fake::Call::message)
        .collect()
}

#[tokio::test]
async fn a_list_has_light_items_by_name() {
    let edge = with(vec![release("api", 1, 1), release("web", 7, 1)]);
    let answer = edge.get(LIST).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json()["items"][1],
        json!({
            "name": "web", "namespace": "shop", "revision": 7, "status": "deployed",
            "chart": {"name": "nginx", "version": "1.2.3", "app_version": "1.21"},
            "first_deployed": "2020-09-13T12:26:40Z", "last_deployed": "2020-09-13T12:26:47Z",
            "description": "Install complete",
        })
    );
    let request = &asked(&edge)[0];
    assert_eq!(request.sort_by, 1);
    assert_eq!(request.sort_order, 0);
    assert_eq!(request.status_codes, [1, 4]);
    assert_eq!(request.offset, "");
}

/// T1.
#[tokio::test]
async fn no_match_is_an_empty_list() {
    let answer = edge()
        .on(Method::ListReleases, messages(&[]))
        .get(LIST)
        .await;
    assert_eq!(answer.text(), r#"{"items":[]}"#);
}

/// T2.
#[tokio::test]
async fn chunks_are_one_list() {
    let edge = edge().on(
        Method::ListReleases,
        messages(&[
            chunk(vec![]),
            chunk(vec![release("a", 1, 1), release("b", 1, 3)]),
            chunk(vec![release("b", 2, 1), release("c", 1, 1)]),
        ]),
    );
    assert_eq!(names(&edge.get(LIST).await), ["a.v1", "b.v2", "c.v1"]);
}

#[tokio::test]
async fn a_release_is_one_item_whatever_the_order_of_its_revisions() {
    let edge = with(vec![
        release("web", 2, 4),
        release("web", 3, 4),
        release("web", 1, 1),
    ]);
    assert_eq!(names(&edge.get(LIST).await), ["web.v3"]);
}

#[tokio::test]
async fn all_revisions_are_items_if_asked_for() {
    let edge = with(vec![
        release("web", 2, 4),
        release("web", 3, 4),
        release("web", 1, 1),
    ]);
    let answer = edge.get("/v1/clusters/prod/releases?revisions=all").await;
    assert_eq!(names(&answer), ["web.v1", "web.v2", "web.v3"]);
    assert_eq!(asked(&edge)[0].status_codes.len(), 9);
}

#[tokio::test]
async fn parameters_go_to_tiller() {
    let edge = with(vec![]);
    edge.get("/v1/clusters/prod/releases?filter=neuro[a-z]+&namespace=shop&status=failed&status=deleted&order=desc").await;
    let request = &asked(&edge)[0];
    assert_eq!(request.filter, "neuro[a-z]+");
    assert_eq!(request.namespace, "shop");
    assert_eq!(request.status_codes, [4, 2]);
    assert_eq!(request.sort_order, 1);
}

#[tokio::test]
async fn another_namespace_is_left_out_even_by_a_tiller_that_ignores_it() {
    let edge = with(vec![release("web", 1, 1)]);
    assert_eq!(
        names(&edge.get("/v1/clusters/prod/releases?namespace=other").await),
        [""; 0]
    );
}

/// T5.
#[tokio::test]
async fn a_bad_pattern_is_the_callers_mistake() {
    let edge = edge().fails(
        Method::ListReleases,
        "error parsing regexp: missing closing ): `(`",
    );
    let problem = edge
        .get("/v1/clusters/prod/releases?filter=(")
        .await
        .problem();
    assert_eq!(problem.code, Code::InvalidRequest);
}

/// T15b.
#[tokio::test]
async fn p1_a_limit_below_one_never_reaches_tiller() {
    let edge = edge();
    for limit in ["-1", "0", "-9223372036854775808"] {
        let answer = edge
            .get(&format!("/v1/clusters/prod/releases?limit={limit}"))
            .await;
        assert_eq!(answer.status, 400);
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn p1_what_tiller_is_asked_for_is_always_above_zero() {
    for query in ["", "?limit=1", "?limit=1000000", "?sort=updated&limit=5"] {
        let edge = with(vec![]);
        edge.get(&format!("{LIST}{query}")).await;
        assert!(asked(&edge)[0].limit > 0, "{query}");
    }
}

#[tokio::test]
async fn ten_thousand_releases_are_listed() {
    let chunks: Vec<_> = (0..10)
        .map(|c| {
            chunk(
                (0..1000)
                    .map(|n| release(&format!("r{c}{n:03}"), 1, 1))
                    .collect(),
            )
        })
        .collect();
    let edge = edge().on(Method::ListReleases, messages(&chunks));
    let answer = edge
        .send("GET", LIST, &[("accept", "application/x-ndjson")], "")
        .await;
    assert_eq!(answer.lines().len(), 10_000);
}

#[tokio::test]
async fn items_are_sent_as_they_come() {
    let (tiller, reply) = live();
    let edge = edge().on(Method::ListReleases, reply);
    tiller
        .unbounded_send(Ok(grpc_web::encode_message(&chunk(vec![
            release("a", 1, 1),
            release("b", 1, 1),
        ]))))
        .unwrap();
    let response = edge
        .open(
            "GET",
            LIST,
            &[("accept", "application/x-ndjson")],
            Bytes::new(),
        )
        .await;
    let mut body = response.into_body();
    let line = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    let first: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(first["name"], "a", "of b there may be more revisions");

    tiller.unbounded_send(Ok(trailers(Grpc::Ok, ""))).unwrap();
    let line = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(line.starts_with(b"{\"name\":\"b\""));
    assert!(soon(body.frame()).await.is_none());
}

#[tokio::test]
async fn what_is_known_is_not_kept_back_while_tiller_is_slow() {
    let (tiller, reply) = live();
    let edge = edge().on(Method::ListReleases, reply);
    let first = chunk(vec![
        release("a", 1, 1),
        release("b", 1, 1),
        release("b", 2, 4),
    ]);
    tiller
        .unbounded_send(Ok(grpc_web::encode_message(&first)))
        .unwrap();
    let response = edge.open("GET", LIST, &[], Bytes::new()).await;
    let mut body = response.into_body();
    let piece = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(piece.starts_with(b"{\"items\":[{\"name\":\"a\""));
}

#[tokio::test]
async fn leaving_ends_the_call() {
    let (tiller, reply) = live();
    let edge = edge().on(Method::ListReleases, reply);
    tiller
        .unbounded_send(Ok(grpc_web::encode_message(&chunk(vec![release(
            "a", 1, 1,
        )]))))
        .unwrap();
    let response = edge.open("GET", LIST, &[], Bytes::new()).await;
    assert!(!tiller.is_closed());
    drop(response);
    assert!(tiller.is_closed());
}

#[tokio::test]
async fn an_error_after_the_first_byte_is_the_last_thing_said() {
    let broken = || {
        edge().on(
            Method::ListReleases,
            messages_then(
                &[chunk(vec![release("a", 1, 1), release("b", 1, 1)])],
                Grpc::Unknown,
                "boom",
            ),
        )
    };
    let json = broken().get(LIST).await;
    assert_eq!(json.status, 200);
    assert_eq!(names(&json), ["a.v1"]);
    assert_eq!(json.json()["error"]["code"], "tiller_error");
    assert_eq!(json.json()["error"]["detail"], "boom");
    assert_eq!(json.json()["error"]["cluster"], "prod");

    let lines = broken()
        .send("GET", LIST, &[("accept", "application/x-ndjson")], "")
        .await
        .lines();
    assert_eq!(lines[1]["type"], "error");
    assert_eq!(lines[1]["error"]["code"], "tiller_error");

    let events = broken()
        .send("GET", LIST, &[("accept", "text/event-stream")], "")
        .await;
    assert!(events.text().contains("\n\nevent: error\ndata: {"));
    assert!(!events.text().contains("event: end"));
}

#[tokio::test]
async fn an_answer_cut_short_is_never_a_complete_list() {
    let whole = grpc_web::encode_message(&chunk(vec![release("a", 1, 1), release("b", 1, 1)]));
    for end in [None, Some(Err("reset".to_owned()))] {
        let mut body = vec![Ok(whole.clone())];
        body.extend(end);
        let answer = edge()
            .on(Method::ListReleases, crate::fake::pieces(body))
            .get(LIST)
            .await;
        assert_eq!(answer.json()["error"]["code"], "answer_interrupted");
    }
}

#[tokio::test]
async fn an_error_before_the_first_byte_has_its_status() {
    let edge = edge().on(Method::ListReleases, status(Grpc::DeadlineExceeded, "late"));
    assert_eq!(edge.get(LIST).await.problem().code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn p6_when_lists_alone_end_tiller_it_says_so() {
    let died = || {
        edge().on(
            Method::ListReleases,
            status(Grpc::Unavailable, "transport is closing"),
        )
    };
    let problem = died()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .get(LIST)
        .await
        .problem();
    assert_eq!(problem.code, Code::TillerUnavailable);
    assert_eq!(problem.detail, "transport is closing");
    assert!(problem.hint.unwrap().contains("without `info`"));

    let problem = died()
        .on(
            Method::GetVersion,
            status(Grpc::Unavailable, "transport is closing"),
        )
        .get(LIST)
        .await
        .problem();
    assert_eq!(problem.hint, None);
}

#[tokio::test]
async fn a_list_that_is_no_list_is_tillers_fault() {
    let edge = edge().on(Method::ListReleases, messages(&[vec![0x22, 0x7f, 0x00]]));
    let answer = edge.get(LIST).await;
    assert_eq!(answer.json()["error"]["code"], "tiller_misbehaved");
}
