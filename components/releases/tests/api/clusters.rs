//! Clusters and versions.

use rest::problem::Code;
use serde_json::json;
use tiller_api::Method;

use crate::fake::{edge, status, version};

const LIST: &str =
    r#"{"items":[{"name":"a","server":"https://a","later":1},{"name":"b","server":"https://b"}]}"#;

#[tokio::test]
async fn clusters_are_listed_as_the_relay_says() {
    let answer = edge()
        .document("/clusters", 200, LIST)
        .get("/v1/clusters")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        serde_json::from_str::<serde_json::Value>(LIST).unwrap()
    );
}

#[tokio::test]
async fn clusters_come_line_by_line_too() {
    let edge = edge().document("/clusters?check=true", 200, LIST);
    let answer = edge
        .send(
            "GET",
            "/v1/clusters?check=true",
            &[("accept", "application/x-ndjson")],
            "",
        )
        .await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.lines().len(), 2);
    assert_eq!(answer.lines()[1]["name"], "b");
}

#[tokio::test]
async fn one_cluster_is_shown_and_its_name_is_one_segment() {
    let edge = edge().document("/clusters/a%2Fb?check=true", 200, r#"{"name":"a/b"}"#);
    let answer = edge.get("/v1/clusters/a%2Fb?check=true").await;
    assert_eq!(answer.text(), r#"{"name":"a/b"}"#);
    assert_eq!(answer.header("content-length"), Some("14"));
}

#[tokio::test]
async fn a_parameter_that_clusters_do_not_have_is_refused() {
    let problem = edge().get("/v1/clusters?chek=true").await.problem();
    assert_eq!(problem.code, Code::InvalidRequest);
    assert!(problem.detail.contains("did you mean `check`?"));
}

#[tokio::test]
async fn a_version_says_what_it_lacks() {
    let edge = edge().answers(Method::GetVersion, &version("v2.14.3+g0e7f3b6"));
    let answer = edge.get("/v1/clusters/prod/version").await.json();
    assert_eq!(answer["version"], "v2.14.3+g0e7f3b6");
    assert_eq!(answer["git_commit"], "abc");
    let lacks = answer["lacks"].as_array().unwrap();
    assert!(
        lacks.contains(&json!({"call": "RunReleaseTest", "field": "logs", "since": "v2.15.0"}))
    );
    assert!(!lacks.iter().any(|lack| lack["field"] == "cleanup_on_fail"));
}

#[tokio::test]
async fn a_tiller_without_versions_is_incompatible() {
    let edge = edge().on(
        Method::GetVersion,
        status(grpc_web::Code::Unimplemented, "unknown method GetVersion"),
    );
    assert_eq!(
        edge.get("/v1/clusters/prod/version").await.problem().code,
        Code::TillerIncompatible
    );
}
