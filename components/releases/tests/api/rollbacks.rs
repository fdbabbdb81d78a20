//! `POST …/rollback`.

use rest::problem::{Code, Outcome};
use serde_json::json;
use tiller_api::{Method, hapi::services::tiller::RollbackReleaseRequest};

use crate::fake::{edge, history, release, released, version};

const ROLLBACK: &str = "/v1/clusters/prod/releases/web/rollback";

#[tokio::test]
async fn a_rollback_answers_with_the_new_revision() {
    let edge = edge().answers(Method::RollbackRelease, &released(release("web", 8, 1)));
    let answer = edge.post(ROLLBACK, &json!({"revision": 3})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("etag"), Some("\"8\""));
    assert_eq!(
        edge.call(Method::RollbackRelease)
            .message::<RollbackReleaseRequest>(),
        RollbackReleaseRequest {
            name: "web".into(),
            version: 3,
            timeout: 300,
            ..RollbackReleaseRequest::default()
        }
    );
}

#[tokio::test]
async fn every_field_reaches_tiller() {
    let edge = edge()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .answers(Method::RollbackRelease, &released(release("web", 8, 8)));
    let body = json!({
        "revision": 3, "dry_run": true, "disable_hooks": true, "recreate_pods": true, "timeout": "10s", "wait": true,
        "force": true, "description": "back", "cleanup_on_fail": true,
    });
    let answer = edge.post(ROLLBACK, &body).await;
    assert!(
        answer.json()["manifest"].is_string(),
        "a dry run shows what it would do"
    );
    assert_eq!(
        edge.call(Method::RollbackRelease)
            .message::<RollbackReleaseRequest>(),
        RollbackReleaseRequest {
            name: "web".into(),
            dry_run: true,
            disable_hooks: true,
            version: 3,
            recreate: true,
            timeout: 10,
            wait: true,
            force: true,
            description: "back".into(),
            cleanup_on_fail: true,
        }
    );
}

#[tokio::test]
async fn without_a_body_it_goes_to_the_revision_before() {
    let edge = edge().answers(Method::RollbackRelease, &released(release("web", 8, 1)));
    assert_eq!(edge.send("POST", ROLLBACK, &[], "").await.status, 200);
    let request: RollbackReleaseRequest = edge.call(Method::RollbackRelease).message();
    assert_eq!(request.version, 0);
}

/// T7.
#[tokio::test]
async fn a_revision_that_there_is_not_is_not_found() {
    let edge = edge().fails(Method::RollbackRelease, "release: \"web.v0\" not found");
    let problem = edge.post(ROLLBACK, &json!({})).await.problem();
    assert_eq!(problem.code, Code::RevisionNotFound);
    assert_eq!(problem.outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn a_rollback_is_refused_if_the_revision_is_not_the_one_seen() {
    let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 7, 1)]));
    let answer = edge
        .send("POST", ROLLBACK, &[("if-match", "\"6\"")], "{}")
        .await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
    assert_eq!(edge.methods(), [Method::GetHistory]);
}

#[tokio::test]
async fn a_field_that_tiller_lacks_is_refused() {
    let edge = edge().answers(Method::GetVersion, &version("v2.4.2"));
    let problem = edge
        .post(ROLLBACK, &json!({"revision": 1, "force": true}))
        .await
        .problem();
    assert_eq!(problem.code, Code::TillerTooOld);
}
