//! What the bucket says of operations and lanes, in memory.
//!
//! It follows the bucket in order, so whoever finds the newest revision of a lane here has seen everything of that lane's
//! operations that was written before; and whoever writes a lane does so over the revision found here. So an edge whose
//! mirror lags behind claims nothing out of order: it claims nothing at all. What an edge wrote itself it also finds here
//! only once it has come back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::message::Message;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::bucket::{Bucket, away, parse, present};
use super::record::{self, By, LANES, LaneRecord, OPERATIONS, Pieces, Record};
use crate::operations::{Asked, Job, Operation, OperationId, Query, State, StoreError};

/// What the bucket says of operations and lanes.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    known: Mutex<Known>,
    position: watch::Sender<u64>,
    changes: watch::Sender<u64>,
}

/// What is remembered of an operation; all of it while it is not settled.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) revision: u64,
    pub(super) order: u64,
    pub(super) fence: u64,
    pub(super) claimed: bool,
    pub(super) body: usize,
    pub(super) rest: Option<Pieces>,
    pub(super) lane: String,
    pub(super) state: State,
    pub(super) finished_at: Option<Timestamp>,
    /// What there is of it without asking.
    pub(super) operation: Option<Arc<Operation>>,
    cluster: Option<String>,
    release: Option<String>,
    actor: String,
    hook: Option<String>,
    notice: bool,
    not_before: Option<Timestamp>,
    /// Whether a newer one may take its place.
    replaceable: bool,
}

/// What is remembered of a lane.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// 0 if there is no record of it.
    pub(super) revision: u64,
    pub(super) record: LaneRecord,
    /// Since when the lease is as it is.
    since: Instant,
    /// Its operations in turn, by their order.
    turn: BTreeMap<u64, OperationId>,
    /// Those whose place a newer one may take.
    replaceable: BTreeSet<OperationId>,
}

/// An operation that may be claimed, with its lane.
pub(super) struct Candidate {
    pub(super) id: OperationId,
    pub(super) row: Row,
    pub(super) lane: Lane,
}

#[derive(Debug, Default)]
struct Known {
    rows: BTreeMap<OperationId, Row>,
    lanes: HashMap<String, Lane>,
    /// Lanes with operations in turn, by the order of the first.
    heads: BTreeMap<u64, String>,
}

impl Mirror {
    /// Follows the bucket until it is dropped.
    pub(super) async fn follow(self: Arc<Self>, bucket: Bucket) {
        loop {
            if let Err(error) = self.follow_once(&bucket).await {
                warn!(error = &*error, "cannot follow the bucket of operations");
            }
            sleep(AGAIN).await;
        }
    }

