//! Charts by where they are from.

use rest::repositories::{ChartList, RepositoryList};
use sha2::{Digest as _, Sha256};
use tiller_api::hapi::chart::Chart;

use super::tiller::chart;
use super::*;
use crate::repositories::tests::{Rig as Shelf, Store, index, ok, status};

/// Alice may install charts of the repository stable whose names begin with `w`.
const STABLE: &str = r#"
    [[grant]]
    principals = ["alice"]
    actions = ["install", "upgrade"]
    namespaces = ["a"]
    charts = ["stable/w*"]
"#;

/// A store with the chart `web` in version 1.2.3, and a Tiller.
struct Stage {
    tiller: FakeTiller,
    store: Store,
    rig: Rig,
}

impl Stage {
    async fn new(rules: &str) -> Self {
        let archive: Bytes = ::charts::pack(&chart("web", "1.2.3")).unwrap().into();
        let digest = format!("{:x}", Sha256::digest(&archive));
        let index = index(&["1.2.3"], "web.tgz", &digest);
        let store = Store::http(move |seen| match seen.path() {
            "/stable/index.yaml" => ok(index.clone()),
            "/stable/web.tgz" => ok(archive.clone()),
            _ => status(404, "nothing here"),
        })
        .await;
        let tiller = FakeTiller::with(vec![release("web", "a", 1)]).await;
        let mut rig = Rig::new(&tiller.server).granting(rules);
        rig.config.repositories = Shelf::new(&store).config.repositories;
        Self { tiller, store, rig }
    }
}

const WEB: &str = "/repositories/stable/charts/web/archive?version=1.2.3";

async fn get(relay: &Relay, caller: &Caller, path: &str) -> Response<Body> {
    let request = Request::get(format!("http://relay.internal{path}"))
        .body(whole(Bytes::new()))
        .unwrap();
    soon(relay.handle(caller, request)).await
}

async fn document<T: serde::de::DeserializeOwned>(answer: Response<Body>) -> T {
    assert_eq!(answer.status(), StatusCode::OK);
    serde_json::from_slice(&read(answer).await.0).unwrap()
}

fn with(chart: Chart) -> InstallReleaseRequest {
    InstallReleaseRequest {
        chart: Some(chart),
        ..install("new", "a")
    }
}

#[tokio::test]
async fn a_chart_that_was_fetched_for_the_request_may_be_installed_and_no_other() {
    let stage = Stage::new(STABLE).await;
    let relay = stage.rig.relay();
    let by = alice();
    let web = with(chart("web", "1.2.3"));
    let problem = refused(send(&relay, &by, Rpc::InstallRelease, &web).await).await;
    assert!(
        problem.detail.ends_with("with chart `upload`"),
        "{}",
        problem.detail
    );

    let fetched = get(&relay, &by, &format!("{WEB}&cluster=prod")).await;
    assert_eq!(fetched.status(), StatusCode::OK);
    messages(send(&relay, &by, Rpc::InstallRelease, &web).await).await;
    messages(send(&relay, &by, Rpc::UpdateRelease, &upgrade("web")).await).await;

    let mut forged = chart("web", "1.2.3");
    forged.templates[0].data = "kind: ClusterRoleBinding".into();
    let mut added = chart("web", "1.2.3");
    added.dependencies.push(chart("evil", "1"));
    added.dependencies[0].templates[0].name = "templates/evil.yaml".into();
    for other in [chart("web", "1.2.4"), chart("wap", "1.2.3"), forged, added] {
        let answer = send(&relay, &by, Rpc::InstallRelease, &with(other)).await;
        let problem = refused(answer).await;
        assert!(
            problem.detail.ends_with("with chart `upload`"),
            "{}",
            problem.detail
        );
    }
    let another = alice();
    refused(send(&relay, &another, Rpc::InstallRelease, &web).await).await;
    assert_eq!(
        stage
            .tiller
            .called()
            .iter()
            .filter(|name| *name == "InstallRelease")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_chart_that_was_only_looked_at_is_none_that_was_fetched() {
    let stage = Stage::new(STABLE).await;
    let relay = stage.rig.relay();
    let by = alice();
    assert_eq!(get(&relay, &by, WEB).await.status(), StatusCode::OK);
    let answer = send(
        &relay,
        &by,
        Rpc::InstallRelease,
        &with(chart("web", "1.2.3")),
    )
    .await;
    refused(answer).await;
}

#[tokio::test]
async fn what_may_not_be_installed_is_not_fetched() {
    for rules in [
        STABLE.replace("stable/w*", "stable/app"),
        STABLE.replace("stable/w*", "upload"),
        STABLE.replace("\"install\", \"upgrade\"", "\"read\", \"get-values\""),
    ] {
        let stage = Stage::new(&rules).await;
        let relay = stage.rig.relay();
        for path in [
            WEB,
            &format!("{WEB}&cluster=prod"),
            "/repositories/stable/charts/web",
            "/repositories/none/charts/web",
            "/archive?url=https%3A%2F%2Fexample.com%2Fweb.tgz%3Fsig%3Ds3cret",
        ] {
            let problem = refused(get(&relay, &alice(), path).await).await;
            assert!(problem.detail.contains("may not `read-charts`"));
            assert!(!problem.detail.contains("s3cret") && !problem.detail.contains("sig="));
        }
        assert!(stage.store.seen().is_empty());
    }
}

#[tokio::test]
async fn a_chart_is_fetched_for_a_cluster_where_it_may_be_installed() {
    let rules = format!("{STABLE}    clusters = [\"other\"]\n{A}    charts = [\"upload\"]\n");
    let stage = Stage::new(&rules).await;
    let relay = stage.rig.relay();
    assert_eq!(get(&relay, &alice(), WEB).await.status(), StatusCode::OK);
    refused(get(&relay, &alice(), &format!("{WEB}&cluster=prod")).await).await;
    let problem = problem(get(&relay, &alice(), &format!("{WEB}&cluster=other")).await).await;
    assert_eq!(problem.code, Code::ClusterNotFound);
}

#[tokio::test]
async fn repositories_and_charts_are_listed_as_far_as_they_may_be_fetched() {
    for (pattern, repositories, charts) in [
        ("stable/w*", 1, Some(1)),
        ("stable/web", 1, Some(1)),
        ("*", 1, Some(1)),
        ("*/web", 1, Some(1)),
        ("stable/app", 1, Some(0)),
        ("stab*", 1, Some(1)),
        ("stable", 0, None),
        ("other/*", 0, None),
        ("upload", 0, None),
    ] {
        let stage = Stage::new(&STABLE.replace("stable/w*", pattern)).await;
        let relay = stage.rig.relay();
        let list: RepositoryList = document(get(&relay, &alice(), "/repositories").await).await;
        assert_eq!(list.items.len(), repositories, "{pattern}");
        let answer = get(&relay, &alice(), "/repositories/stable/charts").await;
        match charts {
            None => drop(refused(answer).await),
            Some(charts) => {
                let list: ChartList = document(answer).await;
                assert_eq!(list.items.len(), charts, "{pattern}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_only_clusters_know_needs_one_to_be_named() {
    let stage = Stage::new(STABLE).await;
    let relay = stage.rig.relay();
    let nobody = Caller {
        identity: Identity::PerCluster,
        ..caller()
    };
    for path in ["/repositories", "/repositories/stable/charts", WEB] {
        let problem = problem(get(&relay, &nobody, path).await).await;
        assert_eq!(problem.code, Code::InvalidRequest, "{path}");
        assert!(problem.hint.unwrap().contains("cluster="));
    }
}
