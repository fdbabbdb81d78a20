//! What a request to change a release comes to, found out without asking anybody.

use rest::{
    plan::{PLAN, Plan, Undo},
    problem::Code,
    relay::Target,
};
use serde_json::{Value, json};

use crate::fake::{Answer, edge, with_chart};

const RELEASES: &str = "/v1/clusters/prod/releases";

/// Asks for the plan of a request to a relay that knows nothing.
async fn ask(method: &str, path: &str, body: &Value) -> Answer {
    let edge = edge();
    let answer = edge
        .send(method, path, &[(PLAN, "1")], &body.to_string())
        .await;
    assert_eq!(edge.paths(), [""; 0], "nobody is asked");
    answer
}

async fn plan(method: &str, path: &str, body: &Value) -> Plan {
    let answer = ask(method, path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_value(answer.json()).expect("a plan")
}

fn of(action: &str) -> Plan {
    Plan {
        action: action.into(),
        cluster: "prod".into(),
        release: Some("web".into()),
        timeout: 300,
        ..Plan::default()
    }
}

#[tokio::test]
async fn an_install_is_planned_with_its_name_and_namespace() {
    let body = with_chart(json!({"name": "web", "namespace": "shop", "timeout": "90s"}));
    let expected = Plan {
        namespace: Some("shop".into()),
        timeout: 90,
        ..of("install")
    };
    assert_eq!(plan("POST", RELEASES, &body).await, expected);
    let nameless = json!({"chart": "stable/web", "dry_run": true});
    let expected = Plan {
        release: None,
        dry_run: true,
        ..of("install")
    };
    assert_eq!(plan("POST", RELEASES, &nameless).await, expected);
}

#[tokio::test]
async fn an_upgrade_is_planned_without_looking_at_the_release() {
    let path = "/v1/clusters/prod/tillers/old/releases/web";
    let body = json!({"chart": {"url": "https://x/web.tgz"}, "install": true, "atomic": true});
    let expected = Plan {
        tiller: Some("old".into()),
        ..of("upgrade")
    };
    assert_eq!(plan("PUT", path, &body).await, expected);
}

#[tokio::test]
async fn what_is_done_to_a_release_is_planned() {
    let web = format!("{RELEASES}/web");
    let body = json!({"revision": 3, "dry_run": true, "timeout": 5});
    let expected = Plan {
        dry_run: true,
        timeout: 5,
        ..of("rollback")
    };
    assert_eq!(
        plan("POST", &format!("{web}/rollback"), &body).await,
        expected
    );
    let body = json!({"purge": true});
    assert_eq!(plan("DELETE", &web, &body).await, of("uninstall"));
    let tests = format!("{web}/tests");
    assert_eq!(plan("POST", &tests, &json!({})).await, of("test"));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_at_once() {
    let web = format!("{RELEASES}/web");
    for (method, path, body, code) in [
        (
            "POST",
            RELEASES.to_owned(),
            with_chart(json!({"name": "Web"})),
            Code::InvalidReleaseName,
        ),
        (
            "POST",
            RELEASES.to_owned(),
            with_chart(json!({"atomic": true})),
            Code::InvalidRequest,
        ),
        (
            "POST",
            RELEASES.to_owned(),
            json!({"name": "web", "chart": {"archive": "aGk="}}),
            Code::InvalidChart,
        ),
        (
            "PUT",
            web.clone(),
            with_chart(json!({"values": "- a"})),
            Code::InvalidValues,
        ),
        (
            "PUT",
            web.clone(),
            with_chart(json!({"name": "other"})),
            Code::InvalidRequest,
        ),
        (
            "PUT",
            format!("{RELEASES}/-"),
            with_chart(json!({})),
            Code::InvalidReleaseName,
        ),
        (
            "DELETE",
            web.clone(),
            json!({"purge": "perhaps"}),
            Code::InvalidRequest,
        ),
        (
            "POST",
            format!("{web}/rollback"),
            json!({"revision": -1}),
            Code::InvalidRequest,
        ),
        (
            "POST",
            format!("{web}/tests"),
            json!({"timeout": 0}),
            Code::InvalidRequest,
        ),
    ] {
        let problem = ask(method, &path, &body).await.problem();
        assert_eq!(problem.code, code, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn what_undoes_a_change_is_a_request_like_any_other() {
    let target = Target {
        cluster: "prod".into(),
        tiller: Some("old".into()),
    };
    let rollback = Undo {
        revision: Some(7),
        disable_hooks: true,
        recreate_pods: true,
        force: true,
        cleanup_on_fail: true,
    };
    for (undo, action) in [(rollback, "rollback"), (Undo::default(), "uninstall")] {
        let (method, path, body) = undo.request(&target, "web", 60);
        let expected = Plan {
            tiller: Some("old".into()),
            timeout: 60,
            ..of(action)
        };
        assert_eq!(plan(method.as_str(), &path, &body).await, expected);
        let header = undo.to_header();
        assert_eq!(Undo::from_header(header.as_bytes()), Some(undo));
    }
    assert_eq!(Undo::from_header(b"{\"revision\": \"7\"}"), None);
}
