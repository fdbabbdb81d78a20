use super::*;

fn upgrades() -> (StatusCode, Value) {
    outcome(vec![event(Some("k"), &["web"])])
}

async fn redeliver(rig: &Rig, caller: &str, id: &str, query: &str) -> (StatusCode, Value) {
    let path = format!("/v1/hooks/ci/deliveries/{id}/redeliver{query}");
    rig.ask(known(caller), request(&Method::POST, &path, &[], ""))
        .await
}

#[tokio::test]
async fn deliveries_are_listed_the_newest_first_and_page_by_page() {
    let rig = rig("", |_| outcome(vec![event(None, &[])]));
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.insert(0, rig.deliver(body).await.1["delivery"].clone());
    }
    let (status, page) = rig.get("reader", "/v1/hooks/ci/deliveries?limit=2").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(page["items"][0]["id"], ids[0]);
    assert_eq!(page["items"][1]["id"], ids[1]);
    assert_eq!(page["items"][0].get("payload"), None);
    let next = page["next"].as_str().expect("there is more");
    let (_, page) = rig
        .get("reader", &format!("/v1/hooks/ci/deliveries?{next}"))
        .await;
    assert_eq!(page["items"][0]["id"], ids[2]);
    assert_eq!(page.get("next"), None);
    let (status, _) = rig.get("reader", "/v1/hooks/ci/deliveries?limit=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn payloads_are_for_those_who_may_see_values_and_secrets_for_nobody() {
    let rig = rig("", |_| upgrades());
    let (_, answer) = rig.deliver("{\"a\":1}").await;
    let path = format!(
        "/v1/hooks/ci/deliveries/{}",
        answer["delivery"].as_str().expect("a name")
    );
    let (_, whole) = rig.get("root", &path).await;
    assert_eq!(whole["payload"], "{\"a\":1}");
    assert_eq!(whole["provider_id"], "1f2e");
    assert_eq!(whole["operations"], answer["operations"]);
    assert_eq!(
        whole["outcome"]["events"][0]["verdicts"][0]["why"],
        "so it is"
    );
    assert!(!whole.to_string().contains("s3cret"), "{whole}");
    let (status, light) = rig.get("reader", &path).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(light["payload_withheld"], true);
    assert_eq!(light.get("payload"), None);
}

#[tokio::test]
async fn hooks_are_seen_by_those_who_may_see_every_release() {
    let rig = rig("", |_| upgrades());
    rig.deliver("{}").await;
    let (_, list) = rig.get("reader", "/v1/hooks").await;
    assert_eq!(list["items"][0]["name"], "ci");
    assert_eq!(list["items"][0]["path"], "/hooks/ci");
    assert_eq!(list["items"][0]["principal"], "hook:ci");
    assert_eq!(list["items"][0]["deliveries"]["accepted"], 1);
    let (_, one) = rig.get("reader", "/v1/hooks/ci").await;
    assert_eq!(one["rules"][0]["name"], "web");
    assert!(!format!("{list}{one}").contains("s3cret"));
    for caller in ["nobody", "local-reader", "hook:"] {
        for path in [
            "/v1/hooks",
            "/v1/hooks/ci",
            "/v1/hooks/ci/deliveries",
            "/v1/hooks/cd",
        ] {
            let (status, answer) = rig.get(caller, path).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{caller} {path}");
            assert_eq!(answer["code"], "not_allowed");
        }
    }
    let (status, _) = rig.get("reader", "/v1/hooks/cd").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = rig.get("reader", "/v1/hooks/ci/elsewhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_delivery_again_does_what_failed_and_with_force_everything() {
    let rig = rig("", |_| upgrades());
    let (_, first) = rig.deliver("{}").await;
    let id = first["delivery"].as_str().expect("a name").to_owned();
    let (status, again) = redeliver(&rig, "root", &id, "").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["operations"], first["operations"]);
    rig.settle(State::Failed).await;
    let (_, anew) = redeliver(&rig, "root", &id, "").await;
    assert_ne!(anew["operations"], first["operations"]);
    rig.settle(State::Succeeded).await;
    let (_, forced) = redeliver(&rig, "root", &id, "?force=true").await;
    assert_eq!(forced.get("duplicate"), None);
    assert_ne!(forced["operations"], anew["operations"]);
    // The component is shown what it was shown the first time.
    let shown = rig.component.shown.lock().expect("unharmed");
    let headers: Vec<_> = shown
        .iter()
        .map(|(_, request)| request.headers()["x-github-delivery"].clone())
        .collect();
    assert_eq!(headers, vec!["1f2e"; 4]);
}

#[tokio::test]
async fn only_those_who_may_approve_have_something_delivered_again() {
    let rig = rig("", |_| upgrades());
    let (_, first) = rig.deliver("{}").await;
    let id = first["delivery"].as_str().expect("a name").to_owned();
    let (status, _) = redeliver(&rig, "reader", &id, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, answer) = redeliver(&rig, "root", "dl-elsewhere", "").await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::NOT_FOUND, &json!("delivery_not_found"))
    );
    let (status, _) = rig
        .get("root", &format!("/v1/hooks/ci/deliveries/{id}/redeliver"))
        .await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}
