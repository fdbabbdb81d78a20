//! One release and what belongs to it.

use rest::problem::Code;
use serde_json::json;
use tiller_api::{
    Method,
    hapi::{
        release::{Hook, TestRun, TestSuite},
        services::tiller::{GetHistoryRequest, GetReleaseContentRequest},
    },
};

use crate::fake::{Answer, edge, history, installed, release, released};

async fn read(path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut web = release("web", 7, 1);
    web.hooks.push(Hook {
        name: "pre".into(),
        kind: "Job".into(),
        path: "nginx/templates/pre.yaml".into(),
        manifest: "kind: Job".into(),
        events: vec![1],
        ..Hook::default()
    });
    let edge = edge().answers(Method::GetReleaseContent, &released(web));
    edge.send(
        "GET",
        &format!("/v1/clusters/prod/releases/web{path}"),
        headers,
        "",
    )
    .await
}

#[tokio::test]
async fn a_release_is_shown_with_its_values_and_without_its_weight() {
    let answer = read("", &[]).await;
    assert_eq!(answer.header("etag"), Some("\"7\""));
    assert_eq!(
        answer.json(),
        json!({
            "name": "web", "namespace": "shop", "revision": 7, "status": "deployed",
            "chart": {"name": "nginx", "version": "1.2.3", "app_version": "1.21"},
            "first_deployed": "2020-09-13T12:26:40Z", "last_deployed": "2020-09-13T12:26:47Z",
            "description": "Install complete", "config": {"replicas": 2},
        })
    );
}

#[tokio::test]
async fn fields_add_what_is_heavy() {
    let answer = read(
        "?fields=manifest,hooks&fields=notes,chart_files,config_yaml",
        &[],
    )
    .await
    .json();
    assert!(answer["manifest"].as_str().unwrap().contains("# Source"));
    assert_eq!(answer["hooks"][0]["events"], json!(["pre-install"]));
    assert_eq!(answer["notes"], "thanks");
    assert_eq!(answer["config_yaml"], "replicas: 2\n");
    assert_eq!(
        answer["chart_files"],
        json!([{"name": "values.yaml", "text": "x: 1\n"}, {"name": "templates/a.yaml", "text": "a: 1\n"}])
    );
}

#[tokio::test]
async fn an_unknown_one_of_the_fields_is_refused() {
    let answer = edge()
        .get("/v1/clusters/prod/releases/web?fields=manifests")
        .await;
    assert!(answer.problem().detail.contains("did you mean `manifest`?"));
}

#[tokio::test]
async fn a_revision_is_asked_for_by_number() {
    let edge = edge().answers(Method::GetReleaseContent, &released(release("web", 3, 3)));
    edge.get("/v1/clusters/prod/releases/web?revision=3").await;
    let request: GetReleaseContentRequest = edge.call(Method::GetReleaseContent).message();
    assert_eq!((request.name.as_str(), request.version), ("web", 3));
    for revision in ["-1", "x", "4294967296"] {
        let answer = edge
            .get(&format!(
                "/v1/clusters/prod/releases/web?revision={revision}"
            ))
            .await;
        assert_eq!(answer.problem().code, Code::InvalidRequest);
    }
}

#[tokio::test]
async fn a_missing_revision_and_a_missing_release_are_different() {
    for (path, text, code) in [
        (
            "web?revision=9",
            "release: \"web.v9\" not found",
            Code::RevisionNotFound,
        ),
        ("web", "release: \"web\" not found", Code::ReleaseNotFound),
        ("a.v1", "release: \"a.v1\" not found", Code::ReleaseNotFound),
    ] {
        let edge = edge().fails(Method::GetReleaseContent, text);
        let problem = edge
            .get(&format!("/v1/clusters/prod/releases/{path}"))
            .await
            .problem();
        assert_eq!(problem.code, code, "{path}");
        assert_eq!(problem.detail, text);
    }
}

#[tokio::test]
async fn parts_are_what_helm_get_prints() {
    for (part, media_type, text) in [
        (
            "manifest",
            "application/yaml",
            "\n---\n# Source: nginx/templates/a.yaml\na: 1\n",
        ),
        ("hooks", "application/yaml", "---\n# pre\nkind: Job\n"),
        ("notes", "text/plain; charset=utf-8", "thanks"),
        ("values", "application/yaml", "replicas: 2\n"),
        ("values?all=true", "application/yaml", "replicas: 2\nx: 1\n"),
    ] {
        let answer = read(&format!("/{part}"), &[]).await;
        assert_eq!(answer.header("content-type"), Some(media_type), "{part}");
        assert_eq!(answer.text(), text, "{part}");
    }
}

