//! What the cases ask of a store.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use tiller_edge::operations::{
    Admission, Admitted, Asked, Claim, Delivery, DeliveryId, Group, Ids, Key, Lane, New, Operation,
    OperationId, State, Store,
};
use tokio::time::{interval, timeout};

/// How often it is asked again for what becomes so by itself.
const AGAIN: Duration = Duration::from_millis(10);

static IDS: LazyLock<Ids> = LazyLock::new(|| Ids::after(None));

/// An upgrade of that release in the cluster `prod`.
///
/// # Panics
///
/// Never: it is one.
pub fn operation(release: &str) -> Operation {
    let now = SystemTime::now().try_into().expect("a time");
    let mut operation: Operation = serde_json::from_value(json!({
        "id": IDS.next(),
        "state": "accepted",
        "job": {
            "kind": "request",
            "head": { "method": "PUT", "target": format!("/v1/clusters/prod/releases/{release}") },
            "plan": { "action": "upgrade", "cluster": "prod", "release": release, "timeout": 300 },
        },
        "lane": lane(release),
        "actor": { "name": "ada", "groups": [], "method": "local" },
        "request_id": "r-1",
        "accepted_at": "1970-01-01T00:00:00Z",
        "expires_at": "2100-01-01T00:00:00Z",
    }))
    .expect("an operation");
    operation.accepted_at = now;
    operation
}

/// The lane of that release.
pub fn lane(release: &str) -> Lane {
    Lane::release("prod", None, release)
}

/// These operations, with the release's name as body, under no key.
pub fn admission(operations: &[&Operation]) -> Admission {
    Admission {
        delivery: None,
        groups: vec![Group {
            key: None,
            operations: operations.iter().copied().map(new).collect(),
        }],
    }
}

/// Has these operations stored.
///
/// # Panics
///
/// When they are not.
pub async fn accept(store: &Arc<dyn Store>, operations: &[&Operation]) {
    let admitted = store.admit(admission(operations)).await.expect("admitted");
    assert_eq!(admitted, [Admitted::New]);
}

/// A key of that name that led to these operations, known for an hour.
///
/// # Panics
///
/// Never: an hour from now there is time.
pub fn key(name: &str, operations: &[&Operation]) -> Key {
    let hour = SystemTime::now() + Duration::from_secs(3600);
    Key {
        name: name.to_owned(),
        fingerprint: "f".to_owned(),
        operations: operations.iter().map(|each| each.id.clone()).collect(),
        delivery: None,
        expires_at: hour.try_into().expect("a time"),
        replaces: None,
    }
}

/// A delivery to the hook `harbor`.
///
/// # Panics
///
/// Never: it is one.
pub fn delivery(id: &str) -> Delivery {
    Delivery {
        id: DeliveryId(id.to_owned()),
        hook: "harbor".to_owned(),
        received_at: SystemTime::now().try_into().expect("a time"),
        provider_id: None,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        outcome: json!({ "events": [] }),
        operations: Vec::new(),
        payload: Bytes::from_static(b"{\"type\":\"PUSH_ARTIFACT\"}"),
    }
}

/// Somebody who claims for that long.
pub fn worker(lease: Duration) -> Asked {
    Asked {
        worker: "w-1".to_owned(),
        lease,
        except: Vec::new(),
    }
}

/// The next operation, for a minute; there has to be one.
///
/// # Panics
///
/// When there is none.
pub async fn claim(store: &Arc<dyn Store>) -> Claim {
    let asked = worker(Duration::from_secs(60));
    let claim = store.claim(&asked).await.expect("asked");
    claim.expect("there is one")
}

/// Asks again and again, until there is something.
///
/// # Panics
///
/// When that takes too long.
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        let mut again = interval(AGAIN);
        loop {
            again.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    let patience = Duration::from_secs(20);
    timeout(patience, found).await.expect("in time")
}

/// How far that operation is.
///
/// # Panics
///
/// When it is not there.
pub async fn state(store: &Arc<dyn Store>, id: &OperationId) -> State {
    let stored = store.operation(id).await.expect("read");
    stored.expect("it is there").operation.state
}

/// As it is handed in, with its name as body.
pub(super) fn new(operation: &Operation) -> New {
    New {
        operation: operation.clone(),
        body: Bytes::copy_from_slice(operation.id.as_str().as_bytes()),
    }
}
