//! Which sub-charts are sent.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_api::{
    Method,
    hapi::{
        chart::Chart,
        services::tiller::{InstallReleaseRequest, UpdateReleaseRequest},
    },
};

use crate::fake::{edge, history, installed, release, released, version};

const RELEASES: &str = "/v1/clusters/prod/releases";

/// A chart of these files, which no chart of a release would be packed as.
fn archive(files: &[(&str, &str)]) -> Value {
    let gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        archive
            .append_data(&mut header, format!("web/{name}"), data.as_bytes())
            .unwrap();
    }
    let bytes = archive.into_inner().unwrap().finish().unwrap();
    json!({"archive": BASE64_STANDARD.encode(bytes)})
}

/// A chart with a sub-chart under two names, from one of which it takes a value.
fn twice() -> Value {
    archive(&[
        ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
        ("values.yaml", "port: 80\n"),
        (
            "requirements.yaml",
            "dependencies:\n\
             - {name: db, version: ^1.0.0, condition: db.enabled, import-values: [ports]}\n\
             - {name: db, version: ^1.0.0, alias: replica, condition: replica.enabled}\n",
        ),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.2.0\n"),
        ("charts/db/values.yaml", "exports: {ports: {port: 5432}}\n"),
    ])
}

fn names(chart: &Option<Chart>) -> Vec<&str> {
    chart
        .iter()
        .flat_map(|chart| &chart.dependencies)
        .filter_map(|dependency| dependency.metadata.as_ref())
        .map(|metadata| metadata.name.as_str())
        .collect()
}

#[tokio::test]
async fn an_install_sends_the_sub_charts_that_its_values_enable() {
    let web = release("web", 1, 1);
    let edge = edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web));
    let body = json!({"namespace": "shop", "chart": twice(), "set": ["replica.enabled=false"]});
    let answer = edge.post(RELEASES, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let sent: InstallReleaseRequest = edge.call(Method::InstallRelease).message();
    assert_eq!(names(&sent.chart), ["db"]);
    let values = sent.chart.unwrap().values.unwrap().raw;
    assert_eq!(
        values,
        "db:\n  exports:\n    ports:\n      port: 5432\n  global: {}\nport: 5432\n"
    );
    assert_eq!(sent.values.unwrap().raw, "replica:\n  enabled: false\n");
}

#[tokio::test]
async fn an_upgrade_decides_by_its_own_values_whatever_it_reuses() {
    let edge = edge()
        .answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
        .answers(Method::GetVersion, &version("v2.17.0"))
        .answers(Method::UpdateRelease, &released(release("web", 8, 1)));
    let body = json!({"chart": twice(), "reuse_values": true});
    let answer = edge.put(&format!("{RELEASES}/web"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: UpdateReleaseRequest = edge.call(Method::UpdateRelease).message();
    assert_eq!(names(&sent.chart), ["db", "replica"]);
}

#[tokio::test]
async fn a_chart_that_lacks_what_it_requires_is_not_sent() {
    let chart = archive(&[
        ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
        (
            "requirements.yaml",
            "dependencies: [{name: db}, {name: cache}]\n",
        ),
    ]);
    let edge = edge();
    let problem = edge
        .post(RELEASES, &json!({ "chart": chart }))
        .await
        .problem();
    assert_eq!(problem.code, Code::InvalidChart);
    assert_eq!(
        problem.detail,
        "found in requirements.yaml, but missing in charts/ directory: db, cache"
    );
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(edge.methods().is_empty());
}

#[tokio::test]
async fn p7_values_that_would_end_tiller_are_not_sent() {
    let chart = archive(&[
        ("Chart.yaml", "name: web\n"),
        ("charts/db/Chart.yaml", "name: db\n"),
        ("charts/db/charts/deep/Chart.yaml", "name: deep\n"),
    ]);
    let edge = edge();
    let body = json!({"chart": chart, "values": {"db": {"global": 5}}});
    let problem = edge.post(RELEASES, &body).await.problem();
    assert_eq!(problem.code, Code::InvalidValues);
    assert!(edge.methods().is_empty());
}
