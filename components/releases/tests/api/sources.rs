//! Charts of installs and upgrades that come from a repository or a URL.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::Response;
use rest::{
    problem::{Code, MEDIA_TYPE, Outcome, Problem},
    repositories::{Provenance, SOURCE, Source},
};
use serde_json::{Value, json};
use tiller_api::{
    Method,
    hapi::services::tiller::{InstallReleaseRequest, UpdateReleaseRequest},
};

use crate::fake::{
    Edge, chart, edge, history, installed, relayed, release, released, version, with_chart,
};

const RELEASES: &str = "/v1/clusters/prod/releases";
const WEB: &str = "/v1/clusters/prod/releases/web";

/// What the relay is asked for the newest nginx.
const NGINX: &str = "/repositories/stable/charts/nginx/archive?cluster=prod";

const DIGEST: &str = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

fn source() -> Source {
    Source {
        repository: Some("stable".into()),
        name: Some("nginx".into()),
        version: Some("1.2.3".into()),
        url: Some("https://charts.example.com/nginx-1.2.3.tgz".into()),
        digest: DIGEST.into(),
        provenance: None,
    }
}

fn nginx() -> Vec<u8> {
    charts::pack(&chart()).unwrap()
}

/// A Tiller that installs.
fn willing() -> Edge {
    let web = release("web", 1, 1);
    edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web))
}

fn asking(chart: Value) -> Value {
    json!({"name": "web", "namespace": "shop", "chart": chart})
}

fn sent(edge: &Edge) -> InstallReleaseRequest {
    edge.call(Method::InstallRelease).message()
}

