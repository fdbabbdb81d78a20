//! What was taken in, and forgetting it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::JetStream;
use super::bucket::{Write, WriteError, within};
use super::claims::IDLE;
use super::mirror::Row;
use super::record::{self, DeliveryRecord};
use crate::operations::{Delivery, DeliveryId, Operation, OperationId, Query, StoreError};

impl JetStream {
    /// Those that `query` asks for, the newest first.
    pub(super) async fn list(&self, query: &Query) -> Result<Vec<Operation>, StoreError> {
        self.mirror.barrier(&self.bucket).await?;
        let found = stream::iter(self.mirror.found(query))
            .map(|(id, row)| async move {
                if let Some(operation) = row.operation {
                    return Ok(Some(Operation::clone(&operation)));
                }
                let found = self.fetch(&id).await?;
                Ok(found.map(|(_, record)| record.operation))
            })
            .buffered(AT_ONCE);
        found
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await
    }

    /// A delivery with its payload.
    pub(super) async fn delivered(
        &self,
        hook: &str,
        id: &DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let name = record::delivery(hook, id);
        let Some((_, record)) = self.bucket.get::<DeliveryRecord>(&name).await? else {
            return Ok(None);
        };
        let payload = record::payload(hook, id);
        let payload = self.bucket.whole(&payload, record.payload).await?;
        // Without its payload it is just being forgotten.
        Ok(payload.map(|payload| Delivery {
            payload,
            ..record.delivery
        }))
    }

    /// The newest deliveries of a hook.
    pub(super) async fn newest(
        &self,
        hook: &str,
        before: Option<&DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut ids = self.ids(&record::deliveries(hook)).await?;
        ids.retain(|id| before.is_none_or(|before| id < before));
        ids.sort_unstable_by(|one, other| other.cmp(one));
        let found = stream::iter(ids)
            .map(|id| async move {
                let name = record::delivery(hook, &id);
                let found = self.bucket.get::<DeliveryRecord>(&name).await?;
                Ok(found.map(|(_, record)| record.delivery))
            })
            .buffered(AT_ONCE);
        let found = found.try_filter_map(async |found: Option<Delivery>| Ok(found));
        found.take(limit).try_collect().await
    }

    /// Forgets what is old. It may take longer than other calls; what is left the next sweep finds.
    pub(super) async fn tidy(&self, kept: Duration) -> Result<(), StoreError> {
        let Ok(then) = Timestamp::now().checked_sub(kept) else {
            return Ok(());
        };
        within(self.mirror.barrier(&self.bucket)).await?;
        let old = stream::iter(self.mirror.settled_before(then));
        old.map(Ok)
            .try_for_each_concurrent(AT_ONCE, |(id, row)| within(self.remove(id, row)))
            .await?;
        self.tidy_deliveries(then).await?;
        // Keys and the records of idle lanes are forgotten by the servers, which know how long they last.
        self.mirror.tidy(IDLE);
        Ok(())
    }

    async fn remove(&self, id: OperationId, row: Row) -> Result<(), StoreError> {
        let removal = Write::removal(record::operation(&id)).over(row.revision);
        match self.commit(vec![removal]).await {
            Ok(()) => (),
            // Somebody has it resumed, or removed it too.
            Err(WriteError::Conflict) => return Ok(()),
            Err(WriteError::Store(error)) => return Err(error),
        }
        if row.body > 0 {
            self.bucket.purge(&record::body(&id)).await?;
        }
        if row.rest.is_some() {
            self.bucket.purge(&record::rests(&id)).await?;
        }
        Ok(())
    }

    /// Forgets deliveries that arrived before, unless an operation of theirs is still there.
    async fn tidy_deliveries(&self, then: Timestamp) -> Result<(), StoreError> {
        for hook in within(self.hooks()).await? {
            let mut ids = within(self.ids(&record::deliveries(&hook))).await?;
            ids.sort_unstable();
            for id in ids {
                let name = record::delivery(&hook, &id);
                let found = within(self.bucket.get::<DeliveryRecord>(&name)).await?;
                let Some((_, record)) = found else {
                    continue;
                };
                if record.delivery.received_at > then {
                    break;
                }
                let mut operations = record.delivery.operations.iter();
                if operations.any(|id| self.mirror.row(id).is_some()) {
                    continue;
                }
                let removal = self.bucket.write(vec![Write::removal(name)]);
                let removed = within(async {
                    match removal.await {
                        Ok(_) | Err(WriteError::Conflict) => Ok(()),
                        Err(WriteError::Store(error)) => Err(error),
                    }
                });
                removed.await?;
                if record.payload > 0 {
                    within(self.bucket.purge(&record::payload(&hook, &id))).await?;
                }
            }
        }
        Ok(())
    }

    /// The hooks of which there are deliveries.
    async fn hooks(&self) -> Result<Vec<String>, StoreError> {
        let names = self.bucket.names("delivery").await?;
        let mut hooks: Vec<_> = names
            .iter()
            .filter_map(|name| record::text(name.split('.').nth(1)?))
            .collect();
        hooks.sort_unstable();
        hooks.dedup();
        Ok(hooks)
    }

    /// The deliveries whose names begin so.
    async fn ids(&self, name: &str) -> Result<Vec<DeliveryId>, StoreError> {
        let names = self.bucket.names(name).await?;
        let ids = names
            .iter()
            .filter_map(|name| record::text(name.rsplit('.').next()?));
        Ok(ids.map(DeliveryId).collect())
    }
}

/// How many are read or removed at a time.
const AT_ONCE: usize = 16;