#[tokio::test]
async fn values_are_json_too() {
    let answer = read("/values?all=true", &[("accept", "application/json")]).await;
    assert_eq!(answer.json(), json!({"replicas": 2, "x": 1}));
}

/// T20.
#[tokio::test]
async fn a_release_without_values_has_none() {
    let mut web = release("web", 1, 1);
    web.config = None;
    let edge = edge()
        .answers(Method::GetReleaseContent, &released(web.clone()))
        .answers(Method::GetReleaseContent, &released(web));
    assert_eq!(
        edge.get("/v1/clusters/prod/releases/web/values")
            .await
            .text(),
        "{}\n"
    );
    assert_eq!(
        edge.get("/v1/clusters/prod/releases/web").await.json()["config"],
        json!({})
    );
}

#[tokio::test]
async fn values_that_do_not_parse_are_shown_as_they_are() {
    let mut web = release("web", 1, 1);
    web.config.as_mut().unwrap().raw = "a: [".into();
    let edge = edge().answers(Method::GetReleaseContent, &released(web));
    let answer = edge.get("/v1/clusters/prod/releases/web").await.json();
    assert_eq!(answer["config_yaml"], "a: [");
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_chart_comes_back_as_an_archive() {
    let answer = read("/chart", &[]).await;
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"nginx-1.2.3.tgz\"")
    );
    let chart = charts::load(&answer.body, &charts::Limits::default()).unwrap();
    assert_eq!(chart, crate::fake::chart());
}

#[tokio::test]
async fn a_status_has_the_resources_as_tiller_prints_them() {
    let mut web = release("web", 7, 1);
    let status = web.info.as_mut().unwrap().status.as_mut().unwrap();
    status.last_test_suite_run = Some(TestSuite {
        results: vec![TestRun {
            name: "web-test".into(),
            status: 1,
            ..TestRun::default()
        }],
        ..TestSuite::default()
    });
    let edge = edge().answers(Method::GetReleaseStatus, &installed(&web));
    let answer = edge
        .get("/v1/clusters/prod/releases/web/status?revision=7")
        .await;
    assert_eq!(answer.header("etag"), Some("\"7\""));
    let json = answer.json();
    assert_eq!(json["resources"], "==> v1/Pod\nweb\n");
    assert_eq!(json["status"], "deployed");
    assert_eq!(json["notes"], "thanks");
    assert_eq!(
        json["last_test_suite_run"]["results"][0]["status"],
        "success"
    );
}

/// T17.
#[tokio::test]
async fn a_failed_release_has_a_status_without_resources() {
    let mut failed = installed(&release("web", 1, 4));
    failed
        .info
        .as_mut()
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .resources = String::new();
    let edge = edge().answers(Method::GetReleaseStatus, &failed);
    let json = edge
        .get("/v1/clusters/prod/releases/web/status")
        .await
        .json();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["resources"], "");
}

#[tokio::test]
async fn a_history_is_newest_first_and_of_256_unless_asked_otherwise() {
    let edge = edge()
        .answers(
            Method::GetHistory,
            &history(vec![release("web", 2, 1), release("web", 1, 3)]),
        )
        .answers(Method::GetHistory, &history(vec![release("web", 2, 1)]));
    let answer = edge
        .get("/v1/clusters/prod/releases/web/history")
        .await
        .json();
    let revisions: Vec<_> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["revision"].clone())
        .collect();
    assert_eq!(revisions, [json!(2), json!(1)]);
    edge.get("/v1/clusters/prod/releases/web/history?max=1")
        .await;
    let asked: Vec<_> = edge
        .calls()
        .iter()
        .map(|call| call.message::<GetHistoryRequest>().max)
        .collect();
    assert_eq!(asked, [256, 1]);
}

/// T6: Tiller answers 0 with an empty list.
#[tokio::test]
async fn a_history_of_none_is_refused() {
    let edge = edge();
    for max in ["0", "-1"] {
        let answer = edge
            .get(&format!("/v1/clusters/prod/releases/web/history?max={max}"))
            .await;
        assert_eq!(answer.problem().code, Code::InvalidRequest);
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn an_empty_history_is_an_unknown_release() {
    let edge = edge().answers(Method::GetHistory, &history(vec![]));
    let answer = edge.get("/v1/clusters/prod/releases/web/history").await;
    assert_eq!(answer.problem().code, Code::ReleaseNotFound);
}

#[tokio::test]
async fn a_history_comes_as_events_too() {
    let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 1, 1)]));
    let answer = edge
        .send(
            "GET",
            "/v1/clusters/prod/releases/web/history",
            &[("accept", "text/event-stream")],
            "",
        )
        .await;
    assert!(answer.text().starts_with("data: {\"name\":\"web\""));
    assert!(answer.text().ends_with("\n\nevent: end\ndata: {}\n\n"));
}
