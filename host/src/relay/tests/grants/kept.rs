//! Upgrades that keep the chart a release has.

use tiller_api::hapi::services::tiller::GetReleaseContentRequest;

use super::tiller::chart;
use super::*;

/// Alice may read everything in namespace a, and upgrade with the chart that is there.
const KEEPS: &str = r#"
    [[grant]]
    principals = ["alice"]
    actions = ["read", "get-values"]
    namespaces = ["a"]

    [[grant]]
    principals = ["alice"]
    actions = ["upgrade"]
    namespaces = ["a"]
    charts = ["deployed"]
"#;

async fn read_chart(relay: &Relay, caller: &Caller, name: &str) {
    let question = GetReleaseContentRequest {
        name: name.into(),
        ..GetReleaseContentRequest::default()
    };
    messages(send(relay, caller, Rpc::GetReleaseContent, &question).await).await;
}

#[tokio::test]
async fn a_chart_that_was_read_of_the_release_is_deployed_and_no_other() {
    let tiller = FakeTiller::with(vec![release("web", "a", 1), release("app", "a", 1)]).await;
    let relay = Rig::new(&tiller.server).granting(KEEPS).relay();
    let by = alice();
    let web = upgrade("web");
    let problem = refused(send(&relay, &by, Rpc::UpdateRelease, &web).await).await;
    assert!(problem.detail.ends_with("with chart `upload`"));
    read_chart(&relay, &by, "app").await;
    refused(send(&relay, &by, Rpc::UpdateRelease, &web).await).await;

    read_chart(&relay, &by, "web").await;
    messages(send(&relay, &by, Rpc::UpdateRelease, &web).await).await;

    let mut without = chart("web", "1.2.3");
    without.templates.clear();
    let mut renamed = chart("web", "1.2.3");
    renamed.templates[0].name = "templates/b.yaml".into();
    let mut valued = chart("web", "1.2.3");
    valued.values = Some(tiller_api::hapi::chart::Config {
        raw: "a: 1\n".into(),
        ..Default::default()
    });
    for other in [without, renamed, valued, chart("web", "1.2.4")] {
        let message = UpdateReleaseRequest {
            chart: Some(other),
            ..upgrade("web")
        };
        refused(send(&relay, &by, Rpc::UpdateRelease, &message).await).await;
    }
    refused(send(&relay, &alice(), Rpc::UpdateRelease, &web).await).await;
    let upgraded = |name: &&String| *name == "UpdateRelease";
    assert_eq!(tiller.called().iter().filter(upgraded).count(), 1);
}

#[tokio::test]
async fn a_chart_that_is_kept_is_no_upload() {
    let tiller = FakeTiller::with(vec![release("web", "a", 1)]).await;
    let rules = KEEPS.replace("\"deployed\"", "\"upload\"");
    let relay = Rig::new(&tiller.server).granting(&rules).relay();
    let by = alice();
    messages(send(&relay, &by, Rpc::UpdateRelease, &upgrade("web")).await).await;
    read_chart(&relay, &by, "web").await;
    let problem = refused(send(&relay, &by, Rpc::UpdateRelease, &upgrade("web")).await).await;
    assert!(problem.detail.ends_with("with chart `deployed`"));
}
