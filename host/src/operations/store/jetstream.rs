//! Operations in a bucket of NATS JetStream, which several edges share.
//!
//! Everything is in one key-value bucket, so that what belongs together is written at once or not at all: an admission
//! with its key and bodies; a claim with the lease of its lane; the end of one with what it leads to. Each value is
//! written over the revision that the writer knows, so of two edges that would both do something one does it. No edge
//! compares its clock with another's: a lease is over when it was not renewed for its time on the clock of whoever waits
//! for it. [`record`] says what stands in the bucket, [`mirror`] why what an edge knows of it is enough.
//!
//! What is acknowledged is stored by the servers: on disk at once with `sync_interval: always`, and otherwise, by
//! default, within two minutes, which only replicas make up for. A group of more than a thousand values goes in by parts,
//! its key with the last; should the edge die in between, the sender's next attempt brings what is missing.

mod admit;
mod bucket;
mod claims;
mod connect;
mod lists;
mod mirror;
mod record;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::bucket::{Bucket, PATIENCE, Write, WriteError, parse, within};
use self::mirror::{Mirror, Row};
use self::record::{LANES, OPERATIONS, Pieces, Record, Rest};
use super::{
    Admission, Admitted, Asked, Claim, Delivery, DeliveryId, Hold, Key, New, Query, Store,
    StoreError, Stored,
};
use crate::operations::{Lane, Operation, OperationId};

/// Operations in a bucket of NATS JetStream.
#[derive(Debug)]
pub struct JetStream {
    bucket: Bucket,
    mirror: Arc<Mirror>,
    claiming: Mutex<()>,
    follower: JoinHandle<()>,
}

/// An operation about to be written, with what a record says beside it.
struct Draft {
    operation: Operation,
    fence: u64,
    claimed: bool,
    order: Option<u64>,
    body: usize,
    /// Over which revision.
    over: u64,
}

impl Draft {
    /// `operation` in place of what is there.
    const fn over(row: &Row, operation: Operation) -> Self {
        Self {
            operation,
            fence: row.fence,
            claimed: row.claimed,
            order: Some(row.order),
            body: row.body,
            over: row.revision,
        }
    }
}

impl JetStream {
    /// Everything that is written for an operation, its record last.
    fn writes(&self, draft: Draft) -> Result<Vec<Write>, StoreError> {
        let name = record::operation(&draft.operation.id);
        let mut record = Record {
            fence: draft.fence,
            claimed: draft.claimed,
            order: draft.order,
            body: draft.body,
            rest: None,
            operation: draft.operation,
        };
        let mut bytes = json(&record)?;
        let mut writes = Vec::new();
        if bytes.len() > LONG {
            let rest = json(&Rest::take(&mut record.operation))?;
            let inbox = self.bucket.client.new_inbox();
            let version = inbox.rsplit('.').next().unwrap_or_default().to_owned();
            writes = self
                .bucket
                .pieces(&record::rest(&record.operation.id, &version), &rest);
            record.rest = Some(Pieces {
                version,
                count: writes.len(),
            });
            bytes = json(&record)?;
        }
        writes.push(Write::new(name, bytes).over(draft.over));
        Ok(writes)
    }

