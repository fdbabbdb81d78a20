//! Which requests are answered at all.

use rest::problem::{Code, Problem};
use serde_json::json;

use crate::fake::edge;

#[tokio::test]
async fn there_are_two_routes_and_nothing_else() {
    for path in [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/a/b",
        "/discover/",
        "/v1/clusters",
    ] {
        let answer = edge().post(path, &[], "{}").await;
        assert_eq!(answer.problem().code, Code::RouteNotFound, "{path}");
    }
    for path in ["/hooks/ci", "/discover"] {
        let answer = edge().send("GET", path, &[], "").await;
        assert_eq!(answer.problem().code, Code::MethodNotAllowed, "{path}");
        assert_eq!(answer.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn the_request_id_goes_with_everything() {
    let edge = edge();
    let answer = edge
        .post("/hooks/ci", &[("x-request-id", "r-1")], "{}")
        .await;
    assert_eq!(answer.headers["x-request-id"], "r-1");
    assert_eq!(answer.problem().request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn without_a_hook_nothing_is_read() {
    let refused = Problem::new(Code::NotRelayed, "the request is no delivery");
    let edge = edge().refuses("/hook", &refused);
    let answer = edge.post("/hooks/ci", &[], "{}").await;
    assert_eq!(answer.problem().detail, refused.detail);
    assert_eq!(edge.paths(), ["/hook"]);
}

#[tokio::test]
async fn a_relay_that_talks_nonsense_is_said_to() {
    let hook = json!({"provider": "nobody", "rules": []});
    let edge = edge().document("/hook", &hook);
    let problem = edge.post("/hooks/ci", &[], "{}").await.problem();
    assert_eq!(problem.code, Code::NotRelayed);
}
