//! JSON and YAML that mean harm.

use rest::problem::Code;
use serde_json::{Value, json};

use super::{install, stage};
use crate::support::charts::{self, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_none_or_too_deep() {
    let stage = stage().start().await;
    for text in [
        "{".to_owned(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        "null".to_owned(),
        "[".repeat(1_000_000),
        format!("{{\"values\":{}", "{\"a\":".repeat(1_000_000)),
        format!("{{\"{}\":1}}", "n".repeat(1_000_000)),
        "{\"name\": \"web\", \"name\": \"db\"}".to_owned(),
    ] {
        let ask = install().body("application/json", text);
        stage.sees_through(ask, Code::InvalidRequest).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_takes_many_times_its_own_size() {
    let stage = stage().start().await;
    let zeros = format!("{{\"values\": [{}0]}}", "0,".repeat(10_000_000));
    let maps = format!("{{\"values\": [{}0]}}", "{},".repeat(5_000_000));
    for text in [zeros, maps] {
        let ask = install().body("application/json", text);
        stage.sees_through(ask, Code::InvalidRequest).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text() {
    let stage = stage().start().await;
    for bytes in [&b"{\"name\":\"\xff\xfe\"}"[..], b"\xff\xfe{\0}\0", b"\0"] {
        let ask = install().body("application/json", bytes.to_vec());
        stage.sees_through(ask, Code::InvalidRequest).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_as_deep_as_they_are_long() {
    let stage = stage().start().await;
    for yaml in [
        "[".repeat(1_000_000),
        format!("{}{}", "[".repeat(200), "]".repeat(200)),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        format!("a: {}", "[".repeat(10_000)),
    ] {
        stage.sees_through(valued(yaml), Code::InvalidValues).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_multiply() {
    let stage = stage().start().await;
    let mut yaml = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        yaml.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(",")));
    }
    stage.sees_through(valued(yaml), Code::InvalidValues).await;
    let much = format!("a: [{}]", "x,".repeat(2_000_000));
    stage.sees_through(valued(much), Code::InvalidValues).await;
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_wrong_kind() {
    let stage = stage().start().await;
    for values in [
        json!([]),
        json!(1),
        json!(true),
        json!("- a"),
        json!("5"),
        json!("\u{0}"),
        json!("a: b: c"),
        json!("\"unclosed"),
    ] {
        stage
            .sees_through(valued(values), Code::InvalidValues)
            .await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_names() {
    let stage = stage().start().await;
    let huge = "a".repeat(1_000_000);
    for (field, code) in [
        ("name", Code::InvalidReleaseName),
        ("namespace", Code::InvalidRequest),
        ("timeout", Code::InvalidRequest),
        (huge.as_str(), Code::InvalidRequest),
    ] {
        let body = with(charts::install("web"), json!({ field: huge }));
        stage.sees_through(install().json(&body), code).await;
    }
    stage.end_untouched().await;
}

fn valued(values: impl Into<Value>) -> crate::support::Ask {
    let body = with(charts::install("web"), json!({ "values": values.into() }));
    install().json(&body)
}