    /// Writes all of it at once and waits until this edge's mirror has it.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), WriteError> {
        let followed =
            |write: &Write| write.name.starts_with(OPERATIONS) || write.name.starts_with(LANES);
        let last = writes.iter().rposition(followed);
        let first = self.bucket.write(writes).await?;
        if let Some(last) = last {
            self.mirror.settled(first + last as u64).await;
        }
        Ok(())
    }

    /// The operation of a row, whole; none if it has another revision by now.
    async fn load(&self, id: &OperationId, row: &Row) -> Result<Option<Operation>, StoreError> {
        if let Some(operation) = &row.operation {
            return Ok(Some(Operation::clone(operation)));
        }
        let found = self.fetch(id).await?;
        Ok(found
            .filter(|(revision, _)| *revision == row.revision)
            .map(|(_, record)| record.operation))
    }

    /// What the bucket has of an operation, whole.
    async fn fetch(&self, id: &OperationId) -> Result<Option<(u64, Record)>, StoreError> {
        let name = record::operation(id);
        let mut before = 0;
        loop {
            let Some((revision, mut record)) = self.bucket.get::<Record>(&name).await? else {
                return Ok(None);
            };
            let Some(pieces) = &record.rest else {
                return Ok(Some((revision, record)));
            };
            let rest = record::rest(id, &pieces.version);
            if let Some(bytes) = self.bucket.whole(&rest, pieces.count).await? {
                parse::<Rest>(&rest, &bytes)?.put(&mut record.operation);
                return Ok(Some((revision, record)));
            }
            // It was written again in between, or it is not whole.
            if revision == before {
                return Err(StoreError::Damaged {
                    what: format!(
                        "parts of {id} are missing in the bucket; remove `{name}` from it"
                    ),
                    source: None,
                });
            }
            before = revision;
        }
    }

    /// Makes sure of knowing what there is, after a write that found something else.
    async fn refresh(&self, lane: &str) -> Result<(), StoreError> {
        self.mirror.barrier(&self.bucket).await?;
        let known = self.mirror.lane(lane).revision;
        if known != 0 && self.bucket.revision(lane).await? == 0 {
            self.mirror.vanished(lane, known);
        }
        Ok(())
    }

    async fn stored(&self, id: &OperationId) -> Result<Option<Stored>, StoreError> {
        let found = self.fetch(id).await?;
        Ok(found.map(|(version, record)| Stored {
            operation: record.operation,
            version,
        }))
    }

    async fn body_of(&self, id: &OperationId) -> Result<Option<Bytes>, StoreError> {
        let name = record::operation(id);
        let pieces = match self.mirror.row(id) {
            Some(row) => Some(row.body),
            None => {
                let found = self.bucket.get::<Record>(&name).await?;
                found.map(|(_, record)| record.body)
            }
        };
        match pieces {
            Some(count) => self.bucket.whole(&record::body(id), count).await,
            None => Ok(None),
        }
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Store for JetStream {
    fn admit(&self, admission: Admission) -> BoxFuture<'_, Result<Vec<Admitted>, StoreError>> {
        Box::pin(within(self.take_in(admission)))
    }

    fn operation<'a>(
        &'a self,
        id: &'a OperationId,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(within(self.stored(id)))
    }

    fn body<'a>(&'a self, id: &'a OperationId) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        Box::pin(within(self.body_of(id)))
    }

    fn operations<'a>(
        &'a self,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(within(self.list(query)))
    }

    fn change(&self, changed: Stored) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(self.alter(changed)))
    }

    fn claim<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<Option<Claim>, StoreError>> {
        Box::pin(within(self.next(asked)))
    }

    fn renew<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(self.keep(claim)))
    }

    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(self.progress(claim, operation)))
    }

    fn finish(
        &self,
        claim: Claim,
        operation: Operation,
        children: Vec<New>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(self.end(claim, operation, children)))
    }

    fn hold<'a>(
        &'a self,
        lane: &'a Lane,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Option<Hold>, StoreError>> {
        Box::pin(within(self.seize(lane, lease)))
    }

    fn free(&self, hold: Hold) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(self.release(hold)))
    }

    fn key<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Key>, StoreError>> {
        Box::pin(within(async {
            Ok(self.known(name).await?.and_then(|(_, key)| key))
        }))
    }

    fn delivery<'a>(
        &'a self,
        hook: &'a str,
        id: &'a DeliveryId,
    ) -> BoxFuture<'a, Result<Option<Delivery>, StoreError>> {
        Box::pin(within(self.delivered(hook, id)))
    }

    fn deliveries<'a>(
        &'a self,
        hook: &'a str,
        before: Option<&'a DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreError>> {
        Box::pin(within(self.newest(hook, before, limit)))
    }

    fn sweep(&self, kept: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.tidy(kept))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.mirror.changes()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.follower.abort();
            // Everything was acknowledged already; there is nothing to lose here.
            drop(timeout(PATIENCE, self.bucket.client.drain()).await);
        })
    }
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, StoreError> {
    let bytes = serde_json::to_vec(value);
    bytes
        .map(Bytes::from)
        .map_err(|error| StoreError::Unavailable {
            what: "an operation has no text".to_owned(),
            source: Some(error.into()),
        })
}

/// A longer record leaves what may be long elsewhere, out of the way of those that follow all records.
const LONG: usize = 32 * 1024;
