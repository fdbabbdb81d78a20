//! `GET /v1/repositories…`.

use http::Response;
use prost_types::Any;
use rest::{
    problem::{Code, Problem},
    repositories::{SOURCE, Source},
};
use serde_json::{Value, json};
use tiller_api::hapi::chart::{Chart, Metadata};

use crate::fake::{chart, edge};

const REPOSITORIES: &str = r#"{"items":[{"name":"stable","url":"https://charts.example.com","kind":"http","verify":false,"later":1}]}"#;
const CHARTS: &str =
    r#"{"items":[{"name":"nginx","version":"1.2.3","later":1},{"name":"web"}],"next":"abc"}"#;

/// What the relay is asked to inspect nginx 1.2.3.
const ARCHIVE: &str = "/repositories/stable/charts/nginx/archive?version=1.2.3";

fn source() -> Source {
    Source {
        repository: Some("stable".into()),
        name: Some("nginx".into()),
        version: Some("1.2.3".into()),
        digest: "sha256:00".into(),
        ..Source::default()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn repositories_are_listed_as_the_relay_says() {
    let edge = edge().document("/repositories", 200, REPOSITORIES);
    let answer = edge.get("/v1/repositories").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), parsed(REPOSITORIES));
    assert_eq!(edge.paths(), ["/repositories"]);
}

#[tokio::test]
async fn every_list_asks_for_what_it_is_asked() {
    for (path, asked) in [
        (
            "/v1/repositories/stable/charts",
            "/repositories/stable/charts",
        ),
        (
            "/v1/repositories/stable/charts?search=web+server&all=true&limit=10&cursor=a%2Bb",
            "/repositories/stable/charts?search=web%20server&all=true&limit=10&cursor=a%2Bb",
        ),
        (
            "/v1/repositories/stable/charts?all",
            "/repositories/stable/charts?all=true",
        ),
        (
            "/v1/repositories/stable/charts?all=false&search=",
            "/repositories/stable/charts",
        ),
        (
            "/v1/repositories/a%2Fb/charts/team%2Fweb?limit=1000&cursor=x",
            "/repositories/a%2Fb/charts/team%2Fweb?limit=1000&cursor=x",
        ),
    ] {
        let edge = edge().document(asked, 200, CHARTS);
        let answer = edge.get(path).await;
        assert_eq!(answer.json(), parsed(CHARTS), "{path}");
        assert_eq!(edge.paths(), [asked]);
    }
}

#[tokio::test]
async fn lists_come_line_by_line_and_event_by_event() {
    let path = "/v1/repositories/stable/charts";
    let open = || edge().document("/repositories/stable/charts", 200, CHARTS);
    let answer = open()
        .send("GET", path, &[("accept", "application/x-ndjson")], "")
        .await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        answer.lines(),
        [
            json!({"name": "nginx", "version": "1.2.3", "later": 1}),
            json!({"name": "web"}),
            json!({"type": "next", "next": "abc"}),
        ]
    );
    let answer = open()
        .send("GET", path, &[("accept", "text/event-stream")], "")
        .await;
    assert!(
        answer
            .text()
            .ends_with("event: end\ndata: {\"next\":\"abc\"}\n\n"),
        "{}",
        answer.text()
    );
    let edge = edge().document("/repositories", 200, REPOSITORIES);
    let answer = edge
        .send(
            "GET",
            "/v1/repositories",
            &[("accept", "application/x-ndjson")],
            "",
        )
        .await;
    assert_eq!(answer.lines().len(), 1, "a list that just ends is complete");
}

