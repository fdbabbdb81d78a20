//! `PUT …/releases/{r}` with the chart that is deployed, and what undoes a change.

use prost::Message;
use rest::{
    plan::{PLAN, UNDO, Undo},
    problem::Code,
};
use serde_json::{Value, json};
use tiller_api::{
    Method,
    hapi::{
        release::Release,
        services::tiller::{GetReleaseContentRequest, UpdateReleaseRequest},
    },
};

use crate::fake::{
    Edge, Reply, chart, chunk, edge, history, installed, messages, release, released, with_chart,
};

const WEB: &str = "/v1/clusters/prod/releases/web";

fn kept() -> Value {
    json!({"chart": {"deployed": true}, "values": {"image": {"tag": "2"}}, "reset_values": false})
}

/// A Tiller with these revisions of the release, the newest first.
fn with(revisions: Vec<Release>) -> Edge {
    let newest = revisions.first().cloned().expect("a revision");
    edge()
        .answers(Method::GetHistory, &history(vec![newest]))
        .answers(Method::UpdateRelease, &released(release("web", 9, 1)))
}

fn asked(edge: &Edge) -> GetReleaseContentRequest {
    edge.call(Method::GetReleaseContent).message()
}

#[tokio::test]
async fn an_upgrade_keeps_the_chart_as_tiller_has_it() {
    let edge = with(vec![release("web", 7, 1)])
        .answers(Method::GetReleaseContent, &released(release("web", 7, 1)));
    let answer = edge.put(WEB, &kept()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().get("source"), None);
    let sent: UpdateReleaseRequest = edge.call(Method::UpdateRelease).message();
    assert_eq!(sent.chart, Some(chart()));
    assert_eq!(sent.description, "");
    assert_eq!(sent.values.unwrap().raw, "image:\n  tag: \"2\"\n");
    assert_eq!(asked(&edge).version, 7);
}

#[tokio::test]
async fn it_is_that_of_the_newest_revision_that_is_deployed() {
    let deployed = [
        release("web", 3, 1),
        release("web", 5, 1),
        release("web2", 6, 1),
    ];
    let edge = with(vec![release("web", 7, 4)])
        .on(Method::ListReleases, messages(&[chunk(deployed.into())]))
        .answers(Method::GetReleaseContent, &released(release("web", 5, 1)));
    assert_eq!(edge.put(WEB, &kept()).await.status, 200);
    assert_eq!(asked(&edge).version, 5);
}

#[tokio::test]
async fn where_nothing_is_deployed_there_is_no_chart_to_keep() {
    let edge = with(vec![release("web", 7, 4)]).on(Method::ListReleases, messages(&[]));
    let problem = edge.put(WEB, &kept()).await.problem();
    assert_eq!(problem.code, Code::NoDeployedRelease);

    let missing = edge.fails(Method::GetHistory, "release: \"web\" not found");
    let body = json!({"chart": {"deployed": true}, "install": true, "namespace": "shop"});
    let problem = missing.put(WEB, &body).await.problem();
    assert_eq!(problem.code, Code::NoDeployedRelease);
}

#[tokio::test]
async fn who_may_not_see_values_cannot_keep_a_chart() {
    let Reply::Response(mut reduced) = messages(&[released(release("web", 7, 1)).encode_to_vec()])
    else {
        panic!("it is whole");
    };
    let withheld = "values".parse().unwrap();
    reduced
        .headers_mut()
        .insert("x-tiller-edge-withheld", withheld);
    let edge =
        with(vec![release("web", 7, 1)]).on(Method::GetReleaseContent, Reply::Response(reduced));
    let problem = edge.put(WEB, &kept()).await.problem();
    assert_eq!(problem.code, Code::ValuesWithheld);
    assert!(!edge.methods().contains(&Method::UpdateRelease));
}

#[tokio::test]
async fn an_install_has_no_chart_to_keep() {
    let edge = edge();
    let body = json!({"name": "web", "chart": {"deployed": true}});
    let problem = edge
        .post("/v1/clusters/prod/releases", &body)
        .await
        .problem();
    assert_eq!(problem.code, Code::InvalidRequest);
    let answer = edge
        .send("PUT", WEB, &[(PLAN, "1")], &kept().to_string())
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(edge.methods(), []);
}

#[tokio::test]
async fn a_change_that_is_to_be_undone_says_how() {
    let flags =
        json!({"atomic": true, "force": true, "disable_hooks": true, "cleanup_on_fail": true});
    let upgrade = with(vec![release("web", 7, 1)])
        .answers(Method::GetVersion, &crate::fake::version("v2.17.0"));
    assert_eq!(upgrade.put(WEB, &with_chart(flags)).await.status, 200);
    let sent = upgrade.call(Method::UpdateRelease);
    let undo = Undo::from_header(sent.header(UNDO).expect("it says how").as_bytes());
    let expected = Undo {
        revision: Some(7),
        disable_hooks: true,
        recreate_pods: false,
        force: true,
        cleanup_on_fail: true,
    };
    assert_eq!(undo, Some(expected));

    let install = edge()
        .answers(Method::InstallRelease, &released(release("web", 1, 1)))
        .answers(Method::GetReleaseStatus, &installed(&release("web", 1, 1)));
    let body = with_chart(json!({"name": "web", "namespace": "shop", "atomic": true}));
    install.post("/v1/clusters/prod/releases", &body).await;
    let sent = install.call(Method::InstallRelease);
    assert_eq!(sent.header(UNDO), Some("{}"));
}

#[tokio::test]
async fn a_change_that_is_not_says_nothing() {
    for flags in [json!({}), json!({"atomic": true, "dry_run": true})] {
        let edge = with(vec![release("web", 7, 1)]);
        assert_eq!(edge.put(WEB, &with_chart(flags)).await.status, 200);
        assert_eq!(edge.call(Method::UpdateRelease).header(UNDO), None);
    }
}
