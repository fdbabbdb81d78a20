//! What keeps a Tiller alive and its callers from harm, each by the name the hazard has in the
//! specification. P1 and P6 are among the lists, P3, P4, H3 and H8 beside the code that checks them, H4, H5 and
//! H7 where they belong.

use grpc_web::Code as Grpc;
use rest::problem::{Code, Outcome};
use serde_json::json;
use tiller_api::{
    Method,
    hapi::{
        chart::Chart,
        services::tiller::{InstallReleaseRequest, UpdateReleaseRequest},
    },
};

use crate::fake::{
    archive, chart, edge, history, installed, release, released, status, with_chart,
};

const RELEASES: &str = "/v1/clusters/prod/releases";
const WEB: &str = "/v1/clusters/prod/releases/web";

fn named() -> serde_json::Value {
    json!({"name": "web", "namespace": "shop"})
}

#[tokio::test]
async fn p3_p4_a_chart_without_metadata_never_reaches_tiller() {
    // An archive cannot say so of itself, only leave Chart.yaml out.
    let tar = |files: &[(&str, &str)]| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_cksum();
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        json!({"archive": BASE64_STANDARD.encode(bytes)})
    };
    for files in [
        &[("web/templates/a.yaml", "a: 1")][..],
        &[
            ("web/Chart.yaml", "name: web\nversion: 1.0.0"),
            ("web/charts/sub/templates/a.yaml", "a: 1"),
        ],
        &[
            ("web/Chart.yaml", "name: web\nversion: 1.0.0"),
            ("web/charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0"),
            ("web/charts/sub/charts/deep/values.yaml", "a: 1"),
        ],
    ] {
        let mut body = named();
        body["chart"] = tar(files);
        for (verb, path) in [("POST", RELEASES), ("PUT", WEB)] {
            let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 1, 1)]));
            let answer = edge.send(verb, path, &[], &body.to_string()).await;
            let problem = answer.problem();
            assert_eq!(problem.code, Code::InvalidChart);
            assert!(
                problem
                    .detail
                    .contains("chart metadata (Chart.yaml) missing"),
                "{problem}"
            );
            assert!(!edge.methods().iter().any(|method| method.is_mutation()));
        }
    }
}

#[tokio::test]
async fn p5_nothing_that_changes_a_cluster_is_sent_twice() {
    for (method, path, verb, body) in [
        (
            Method::InstallRelease,
            RELEASES.to_owned(),
            "POST",
            with_chart(named()),
        ),
        (
            Method::UpdateRelease,
            WEB.to_owned(),
            "PUT",
            with_chart(json!({})),
        ),
        (
            Method::RollbackRelease,
            format!("{WEB}/rollback"),
            "POST",
            json!({"revision": 1}),
        ),
        (
            Method::UninstallRelease,
            WEB.to_owned(),
            "DELETE",
            json!({}),
        ),
        (
            Method::RunReleaseTest,
            format!("{WEB}/tests"),
            "POST",
            json!({}),
        ),
    ] {
        let edge = edge()
            .answers(Method::GetHistory, &history(vec![release("web", 7, 1)]))
            .on(method, status(Grpc::Unavailable, "transport is closing"));
        let problem = edge
            .send(verb, &path, &[], &body.to_string())
            .await
            .problem();
        assert_eq!(problem.code, Code::TillerUnavailable, "{method}");
        assert_eq!(problem.outcome, Outcome::Unknown, "{method}");
        edge.call(method);
    }
}

/// Field 2 of an install is `12`, of an update it is field 3, `1a`.
#[tokio::test]
async fn h0_the_values_of_an_install_are_on_the_wire_even_if_there_are_none() {
    let web = release("web", 1, 1);
    for values in [json!(null), json!({}), json!(""), json!("# none")] {
        let edge = edge()
            .answers(Method::InstallRelease, &released(web.clone()))
            .answers(Method::GetReleaseStatus, &installed(&web));
        let mut body = with_chart(named());
        body["values"] = values;
        edge.post(RELEASES, &body).await;
        let call = edge.call(Method::InstallRelease);
        let request: InstallReleaseRequest = call.message();
        assert_eq!(request.values.expect("the field is there").raw, "{}\n");
        let wire = b"\x12\x05\x0a\x03{}\n";
        assert!(
            call.payload()
                .windows(wire.len())
                .any(|window| window == wire)
        );
    }
}

#[tokio::test]
async fn h1_the_timeout_on_the_wire_is_300_seconds_unless_told_otherwise() {
    let web = release("web", 1, 1);
    let edge = edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web))
        .answers(Method::GetHistory, &history(vec![web.clone()]))
        .answers(Method::UpdateRelease, &released(web));
    edge.post(RELEASES, &with_chart(named())).await;
    edge.put(WEB, &with_chart(json!({"timeout": "1500ms"})))
        .await;
    let install = edge.call(Method::InstallRelease);
    assert_eq!(install.message::<InstallReleaseRequest>().timeout, 300);
    assert_eq!(install.header("grpc-timeout"), Some("1230S"));
    let update: UpdateReleaseRequest = edge.call(Method::UpdateRelease).message();
    assert_eq!(update.timeout, 2);
}

#[tokio::test]
async fn h1_a_timeout_of_zero_never_reaches_tiller() {
    let edge = edge();
    for timeout in [json!(0), json!("0s"), json!(-1)] {
        let mut body = with_chart(named());
        body["timeout"] = timeout;
        assert_eq!(
            edge.post(RELEASES, &body).await.problem().code,
            Code::InvalidRequest
        );
        assert_eq!(
            edge.put(WEB, &body).await.problem().code,
            Code::InvalidRequest
        );
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn h2_a_deadline_does_not_stop_tiller() {
    let edge = edge().on(
        Method::InstallRelease,
        status(Grpc::DeadlineExceeded, "context deadline exceeded"),
    );
    let problem = edge.post(RELEASES, &with_chart(named())).await.problem();
    assert_eq!(problem.code, Code::DeadlineExceeded);
    assert_eq!(problem.outcome, Outcome::Unknown);
}

/// T15.
#[tokio::test]
async fn h6_a_long_error_passes_whole() {
    let text = format!(
        "YAML parse error on nginx/templates/a.yaml: bad\n{}",
        "k: v %\n".repeat(200_000)
    );
    let edge = edge().fails(Method::InstallRelease, &text);
    let mut body = with_chart(named());
    body["dry_run"] = json!(true);
    let problem = edge.post(RELEASES, &body).await.problem();
    assert_eq!(problem.code, Code::RenderFailed);
    assert_eq!(problem.detail, text);
}

#[tokio::test]
async fn what_tiller_would_refuse_for_its_size_is_not_sent() {
    let mut large = chart();
    // Does not compress, so that the archive is within its limit only by a little.
    let noise: Vec<u8> = (0..19_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    large.files = vec![
        prost_types::Any {
            type_url: "a".into(),
            value: noise,
        },
        prost_types::Any {
            type_url: "b".into(),
            value: vec![0; 2 << 20],
        },
    ];
    let edge = edge();
    let mut body = named();
    body["chart"] = archive(&large);
    let problem = edge.post(RELEASES, &body).await.problem();
    assert_eq!(problem.code, Code::MessageTooLarge);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn a_release_without_a_chart_is_shown_all_the_same() {
    let mut web = release("web", 1, 1);
    web.chart = None;
    let edge = edge().answers(Method::GetReleaseContent, &released(web));
    assert_eq!(edge.get(WEB).await.json()["name"], "web");
    assert_eq!(Chart::default().metadata, None);
}
