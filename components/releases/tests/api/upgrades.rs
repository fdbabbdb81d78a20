//! `PUT …/releases/{r}`.

use grpc_web::Code as Grpc;
use rest::problem::{CleanupAction, CleanupResult, Code, Outcome};
use serde_json::json;
use tiller_api::{
    Method,
    hapi::services::tiller::{
        GetHistoryRequest, InstallReleaseRequest, RollbackReleaseRequest, UpdateReleaseRequest,
    },
};

use crate::fake::{
    Edge, chart, edge, history, installed, release, released, status, version, with_chart,
};

const WEB: &str = "/v1/clusters/prod/releases/web";

/// A Tiller with the release at revision 7.
fn at_seven() -> Edge {
    edge().answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
}

fn willing() -> Edge {
    at_seven().answers(Method::UpdateRelease, &released(release("web", 8, 1)))
}

fn sent(edge: &Edge) -> UpdateReleaseRequest {
    edge.call(Method::UpdateRelease).message()
}

#[tokio::test]
async fn an_upgrade_answers_with_the_new_revision() {
    let edge = willing();
    let answer = edge
        .put(WEB, &with_chart(json!({"values": {"replicas": 3}})))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("etag"), Some("\"8\""));
    assert_eq!(answer.json()["revision"], 8);
    assert_eq!(edge.methods(), [Method::GetHistory, Method::UpdateRelease]);
    let asked: GetHistoryRequest = edge.call(Method::GetHistory).message();
    assert_eq!((asked.name.as_str(), asked.max), ("web", 1));
    assert_eq!(sent(&edge).values.unwrap().raw, "replicas: 3\n");
}

#[tokio::test]
async fn every_field_reaches_tiller() {
    let edge = willing().answers(Method::GetVersion, &version("v2.17.0"));
    let body = with_chart(json!({
        "name": "web", "wait": true, "timeout": 60, "disable_hooks": true, "description": "by me", "sub_notes": true,
        "force": true, "recreate_pods": true, "reset_values": true, "reuse_values": true, "cleanup_on_fail": true,
    }));
    assert_eq!(edge.put(WEB, &body).await.status, 200);
    let request = sent(&edge);
    assert_eq!(
        request,
        UpdateReleaseRequest {
            name: "web".into(),
            chart: Some(chart()),
            values: request.values.clone(),
            dry_run: false,
            disable_hooks: true,
            recreate: true,
            timeout: 60,
            reset_values: true,
            wait: true,
            reuse_values: true,
            force: true,
            description: "by me".into(),
            sub_notes: true,
            cleanup_on_fail: true,
        }
    );
}

#[tokio::test]
async fn p2_values_are_sent_even_if_there_are_none() {
    for body in [
        json!({"reuse_values": true}),
        json!({"reuse_values": true, "values": null}),
        json!({"values": {}}),
        json!({"values": ""}),
    ] {
        let edge = willing().answers(Method::GetVersion, &version("v2.17.0"));
        assert_eq!(edge.put(WEB, &with_chart(body)).await.status, 200);
        assert_eq!(
            sent(&edge).values.expect("Tiller ends without them").raw,
            "{}\n"
        );
    }
}

/// T10: Tiller says the same of both.
#[tokio::test]
async fn an_unknown_release_is_not_found_and_one_without_a_deployed_revision_is_a_conflict() {
    let missing = edge().fails(Method::GetHistory, "release: \"web\" not found");
    let problem = missing.put(WEB, &with_chart(json!({}))).await.problem();
    assert_eq!(problem.code, Code::ReleaseNotFound);
    assert_eq!(missing.methods(), [Method::GetHistory]);

    let memory = edge().answers(Method::GetHistory, &history(vec![]));
    let problem = memory.put(WEB, &with_chart(json!({}))).await.problem();
    assert_eq!(problem.code, Code::ReleaseNotFound);

    let deleted = edge()
        .answers(Method::GetHistory, &history(vec![release("web", 7, 2)]))
        .fails(Method::UpdateRelease, "\"web\" has no deployed releases");
    let problem = deleted
        .put(WEB, &with_chart(json!({"install": true})))
        .await
        .problem();
    assert_eq!(problem.code, Code::NoDeployedRelease);
}

