//! Operations in a file of this edge.
//!
//! The file belongs to one process for as long as that runs: who carries what out is known in its memory alone, and
//! whatever it was carrying out when it died can be claimed at once by the next. All that is asked for goes over a bounded
//! queue to one thread, which owns the connection: no worker of the runtime ever waits for a disk. Whatever waits in the
//! queue is written together and synced once, so that the disk's latency bounds how soon each is answered and not how
//! many are.

mod desk;
mod fault;
mod file;
mod lanes;
mod lent;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::{
    Admission, Admitted, Asked, Claim, Delivery, DeliveryId, Hold, Key, New, Query, Store,
    StoreError, Stored,
};
use crate::operations::{Lane, Operation, OperationId};

use self::desk::{Desk, Order, Written};
use self::fault::Fault;
use self::lent::Lent;

/// How many may wait for the thread; more wait for a place.
const QUEUE: usize = 256;

/// How long anybody waits for an answer, the disk being slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many operations are forgotten at once, so that nobody waits long for a sweep.
const PORTION: usize = 200;

/// Operations in a file, which one edge has for itself.
#[derive(Debug)]
pub struct Sqlite {
    path: Arc<PathBuf>,
    orders: mpsc::Sender<Order>,
    changes: watch::Sender<u64>,
}

impl Sqlite {
    /// Opens the file at `path` and makes it, for its owner's eyes only, if it is not there; its directory must be.
    /// Waits for the disk, which reads the whole of the file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if what is there is no such file, is one of a newer version or cannot be read whole;
    /// [`StoreError::Unavailable`] if it cannot be written or another edge has it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = Arc::new(path.to_owned());
        let changes = watch::Sender::new(0);
        let file = file::open(&path)?;
        let desk = Desk::new(file, Arc::clone(&path), changes.clone())?;
        let (orders, ordered) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("operations".to_owned())
            .spawn(move || desk.run(ordered))
            .map_err(|source| StoreError::Unavailable {
                what: "no thread writes it".to_owned(),
                source: Some(Box::new(source)),
            })?;
        Ok(Self {
            path,
            orders,
            changes,
        })
    }

    /// Has `work` done in a transaction; when this returns, it is on disk.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> Result<T, Fault> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        self.order(Order::Write(Box::new(Written::new(work, done))), answer)
            .await?
    }

    /// Has `work` done outside of any transaction.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> Result<T, Fault> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let look = move |desk: &mut Desk| {
            let result = work(desk).map_err(|fault| desk.error(&fault));
            // Whoever asked may be gone.
            let _ = done.send(result);
        };
        self.order(Order::Look(Box::new(look)), answer).await?
    }

    async fn order<T>(&self, order: Order, answer: oneshot::Receiver<T>) -> Result<T, StoreError> {
        let until = Instant::now() + PATIENCE;
        match timeout_at(until, self.orders.send(order)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.closed()),
            Err(_) => return Err(self.slow()),
        }
        match timeout_at(until, answer).await {
            Ok(answered) => answered.map_err(|_| self.closed()),
            Err(_) => Err(self.slow()),
        }
    }

    fn closed(&self) -> StoreError {
        StoreError::Unavailable {
            what: format!("{} is closed", self.path.display()),
            source: None,
        }
    }

    fn slow(&self) -> StoreError {
        let seconds = PATIENCE.as_secs();
        StoreError::Unavailable {
            what: format!(
                "the disk of {} did not answer within {seconds} s",
                self.path.display()
            ),
            source: None,
        }
    }
}

impl Store for Sqlite {
    fn admit(&self, admission: Admission) -> BoxFuture<'_, Result<Vec<Admitted>, StoreError>> {
        Box::pin(self.write(move |desk| desk.admit(&admission)))
    }

    fn operation<'a>(
        &'a self,
        id: &'a OperationId,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        let id = id.clone();
        Box::pin(self.read(move |desk| desk.operation(&id)))
    }

    fn body<'a>(&'a self, id: &'a OperationId) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        let id = id.clone();
        Box::pin(self.read(move |desk| desk.body(&id)))
    }

    fn operations<'a>(
        &'a self,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        let query = query.clone();
        Box::pin(self.read(move |desk| desk.operations(&query)))
    }

    fn change(&self, changed: Stored) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(move |desk| desk.change(&changed)))
    }

    fn claim<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<Option<Claim>, StoreError>> {
        let asked = asked.clone();
        let back = self.orders.downgrade();
        Box::pin(async move {
            let lent = self.read(move |desk| {
                let claim = desk.claim(&asked)?;
                Ok(claim.map(|claim| {
                    let lane = claim.operation.lane.clone();
                    (Lent::new(back, lane, claim.fence), claim)
                }))
            });
            Ok(lent.await?.map(|(lent, claim)| {
                lent.taken();
                claim
            }))
        })
    }

    fn renew<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), StoreError>> {
        let (lane, fence, lease) = (claim.operation.lane.clone(), claim.fence, claim.lease);
        Box::pin(self.read(move |desk| desk.renew(&lane, fence, lease)))
    }

    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (lane, fence) = (claim.operation.lane.clone(), claim.fence);
        let operation = operation.clone();
        Box::pin(self.write(move |desk| desk.save(&lane, fence, &operation)))
    }

    fn finish(
        &self,
        claim: Claim,
        operation: Operation,
        children: Vec<New>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(move |desk| {
            let lane = &claim.operation.lane;
            desk.finish(lane, claim.fence, &operation, &children)
        }))
    }

    fn hold<'a>(
        &'a self,
        lane: &'a Lane,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Option<Hold>, StoreError>> {
        let lane = lane.clone();
        let back = self.orders.downgrade();
        Box::pin(async move {
            let lent = self.read(move |desk| {
                let hold = desk.hold(&lane, lease)?;
                Ok(hold.map(|hold| (Lent::new(back, lane, hold.fence), hold)))
            });
            Ok(lent.await?.map(|(lent, hold)| {
                lent.taken();
                hold
            }))
        })
    }

    fn free(&self, hold: Hold) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.read(move |desk| {
            desk.give_up(&hold.lane, hold.fence);
            Ok(())
        }))
    }

    fn key<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Key>, StoreError>> {
        let name = name.to_owned();
        Box::pin(self.read(move |desk| desk.key(&name, Timestamp::now())))
    }

    fn delivery<'a>(
        &'a self,
        hook: &'a str,
        id: &'a DeliveryId,
    ) -> BoxFuture<'a, Result<Option<Delivery>, StoreError>> {
        let (hook, id) = (hook.to_owned(), id.clone());
        Box::pin(self.read(move |desk| desk.delivery(&hook, &id)))
    }

    fn deliveries<'a>(
        &'a self,
        hook: &'a str,
        before: Option<&'a DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreError>> {
        let (hook, before) = (hook.to_owned(), before.cloned());
        Box::pin(self.read(move |desk| desk.deliveries(&hook, before.as_ref(), limit)))
    }

    fn sweep(&self, kept: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            while self
                .write(move |desk| desk.sweep(kept, PORTION))
                .await?
                .is_more()
            {}
            Ok(())
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (done, closed) = oneshot::channel();
            // One that is closed already, or does not answer, is not waited for.
            let _ = self.order(Order::Close(done), closed).await;
        })
    }
}