#[tokio::test]
async fn a_chart_is_fetched_for_its_cluster_and_the_answer_says_whence() {
    let edge = willing().archive(NGINX, nginx(), &source());
    let answer = edge
        .post(
            RELEASES,
            &asking(json!({"repository": "stable", "name": "nginx"})),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(
        answer.json()["source"],
        json!({
            "repository": "stable", "name": "nginx", "version": "1.2.3",
            "url": "https://charts.example.com/nginx-1.2.3.tgz", "digest": DIGEST,
        })
    );
    let request = sent(&edge);
    assert_eq!(request.chart, Some(chart()));
    assert_eq!(
        request.description,
        format!("Install complete (chart stable/nginx 1.2.3 {DIGEST})")
    );
    let asked = &edge.calls()[0];
    assert_eq!((asked.method, asked.path.as_str()), (None, NGINX));
    assert_eq!(asked.header("grpc-timeout"), None);
    assert!(asked.body.is_empty());
}

#[tokio::test]
async fn names_versions_and_urls_are_asked_for_as_they_are_given() {
    for (chart, path) in [
        (json!("stable/nginx"), NGINX),
        (
            json!({"repository": "stable", "name": "nginx", "version": ">=1.2, <2 || 3.0.0+b"}),
            "/repositories/stable/charts/nginx/archive?version=%3E%3D1.2%2C%20%3C2%20%7C%7C%203.0.0%2Bb&cluster=prod",
        ),
        (
            json!("harbor/team/web"),
            "/repositories/harbor/charts/team%2Fweb/archive?cluster=prod",
        ),
        (
            json!("https://charts.example.com/web.tgz?a=b&cluster=x"),
            "/archive?url=https%3A%2F%2Fcharts.example.com%2Fweb.tgz%3Fa%3Db%26cluster%3Dx&cluster=prod",
        ),
        (
            json!({"url": "oci://r.example.com/web:1.0.0"}),
            "/archive?url=oci%3A%2F%2Fr.example.com%2Fweb%3A1.0.0&cluster=prod",
        ),
    ] {
        let edge = willing().archive(path, nginx(), &source());
        let answer = edge.post(RELEASES, &asking(chart.clone())).await;
        assert_eq!(answer.status, 201, "{chart}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_cluster_and_not_its_tiller_decides_what_may_be_used() {
    let path = "/repositories/stable/charts/nginx/archive?cluster=a%2Fb";
    let edge = willing().archive(path, nginx(), &source());
    let answer = edge
        .post(
            "/v1/clusters/a%2Fb/tillers/blue/releases",
            &asking(json!("stable/nginx")),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn a_form_names_a_chart_as_users_of_helm_do() {
    let edge = willing().archive(NGINX, nginx(), &source());
    let mut body = String::new();
    for (name, value) in [
        ("name", "web"),
        ("namespace", "shop"),
        ("chart", "stable/nginx"),
    ] {
        body.push_str("--b\r\nContent-Disposition: form-data; name=\"");
        body.push_str(&format!("{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str("--b--\r\n");
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let answer = edge.send("POST", RELEASES, &[kind], &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(sent(&edge).chart, Some(chart()));
}

#[tokio::test]
async fn an_upgrade_takes_its_chart_from_a_repository_too() {
    let signed = Source {
        provenance: Some(Provenance {
            signer: "Zoë <z@example.com>".into(),
            fingerprint: "AB".into(),
        }),
        ..source()
    };
    let edge = edge()
        .answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
        .answers(Method::UpdateRelease, &released(release("web", 8, 1)))
        .archive(NGINX, nginx(), &signed);
    let answer = edge.put(WEB, &json!({"chart": "stable/nginx"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["source"]["provenance"],
        json!({"signer": "Zoë <z@example.com>", "fingerprint": "AB"})
    );
    let request: UpdateReleaseRequest = edge.call(Method::UpdateRelease).message();
    assert_eq!(
        request.description,
        format!(
            "Upgrade complete (chart stable/nginx 1.2.3 {DIGEST}, signed by Zoë <z@example.com>)"
        )
    );
}

#[tokio::test]
async fn an_upgrade_of_nothing_installs_from_the_repository() {
    let edge = willing()
        .fails(Method::GetHistory, "release: \"web\" not found")
        .archive(NGINX, nginx(), &source());
    let body = json!({"install": true, "namespace": "shop", "chart": "stable/nginx"});
    let answer = edge.put(WEB, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["source"]["repository"], "stable");
    assert!(sent(&edge).description.starts_with("Install complete ("));
}

#[tokio::test]
async fn an_archive_that_was_sent_is_known_by_its_digest() {
    let web = release("web", 1, 6);
    for dry_run in [false, true] {
        let edge = edge()
            .answers(Method::InstallRelease, &released(web.clone()))
            .answers(Method::GetReleaseStatus, &installed(&web));
        let body = with_chart(json!({"name": "web", "namespace": "shop", "dry_run": dry_run}));
        let answer = edge.post(RELEASES, &body).await.json();
        let source = answer["source"].as_object().unwrap();
        let digest = source["digest"].as_str().unwrap();
        assert_eq!(source.len(), 1);
        assert_eq!(digest.len(), "sha256:".len() + 64, "{digest}");
        assert_eq!(sent(&edge).description, "");
    }
    // `printf hello | sha256sum`, and an archive that is no chart.
    let body = asking(json!({"archive": "aGVsbG8="}));
    let problem = edge().post(RELEASES, &body).await.problem();
    assert_eq!(problem.code, Code::InvalidChart);
}

#[tokio::test]
async fn a_dry_run_says_whence_the_chart_came() {
    let edge = edge()
        .answers(Method::InstallRelease, &released(release("web", 1, 6)))
        .archive(NGINX, nginx(), &source());
    let mut body = asking(json!("stable/nginx"));
    body["dry_run"] = true.into();
    let answer = edge.post(RELEASES, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["source"]["digest"], DIGEST);
}

/// A description of ours is lost with an old Tiller, and nothing of the request is.
#[tokio::test]
async fn only_the_callers_own_description_needs_a_tiller_that_keeps_it() {
    let edge = willing().archive(NGINX, nginx(), &source());
    let answer = edge.post(RELEASES, &asking(json!("stable/nginx"))).await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        edge.methods(),
        [Method::InstallRelease, Method::GetReleaseStatus]
    );

    let edge = willing()
        .archive(NGINX, nginx(), &source())
        .answers(Method::GetVersion, &version("v2.17.0"));
    let mut body = asking(json!("stable/nginx"));
    body["description"] = "by me".into();
    assert_eq!(edge.post(RELEASES, &body).await.status, 201);
    assert_eq!(
        sent(&edge).description,
        format!("by me (chart stable/nginx 1.2.3 {DIGEST})")
    );
}

#[tokio::test]
async fn a_deprecated_chart_is_installed_with_a_warning() {
    let mut web = release("web", 1, 1);
    let metadata = web
        .chart
        .as_mut()
        .and_then(|chart| chart.metadata.as_mut())
        .unwrap();
    metadata.deprecated = true;
    let edge = edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web));
    let body = with_chart(json!({"name": "web", "namespace": "shop"}));
    let answer = edge.post(RELEASES, &body).await.json();
    assert_eq!(answer["warnings"], json!(["This chart is deprecated"]));
}

#[tokio::test]
async fn nothing_is_fetched_before_the_request_is_sound() {
    for change in [
        json!({"name": "Web"}),
        json!({"namespace": "a/b"}),
        json!({"values": "- a\n"}),
        json!({"timeout": 0}),
        json!({"dryrun": true}),
        json!({"name": null, "atomic": true}),
    ] {
        let mut body = asking(json!("stable/nginx"));
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let edge = edge();
        let answer = edge.post(RELEASES, &body).await;
        assert!((400..500).contains(&answer.status), "{change}");
        assert!(edge.calls().is_empty(), "{change}");
    }
}

#[tokio::test]
async fn nothing_is_fetched_for_an_upgrade_that_cannot_be() {
    let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 7, 1)]));
    let body = json!({"chart": "stable/nginx"}).to_string();
    let answer = edge.send("PUT", WEB, &[("if-match", "\"6\"")], &body).await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
    assert_eq!(edge.methods(), [Method::GetHistory]);
    assert_eq!(edge.paths().len(), 1);
}

/// Fetching a chart takes its time.
#[tokio::test]
async fn what_others_did_while_a_chart_was_fetched_counts() {
    let meanwhile = || {
        edge()
            .answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
            .answers(Method::GetHistory, &history(vec![release("web", 8, 1)]))
            .archive(NGINX, nginx(), &source())
    };
    let edge = meanwhile();
    let body = json!({"chart": "stable/nginx"}).to_string();
    let answer = edge.send("PUT", WEB, &[("if-match", "\"7\"")], &body).await;
    assert_eq!(answer.problem().code, Code::RevisionConflict);
    assert_eq!(edge.methods(), [Method::GetHistory, Method::GetHistory]);

    let edge = meanwhile()
        .fails(Method::UpdateRelease, "boom")
        .answers(Method::RollbackRelease, &released(release("web", 10, 1)));
    let body = json!({"chart": "stable/nginx", "atomic": true});
    let problem = edge.put(WEB, &body).await.problem();
    assert_eq!(problem.cleanup.unwrap().revision, Some(8));

    let edge = crate::fake::edge()
        .answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
        .fails(Method::GetHistory, "release: \"web\" not found")
        .archive(NGINX, nginx(), &source());
    let answer = edge.put(WEB, &body).await;
    assert_eq!(answer.problem().code, Code::ReleaseNotFound);
}

#[tokio::test]
async fn a_problem_of_the_relay_passes_unchanged() {
    for code in [
        Code::ChartNotFound,
        Code::ChartSourceRefused,
        Code::ChartUnverified,
        Code::RepositoryError,
        Code::RepositoryNotConfigured,
        Code::RepositoryTimedOut,
    ] {
        let problem = Problem::new(code, "what the relay says").with_hint("do something");
        let response = problem.to_response().map(|body| vec![Ok(body)]);
        let edge = edge().has(NGINX, response);
        let answer = edge.post(RELEASES, &asking(json!("stable/nginx"))).await;
        assert_eq!(answer.status, code.status().as_u16());
        assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
        assert_eq!(answer.body, problem.to_json());
        assert_eq!(edge.paths(), [NGINX], "nothing is sent to Tiller");
    }
}

/// Answers that no relay gives.
#[tokio::test]
async fn what_is_no_archive_of_the_relay_is_not_installed() {
    let answer = || Response::builder().header("content-type", "application/gzip");
    let body = |bytes: Vec<u8>| vec![Ok(Bytes::from(bytes))];
    let header = source().to_header();
    for (what, response) in [
        ("no source", answer().body(body(nginx()))),
        (
            "a source that is none",
            answer().header(SOURCE, "%7B%22").body(body(nginx())),
        ),
        (
            "a source without a digest",
            answer().header(SOURCE, "%7B%7D").body(body(nginx())),
        ),
        (
            "another type",
            Response::builder()
                .header("content-type", "text/html")
                .header(SOURCE, &header)
                .body(body(nginx())),
        ),
        (
            "no type",
            Response::builder()
                .header(SOURCE, &header)
                .body(body(nginx())),
        ),
        (
            "a failure that is no problem",
            answer().status(502).body(body(b"<html>".to_vec())),
        ),
        (
            "a part of it",
            answer()
                .status(206)
                .header(SOURCE, &header)
                .body(body(nginx())),
        ),
        (
            "a redirect",
            answer()
                .status(302)
                .header("location", "http://169.254.169.254/")
                .body(body(Vec::new())),
        ),
        (
            "an end too early",
            answer()
                .header(SOURCE, &header)
                .body(vec![Ok(nginx()[..20].to_vec().into()), Err("gone".into())]),
        ),
    ] {
        let edge = edge().has(NGINX, response.unwrap());
        let answer = edge.post(RELEASES, &asking(json!("stable/nginx"))).await;
        let problem = answer.problem();
        assert_eq!(problem.code, Code::NotRelayed, "{what}: {problem}");
        assert_eq!(problem.outcome, Outcome::NotApplied, "{what}");
        assert_eq!(edge.paths(), [NGINX], "{what}");
    }
}

#[tokio::test]
async fn a_huge_archive_is_left_alone_at_the_limit() {
    let piece = Bytes::from(vec![0; 1 << 20]);
    let response = Response::builder()
        .header("content-type", "application/gzip")
        .header(SOURCE, source().to_header())
        .body((0..21).map(|_| Ok(piece.clone())).collect())
        .unwrap();
    let edge = edge().has(NGINX, response);
    let problem = edge
        .post(RELEASES, &asking(json!("stable/nginx")))
        .await
        .problem();
    assert_eq!(problem.code, Code::ChartLimitExceeded);
    assert!(
        problem.detail.contains("`archive` of 20971520"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_fetched_archive_that_is_no_chart_says_which_it_was() {
    let edge = edge().archive(NGINX, b"<html>not found</html>".to_vec(), &source());
    let problem = edge
        .post(RELEASES, &asking(json!("stable/nginx")))
        .await
        .problem();
    assert_eq!(problem.code, Code::InvalidChart);
    let hint = problem.hint.unwrap();
    assert!(
        hint.ends_with(&format!("stable/nginx 1.2.3 {DIGEST}")),
        "{hint}"
    );
}

#[tokio::test]
async fn a_fetched_chart_that_lacks_a_sub_chart_goes_nowhere() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in [
        ("nginx/Chart.yaml", "name: nginx\nversion: 1.2.3\n"),
        (
            "nginx/requirements.yaml",
            "dependencies: [{name: db, version: 1.x}]\n",
        ),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let archive = tar.into_inner().unwrap().finish().unwrap();
    let edge = edge().archive(NGINX, archive, &source());
    let problem = edge
        .post(RELEASES, &asking(json!("stable/nginx")))
        .await
        .problem();
    assert_eq!(problem.code, Code::InvalidChart);
    assert_eq!(
        problem.detail,
        "found in requirements.yaml, but missing in charts/ directory: db"
    );
    assert_eq!(edge.paths(), [NGINX]);
}

#[tokio::test]
async fn an_atomic_install_from_a_repository_that_fails_is_undone() {
    let edge = edge()
        .archive(NGINX, nginx(), &source())
        .fails(Method::InstallRelease, "boom")
        .fails(Method::UninstallRelease, "release: \"web\" not found");
    let mut body = asking(json!("stable/nginx"));
    body["atomic"] = true.into();
    let problem = edge.post(RELEASES, &body).await.problem();
    assert_eq!(problem.detail, "boom");
    assert!(problem.cleanup.is_some());

    let unknown = Problem::new(Code::ClusterNotFound, "no cluster prod");
    let edge = crate::fake::edge()
        .archive(NGINX, nginx(), &source())
        .on(Method::InstallRelease, relayed(&unknown));
    let answer = edge.post(RELEASES, &body).await;
    assert_eq!(answer.body, unknown.to_json());
}