#[tokio::test]
async fn with_install_a_missing_release_is_installed() {
    let web = release("web", 1, 1);
    for missing in [
        edge().fails(Method::GetHistory, "release: \"web\" not found"),
        edge().answers(Method::GetHistory, &history(vec![])),
    ] {
        let edge = missing
            .answers(Method::GetVersion, &version("v2.17.0"))
            .answers(Method::InstallRelease, &released(web.clone()))
            .answers(Method::GetReleaseStatus, &installed(&web));
        let body = with_chart(json!({
            "install": true, "namespace": "shop", "sub_notes": true, "force": true, "wait": true, "description": "x",
        }));
        let answer = edge.put(WEB, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(WEB));
        let request: InstallReleaseRequest = edge.call(Method::InstallRelease).message();
        assert_eq!(
            (request.name.as_str(), request.namespace.as_str()),
            ("web", "shop")
        );
        // Helm's CLI forgets the first.
        assert!(request.sub_notes && request.wait);
    }
}

#[tokio::test]
async fn with_install_an_existing_release_is_upgraded() {
    let edge = willing();
    assert_eq!(
        edge.put(WEB, &with_chart(json!({"install": true})))
            .await
            .status,
        200
    );
    assert_eq!(edge.methods(), [Method::GetHistory, Method::UpdateRelease]);
}