#[tokio::test]
async fn parameters_and_names_that_cannot_be_are_refused_here() {
    let long = "a".repeat(300);
    for path in [
        "/v1/repositories?search=x",
        "/v1/repositories/stable/charts?serch=x",
        "/v1/repositories/stable/charts?limit=0",
        "/v1/repositories/stable/charts?limit=1001",
        "/v1/repositories/stable/charts?all=maybe",
        "/v1/repositories/stable/charts/web?search=x",
        "/v1/repositories/stable/charts/web?all=true",
        "/v1/repositories/stable/charts/web/1.2.3?fields=x",
        "/v1/repositories/../charts",
        "/v1/repositories/stable/charts/%2E%2E",
        "/v1/repositories/stable/charts/a%2F..%2Fb/1.2.3",
        "/v1/repositories/stable/charts/a%00b",
        &format!("/v1/repositories/stable/charts?search={long}"),
        &format!("/v1/repositories/{long}/charts"),
        &format!("/v1/repositories/stable/charts/{long}"),
        &format!("/v1/repositories/stable/charts/web/{long}"),
    ] {
        let edge = edge();
        let problem = edge.get(path).await.problem();
        assert_eq!(problem.code, Code::InvalidRequest, "{path}");
        assert!(edge.calls().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn repositories_can_only_be_read() {
    for path in [
        "/v1/repositories",
        "/v1/repositories/stable/charts",
        "/v1/repositories/stable/charts/nginx",
        "/v1/repositories/stable/charts/nginx/1.2.3",
    ] {
        let answer = edge().send("POST", path, &[], "").await;
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        assert_eq!(answer.problem().code, Code::MethodNotAllowed);
    }
    let edge = edge().document("/repositories", 200, REPOSITORIES);
    let answer = edge.send("HEAD", "/v1/repositories", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_chart_is_inspected_as_it_is_in_its_archive() {
    let chart = Chart {
        metadata: Some(Metadata {
            name: "nginx".into(),
            version: "1.2.3".into(),
            app_version: "1.21".into(),
            kube_version: ">=1.14".into(),
            keywords: vec!["http".into()],
            ..Metadata::default()
        }),
        files: vec![
            Any {
                type_url: "docs/README.md".into(),
                value: b"another".to_vec(),
            },
            Any {
                type_url: "README.md".into(),
                value: b"# nginx\n".to_vec(),
            },
        ],
        ..chart()
    };
    let edge = edge().archive(ARCHIVE, charts::pack(&chart).unwrap(), &source());
    let answer = edge.get("/v1/repositories/stable/charts/nginx/1.2.3").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({
            "metadata": {
                "name": "nginx", "version": "1.2.3", "appVersion": "1.21", "kubeVersion": ">=1.14", "keywords": ["http"],
            },
            "values": "x: 1\n",
            "readme": "# nginx\n",
            "source": {"repository": "stable", "name": "nginx", "version": "1.2.3", "digest": "sha256:00"},
        })
    );
}

#[tokio::test]
async fn a_version_may_be_a_constraint() {
    let asked = "/repositories/stable/charts/nginx/archive?version=~1.2%20%7C%7C%202.0.0%2Bb";
    let edge = edge().archive(asked, charts::pack(&chart()).unwrap(), &source());
    let answer = edge
        .get("/v1/repositories/stable/charts/nginx/~1.2%20%7C%7C%202.0.0+b")
        .await;
    assert_eq!(answer.json()["source"]["version"], "1.2.3");
    assert_eq!(answer.json().get("readme"), None);
}

#[tokio::test]
async fn what_nobody_offers_is_refused_before_anything_is_fetched() {
    for (path, accept) in [
        ("/v1/repositories", "text/html"),
        ("/v1/repositories/stable/charts", "image/png"),
        ("/v1/repositories/stable/charts/nginx", "text/html"),
        (
            "/v1/repositories/stable/charts/nginx/1.2.3",
            "application/x-ndjson",
        ),
    ] {
        let edge = edge();
        let answer = edge.send("GET", path, &[("accept", accept)], "").await;
        assert_eq!(answer.problem().code, Code::NotAcceptable, "{path}");
        assert!(edge.calls().is_empty());
    }
}

#[tokio::test]
async fn a_problem_of_the_relay_passes_unchanged() {
    let problem = Problem::new(Code::RepositoryNotConfigured, "no repository stable");
    for (path, asked) in [
        (
            "/v1/repositories/stable/charts",
            "/repositories/stable/charts",
        ),
        (
            "/v1/repositories/stable/charts/nginx",
            "/repositories/stable/charts/nginx",
        ),
        ("/v1/repositories/stable/charts/nginx/1.2.3", ARCHIVE),
    ] {
        let response = problem.to_response().map(|body| vec![Ok(body)]);
        let answer = edge().has(asked, response).get(path).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body, problem.to_json());
    }
}

#[tokio::test]
async fn what_the_relay_would_never_say_is_no_answer() {
    let lines = [("accept", "application/x-ndjson")];
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"items":{}}"#,
        r#"{"items":[],"next":5}"#,
    ] {
        let edge = edge().document("/repositories/stable/charts", 200, body);
        let answer = edge
            .send("GET", "/v1/repositories/stable/charts", &lines, "")
            .await;
        assert_eq!(answer.problem().code, Code::NotRelayed, "{body}");
    }
    let response = Response::builder()
        .header("content-type", "application/gzip")
        .header(SOURCE, source().to_header())
        .body(vec![Err("gone".into())])
        .unwrap();
    let answer = edge()
        .has(ARCHIVE, response)
        .get("/v1/repositories/stable/charts/nginx/1.2.3")
        .await;
    assert_eq!(answer.problem().code, Code::NotRelayed);
}

#[tokio::test]
async fn an_archive_that_is_no_chart_cannot_be_inspected() {
    let answer = edge()
        .archive(ARCHIVE, b"not gzip".to_vec(), &source())
        .get("/v1/repositories/stable/charts/nginx/1.2.3")
        .await;
    assert_eq!(answer.problem().code, Code::InvalidChart);
}