    async fn follow_once(&self, bucket: &Bucket) -> Result<(), async_nats::Error> {
        let position = *self.position.borrow();
        let deliver_policy = match position {
            0 => DeliverPolicy::All,
            seen => DeliverPolicy::ByStartSequence {
                start_sequence: seen + 1,
            },
        };
        let config = push::OrderedConfig {
            deliver_subject: bucket.client.new_inbox(),
            filter_subjects: FOLLOWED
                .map(|name| bucket.subject(&format!("{name}>")))
                .into(),
            deliver_policy,
            ..push::OrderedConfig::default()
        };
        let consumer = bucket.stream.create_consumer(config).await?;
        let mut messages = consumer.messages().await?;
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => self.take(bucket, &message)?,
                // It goes on by itself where it was.
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "following the bucket of operations again"
                ),
            }
        }
        Ok(())
    }

    fn take(&self, bucket: &Bucket, message: &Message) -> Result<(), async_nats::Error> {
        let revision = message.info()?.stream_sequence;
        let there = message.headers.as_ref().is_none_or(present);
        let bytes = there.then_some(&*message.payload);
        if let Some(name) = bucket.name(&message.subject)
            && let Err(error) = self.apply(name, revision, bytes)
        {
            warn!(
                error = &error as &dyn std::error::Error,
                "passing over an entry"
            );
        }
        self.position.send_replace(revision);
        Ok(())
    }

    /// Takes in what was written.
    fn apply(&self, name: &str, revision: u64, bytes: Option<&[u8]>) -> Result<(), StoreError> {
        let mut known = self.known();
        let changed = if let Some(id) = name.strip_prefix(OPERATIONS) {
            let record = bytes.map(|bytes| parse(name, bytes)).transpose()?;
            if let Ok(id) = id.parse() {
                known.operation(id, revision, record);
            }
            true
        } else {
            let record = bytes.map(|bytes| parse(name, bytes)).transpose()?;
            known.lane(name, revision, record.unwrap_or_default())
        };
        drop(known);
        if changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }

    /// Waits until everything is known here that was written before.
    pub(super) async fn barrier(&self, bucket: &Bucket) -> Result<(), StoreError> {
        for name in FOLLOWED {
            let revision = bucket.revision(&format!("{name}>")).await?;
            self.reached(revision).await?;
        }
        Ok(())
    }

    /// Waits until that revision is known here, for as long as it may take if all is well.
    pub(super) async fn settled(&self, revision: u64) {
        // What was written is written, whenever this mirror hears of it.
        drop(timeout(LAG, self.reached(revision)).await);
    }

    async fn reached(&self, revision: u64) -> Result<(), StoreError> {
        let mut position = self.position.subscribe();
        let waited = position.wait_for(|seen| *seen >= revision).await;
        waited
            .map(drop)
            .map_err(|error| away("the store is closed", error))
    }

    /// The lane has no record any more.
    pub(super) fn vanished(&self, lane: &str, revision: u64) {
        if let Some(lane) = self.known().lanes.get_mut(lane)
            && lane.revision == revision
        {
            lane.revision = 0;
        }
    }

    /// The first operation whose turn it is, of the lanes that nobody has, without those in `passed`.
    pub(super) fn candidate(
        &self,
        asked: &Asked,
        passed: &HashSet<OperationId>,
    ) -> Option<Candidate> {
        let known = self.known();
        let now = Timestamp::now();
        known.heads.values().find_map(|name| {
            let lane = known.lanes.get(name)?;
            let first = lane.turn.values().next()?;
            // Whoever had the lane last may have begun something, whichever is the first by now.
            let id = known.unfinished(lane).unwrap_or(first);
            let row = known.rows.get(id)?;
            let elsewhere = |cluster: &String| !asked.except.contains(cluster);
            let chosen = !passed.contains(id)
                && lane.is_free()
                && row.is_due(now)
                && row.cluster.as_ref().is_none_or(elsewhere);
            chosen.then(|| Candidate {
                id: id.clone(),
                row: row.clone(),
                lane: lane.clone(),
            })
        })
    }

    /// What is known of an operation.
    pub(super) fn row(&self, id: &OperationId) -> Option<Row> {
        self.known().rows.get(id).cloned()
    }

    /// What is known of a lane.
    pub(super) fn lane(&self, name: &str) -> Lane {
        self.known().lanes.get(name).cloned().unwrap_or_default()
    }

    /// The operations of a lane whose place a newer one may take.
    pub(super) fn replaceable(&self, lane: &str) -> Vec<(OperationId, Row)> {
        let known = self.known();
        let Some(lane) = known.lanes.get(lane) else {
            return Vec::new();
        };
        let rows = lane.replaceable.iter();
        rows.filter_map(|id| Some((id.clone(), known.rows.get(id)?.clone())))
            .collect()
    }

    /// Those that `query` asks for, the newest first.
    pub(super) fn found(&self, query: &Query) -> Vec<(OperationId, Row)> {
        let known = self.known();
        let rows = match &query.before {
            Some(before) => known.rows.range(..before),
            None => known.rows.range::<OperationId, _>(..),
        };
        rows.rev()
            .filter(|(_, row)| row.is_asked_for(query))
            .take(query.limit)
            .map(|(id, row)| (id.clone(), row.clone()))
            .collect()
    }

    /// Those that were settled before.
    pub(super) fn settled_before(&self, then: Timestamp) -> Vec<(OperationId, Row)> {
        let known = self.known();
        let old = |row: &Row| row.state.is_settled() && row.finished_at.is_none_or(|at| at <= then);
        known
            .rows
            .iter()
            .filter(|(_, row)| old(row))
            .map(|(id, row)| (id.clone(), row.clone()))
            .collect()
    }

    /// Forgets lanes that nobody has had and nothing has waited in for as long as their records last.
    pub(super) fn tidy(&self, lasts: Duration) {
        self.known().lanes.retain(|_, lane| {
            let idle = lane.record.held.is_none() && lane.turn.is_empty();
            !idle || !lane.replaceable.is_empty() || lane.since.elapsed() < lasts
        });
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn operation(&mut self, id: OperationId, revision: u64, record: Option<Record>) {
        if let Some(old) = self.rows.remove(&id) {
            self.stands(&id, &old, false);
        }
        if let Some(record) = record {
            let row = Row::new(revision, record);
            self.stands(&id, &row, true);
            self.rows.insert(id, row);
        }
    }

    /// Whether the operation stands in its lane.
    fn stands(&mut self, id: &OperationId, row: &Row, stands: bool) {
        let lane = self.lanes.entry(row.lane.clone()).or_default();
        if let Some(head) = lane.turn.keys().next() {
            self.heads.remove(head);
        }
        if stands && row.state.is_in_turn() {
            lane.turn.insert(row.order, id.clone());
        } else {
            lane.turn.remove(&row.order);
        }
        if stands && row.replaceable {
            lane.replaceable.insert(id.clone());
        } else {
            lane.replaceable.remove(id);
        }
        if let Some(head) = lane.turn.keys().next() {
            self.heads.insert(*head, row.lane.clone());
        }
    }

    /// The operation that a lane was last held for, if it was not let go.
    fn unfinished<'l>(&self, lane: &'l Lane) -> Option<&'l OperationId> {
        let By::Operation(id) = &lane.record.held.as_ref()?.by else {
            return None;
        };
        let row = self.rows.get(id)?;
        (row.claimed && row.state.is_in_turn()).then_some(id)
    }

    /// Says whether somebody let go of the lane.
    fn lane(&mut self, name: &str, revision: u64, record: LaneRecord) -> bool {
        let lane = self.lanes.entry(name.to_owned()).or_default();
        let lease = |record: &LaneRecord| (record.fence, record.beat, record.held.is_some());
        if lease(&record) != lease(&lane.record) {
            lane.since = Instant::now();
        }
        let freed = lane.record.held.is_some() && record.held.is_none();
        lane.revision = revision;
        lane.record = record;
        freed
    }
}

