//! `DELETE …/releases/{r}`.

use rest::problem::Code;
use serde_json::json;
use tiller_api::{
    Method,
    hapi::services::tiller::{UninstallReleaseRequest, UninstallReleaseResponse},
};

use crate::fake::{Edge, edge, history, release, version};

const WEB: &str = "/v1/clusters/prod/releases/web";

fn willing() -> Edge {
    let response = UninstallReleaseResponse {
        release: Some(release("web", 7, 2)),
        info: "These resources were kept due to the resource policy:\n[Secret] s\n".into(),
    };
    edge().answers(Method::UninstallRelease, &response)
}

fn sent(edge: &Edge) -> UninstallReleaseRequest {
    edge.call(Method::UninstallRelease).message()
}

#[tokio::test]
async fn a_deletion_answers_with_the_release_and_what_was_kept() {
    let edge = willing();
    let answer = edge.send("DELETE", WEB, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["status"], "deleted");
    assert!(
        answer.json()["info"]
            .as_str()
            .unwrap()
            .contains("[Secret] s")
    );
    assert_eq!(
        sent(&edge),
        UninstallReleaseRequest {
            name: "web".into(),
            timeout: 300,
            ..UninstallReleaseRequest::default()
        }
    );
}

#[tokio::test]
async fn options_come_in_the_query_or_in_a_body() {
    let expected = UninstallReleaseRequest {
        name: "web".into(),
        disable_hooks: true,
        purge: true,
        timeout: 60,
        description: "bye bye".into(),
    };
    for (query, body) in [
        (
            "?purge=true&disable_hooks=1&timeout=1m&description=bye+bye",
            json!({}),
        ),
        (
            "",
            json!({"purge": true, "disable_hooks": true, "timeout": "1m", "description": "bye bye"}),
        ),
        (
            "?purge&disable_hooks",
            json!({"timeout": 60, "description": "bye bye"}),
        ),
    ] {
        let edge = willing().answers(Method::GetVersion, &version("v2.17.0"));
        let answer = edge
            .send("DELETE", &format!("{WEB}{query}"), &[], &body.to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(sent(&edge), expected, "{query}");
    }
}

#[tokio::test]
async fn an_option_given_twice_or_misspelt_deletes_nothing() {
    let edge = edge();
    for (query, body) in [
        ("?purge=true", r#"{"purge":false}"#),
        ("?prge=true", ""),
        ("", r#"{"purg":true}"#),
        ("?purge=yes", ""),
    ] {
        let answer = edge
            .send("DELETE", &format!("{WEB}{query}"), &[], body)
            .await;
        assert_eq!(
            answer.problem().code,
            Code::InvalidRequest,
            "{query} {body}"
        );
    }
    assert!(edge.calls().is_empty());
}

/// T12.
#[tokio::test]
async fn deleting_twice_is_a_conflict() {
    let edge = edge().fails(
        Method::UninstallRelease,
        "the release named \"web\" is already deleted",
    );
    assert_eq!(
        edge.send("DELETE", WEB, &[], "").await.problem().code,
        Code::ReleaseAlreadyDeleted
    );
}

#[tokio::test]
async fn a_deletion_is_refused_if_the_revision_is_not_the_one_seen() {
    let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 7, 1)]));
    let answer = edge.send("DELETE", WEB, &[("if-match", "\"6\"")], "").await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
    assert_eq!(edge.methods(), [Method::GetHistory]);
}
