//! What each repository may be used for.

use rest::problem::{Code, Outcome};
use serde_json::json;
use sim::store::archive;

use crate::support::repositories::{of, repository, stable, webs};
use crate::support::{post, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_for_one_cluster_is_for_no_other() {
    let store = webs(&["1.2.3"]).start().await;
    let mut scoped = repository("stable", &store);
    scoped.clusters = vec!["twin".to_owned()];
    let stage = stage().twin().repository(scoped).start().await;
    stage
        .refuses(&stable("web", ""), Code::ChartSourceRefused)
        .await;
    assert_eq!(store.asked(), []);
    let there = post("/v1/clusters/twin/releases").json(&stable("web", ""));
    stage.send(there).await.expect(201);
    // Looking is no installing.
    stage
        .get("/v1/repositories/stable/charts/web/1.2.3")
        .await
        .expect(200);
    let list = stage.get("/v1/repositories").await.expect(200).json();
    assert_eq!(list["items"][0]["clusters"], json!(["twin"]));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_beside_the_patterns_are_not_taken() {
    let store = webs(&["1.2.3"])
        .chart("db", "1.0.0", archive("db", "1.0.0"))
        .chart("db-tools", "1.0.0", archive("db-tools", "1.0.0"))
        .start()
        .await;
    let mut scoped = repository("stable", &store);
    scoped.charts = vec!["db-*".to_owned(), "other".to_owned()];
    let stage = stage().repository(scoped).start().await;
    for name in ["web", "db", "other-db-tools"] {
        let chart = json!({ "repository": "stable", "name": name });
        stage
            .refuses(&of("x", chart), Code::ChartSourceRefused)
            .await;
        let inspected = stage
            .get(format!("/v1/repositories/stable/charts/{name}/1.0.0"))
            .await;
        inspected.refused(Code::ChartSourceRefused, Outcome::NotApplied);
    }
    let chart = json!({ "repository": "stable", "name": "db-tools" });
    stage.request(&of("db-tools", chart)).await.expect(201);
    let listed = stage
        .get("/v1/repositories/stable/charts")
        .await
        .expect(200)
        .json();
    let names: Vec<_> = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["name"])
        .collect();
    assert_eq!(names, ["db-tools"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_of_another_region_is_not_there() {
    let store = webs(&["1.2.3"]).start().await;
    let mut far = repository("stable", &store);
    far.region = Some("far".to_owned());
    let stage = stage().region("near").repository(far).start().await;
    stage
        .refuses(&stable("web", ""), Code::RepositoryNotConfigured)
        .await;
    let list = stage.get("/v1/repositories").await.expect(200).json();
    assert_eq!(list["items"], json!([]));
    for path in ["charts", "charts/web", "charts/web/1.2.3"] {
        let answer = stage.get(format!("/v1/repositories/stable/{path}")).await;
        answer.refused(Code::RepositoryNotConfigured, Outcome::NotApplied);
    }
    assert_eq!(store.asked(), []);
    stage.end().await;
}
