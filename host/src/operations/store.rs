//! Where operations are kept.
//!
//! One trait, so that one edge may keep them in a file and the edges of a region in a store that they share. Whatever a
//! store says it has taken is on disk. What two edges, or an edge and its own past, would both do to an operation is
//! decided here: a claim has a fence, and who has lost it can store nothing more and so can make no call.

mod jetstream;
mod sqlite;

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Lane, Operation, OperationId, State};

pub use self::jetstream::JetStream;
pub use self::sqlite::Sqlite;

/// Keeps operations, the deliveries that led to them, and the keys by which a request is known again.
pub trait Store: Debug + Send + Sync + 'static {
    /// Takes in what was asked for: of every group whose key is not known yet all, of the others nothing. When this
    /// returns it is on disk. Done twice with the same operations, it is done once.
    ///
    /// An operation that coalesces takes the place of those of its lane that do so too and have not begun.
    fn admit(&self, admission: Admission) -> BoxFuture<'_, Result<Vec<Admitted>, StoreError>>;

    /// The operation of that name.
    fn operation<'a>(
        &'a self,
        id: &'a OperationId,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// The body of its request; empty if it has none.
    fn body<'a>(&'a self, id: &'a OperationId) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Those that `query` asks for, the newest first.
    fn operations<'a>(
        &'a self,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>>;

    /// Stores what somebody made of an operation that nobody carries out just now: calls it off, approves it, has it
    /// resumed. [`StoreError::Conflict`] if it is not as it was any more, or is being carried out.
    fn change(&self, changed: Stored) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The next operation to be carried out, and the right to do so for as long as `lease`: the first of its lane whose
    /// turn it is, that is due, and that nobody else carries out. None if there is none.
    fn claim<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<Option<Claim>, StoreError>>;

    /// Keeps a claim for as long as it was asked for, from now on. [`StoreError::Lost`] if somebody else has it.
    fn renew<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Stores how far an operation is; when this returns it is on disk. [`StoreError::Lost`] if somebody else carries
    /// it out by now.
    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The same for the last time under this claim, which ends, with what the operation leads to.
    fn finish(
        &self,
        claim: Claim,
        operation: Operation,
        children: Vec<New>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The right to make a call in `lane` that is no operation's, for as long as `lease`; none while an operation of the
    /// lane is carried out or somebody else has it.
    fn hold<'a>(
        &'a self,
        lane: &'a Lane,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Option<Hold>, StoreError>>;

    /// Gives that right up.
    fn free(&self, hold: Hold) -> BoxFuture<'_, Result<(), StoreError>>;

    /// What is known under the name of a key.
    fn key<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Key>, StoreError>>;

    /// A delivery with its payload.
    fn delivery<'a>(
        &'a self,
        hook: &'a str,
        id: &'a DeliveryId,
    ) -> BoxFuture<'a, Result<Option<Delivery>, StoreError>>;

    /// The newest deliveries of a hook without their payloads, the newest first; those before `before` if it is given.
    fn deliveries<'a>(
        &'a self,
        hook: &'a str,
        before: Option<&'a DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreError>>;

    /// Forgets settled operations older than `kept`, with what belongs to them, and keys that have expired.
    fn sweep(&self, kept: Duration) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Changes its value whenever an operation changed, here or, where the store is shared, elsewhere.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Writes what is to be written and lets go of everything.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What is to be taken in at once.
#[derive(Debug, Default)]
pub struct Admission {
    /// The delivery that it comes from.
    pub delivery: Option<Delivery>,
    /// Operations by what made them.
    pub groups: Vec<Group>,
}

/// Operations that are taken in together or, being known already, not at all.
#[derive(Debug, Default)]
pub struct Group {
    /// By what they are known again.
    pub key: Option<Key>,
    /// The operations, in the order in which they are to be carried out.
    pub operations: Vec<New>,
}

/// An operation that is not stored yet.
#[derive(Clone, Debug)]
pub struct New {
    /// The operation.
    pub operation: Operation,
    /// The body of its request.
    pub body: Bytes,
}

/// What became of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// Its key is known: this is what it stands for.
    Known(Key),
    /// It is on disk.
    New,
}

/// By what a request or an event is known again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Key {
    /// The key, with whose it is: no two principals and no two hooks share one.
    pub name: String,
    /// The digest of what came with it.
    pub fingerprint: String,
    /// What it led to.
    pub operations: Vec<OperationId>,
    /// The delivery that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// The operations of the key that it takes the place of: what they were to do failed and is asked for again. A
    /// store compares this with what it has and knows the key if they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Vec<OperationId>>,
}

/// An operation and which of its versions it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The operation.
    pub operation: Operation,
    /// Grows whenever it is stored.
    pub version: u64,
}

/// Which operations are asked for. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Of that cluster.
    pub cluster: Option<String>,
    /// Of that release.
    pub release: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<State>,
    /// Of that actor.
    pub actor: Option<String>,
    /// That came of that hook.
    pub hook: Option<String>,
    /// Whether notices are among them.
    pub notices: bool,
    /// Older than that one.
    pub before: Option<OperationId>,
    /// So many at most.
    pub limit: usize,
}

/// What somebody who carries operations out asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who, for people.
    pub worker: String,
    /// For how long.
    pub lease: Duration,
    /// At these clusters nothing more just now.
    pub except: Vec<String>,
}

/// The right to carry an operation out.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The operation, as it was when it was claimed.
    pub operation: Operation,
    /// For how long.
    pub lease: Duration,
    /// What a store knows it by; grows with every claim of the operation.
    pub fence: u64,
}

/// The right to make a call in a lane.
#[derive(Debug)]
pub struct Hold {
    /// The lane.
    pub lane: Lane,
    /// What a store knows it by.
    pub fence: u64,
}

/// The name of a delivery at this edge.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct DeliveryId(pub String);

/// What a hook was sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Delivery {
    /// Its name at this edge, in the order of time.
    pub id: DeliveryId,
    /// The hook.
    pub hook: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How the provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Its headers without secrets.
    pub headers: Vec<(String, String)>,
    /// What it says, with which rules fit and why, as the answer told it.
    pub outcome: serde_json::Value,
    /// The operations that came of it.
    pub operations: Vec<OperationId>,
    /// The payload, which is stored beside it. Empty in lists.
    #[serde(skip)]
    pub payload: Bytes,
}

/// Why a store does not do what it is asked for. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not as it was any more.
    #[error("somebody else changed the operation meanwhile")]
    Conflict,
    /// What is stored cannot be read back.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What, and what to do.
        what: String,
        /// What the engine said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Somebody else carries the operation out by now.
    #[error("another edge carries the operation out by now")]
    Lost,
    /// It cannot be reached or takes nothing: full, read-only, away.
    #[error("the store takes nothing: {what}")]
    Unavailable {
        /// What stands in the way.
        what: String,
        /// What the engine said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}
