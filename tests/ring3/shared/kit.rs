//! A server for one test, the stores of several edges in it, and operations to put there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use real::Nats;
use serde_json::json;
use tempfile::TempDir;
use tiller_edge::config::Config;
use tiller_edge::operations::{
    Admission, Admitted, Asked, Claim, Group, JetStream, Key, New, Operation, OperationId, Store,
};
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

/// What any one test may take.
const LIMIT: Duration = Duration::from_secs(180);

/// How long anything may take that waits for nothing but a lease.
const PATIENCE: Duration = Duration::from_secs(30);

/// A lease that nobody outlives in a test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// A server, which ends with the test.
pub(crate) struct Shared {
    pub(crate) nats: Nats,
    _folder: TempDir,
}

/// Runs a test with a server of its own on that port.
pub(crate) fn shared(port: u16, test: impl AsyncFnOnce(&Shared) -> Result<()>) {
    let runtime = Runtime::new().expect("the system has threads");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("there is room for files");
        let nats = Nats::start(folder.path(), port).await.expect("it starts");
        let shared = Shared {
            nats,
            _folder: folder,
        };
        let ended = timeout(LIMIT, test(&shared)).await;
        if let Err(error) = ended.context("the test takes too long").flatten() {
            panic!("{error:?}\n{}", shared.nats.process().log());
        }
    });
}

impl Shared {
    /// The store of one more edge.
    pub(crate) async fn edge(&self) -> Result<Arc<JetStream>> {
        let config = self.nats.config("edges");
        let config = Config::parse(&config, Path::new("/edge.toml"))?;
        let config = config.operations.jetstream.context("no such store")?;
        Ok(Arc::new(JetStream::connect(&config).await?))
    }
}

/// The name of an operation, in the order of the numbers.
pub(crate) fn id(number: usize) -> OperationId {
    format!("op-{number:026}").parse().expect("a name")
}

/// An operation on a release, which its lane is of.
pub(crate) fn operation(number: usize, release: &str) -> Operation {
    let operation = json!({
        "id": id(number),
        "state": "accepted",
        "job": {
            "kind": "request",
            "head": { "method": "PUT", "target": format!("/v1/clusters/real/releases/{release}") },
            "plan": { "action": "upgrade", "cluster": "real", "release": release, "timeout": 300 },
        },
        "lane": format!("release/real/default/{release}"),
        "actor": { "name": "alice", "groups": [], "method": "token" },
        "request_id": format!("request-{number}"),
        "accepted_at": "2026-11-24T12:00:00Z",
        "expires_at": "2027-11-24T12:00:00Z",
    });
    serde_json::from_value(operation).expect("an operation")
}

pub(crate) fn new(operation: Operation) -> New {
    New {
        operation,
        body: Bytes::from_static(b"{}"),
    }
}

/// One group without a key.
pub(crate) fn admission(operations: Vec<New>) -> Admission {
    Admission {
        delivery: None,
        groups: vec![Group {
            key: None,
            operations,
        }],
    }
}

/// One operation, known by a key.
pub(crate) fn keyed(name: &str, new: New) -> Admission {
    let key = json!({
        "name": name,
        "fingerprint": "f",
        "operations": [new.operation.id],
        "expires_at": "2027-11-24T12:00:00Z",
    });
    Admission {
        delivery: None,
        groups: vec![Group {
            key: Some(serde_json::from_value::<Key>(key).expect("a key")),
            operations: vec![new],
        }],
    }
}

/// Has a store take in operations on a release, by number.
pub(crate) async fn take_in(
    store: &JetStream,
    release: &str,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<()> {
    let news = numbers
        .into_iter()
        .map(|number| new(operation(number, release)))
        .collect();
    let admitted = store.admit(admission(news)).await?;
    assert_eq!(admitted, [Admitted::New]);
    Ok(())
}

pub(crate) fn asked(lease: Duration) -> Asked {
    Asked {
        worker: "tests".to_owned(),
        lease,
        except: Vec::new(),
    }
}

/// Waits until there is something to claim.
pub(crate) async fn claim(store: &JetStream, lease: Duration) -> Result<Claim> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(claim) = store.claim(&asked(lease)).await? {
            return Ok(claim);
        }
        // Nobody is told that a lease is over.
        let mut changes = store.changes();
        let changed = timeout(Duration::from_millis(100), changes.changed());
        drop(changed.await);
        anyhow::ensure!(Instant::now() < until, "there is nothing to claim");
    }
}
