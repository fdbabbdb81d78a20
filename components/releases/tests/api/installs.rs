//! `POST …/releases`.

use grpc_web::Code as Grpc;
use rest::problem::{CleanupAction, CleanupResult, Code, Outcome};
use serde_json::json;
use tiller_api::{
    Method,
    hapi::{
        chart::Template,
        services::tiller::{
            GetReleaseStatusRequest, InstallReleaseRequest, UninstallReleaseRequest,
            UninstallReleaseResponse,
        },
    },
};

use crate::fake::{
    Edge, archive, chart, edge, installed, relayed, release, released, status, version, with_chart,
};

const RELEASES: &str = "/v1/clusters/prod/releases";

/// A Tiller that installs.
fn willing() -> Edge {
    let web = release("web", 1, 1);
    edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web))
}

fn sent(edge: &Edge) -> InstallReleaseRequest {
    edge.call(Method::InstallRelease).message()
}

#[tokio::test]
async fn an_install_answers_with_the_release_and_where_it_is() {
    let edge = willing();
    let answer = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(
        answer.header("location"),
        Some("/v1/clusters/prod/releases/web")
    );
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let json = answer.json();
    assert_eq!(json["name"], "web");
    assert_eq!(json["status"], "deployed");
    assert_eq!(json["resources"], "==> v1/Pod\nweb\n");
    assert_eq!(json["notes"], "thanks");
    assert_eq!(json["config"], json!({"replicas": 2}));
    let request = sent(&edge);
    assert_eq!(request.chart, Some(chart()));
    assert_eq!(
        (request.name.as_str(), request.namespace.as_str()),
        ("web", "shop")
    );
}

