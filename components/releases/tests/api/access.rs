//! `GET /v1/access`.

use rest::problem::{Code, Problem};

use crate::fake::edge;

const STANDING: &str = r#"{"name":"alice","groups":[],"method":"token","grants":[],"later":1}"#;

#[tokio::test]
async fn the_relay_reads_the_question_and_answers_it() {
    for (path, asked) in [
        ("/v1/access", "/access"),
        (
            "/v1/access?action=upgrade&cluster=a%2Fb&release=web",
            "/access?action=upgrade&cluster=a%2Fb&release=web",
        ),
        ("/v1/access?anything+else=%20", "/access?anything+else=%20"),
    ] {
        let edge = edge().document(asked, 200, STANDING);
        let answer = edge.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text(), STANDING);
        assert_eq!(edge.paths(), [asked]);
    }
}

#[tokio::test]
async fn what_the_relay_does_not_understand_is_said_in_its_words() {
    let problem = Problem::new(Code::InvalidRequest, "parameter `action` cannot be `fly`");
    let response = problem.to_response().map(|body| vec![Ok(body)]);
    let edge = edge().has("/access?action=fly", response);
    let answer = edge.get("/v1/access?action=fly").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem().detail, problem.detail);
}

#[tokio::test]
async fn nothing_but_json_is_offered_and_nothing_but_reading() {
    let edge = edge();
    let answer = edge
        .send("GET", "/v1/access", &[("accept", "text/csv")], "")
        .await;
    assert_eq!(answer.problem().code, Code::NotAcceptable);
    let answer = edge.send("POST", "/v1/access", &[], "").await;
    assert_eq!(answer.problem().code, Code::MethodNotAllowed);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert!(edge.calls().is_empty());
}
