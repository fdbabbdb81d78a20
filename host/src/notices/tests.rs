//! Notices as a receiver gets them.

use hmac::{Hmac, Mac};
use rest::plan::Plan;
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

use super::*;
use crate::access::Principal;
use crate::operations::{Actor, Head, Job, Lane, State};
use crate::relay::tests::soon;
use crate::repositories::tests::{Answer, Store, ok, redirect, status};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const KEYS: [[u8; 24]; 2] = [[1; 24], [2; 24]];

fn operation(state: State) -> Operation {
    let plan = Plan {
        action: "upgrade".into(),
        cluster: "prod-1".into(),
        release: Some("web".into()),
        ..Plan::default()
    };
    Operation {
        id: OperationId::new(Timestamp::UNIX_EPOCH, [1; 10]),
        state,
        lane: Lane::release("prod-1", None, "web"),
        job: Job::Request {
            head: Head {
                method: "PUT".into(),
                target: "/v1/clusters/prod-1/releases/web".into(),
                headers: HeaderMap::new(),
            },
            plan,
        },
        actor: Actor {
            principal: Principal::local(),
            cluster: None,
        },
        origin: None,
        request_id: "r".into(),
        coalesce: false,
        approval: crate::operations::Approval::None,
        accepted_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        finished_at: Some(Timestamp::UNIX_EPOCH),
        not_before: None,
        expires_at: Timestamp::MAX,
        attempts: 1,
        steps: Vec::new(),
        reconciled: false,
        answer: None,
        note: None,
        superseded_by: None,
        children: Vec::new(),
    }
}

/// Notices to one receiver, with the files that it has.
struct Rig {
    notices: Notices,
    _files: TempDir,
}

fn rig(url: String, change: impl FnOnce(&mut ReceiverConfig)) -> Rig {
    let files = tempfile::tempdir().unwrap();
    let mut receiver = ReceiverConfig {
        name: "ops".into(),
        url,
        private: true,
        ..ReceiverConfig::default()
    };
    for (index, key) in KEYS.iter().enumerate() {
        let file = files.path().join(index.to_string());
        std::fs::write(&file, format!("whsec_{}\n", BASE64_STANDARD.encode(key))).unwrap();
        receiver.secret_files.push(file);
    }
    change(&mut receiver);
    let config = Config {
        region: Some("eu west".into()),
        receivers: vec![receiver],
        ..Config::default()
    };
    config.validate().unwrap();
    Rig {
        notices: Notices::load(&config),
        _files: files,
    }
}

async fn send(rig: &Rig) -> Sent {
    let id = OperationId::new(Timestamp::UNIX_EPOCH, [2; 10]);
    let view = json!({ "state": "succeeded" });
    soon(
        rig.notices
            .send(&id, "ops", &operation(State::Succeeded), view),
    )
    .await
}

async fn sent_to(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Sent {
    let store = Store::http(move |_| answer()).await;
    send(&rig(store.url(), |_| ())).await
}

#[tokio::test]
async fn a_notice_is_a_cloudevent_with_a_signature_of_every_secret() {
    let store = Store::http(|_| status(204, "")).await;
    let rig = rig(format!("{}/in", store.url()), |_| ());
    assert!(matches!(send(&rig).await, Sent::Done));
    let seen = store.seen();
    let [notice] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(notice.path(), "/in");
    let id = notice.header("webhook-id").unwrap();
    let timestamp = notice.header("webhook-timestamp").unwrap();
    let expected = KEYS.map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&notice.body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    });
    assert_eq!(
        notice.header("webhook-signature").unwrap(),
        expected.join(" ")
    );
    assert_eq!(
        notice.header("content-type").unwrap(),
        "application/cloudevents+json; charset=utf-8"
    );
    let event: Value = serde_json::from_slice(&notice.body).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "tiller-edge.operation.succeeded");
    assert_eq!(event["source"], "/tiller-edge/eu%20west");
    assert_eq!(event["subject"], "clusters/prod-1/releases/web");
    assert_eq!(event["time"], "1970-01-01T00:00:00Z");
    assert_eq!(event["data"]["state"], "succeeded");
}

#[tokio::test]
async fn a_receiver_that_fails_is_asked_again_when_it_wants() {
    let busy = || {
        let mut answer = status(429, "slowly");
        answer.headers_mut().insert(RETRY_AFTER, 7.into());
        answer
    };
    let Sent::Later { after, why } = sent_to(busy).await else {
        panic!("not later")
    };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert_eq!(why, "the receiver answers 429");
    for code in [400, 404, 500, 502] {
        assert!(matches!(
            sent_to(move || status(code, "")).await,
            Sent::Later { after: None, .. }
        ));
    }
}

#[tokio::test]
async fn one_that_is_gone_is_left_alone() {
    assert!(matches!(sent_to(|| status(410, "")).await, Sent::Gone(_)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Store::http(|_| ok("")).await;
    let to = elsewhere.url();
    let sent = sent_to(move || redirect(&to)).await;
    assert!(matches!(sent, Sent::Later { .. }), "{sent:?}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let store = Store::http(|_| ok("")).await;
    let rig = rig(store.url(), |receiver| {
        receiver.secret_files = vec!["/nowhere/secret".into()];
    });
    let Sent::Later { why, .. } = send(&rig).await else {
        panic!("not later")
    };
    assert!(why.contains("secret cannot be read"), "{why}");
    assert!(store.seen().is_empty());
}

#[tokio::test]
async fn an_address_nearby_is_dialled_only_if_that_was_said() {
    let store = Store::https(|_| ok("")).await;
    let rig = rig(store.url(), |receiver| receiver.private = false);
    let Sent::Later { why, .. } = send(&rig).await else {
        panic!("not later")
    };
    assert!(why.contains("does not dial"), "{why}");
}

#[test]
fn a_receiver_is_told_of_what_it_cares_for() {
    let rig = rig("https://example.com/in".into(), |receiver| {
        receiver.clusters = vec!["prod-*".into()];
    });
    let told = |operation: &Operation| rig.notices.of(operation).count() == 1;
    for state in State::ALL {
        let expected = matches!(state, State::Dead | State::Failed | State::Succeeded);
        assert_eq!(told(&operation(state)), expected, "{state:?}");
    }
    let mut elsewhere = operation(State::Failed);
    if let Job::Request { plan, .. } = &mut elsewhere.job {
        plan.cluster = "test-1".into();
    }
    assert!(!told(&elsewhere));
    let notice = Operation {
        job: Job::Notice {
            receiver: "ops".into(),
            about: elsewhere.id.clone(),
        },
        ..elsewhere
    };
    assert!(!told(&notice));
}

#[test]
fn a_receiver_that_makes_no_sense_is_refused_at_the_start() {
    let refused = |receiver: ReceiverConfig| {
        let config = Config {
            receivers: vec![receiver],
            ..Config::default()
        };
        config.validate().unwrap_err().to_string()
    };
    let text = refused(ReceiverConfig {
        url: "http://ops.example.com".into(),
        states: vec![State::Running],
        ..ReceiverConfig::default()
    });
    for part in [
        "receiver[0].name",
        "receiver[0].url",
        "receiver[0].secret_files",
        "receiver[0].states[0]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
