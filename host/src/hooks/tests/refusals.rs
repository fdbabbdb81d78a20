use http::header::{ALLOW, WWW_AUTHENTICATE};

use super::*;

fn upgrades() -> (StatusCode, Value) {
    outcome(vec![event(Some("k"), &["web"])])
}

#[tokio::test]
async fn whoever_is_refused_hears_one_thing_whatever_the_reason() {
    let rig = rig("", |_| upgrades());
    let mut answers = Vec::new();
    for authorization in [
        None,
        Some(""),
        Some("s3cret"),
        Some("Bearer s3cret-of-the-registry"),
    ] {
        let request = request(&Method::POST, "/hooks/ci", &[], "{}");
        let response = soon(rig.hooks.handle(stranger(authorization), request)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        let body = soon(response.into_body().collect()).await.expect("a body");
        answers.push(body.to_bytes());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let hook = rig.hooks.find("ci").expect("there");
    assert_eq!(hook.stats().refused, 4);
    assert!(rig.component.shown.lock().expect("unharmed").is_empty());
}

#[tokio::test]
async fn what_is_no_hook_or_no_delivery_is_refused() {
    let rig = rig("", |_| upgrades());
    for (method, path, status) in [
        (Method::POST, "/hooks/cd", StatusCode::NOT_FOUND),
        (Method::POST, "/hooks/", StatusCode::NOT_FOUND),
        (Method::POST, "/hooks/ci/", StatusCode::NOT_FOUND),
        (Method::GET, "/hooks/ci", StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, "/hooks/ci", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let request = request(&method, path, &[], "");
        let response = soon(rig.hooks.handle(stranger(Some(SECRET)), request)).await;
        assert_eq!(response.status(), status, "{method} {path}");
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(response.headers()[ALLOW], "POST");
        }
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_or_encoded_is_refused() {
    let rig = rig("max_body = \"1KiB\"", |_| upgrades());
    let exact = "x".repeat(1024);
    assert_eq!(rig.deliver(&exact).await.0, StatusCode::ACCEPTED);
    let (status, answer) = rig.deliver(&format!("{exact}x")).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{answer}");
    let request = request(
        &Method::POST,
        "/hooks/ci",
        &[("content-encoding", "gzip")],
        "x",
    );
    let (status, _) = rig.ask(stranger(Some(SECRET)), request).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_hook_takes_as_many_deliveries_as_it_may_and_refused_ones_do_not_count() {
    let rig = rig("rate = \"1/h\"", |_| upgrades());
    for _ in 0..3 {
        let request = request(&Method::POST, "/hooks/ci", &[], "{}");
        let (status, _) = rig.ask(stranger(None), request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(rig.deliver("{}").await.0, StatusCode::ACCEPTED);
    let (status, answer) = rig.deliver("{}").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer["code"], "rate_limited");
}

#[tokio::test]
async fn cloudevents_senders_may_ask_first() {
    let text = format!(
        "{GRANTS}[[hook]]\nname = \"ce\"\nprovider = \"cloudevents\"\nsecrets = [\"{SECRET}\"]\nrate = \"2/s\"\n"
    );
    let rig = configured(&text, |_| upgrades());
    let headers = [("webhook-request-origin", "events.example.com")];
    let asked = request(&Method::OPTIONS, "/hooks/ce", &headers, "");
    let response = soon(rig.hooks.handle(stranger(None), asked)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["webhook-allowed-origin"],
        "events.example.com"
    );
    assert_eq!(response.headers()["webhook-allowed-rate"], "120");
    assert!(rig.component.shown.lock().expect("unharmed").is_empty());
}