#[tokio::test]
async fn with_install_an_error_that_is_no_absence_stops() {
    let edge = edge().on(
        Method::GetHistory,
        status(Grpc::Unavailable, "transport is closing"),
    );
    let answer = edge.put(WEB, &with_chart(json!({"install": true}))).await;
    assert_eq!(answer.problem().code, Code::TillerUnavailable);
    assert_eq!(answer.problem().outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn h3_with_install_the_name_must_be_one_that_kubernetes_takes() {
    let edge = edge().fails(Method::GetHistory, "release: \"Web_1\" not found");
    let answer = edge
        .put(
            "/v1/clusters/prod/releases/Web_1",
            &with_chart(json!({"install": true})),
        )
        .await;
    assert_eq!(answer.problem().code, Code::InvalidReleaseName);
}

#[tokio::test]
async fn a_namespace_that_the_release_is_not_in_is_a_warning() {
    let answer = willing()
        .put(WEB, &with_chart(json!({"namespace": "other"})))
        .await;
    assert_eq!(
        answer.json()["warnings"],
        json!(["the release is in namespace shop and stays there"])
    );
    let answer = willing()
        .put(WEB, &with_chart(json!({"namespace": "shop"})))
        .await;
    assert_eq!(answer.json().get("warnings"), None);
}

#[tokio::test]
async fn the_name_in_the_body_must_be_that_of_the_path() {
    let edge = edge();
    let answer = edge.put(WEB, &with_chart(json!({"name": "other"}))).await;
    assert_eq!(answer.problem().code, Code::InvalidRequest);
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn an_upgrade_is_refused_if_the_revision_is_not_the_one_seen() {
    let body = with_chart(json!({})).to_string();
    let edge = at_seven();
    let answer = edge.send("PUT", WEB, &[("if-match", "\"6\"")], &body).await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
    assert_eq!(answer.problem().detail, "the release is at revision 7");
    assert_eq!(edge.methods(), [Method::GetHistory]);

    let answer = willing()
        .send("PUT", WEB, &[("if-match", "\"7\"")], &body)
        .await;
    assert_eq!(answer.status, 200);

    let missing = crate::fake::edge().fails(Method::GetHistory, "release: \"web\" not found");
    let body = with_chart(json!({"install": true})).to_string();
    let answer = missing.send("PUT", WEB, &[("if-match", "*")], &body).await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
}

#[tokio::test]
async fn an_atomic_upgrade_that_fails_goes_back_to_where_it_came_from() {
    let edge = at_seven()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .fails(Method::UpdateRelease, "timed out waiting for the condition")
        .answers(Method::RollbackRelease, &released(release("web", 9, 1)));
    let body = with_chart(json!({
        "atomic": true, "timeout": "60s", "force": true, "recreate_pods": true, "disable_hooks": true, "cleanup_on_fail": true,
    }));
    let problem = edge.put(WEB, &body).await.problem();
    assert_eq!(problem.code, Code::WaitTimedOut);
    let cleanup = problem.cleanup.unwrap();
    assert_eq!(
        (cleanup.action, cleanup.result),
        (CleanupAction::Rollback, CleanupResult::Done)
    );
    assert_eq!(cleanup.revision, Some(7));
    assert!(sent(&edge).wait);
    assert_eq!(
        edge.call(Method::RollbackRelease)
            .message::<RollbackReleaseRequest>(),
        RollbackReleaseRequest {
            name: "web".into(),
            dry_run: false,
            disable_hooks: true,
            version: 7,
            recreate: true,
            timeout: 60,
            wait: true,
            force: true,
            description: String::new(),
            cleanup_on_fail: true,
        }
    );
}

#[tokio::test]
async fn an_atomic_upgrade_that_did_not_begin_undoes_nothing() {
    let edge = at_seven().fails(
        Method::UpdateRelease,
        "render error in \"nginx/templates/a.yaml\": boom",
    );
    let problem = edge
        .put(WEB, &with_chart(json!({"atomic": true})))
        .await
        .problem();
    assert_eq!(problem.code, Code::RenderFailed);
    assert_eq!(problem.cleanup, None);
    assert_eq!(edge.methods(), [Method::GetHistory, Method::UpdateRelease]);
}

#[tokio::test]
async fn a_rollback_that_fails_does_not_hide_the_upgrades_error() {
    let edge = at_seven()
        .fails(Method::UpdateRelease, "boom")
        .fails(Method::RollbackRelease, "cannot");
    let problem = edge
        .put(WEB, &with_chart(json!({"atomic": true})))
        .await
        .problem();
    assert_eq!(problem.detail, "boom");
    assert_eq!(problem.cleanup.unwrap().detail.as_deref(), Some("cannot"));
}

#[tokio::test]
async fn an_atomic_dry_run_undoes_nothing() {
    let edge = at_seven().fails(Method::UpdateRelease, "boom");
    edge.put(WEB, &with_chart(json!({"atomic": true, "dry_run": true})))
        .await;
    assert_eq!(edge.methods(), [Method::GetHistory, Method::UpdateRelease]);
}

/// T11.
#[tokio::test]
async fn what_force_hides_is_found_out() {
    let hidden = "a release named web is in use, cannot re-use a name that is still in use";
    let edge = at_seven()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .fails(Method::UpdateRelease, hidden)
        .fails(
            Method::UpdateRelease,
            "render error in \"nginx/templates/a.yaml\": boom",
        );
    let problem = edge
        .put(WEB, &with_chart(json!({"force": true})))
        .await
        .problem();
    assert_eq!(problem.code, Code::RenderFailed);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(problem.hint.unwrap().contains(hidden));
    let requests: Vec<UpdateReleaseRequest> = edge
        .calls()
        .iter()
        .filter(|call| call.method == Some(Method::UpdateRelease))
        .map(crate::fake::Call::message)
        .collect();
    assert!(requests[0].force && !requests[0].dry_run);
    assert!(!requests[1].force && requests[1].dry_run);
}

#[tokio::test]
async fn a_field_that_tiller_lacks_is_refused_before_anything_is_done() {
    let edge = at_seven().answers(Method::GetVersion, &version("v2.13.1"));
    let problem = edge
        .put(WEB, &with_chart(json!({"cleanup_on_fail": true})))
        .await
        .problem();
    assert_eq!(problem.code, Code::TillerTooOld);
    assert!(
        problem
            .detail
            .contains("`cleanup_on_fail` needs Tiller v2.14.0")
    );
    assert_eq!(edge.methods(), [Method::GetHistory, Method::GetVersion]);
}

#[tokio::test]
async fn fields_of_the_answer_may_be_asked_for() {
    let answer = willing()
        .put(&format!("{WEB}?fields=manifest"), &with_chart(json!({})))
        .await;
    assert!(answer.json()["manifest"].is_string());
    let answer = willing().put(WEB, &with_chart(json!({}))).await;
    assert_eq!(answer.json().get("manifest"), None);
}