#[tokio::test]
async fn the_location_keeps_the_tiller() {
    let answer = willing()
        .post(
            "/v1/clusters/a%2Fb/tillers/blue/releases",
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await;
    assert_eq!(
        answer.header("location"),
        Some("/v1/clusters/a%2Fb/tillers/blue/releases/web")
    );
}

#[tokio::test]
async fn every_field_reaches_tiller() {
    let edge = willing().answers(Method::GetVersion, &version("v2.17.0"));
    let body = with_chart(json!({
        "name": "web", "namespace": "shop", "values": {"a": 1}, "wait": true, "timeout": "90s",
        "disable_hooks": true, "disable_crd_hook": true, "description": "by me", "replace": true, "sub_notes": true,
    }));
    assert_eq!(edge.post(RELEASES, &body).await.status, 201);
    let request = sent(&edge);
    assert_eq!(
        request,
        InstallReleaseRequest {
            chart: Some(chart()),
            values: request.values.clone(),
            dry_run: false,
            name: "web".into(),
            disable_hooks: true,
            namespace: "shop".into(),
            reuse_name: true,
            timeout: 90,
            wait: true,
            disable_crd_hook: true,
            description: "by me".into(),
            sub_notes: true,
        }
    );
    assert_eq!(request.values.unwrap().raw, "a: 1\n");
    assert_eq!(
        edge.call(Method::InstallRelease).header("grpc-timeout"),
        Some("390S")
    );
}

#[tokio::test]
async fn a_form_installs_as_curl_sends_it() {
    let archive = charts::pack(&chart()).unwrap();
    let mut body = Vec::new();
    for (name, value) in [
        ("name", &b"web"[..]),
        ("namespace", b"shop"),
        ("values", b"mode: 0755\n"),
        ("chart", &archive),
    ] {
        body.extend(
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n"
            )
            .into_bytes(),
        );
        body.extend(value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let edge = willing();
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let response = edge.open("POST", RELEASES, &[kind], body.into()).await;
    assert_eq!(response.status(), 201);
    let request = sent(&edge);
    assert_eq!(request.name, "web");
    assert_eq!(request.values.unwrap().raw, "mode: 493\n");
    assert_eq!(request.chart, Some(chart()));
}

#[tokio::test]
async fn a_dry_run_shows_what_was_rendered_and_reads_nothing_after() {
    let edge = edge().answers(Method::InstallRelease, &released(release("web", 1, 6)));
    let answer = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop", "dry_run": true})),
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "pending-install");
    assert!(answer.json()["manifest"].is_string());
    assert_eq!(answer.json()["hooks"], json!([]));
    assert_eq!(answer.header("location"), None);
    assert_eq!(edge.methods(), [Method::InstallRelease]);
}

#[tokio::test]
async fn a_name_may_be_left_to_tiller() {
    let edge = willing();
    let answer = edge
        .post(RELEASES, &with_chart(json!({"namespace": "shop"})))
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(sent(&edge).name, "");
    assert_eq!(
        answer.header("location"),
        Some("/v1/clusters/prod/releases/web")
    );
}

/// T9.
#[tokio::test]
async fn h3_a_name_that_kubernetes_does_not_take_never_reaches_tiller() {
    let edge = edge();
    for name in ["Foo", "a_b", "-a", &"a".repeat(54), "ü"] {
        let answer = edge
            .post(RELEASES, &with_chart(json!({"name": name})))
            .await;
        assert_eq!(answer.problem().code, Code::InvalidReleaseName, "{name}");
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn h5_the_namespace_is_the_callers_then_the_clusters_then_default() {
    for (edge, body, expected) in [
        (
            willing(),
            json!({"name": "web", "namespace": "mine"}),
            "mine",
        ),
        (
            willing().with_namespace("theirs"),
            json!({"name": "web"}),
            "theirs",
        ),
        (
            willing().with_namespace(""),
            json!({"name": "web"}),
            "default",
        ),
        (
            willing().document(
                "/clusters/prod",
                200,
                r#"{"name":"prod","server":"https://x"}"#,
            ),
            json!({"name": "web", "namespace": ""}),
            "default",
        ),
    ] {
        let answer = edge.post(RELEASES, &with_chart(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(sent(&edge).namespace, expected);
    }
}

#[tokio::test]
async fn h4_a_release_that_vanished_is_no_success() {
    let edge = edge()
        .answers(Method::InstallRelease, &released(release("web", 1, 1)))
        .fails(
            Method::GetReleaseStatus,
            "getting release 'web' (v1): release: \"web.v1\" not found",
        );
    let problem = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await
        .problem();
    assert_eq!(problem.code, Code::ReleaseNotStored);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert!(problem.detail.contains("not found"));
    let asked: GetReleaseStatusRequest = edge.call(Method::GetReleaseStatus).message();
    assert_eq!((asked.name.as_str(), asked.version), ("web", 1));
}

#[tokio::test]
async fn h4_a_look_that_fails_otherwise_does_not_unmake_the_install() {
    let edge = edge()
        .answers(Method::InstallRelease, &released(release("web", 1, 1)))
        .fails(Method::GetReleaseStatus, "boom");
    let answer = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await;
    assert_eq!(answer.status, 201);
    assert!(
        answer.json()["warnings"][0]
            .as_str()
            .unwrap()
            .contains("boom")
    );
}

#[tokio::test]
async fn a_failed_install_is_told_in_tillers_words() {
    let text = "a release named web already exists.\nRun: helm ls --all web; to check the status of the release\nOr run: helm del --purge web; to delete it";
    let edge = edge().fails(Method::InstallRelease, text);
    let problem = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await
        .problem();
    assert_eq!(problem.code, Code::ReleaseExists);
    assert_eq!(problem.detail, text);
    assert_eq!(problem.outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn a_chart_with_crds_that_does_not_validate_is_in_doubt() {
    let mut with_crd = chart();
    with_crd.templates.push(Template {
        name: "templates/crd.yaml".into(),
        data: "helm.sh/hook: crd-install".into(),
    });
    for (chart, disable_crd_hook, outcome) in [
        (chart(), false, Outcome::NotApplied),
        (with_crd.clone(), false, Outcome::Unknown),
        (with_crd, true, Outcome::NotApplied),
    ] {
        let edge = edge()
            .answers(Method::GetVersion, &version("v2.17.0"))
            .fails(
                Method::InstallRelease,
                "validation failed: no matches for kind",
            );
        let body = json!({"name": "web", "namespace": "shop", "chart": archive(&chart), "disable_crd_hook": disable_crd_hook});
        let problem = edge.post(RELEASES, &body).await.problem();
        assert_eq!(problem.code, Code::ValidationFailed);
        assert_eq!(problem.outcome, outcome);
    }
}

fn atomic() -> serde_json::Value {
    with_chart(
        json!({"name": "web", "namespace": "shop", "atomic": true, "timeout": "60s", "disable_hooks": true}),
    )
}

#[tokio::test]
async fn an_atomic_install_that_fails_is_purged_and_tells_its_own_error() {
    let edge = edge()
        .fails(
            Method::InstallRelease,
            "release web failed: timed out waiting for the condition",
        )
        .answers(
            Method::UninstallRelease,
            &UninstallReleaseResponse::default(),
        );
    let problem = edge.post(RELEASES, &atomic()).await.problem();
    assert_eq!(problem.code, Code::WaitTimedOut);
    let cleanup = problem.cleanup.unwrap();
    assert_eq!(
        (cleanup.action, cleanup.result),
        (CleanupAction::Uninstall, CleanupResult::Done)
    );
    assert!(sent(&edge).wait);
    assert_eq!(
        edge.call(Method::UninstallRelease)
            .message::<UninstallReleaseRequest>(),
        UninstallReleaseRequest {
            name: "web".into(),
            disable_hooks: true,
            purge: true,
            timeout: 60,
            description: String::new(),
        }
    );
}

/// T19: Helm's CLI loses the hook's error here.
#[tokio::test]
async fn an_atomic_install_without_a_record_keeps_its_error() {
    let edge = edge()
        .fails(Method::InstallRelease, "jobs.batch \"pre\" already exists")
        .fails(Method::UninstallRelease, "release: \"web\" not found");
    let problem = edge.post(RELEASES, &atomic()).await.problem();
    assert_eq!(problem.detail, "jobs.batch \"pre\" already exists");
    assert_eq!(problem.cleanup.unwrap().result, CleanupResult::Done);
}

#[tokio::test]
async fn a_purge_that_fails_is_told_beside_the_error() {
    let edge = edge()
        .fails(Method::InstallRelease, "boom")
        .fails(Method::UninstallRelease, "cannot");
    let problem = edge.post(RELEASES, &atomic()).await.problem();
    assert_eq!(problem.detail, "boom");
    let cleanup = problem.cleanup.unwrap();
    assert_eq!(cleanup.result, CleanupResult::Failed);
    assert_eq!(cleanup.detail.as_deref(), Some("cannot"));
}

/// Helm's CLI purges the release that was there before.
#[tokio::test]
async fn an_atomic_install_over_another_release_leaves_that_alone() {
    let edge = edge().fails(
        Method::InstallRelease,
        "a release named web already exists.\nRun: helm ls --all web; to check the status of the release\nOr run: helm del --purge web; to delete it",
    );
    let problem = edge.post(RELEASES, &atomic()).await.problem();
    assert_eq!(problem.code, Code::ReleaseExists);
    assert_eq!(problem.cleanup, None);
    assert_eq!(edge.methods(), [Method::InstallRelease]);
}

#[tokio::test]
async fn an_atomic_install_whose_answer_is_lost_is_left_alone() {
    let edge = edge().on(
        Method::InstallRelease,
        status(Grpc::Unavailable, "transport is closing"),
    );
    let problem = edge.post(RELEASES, &atomic()).await.problem();
    assert_eq!(problem.code, Code::TillerUnavailable);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert_eq!(problem.cleanup.unwrap().result, CleanupResult::NotTried);
    assert_eq!(edge.methods(), [Method::InstallRelease]);
}

#[tokio::test]
async fn an_atomic_install_needs_a_name() {
    let edge = edge();
    let answer = edge
        .post(RELEASES, &with_chart(json!({"atomic": true})))
        .await;
    assert!(answer.problem().detail.contains("`atomic` needs `name`"));
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn a_field_that_tiller_lacks_is_refused_and_named() {
    let edge = edge().answers(Method::GetVersion, &version("v2.9.1"));
    let body = with_chart(json!({"name": "web", "namespace": "shop", "description": "x"}));
    let problem = edge.post(RELEASES, &body).await.problem();
    assert_eq!(problem.code, Code::TillerTooOld);
    assert_eq!(
        problem.detail,
        "field `description` needs Tiller v2.10.0, and this one is v2.9.1"
    );
    assert_eq!(edge.methods(), [Method::GetVersion]);
}

#[tokio::test]
async fn what_every_tiller_has_asks_for_no_version() {
    let edge = willing();
    let body =
        with_chart(json!({"name": "web", "namespace": "shop", "wait": true, "timeout": "1m"}));
    edge.post(RELEASES, &body).await;
    assert_eq!(
        edge.methods(),
        [Method::InstallRelease, Method::GetReleaseStatus]
    );
}

#[tokio::test]
async fn a_build_whose_version_says_nothing_is_taken_for_new() {
    let edge = willing().answers(Method::GetVersion, &version("canary"));
    let body = with_chart(json!({"name": "web", "namespace": "shop", "sub_notes": true}));
    assert_eq!(edge.post(RELEASES, &body).await.status, 201);
}

#[tokio::test]
async fn a_cluster_that_is_unknown_is_told_by_whoever_is_asked_first() {
    let problem = rest::problem::Problem::new(Code::ClusterNotFound, "no cluster prod");
    let edge = edge().on(Method::InstallRelease, relayed(&problem));
    let answer = edge
        .post(
            RELEASES,
            &with_chart(json!({"name": "web", "namespace": "shop"})),
        )
        .await;
    assert_eq!(answer.body, problem.to_json());
}