impl Row {
    fn new(revision: u64, record: Record) -> Self {
        let Record {
            operation, rest, ..
        } = record;
        let plan = operation.job.plan();
        let waits = matches!(operation.state, State::Accepted | State::AwaitingApproval);
        Self {
            revision,
            order: record.order.unwrap_or(revision),
            fence: record.fence,
            claimed: record.claimed,
            body: record.body,
            lane: record::lane(&operation.lane),
            state: operation.state,
            finished_at: operation.finished_at,
            cluster: plan.map(|plan| plan.cluster.clone()),
            release: plan.and_then(|plan| plan.release.clone()),
            actor: operation.actor.principal.name.clone(),
            hook: operation.origin.as_ref().map(|origin| origin.hook.clone()),
            notice: matches!(operation.job, Job::Notice { .. }),
            not_before: operation.not_before,
            replaceable: operation.coalesce
                && waits
                && !record.claimed
                && operation.started_at.is_none()
                && operation.steps.is_empty(),
            operation: (rest.is_none() && !operation.state.is_settled())
                .then(|| Arc::new(operation)),
            rest,
        }
    }

    /// Whether it waits for nothing but its turn.
    fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|then| {
            // Nothing is put off for so long: a clock was set back.
            then <= now || then.duration_since(now) > LONGEST_WAIT
        })
    }

    fn is_asked_for(&self, query: &Query) -> bool {
        let same = |asked: &Option<String>, found: Option<&String>| {
            asked.as_ref().is_none_or(|asked| found == Some(asked))
        };
        same(&query.cluster, self.cluster.as_ref())
            && same(&query.release, self.release.as_ref())
            && same(&query.actor, Some(&self.actor))
            && same(&query.hook, self.hook.as_ref())
            && (query.states.is_empty() || query.states.contains(&self.state))
            && (query.notices || !self.notice)
    }
}

impl Lane {
    /// Whether nobody has it, as far as this edge's own clock says.
    pub(super) fn is_free(&self) -> bool {
        let held = self.record.held.as_ref();
        held.is_none_or(|held| self.since.elapsed() >= held.lease())
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            revision: 0,
            record: LaneRecord::default(),
            since: Instant::now(),
            turn: BTreeMap::new(),
            replaceable: BTreeSet::new(),
        }
    }
}

/// The names that are followed.
const FOLLOWED: [&str; 2] = [OPERATIONS, LANES];

/// How long to wait before following again.
const AGAIN: Duration = Duration::from_millis(500);

/// How far a mirror may lag behind what its own edge wrote.
const LAG: Duration = Duration::from_secs(2);

/// Nothing waits longer for its next attempt.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
