//! Taking in what was asked for, all of it or nothing.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::time::Duration;

use jiff::Timestamp;

use super::bucket::{MOST_WRITES, Value, Write, WriteError, parse};
use super::claims::{lane_write, touched};
use super::record::{self, DeliveryRecord};
use super::{Draft, JetStream, json};
use crate::operations::{
    Admission, Admitted, Delivery, Key, New, Operation, OperationId, State, StoreError,
};

/// What is to be written.
#[derive(Default)]
pub(super) struct Intake {
    /// An operation each, with what goes with it; where there are too many, by parts.
    units: Vec<Vec<Write>>,
    /// What is written with the last part.
    pub(super) last: Vec<Write>,
}

impl Intake {
    /// Leaves out what would be written under that name.
    pub(super) fn without(&mut self, name: &str) {
        for unit in &mut self.units {
            unit.retain(|write| write.name != name);
        }
    }

    /// What is written at once, in order. Everything, if it is not too much.
    fn parts(self) -> Vec<Vec<Write>> {
        let mut parts = Vec::new();
        let mut part: Vec<Write> = Vec::new();
        let mut size = 0;
        for unit in self.units.into_iter().chain([self.last]) {
            let more: usize = unit.iter().map(Write::size).sum();
            let is_full = part.len() + unit.len() > MOST_WRITES || size + more > MOST_BYTES;
            if is_full && !part.is_empty() {
                parts.push(mem::take(&mut part));
                size = 0;
            }
            part.extend(unit);
            size += more;
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }
}

impl JetStream {
    /// Takes an admission in.
    pub(super) async fn take_in(&self, admission: Admission) -> Result<Vec<Admitted>, StoreError> {
        let coalesces = |new: &New| new.operation.coalesce;
        let mut groups = admission.groups.iter();
        // What it takes the place of may just have been taken in elsewhere.
        let mut is_fresh = groups.any(|group| group.operations.iter().any(coalesces));
        loop {
            if is_fresh {
                self.mirror.barrier(&self.bucket).await?;
            }
            match self.try_take_in(&admission, is_fresh).await {
                Ok(admitted) => return Ok(admitted),
                Err(WriteError::Conflict) => is_fresh = true,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn try_take_in(
        &self,
        admission: &Admission,
        is_fresh: bool,
    ) -> Result<Vec<Admitted>, WriteError> {
        let mut admitted = Vec::new();
        let mut news = Vec::new();
        let mut keys: HashMap<&str, &Key> = HashMap::new();
        let mut last = Vec::new();
        for group in &admission.groups {
            if let Some(key) = &group.key {
                if let Some(same) = keys.get(&*key.name) {
                    admitted.push(Admitted::Known(Key::clone(same)));
                    continue;
                }
                let (revision, found) = self.known(&key.name).await?.unwrap_or_default();
                if let Some(found) = found
                    && key.replaces.as_ref() != Some(&found.operations)
                {
                    admitted.push(Admitted::Known(found));
                    continue;
                }
                keys.insert(&key.name, key);
                let write = Write::new(record::key(&key.name), json(key)?);
                last.push(write.over(revision).lasting(until(key.expires_at)));
            }
            admitted.push(Admitted::New);
            news.extend(&group.operations);
        }
        let mut intake = self.drafts(news.into_iter(), is_fresh).await?;
        if let Some(delivery) = &admission.delivery {
            intake.last.extend(self.delivery_writes(delivery).await?);
        }
        intake.last.extend(last);
        self.commit_all(intake).await?;
        Ok(admitted)
    }

    /// What is written for a delivery, if it is not there yet.
    async fn delivery_writes(&self, delivery: &Delivery) -> Result<Vec<Write>, StoreError> {
        let name = record::delivery(&delivery.hook, &delivery.id);
        let found = self.bucket.read(&name).await?;
        if found.is_some_and(|value| value.bytes.is_some()) {
            return Ok(Vec::new());
        }
        let payload = record::payload(&delivery.hook, &delivery.id);
        let mut writes = self.bucket.pieces(&payload, &delivery.payload);
        let record = DeliveryRecord {
            payload: writes.len(),
            delivery: delivery.clone(),
        };
        writes.push(Write::new(name, json(&record)?));
        Ok(writes)
    }

    /// What is known under the name of a key, with the revision to write another over.
    pub(super) async fn known(&self, name: &str) -> Result<Option<(u64, Option<Key>)>, StoreError> {
        let entry = record::key(name);
        let Some(Value { revision, bytes }) = self.bucket.read(&entry).await? else {
            return Ok(None);
        };
        let key = bytes
            .map(|bytes| parse::<Key>(&entry, &bytes))
            .transpose()?;
        let key = key.filter(|key| key.expires_at > Timestamp::now());
        Ok(Some((revision, key)))
    }

    /// What is written for operations that are not there yet, and for those whose place they take.
    pub(super) async fn drafts<'n>(
        &self,
        news: impl Iterator<Item = &'n New>,
        is_fresh: bool,
    ) -> Result<Intake, WriteError> {
        let news: Vec<_> = news
            .filter(|new| self.mirror.row(&new.operation.id).is_none())
            .collect();
        let mut heirs = Heirs::of(&news);
        let mut intake = Intake::default();
        for new in news {
            let mut operation = new.operation.clone();
            let name = record::operation(&operation.id);
            // It may have been there once.
            let over = if is_fresh {
                self.bucket.revision(&name).await?
            } else {
                0
            };
            let mut unit = Vec::new();
            let mut touch = None;
            let lane = record::lane(&operation.lane);
            let replaced = heirs.replaced_by(&operation);
            if replaced.is_first {
                for (id, row) in self.mirror.replaceable(&lane) {
                    let old = self.load(&id, &row).await?;
                    let mut old = old.ok_or(WriteError::Conflict)?;
                    supersede(&mut old, &operation.id);
                    unit.extend(self.writes(Draft::over(&row, old))?);
                }
            }
            if let Some(heir) = replaced.heir {
                supersede(&mut operation, &heir);
            } else if replaced.is_last {
                // Another edge that takes one in for this lane just now has to look again.
                let known = self.mirror.lane(&lane);
                touch = Some(lane_write(&lane, &known, &touched(&known.record))?);
            }
            let body = self.bucket.pieces(&record::body(&operation.id), &new.body);
            let draft = Draft {
                operation,
                fence: 0,
                claimed: false,
                order: None,
                body: body.len(),
                over,
            };
            unit.extend(body);
            unit.extend(self.writes(draft)?);
            unit.extend(touch);
            intake.units.push(unit);
        }
        Ok(intake)
    }

    pub(super) async fn commit_all(&self, intake: Intake) -> Result<(), WriteError> {
        for part in intake.parts() {
            self.commit(part).await?;
        }
        Ok(())
    }
}

/// Of operations that coalesce and are taken in together, which takes whose place.
struct Heirs {
    /// Those of each lane that have not been looked at, the next one last.
    lanes: HashMap<String, Vec<OperationId>>,
    /// The lanes of which one was looked at.
    begun: HashSet<String>,
}

struct Replaced {
    /// Which of them takes its place.
    heir: Option<OperationId>,
    /// Whether it takes the place of those that are there.
    is_first: bool,
    /// Whether it is what all of them come to.
    is_last: bool,
}

impl Heirs {
    fn of(news: &[&New]) -> Self {
        let mut lanes: HashMap<_, Vec<_>> = HashMap::new();
        for new in news.iter().rev().filter(|new| new.operation.coalesce) {
            let operation = &new.operation;
            let lane = lanes.entry(record::lane(&operation.lane)).or_default();
            lane.push(operation.id.clone());
        }
        Self {
            lanes,
            begun: HashSet::new(),
        }
    }

    /// By which the next of them is replaced.
    fn replaced_by(&mut self, operation: &Operation) -> Replaced {
        let name = record::lane(&operation.lane);
        let lane = self.lanes.get_mut(&name).filter(|_| operation.coalesce);
        let Some(lane) = lane else {
            return Replaced {
                heir: None,
                is_first: false,
                is_last: false,
            };
        };
        lane.pop();
        let heir = lane.last().cloned();
        Replaced {
            is_last: heir.is_none(),
            is_first: self.begun.insert(name),
            heir,
        }
    }
}

fn supersede(operation: &mut Operation, heir: &OperationId) {
    operation.state = State::Superseded;
    operation.superseded_by = Some(heir.clone());
    operation.finished_at = Some(Timestamp::now());
}

/// How long a key is to stay: a little longer than it is known, whichever clock says so.
fn until(expires_at: Timestamp) -> Duration {
    let left = expires_at.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default() + SLACK
}

const SLACK: Duration = Duration::from_secs(60);

/// How much is written at once.
const MOST_BYTES: usize = 32 * 1024 * 1024;
