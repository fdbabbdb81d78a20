use super::*;

#[tokio::test]
async fn a_delivery_becomes_operations_of_its_hook() {
    let rig = rig("", |_| outcome(vec![event(Some("k"), &["web", "api"])]));
    let (status, answer) = rig.deliver("{}").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let operations = operations(&answer);
    assert_eq!(operations.len(), 2);
    assert_eq!(answer["events"][0]["operations"], answer["operations"]);
    for (id, release) in operations.iter().zip(["web", "api"]) {
        let stored = soon(rig.store.operation(id)).await.expect("reads");
        let operation = stored.expect("stored").operation;
        assert_eq!(operation.actor.principal, Principal::hook("ci"));
        assert_eq!(operation.state, State::Accepted);
        let plan = operation.job.plan().expect("a request");
        assert_eq!(plan.release.as_deref(), Some(release));
        let origin = operation.origin.expect("there");
        assert_eq!((&*origin.hook, &*origin.delivery), ("ci", "1f2e"));
        let body = soon(rig.store.body(id)).await.expect("reads");
        assert_eq!(body.expect("there"), r#"{"reuse_values":true}"#);
    }
}

#[tokio::test]
async fn the_component_sees_the_payload_and_no_secret() {
    let rig = rig("", |_| outcome(vec![event(None, &[])]));
    let body = "{ \"raw\":  1 }\n";
    rig.deliver(body).await;
    let shown = rig.component.shown.lock().expect("unharmed");
    let (caller, request) = shown.first().expect("shown");
    assert_eq!(request.body(), body);
    assert_eq!(request.uri().path(), "/hooks/ci");
    assert!(caller.authorization.is_none());
    assert!(matches!(&caller.identity, Identity::Known(is) if **is == Principal::hook("ci")));
    let told = format!("{:?}{caller:?}", request.headers());
    assert!(told.contains("1f2e") && !told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn the_same_event_leads_to_one_thing_however_often_it_comes() {
    let rig = rig("", |_| outcome(vec![event(Some("k"), &["web"])]));
    let (_, first) = rig.deliver("{}").await;
    // What an id stands for is the event, whatever else the provider says of it.
    for body in ["{}", "{\"retry\":1}"] {
        let (status, again) = rig.deliver(body).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(again["duplicate"], true);
        assert_eq!(again["operations"], first["operations"]);
        assert_eq!(again["delivery"], first["delivery"]);
    }
    let stats = rig.hooks.find("ci").expect("there").stats();
    assert_eq!((stats.accepted, stats.duplicate), (1, 2));
}

#[tokio::test]
async fn what_comes_at_once_twice_leads_to_one_thing() {
    let rig = rig("", |_| outcome(vec![event(Some("k"), &["web"])]));
    let ((_, one), (_, other)) = tokio::join!(rig.deliver("{}"), rig.deliver("{}"));
    assert_eq!(one["operations"], other["operations"]);
    assert_eq!(operations(&one).len(), 1);
}

#[tokio::test]
async fn without_an_id_the_content_is_what_is_known_again() {
    let rig = rig("", |_| {
        outcome(vec![event(None, &["web"]), event(None, &["api"])])
    });
    let (_, first) = rig.deliver("{}").await;
    assert_eq!(operations(&first).len(), 2);
    let (_, again) = rig.deliver("{}").await;
    assert_eq!(again["operations"], first["operations"]);
    let (_, other) = rig.deliver("{\"other\":1}").await;
    assert_eq!(other.get("duplicate"), None);
    assert_ne!(other["operations"], first["operations"]);
}

#[tokio::test]
async fn a_batch_may_be_known_in_part() {
    let rig = rig("", |body| {
        let events = body
            .split_whitespace()
            .map(|key| event(Some(key), &["web"]));
        outcome(events.collect())
    });
    let (_, first) = rig.deliver("a b").await;
    let (status, second) = rig.deliver("b c c").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(second.get("duplicate"), None);
    assert_eq!(second["events"][0]["duplicate"], true);
    assert_eq!(second["events"][0]["operations"][0], first["operations"][1]);
    assert_eq!(second["events"][1].get("duplicate"), None);
    // One that is there twice is one.
    assert_eq!(
        second["events"][2]["operations"],
        second["events"][1]["operations"]
    );
}

#[tokio::test]
async fn what_failed_may_be_delivered_again_and_what_succeeded_may_not() {
    for (state, anew) in [
        (State::Failed, true),
        (State::Dead, true),
        (State::Cancelled, true),
        (State::Succeeded, false),
        (State::Superseded, false),
    ] {
        let rig = rig("", |_| outcome(vec![event(Some("k"), &["web"])]));
        let (_, first) = rig.deliver("{}").await;
        rig.settle(state).await;
        let (_, again) = rig.deliver("{}").await;
        assert_eq!(
            again["operations"] != first["operations"],
            anew,
            "{state:?}"
        );
        assert_eq!(again.get("duplicate").is_none(), anew);
        // The new one is known in the place of the old one.
        let (_, third) = rig.deliver("{}").await;
        assert_eq!(third["operations"], again["operations"]);
    }
}

#[tokio::test]
async fn what_leads_to_nothing_is_taken_with_the_reason_and_not_held_against_later_rules() {
    let rig = rig("", |_| outcome(vec![event(Some("k"), &[])]));
    for _ in 0..2 {
        let (status, answer) = rig.deliver("{}").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["reason"], "no rule fits");
        assert_eq!(answer["events"][0]["verdicts"][0]["why"], "so it is");
        assert_eq!(answer.get("duplicate"), None);
    }
    assert_eq!(rig.hooks.find("ci").expect("there").stats().ignored, 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_to_the_sender_and_kept() {
    let rig = rig("", |_| {
        let problem = Problem::new(Code::InvalidDelivery, "it is no JSON");
        (
            StatusCode::BAD_REQUEST,
            serde_json::to_value(problem).expect("JSON"),
        )
    });
    let (status, answer) = rig.deliver("{").await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_delivery"))
    );
    let (_, list) = rig.get("root", "/v1/hooks/ci/deliveries").await;
    assert_eq!(list["items"][0]["outcome"]["reason"], "it is no JSON");
}

#[tokio::test]
async fn a_component_that_wants_what_no_hook_can_gets_nothing() {
    let mut other_rule = event(Some("k"), &["web"]);
    if let Some(Wanted::Request { rule, .. }) = other_rule.wanted.first_mut() {
        *rule = "made-up".to_owned();
    }
    let mut other_route = event(Some("k"), &["web"]);
    if let Some(Wanted::Request { target, .. }) = other_route.wanted.first_mut() {
        *target = "/v1/operations/op-1/approve".to_owned();
    }
    for bad in [other_rule, other_route] {
        let rig = rig("", move |_| outcome(vec![bad.clone()]));
        let (status, answer) = rig.deliver("{}").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer["code"], "sandbox_failed");
    }
    for bad in [
        json!("x"),
        json!({ "events": 1 }),
        json!({ "events": [], "more": 1 }),
    ] {
        let rig = rig("", move |_| (StatusCode::OK, bad.clone()));
        assert_eq!(rig.deliver("{}").await.1["code"], "sandbox_failed");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged() {
    let mut rig = rig("", |_| outcome(vec![event(Some("k"), &["web"])]));
    soon(rig.store.close()).await;
    let (status, answer) = rig.deliver("{}").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(answer["code"], "operations_unavailable");
    rig.hooks.parts.store = None;
    let (status, _) = rig.deliver("{}").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
