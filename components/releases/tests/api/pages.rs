//! Pages of lists and their order.

use grpc_web::Code as Grpc;
use prost::Message;
use rest::problem::Code;
use tiller_api::{
    Method,
    hapi::{release::Release, services::tiller::ListReleasesResponse},
};

use crate::{
    fake::{Answer, Reply, chunk, edge, messages, messages_then, release, status},
    lists::{LIST, asked, names, with},
};

/// A chunk of a list of which Tiller has more.
fn cut(releases: Vec<Release>, next: &str) -> Vec<u8> {
    ListReleasesResponse {
        next: next.into(),
        releases,
        ..ListReleasesResponse::default()
    }
    .encode_to_vec()
}

fn next(answer: &Answer) -> String {
    answer.json()["next"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pages_end_between_releases_and_lose_none() {
    let everything = || {
        vec![
            release("a", 1, 1),
            release("b", 1, 1),
            release("b", 2, 4),
            release("b", 3, 4),
            release("c", 1, 1),
        ]
    };
    let first = with(everything())
        .get("/v1/clusters/prod/releases?limit=2")
        .await;
    assert_eq!(names(&first), ["a.v1", "b.v3"]);

    // Tiller begins with the last record of that name.
    let edge = with(vec![release("b", 3, 4), release("c", 1, 1)]);
    let second = edge
        .get(&format!("{LIST}?limit=2&cursor={}", next(&first)))
        .await;
    assert_eq!(names(&second), ["c.v1"]);
    assert_eq!(second.json().get("next"), None);
    assert_eq!(asked(&edge)[0].offset, "b");
}

#[tokio::test]
async fn a_full_last_page_has_no_next() {
    let answer = with(vec![release("a", 1, 1), release("b", 1, 1)])
        .get("/v1/clusters/prod/releases?limit=2")
        .await;
    assert_eq!(names(&answer), ["a.v1", "b.v1"]);
    assert_eq!(answer.json().get("next"), None);
}

#[tokio::test]
async fn a_release_upgraded_between_two_pages_is_shown_once() {
    let first = with(vec![release("a", 1, 1), release("b", 1, 1)])
        .get("/v1/clusters/prod/releases?limit=1")
        .await;
    let edge = with(vec![release("a", 2, 1), release("b", 1, 1)]);
    let second = edge
        .get(&format!("{LIST}?limit=1&cursor={}", next(&first)))
        .await;
    assert_eq!(names(&second), ["b.v1"]);
}

#[tokio::test]
async fn a_cursor_whose_release_is_gone_still_leads_on() {
    let first = with(vec![
        release("a", 1, 1),
        release("b", 1, 1),
        release("c", 1, 1),
    ])
    .get("/v1/clusters/prod/releases?limit=2")
    .await;
    let edge = edge()
        .fails(Method::ListReleases, "offset \"b\" not found")
        .on(
            Method::ListReleases,
            messages(&[chunk(vec![release("a", 1, 1), release("c", 1, 1)])]),
        );
    let second = edge
        .get(&format!("{LIST}?limit=2&cursor={}", next(&first)))
        .await;
    assert_eq!(names(&second), ["c.v1"]);
    assert_eq!(asked(&edge)[1].offset, "");
}

#[tokio::test]
async fn a_page_cut_inside_a_release_is_completed() {
    let edge = edge()
        .on(
            Method::ListReleases,
            messages(&[cut(vec![release("a", 1, 1), release("b", 1, 4)], "b")]),
        )
        .on(
            Method::ListReleases,
            messages(&[chunk(vec![
                release("a", 1, 1),
                release("b", 1, 4),
                release("b", 2, 1),
                release("c", 1, 1),
            ])]),
        );
    let answer = edge.get("/v1/clusters/prod/releases?limit=3").await;
    assert_eq!(names(&answer), ["a.v1", "b.v2", "c.v1"]);
    let requests = asked(&edge);
    assert_eq!(requests[0].limit, 16);
    assert!(requests[1].limit > 1_000_000);
}

#[tokio::test]
async fn pages_of_all_revisions_go_on_inside_a_release() {
    let everything = || {
        vec![
            release("a", 1, 1),
            release("b", 2, 1),
            release("b", 1, 3),
            release("b", 3, 4),
        ]
    };
    let first = with(everything())
        .get("/v1/clusters/prod/releases?revisions=all&limit=2")
        .await;
    assert_eq!(names(&first), ["a.v1", "b.v1"]);
    let edge = with(everything());
    let second = edge
        .get(&format!(
            "{LIST}?revisions=all&limit=2&cursor={}",
            next(&first)
        ))
        .await;
    assert_eq!(names(&second), ["b.v2", "b.v3"]);
    assert_eq!(asked(&edge)[0].offset, "", "an offset would lose revisions");
}

#[tokio::test]
async fn names_descend_page_by_page() {
    let everything = || vec![release("c", 1, 1), release("b", 1, 1), release("a", 1, 1)];
    let first = with(everything())
        .get("/v1/clusters/prod/releases?order=desc&limit=2")
        .await;
    assert_eq!(names(&first), ["c.v1", "b.v1"]);
    let second = with(everything())
        .get(&format!(
            "{LIST}?order=desc&limit=2&cursor={}",
            next(&first)
        ))
        .await;
    assert_eq!(names(&second), ["a.v1"]);
}

#[tokio::test]
async fn the_last_updated_come_first_page_by_page() {
    // A revision is a second later than the one before it.
    let everything = || {
        vec![
            release("a", 3, 1),
            release("b", 5, 1),
            release("c", 1, 1),
            release("d", 5, 1),
        ]
    };
    let query = "?sort=updated&order=desc&limit=2";
    let first = with(everything()).get(&format!("{LIST}{query}")).await;
    assert_eq!(names(&first), ["d.v5", "b.v5"]);
    let second = with(everything())
        .get(&format!("{LIST}{query}&cursor={}", next(&first)))
        .await;
    assert_eq!(names(&second), ["a.v3", "c.v1"]);
    assert_eq!(second.json().get("next"), None);
}

#[tokio::test]
async fn charts_are_an_order_that_even_old_tillers_have() {
    let mut other = release("a", 1, 1);
    other
        .chart
        .as_mut()
        .unwrap()
        .metadata
        .as_mut()
        .unwrap()
        .name = "zookeeper".into();
    let edge = with(vec![other, release("b", 1, 1)]);
    assert_eq!(
        names(&edge.get("/v1/clusters/prod/releases?sort=chart").await),
        ["b.v1", "a.v1"]
    );
    assert_eq!(asked(&edge)[0].sort_by, 1);
}

#[tokio::test]
async fn in_another_order_a_page_is_bounded() {
    let many = (0..1500)
        .map(|n| release(&format!("r{n:04}"), 1, 1))
        .collect();
    let answer = with(many)
        .get("/v1/clusters/prod/releases?sort=updated")
        .await;
    assert_eq!(names(&answer).len(), 1000);
    assert!(answer.json()["next"].is_string());
}

#[tokio::test]
async fn a_page_in_lines_says_where_the_next_begins() {
    let edge = with(vec![release("a", 1, 1), release("b", 1, 1)]);
    let answer = edge
        .send(
            "GET",
            "/v1/clusters/prod/releases?limit=1",
            &[("accept", "application/x-ndjson")],
            "",
        )
        .await;
    assert_eq!(answer.lines()[1]["type"], "next");
    assert!(answer.lines()[1]["next"].is_string());
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let answer = edge()
        .get("/v1/clusters/prod/releases?cursor=nonsense")
        .await;
    assert_eq!(answer.problem().code, Code::InvalidRequest);
}

/// What Tiller says when it has packed a message that its library does not send.
const TOO_LONG: &str = "grpc: trying to send message larger than max (20978752 vs. 20971520)";

fn too_long_after(messages: &[Vec<u8>]) -> Reply {
    messages_then(messages, Grpc::ResourceExhausted, TOO_LONG)
}

#[tokio::test]
async fn a_list_that_tiller_cannot_send_at_once_is_taken_in_pieces() {
    let edge = edge()
        .on(
            Method::ListReleases,
            too_long_after(&[chunk(vec![
                release("a", 1, 4),
                release("a", 2, 1),
                release("b", 1, 4),
            ])]),
        )
        // Begins with the last revision of `a`, ends within `c`.
        .on(
            Method::ListReleases,
            messages(&[cut(
                vec![
                    release("a", 2, 1),
                    release("b", 1, 4),
                    release("b", 2, 1),
                    release("c", 1, 4),
                ],
                "c",
            )]),
        )
        .on(
            Method::ListReleases,
            messages(&[chunk(vec![
                release("b", 2, 1),
                release("c", 1, 4),
                release("c", 2, 1),
                release("d", 1, 1),
            ])]),
        );
    let answer = edge.get(LIST).await;
    assert_eq!(names(&answer), ["a.v2", "b.v2", "c.v2", "d.v1"]);
    assert_eq!(answer.json().get("error"), None);
    let asked = asked(&edge);
    let offsets: Vec<_> = asked.iter().map(|request| &request.offset[..]).collect();
    assert_eq!(offsets, ["", "a", "b"]);
    assert_eq!(asked[1].limit, 1000);
    assert!(asked.iter().all(|request| request.sort_by == 1));
}

#[tokio::test]
async fn a_list_whose_first_message_tiller_cannot_send_is_taken_in_pieces() {
    for query in ["", "?sort=updated"] {
        let edge = edge()
            .on(Method::ListReleases, too_long_after(&[]))
            .on(Method::ListReleases, too_long_after(&[]))
            .on(
                Method::ListReleases,
                messages(&[cut(vec![release("a", 1, 1), release("b", 1, 1)], "c")]),
            )
            .on(
                Method::ListReleases,
                messages(&[chunk(vec![release("a", 1, 1), release("b", 1, 1)])]),
            );
        let answer = edge.get(&format!("{LIST}{query}")).await;
        assert_eq!(names(&answer), ["a.v1", "b.v1"], "{query}");
        let limits: Vec<_> = asked(&edge).iter().map(|request| request.limit).collect();
        assert_eq!(limits[1..3], [1000, 250]);
    }
}

#[tokio::test]
async fn a_piece_whose_beginning_is_gone_loses_and_repeats_nothing() {
    let piece = || cut(vec![release("a", 1, 1), release("b", 1, 1)], "b");
    let edge = edge()
        .on(Method::ListReleases, too_long_after(&[]))
        .on(Method::ListReleases, messages(&[piece()]))
        .on(
            Method::ListReleases,
            status(Grpc::Unknown, "offset \"a\" not found"),
        )
        .on(
            Method::ListReleases,
            messages(&[chunk(vec![release("a", 2, 1), release("b", 1, 1)])]),
        );
    assert_eq!(names(&edge.get(LIST).await), ["a.v1", "b.v1"]);
    let offsets: Vec<_> = asked(&edge).into_iter().map(|asked| asked.offset).collect();
    assert_eq!(offsets, ["", "", "a", ""]);
}

#[tokio::test]
async fn a_release_with_more_revisions_than_a_piece_is_listed() {
    let revisions =
        |range: std::ops::RangeInclusive<i32>| range.map(|revision| release("a", revision, 3));
    let edge = edge()
        .on(Method::ListReleases, too_long_after(&[]))
        .on(
            Method::ListReleases,
            messages(&[cut(revisions(1..=1000).collect(), "a")]),
        )
        .on(
            Method::ListReleases,
            messages(&[chunk(revisions(1..=1500).collect())]),
        );
    let answer = edge.get(&format!("{LIST}?revisions=all")).await;
    assert_eq!(names(&answer).len(), 1500);
    let limits: Vec<_> = asked(&edge).iter().map(|request| request.limit).collect();
    assert_eq!(limits[1..], [1000, 2000]);
}

#[tokio::test]
async fn what_tiller_cannot_send_in_any_piece_is_told() {
    let edge = (0..6).fold(edge(), |edge, _| {
        edge.on(Method::ListReleases, too_long_after(&[]))
    });
    let problem = edge.get(LIST).await.problem();
    assert_eq!(problem.code, Code::TillerError);
    assert_eq!(problem.detail, TOO_LONG);
}
