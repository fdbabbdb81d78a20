//! Bodies that mean harm end in a 4xx, and nothing of them goes further.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use rest::problem::Code;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

use crate::fake::{edge, with_chart};

const RELEASES: &str = "/v1/clusters/prod/releases";

async fn refused(body: &str) -> rest::problem::Problem {
    let edge = edge();
    let answer = edge
        .send(
            "POST",
            RELEASES,
            &[("content-type", "application/json")],
            body,
        )
        .await;
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(
        answer.body.len() < 4096,
        "the answer does not repeat the attack"
    );
    assert!(edge.calls().is_empty());
    answer.problem()
}

async fn refused_archive(archive: &[u8]) -> rest::problem::Problem {
    let body = json!({"name": "web", "namespace": "shop", "chart": {"archive": BASE64_STANDARD.encode(archive)}});
    refused(&body.to_string()).await
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(data).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn archives_that_are_none() {
    for archive in [
        &b""[..],
        b"x",
        b"\x1f\x8b\x08",
        &gzip(b""),
        &gzip(b"no tar"),
        &gzip(&[0; 1024]),
    ] {
        assert_eq!(refused_archive(archive).await.code, Code::InvalidChart);
    }
}

#[tokio::test]
async fn a_bomb() {
    let problem = refused_archive(&gzip(&vec![0; 200 << 20])).await;
    assert!(
        matches!(problem.code, Code::ChartLimitExceeded | Code::InvalidChart),
        "{problem}"
    );

    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(200 << 20);
    header.set_cksum();
    tar.append_data(
        &mut header,
        "web/values.yaml",
        std::io::repeat(b'x').take(200 << 20),
    )
    .unwrap();
    let archive = tar.into_inner().unwrap().finish().unwrap();
    let problem = refused_archive(&archive).await;
    assert_eq!(problem.code, Code::ChartLimitExceeded);
    assert!(problem.detail.contains("unpacked"), "{problem}");
}

#[tokio::test]
async fn a_million_entries() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_path("web/templates/a.yaml").unwrap();
    header.set_size(0);
    header.set_cksum();
    for _ in 0..1_000_000 {
        tar.append(&header, std::io::empty()).unwrap();
    }
    let archive = tar.into_inner().unwrap().finish().unwrap();
    let problem = refused_archive(&archive).await;
    assert_eq!(problem.code, Code::ChartLimitExceeded);
    assert!(problem.detail.contains("entries"), "{problem}");
}

#[tokio::test]
async fn yaml_as_deep_as_it_is_long() {
    for yaml in [
        "[".repeat(1_000_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        format!("a: {}", "[".repeat(10_000)),
    ] {
        let body = with_chart(json!({"name": "web", "namespace": "shop", "values": yaml}));
        assert_eq!(refused(&body.to_string()).await.code, Code::InvalidValues);
    }
}

#[tokio::test]
async fn yaml_that_multiplies() {
    let mut yaml = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        yaml.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(",")));
    }
    let body = with_chart(json!({"name": "web", "namespace": "shop", "values": yaml}));
    assert_eq!(refused(&body.to_string()).await.code, Code::InvalidValues);
}

#[tokio::test]
async fn json_that_is_none_or_too_deep() {
    for body in [
        "{".to_owned(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        "[".repeat(1_000_000),
        format!("{{\"values\":{}", "{\"a\":".repeat(1_000_000)),
        format!("{{\"{}\":1}}", "n".repeat(1_000_000)),
    ] {
        assert_eq!(
            refused(&body).await.code,
            Code::InvalidRequest,
            "{body:.30}"
        );
    }
}

#[tokio::test]
async fn json_with_a_million_fields() {
    let mut body = String::from("{");
    for n in 0..1_000_000 {
        body.push_str(&format!("\"f{n}\":0,"));
    }
    body.push_str("\"z\":0}");
    refused(&body).await;
}

#[tokio::test]
async fn bytes_that_are_no_text() {
    let edge = edge();
    for (kind, body) in [
        ("application/json", &b"{\"name\":\"\xff\xfe\"}"[..]),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\xfe\r\n--b--\r\n",
        ),
    ] {
        let response = edge
            .open(
                "POST",
                RELEASES,
                &[("content-type", kind)],
                bytes::Bytes::copy_from_slice(body),
            )
            .await;
        assert_eq!(response.status(), 400, "{kind}");
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn huge_names() {
    let huge = "a".repeat(1_000_000);
    for body in [
        json!({"name": huge, "namespace": "shop"}),
        json!({"name": "web", "namespace": huge}),
        json!({"name": "web", "namespace": "shop", huge.as_str(): 1}),
    ] {
        refused(&with_chart(body).to_string()).await;
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit() {
    let body = json!({"name": "x".repeat(releases::MAX_BODY)});
    assert_eq!(refused(&body.to_string()).await.code, Code::BodyTooLarge);
}

#[tokio::test]
async fn values_of_every_wrong_kind() {
    for values in [
        json!([]),
        json!(1),
        json!(true),
        json!("- a"),
        json!("5"),
        Value::String("\u{0}".into()),
    ] {
        let body = with_chart(json!({"name": "web", "namespace": "shop", "values": values}));
        assert_eq!(refused(&body.to_string()).await.code, Code::InvalidValues);
    }
}
