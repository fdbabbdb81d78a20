//! Who carries an operation out, and what only they may store.

use std::collections::HashSet;
use std::time::Duration;

use super::bucket::{Write, WriteError};
use super::mirror::{Candidate, Lane as Known, Row};
use super::record::{self, By, Held, LaneRecord};
use super::{Draft, JetStream, json};
use crate::operations::{
    Asked, Claim, Hold, Lane, New, Operation, OperationId, StoreError, Stored,
};

impl JetStream {
    /// The next operation to be carried out.
    pub(super) async fn next(&self, asked: &Asked) -> Result<Option<Claim>, StoreError> {
        // Otherwise all workers of this edge would want the same one.
        let _turn = self.claiming.lock().await;
        let mut passed = HashSet::new();
        let mut is_fresh = false;
        loop {
            let Some(candidate) = self.mirror.candidate(asked, &passed) else {
                if is_fresh {
                    return Ok(None);
                }
                self.mirror.barrier(&self.bucket).await?;
                is_fresh = true;
                continue;
            };
            let id = candidate.id.clone();
            let lane = candidate.row.lane.clone();
            match self.take(candidate, asked).await {
                Ok(claim) => return Ok(Some(claim)),
                Err(WriteError::Conflict) => {
                    self.refresh(&lane).await?;
                    // What two edges would both take, the other has: the next lane first.
                    if is_fresh {
                        passed.insert(id);
                    }
                    is_fresh = true;
                }
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn take(&self, candidate: Candidate, asked: &Asked) -> Result<Claim, WriteError> {
        let Candidate { id, row, lane } = candidate;
        let operation = self.load(&id, &row).await?;
        let operation = operation.ok_or(WriteError::Conflict)?;
        let fence = row.fence.max(lane.record.fence) + 1;
        let mut writes = self.writes(Draft {
            fence,
            claimed: true,
            ..Draft::over(&row, operation.clone())
        })?;
        let held = Held::new(By::Operation(id), asked.lease, Some(&asked.worker));
        let record = LaneRecord {
            fence,
            held: Some(held),
            ..LaneRecord::default()
        };
        writes.push(lane_write(&row.lane, &lane, &record)?);
        self.commit(writes).await?;
        Ok(Claim {
            operation,
            lease: asked.lease,
            fence,
        })
    }

    /// Renews a lease.
    pub(super) async fn keep(&self, claim: &Claim) -> Result<(), StoreError> {
        let mut is_fresh = false;
        loop {
            let attempt = self.try_keep(claim, is_fresh).await;
            let lane = record::lane(&claim.operation.lane);
            if let Some(done) = self.unless_conflict(&lane, attempt).await? {
                return Ok(done);
            }
            is_fresh = true;
        }
    }

    async fn try_keep(&self, claim: &Claim, is_fresh: bool) -> Result<(), WriteError> {
        let name = record::lane(&claim.operation.lane);
        let by = By::Operation(claim.operation.id.clone());
        let lane = self.mirror.lane(&name);
        if !is_held(&lane, &by, claim.fence) {
            return lost(is_fresh);
        }
        let worker = lane.record.held.as_ref();
        let worker = worker.and_then(|held| held.worker.as_deref());
        let record = LaneRecord {
            beat: lane.record.beat + 1,
            held: Some(Held::new(by, claim.lease, worker)),
            ..lane.record
        };
        self.commit(vec![lane_write(&name, &lane, &record)?]).await
    }

    /// Stores how far an operation is.
    pub(super) async fn progress(
        &self,
        claim: &Claim,
        operation: &Operation,
    ) -> Result<(), StoreError> {
        let mut is_fresh = false;
        loop {
            let attempt = self.try_progress(claim, operation, is_fresh).await;
            let lane = record::lane(&claim.operation.lane);
            if let Some(done) = self.unless_conflict(&lane, attempt).await? {
                return Ok(done);
            }
            is_fresh = true;
        }
    }

    async fn try_progress(
        &self,
        claim: &Claim,
        operation: &Operation,
        is_fresh: bool,
    ) -> Result<(), WriteError> {
        let row = self.mirror.row(&claim.operation.id);
        let Some(row) = row.filter(|row| row.claimed && row.fence == claim.fence) else {
            return lost(is_fresh);
        };
        let writes = self.writes(Draft::over(&row, operation.clone()))?;
        self.commit(writes).await?;
        self.forget_rest(row, &operation.id).await;
        Ok(())
    }

    /// Stores it for the last time, lets go of the lane, and takes in what it leads to.
    pub(super) async fn end(
        &self,
        claim: Claim,
        operation: Operation,
        children: Vec<New>,
    ) -> Result<(), StoreError> {
        let mut is_fresh = children.iter().any(|child| child.operation.coalesce);
        let lane = record::lane(&claim.operation.lane);
        if is_fresh {
            self.refresh(&lane).await?;
        }
        loop {
            let attempt = self.try_end(&claim, &operation, &children, is_fresh).await;
            if let Some(done) = self.unless_conflict(&lane, attempt).await? {
                return Ok(done);
            }
            is_fresh = true;
        }
    }

    async fn try_end(
        &self,
        claim: &Claim,
        operation: &Operation,
        children: &[New],
        is_fresh: bool,
    ) -> Result<(), WriteError> {
        let row = self.mirror.row(&claim.operation.id);
        let Some(row) = row.filter(|row| row.fence == claim.fence) else {
            return lost(is_fresh);
        };
        // It was stored before, and only its acknowledgement was lost.
        if !row.claimed {
            return Ok(());
        }
        let name = row.lane.clone();
        let lane = self.mirror.lane(&name);
        if !is_held(&lane, &By::Operation(operation.id.clone()), claim.fence) {
            return lost(is_fresh);
        }
        let mut intake = self.drafts(children.iter(), is_fresh).await?;
        intake.without(&name);
        intake.last.extend(self.writes(Draft {
            claimed: false,
            ..Draft::over(&row, operation.clone())
        })?);
        let record = freed(&lane.record);
        intake.last.push(lane_write(&name, &lane, &record)?);
        self.commit_all(intake).await?;
        self.forget_rest(row, &operation.id).await;
        Ok(())
    }

    /// Stores what somebody made of an operation that nobody carries out.
    pub(super) async fn alter(&self, changed: Stored) -> Result<(), StoreError> {
        let mut is_fresh = false;
        let lane = record::lane(&changed.operation.lane);
        loop {
            let attempt = self.try_alter(&changed, is_fresh).await;
            if let Some(done) = self.unless_conflict(&lane, attempt).await? {
                return Ok(done);
            }
            is_fresh = true;
        }
    }

    async fn try_alter(&self, changed: &Stored, is_fresh: bool) -> Result<(), WriteError> {
        let conflict = || {
            Err(if is_fresh {
                WriteError::Store(StoreError::Conflict)
            } else {
                WriteError::Conflict
            })
        };
        let operation = &changed.operation;
        let row = self.mirror.row(&operation.id);
        let Some(row) = row.filter(|row| row.revision == changed.version) else {
            return conflict();
        };
        let lane = self.mirror.lane(&row.lane);
        let is_held = is_held(&lane, &By::Operation(operation.id.clone()), row.fence);
        if is_held && !lane.is_free() {
            return conflict();
        }
        // Nobody who had it may store anything over this.
        let mut writes = self.writes(Draft {
            claimed: false,
            fence: row.fence + u64::from(row.claimed),
            ..Draft::over(&row, operation.clone())
        })?;
        let record = if is_held {
            freed(&lane.record)
        } else {
            touched(&lane.record)
        };
        writes.push(lane_write(&row.lane, &lane, &record)?);
        self.commit(writes).await?;
        self.forget_rest(row, &operation.id).await;
        Ok(())
    }

    /// The right to make a call in a lane.
    pub(super) async fn seize(
        &self,
        lane: &Lane,
        lease: Duration,
    ) -> Result<Option<Hold>, StoreError> {
        let mut is_fresh = false;
        let name = record::lane(lane);
        loop {
            let attempt = self.try_seize(&name, lease, is_fresh).await;
            if let Some(fence) = self.unless_conflict(&name, attempt).await? {
                return Ok(fence.map(|fence| Hold {
                    lane: lane.clone(),
                    fence,
                }));
            }
            is_fresh = true;
        }
    }

    async fn try_seize(
        &self,
        name: &str,
        lease: Duration,
        is_fresh: bool,
    ) -> Result<Option<u64>, WriteError> {
        let lane = self.mirror.lane(name);
        if !lane.is_free() {
            return if is_fresh {
                Ok(None)
            } else {
                Err(WriteError::Conflict)
            };
        }
        let mut writes = self.eviction(&lane).await?;
        let fence = lane.record.fence + 1;
        let record = LaneRecord {
            fence,
            held: Some(Held::new(By::Call, lease, None)),
            ..LaneRecord::default()
        };
        writes.push(lane_write(name, &lane, &record)?);
        self.commit(writes).await?;
        Ok(Some(fence))
    }

    /// Gives that right up.
    pub(super) async fn release(&self, hold: Hold) -> Result<(), StoreError> {
        let name = record::lane(&hold.lane);
        loop {
            let attempt = self.try_release(&name, hold.fence).await;
            if let Some(done) = self.unless_conflict(&name, attempt).await? {
                return Ok(done);
            }
        }
    }

    async fn try_release(&self, name: &str, fence: u64) -> Result<(), WriteError> {
        let lane = self.mirror.lane(name);
        if !is_held(&lane, &By::Call, fence) {
            return Ok(());
        }
        let record = freed(&lane.record);
        self.commit(vec![lane_write(name, &lane, &record)?]).await
    }

    /// What it takes so that whoever had the lane for an operation and has lost it can store nothing more.
    async fn eviction(&self, lane: &Known) -> Result<Vec<Write>, WriteError> {
        let Some(Held {
            by: By::Operation(id),
            ..
        }) = &lane.record.held
        else {
            return Ok(Vec::new());
        };
        let Some(row) = self.mirror.row(id).filter(|row| row.claimed) else {
            return Ok(Vec::new());
        };
        let operation = self.load(id, &row).await?;
        let operation = operation.ok_or(WriteError::Conflict)?;
        Ok(self.writes(Draft {
            fence: row.fence + 1,
            claimed: false,
            ..Draft::over(&row, operation)
        })?)
    }

    /// What became of an attempt; none if it is to be made again with what is known by then, something having turned out
    /// to be otherwise. A first attempt is made with what this edge knows anyway.
    async fn unless_conflict<T>(
        &self,
        lane: &str,
        attempt: Result<T, WriteError>,
    ) -> Result<Option<T>, StoreError> {
        match attempt {
            Ok(done) => Ok(Some(done)),
            Err(WriteError::Conflict) => self.refresh(lane).await.map(|()| None),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn forget_rest(&self, row: Row, id: &OperationId) {
        let name = |version: &str| record::rest(id, version);
        self.bucket.forget(row.rest, name).await;
    }
}

/// A record of a lane, over the one that is known. One that nobody has is forgotten after a day.
pub(super) fn lane_write(
    name: &str,
    known: &Known,
    record: &LaneRecord,
) -> Result<Write, StoreError> {
    let write = Write::new(name.to_owned(), json(record)?).over(known.revision);
    Ok(match record.held {
        Some(_) => write,
        None => write.lasting(IDLE),
    })
}

/// As it is, but written anew: nobody takes a lane over an older record.
pub(super) fn touched(record: &LaneRecord) -> LaneRecord {
    LaneRecord {
        touched: record.touched + 1,
        ..record.clone()
    }
}

fn freed(record: &LaneRecord) -> LaneRecord {
    LaneRecord {
        held: None,
        ..touched(record)
    }
}

fn is_held(lane: &Known, by: &By, fence: u64) -> bool {
    let held = lane.record.held.as_ref();
    lane.record.fence == fence && held.is_some_and(|held| held.by == *by)
}

/// Somebody else has it, if that is sure.
fn lost<T>(is_fresh: bool) -> Result<T, WriteError> {
    Err(if is_fresh {
        WriteError::Store(StoreError::Lost)
    } else {
        WriteError::Conflict
    })
}

/// How long a lane is remembered that nobody has.
pub(super) const IDLE: Duration = Duration::from_secs(24 * 3600);
