//! Whose turn it is.
//!
//! Of every lane in which something waits, the first is in memory, sorted by when it is due and then by age, so that the
//! next one is found without asking the disk however many wait. So is who carries out what: a lease that is over is not
//! taken away but may be taken over, since whoever has it still is the only one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::operations::{Lane, OperationId};

/// What is further away than that was not meant: the clock was set back.
const FAR: i64 = 3_600_000;

/// The first of a lane whose turn it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) id: OperationId,
    /// Where; empty if nowhere.
    pub(super) cluster: String,
    /// When, in milliseconds since 1970.
    pub(super) due: i64,
}

/// The right to make calls in a lane.
#[derive(Clone, Debug)]
struct Lease {
    fence: u64,
    until: Instant,
    /// None of a hold.
    operation: Option<OperationId>,
}

/// Lanes and who has them.
#[derive(Debug)]
pub(super) struct Lanes {
    heads: HashMap<Lane, Head>,
    /// Heads that are due and that nobody has, by cluster and age.
    ready: BTreeMap<String, BTreeSet<(i64, Lane)>>,
    /// Heads that nobody has, by when they are due.
    later: BTreeSet<(i64, Lane)>,
    leases: Leases,
    fence: u64,
}

/// Who has lanes, and by when that may be over.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    by_lane: HashMap<Lane, Lease>,
    by_end: BTreeSet<(Instant, Lane)>,
}

impl Lanes {
    /// Of a file that was opened so often before.
    pub(super) fn new(edition: u32) -> Self {
        Self {
            heads: HashMap::new(),
            ready: BTreeMap::new(),
            later: BTreeSet::new(),
            leases: Leases::default(),
            fence: u64::from(edition) << 32,
        }
    }

    /// What has to be known to undo what is done from now on, but for the heads.
    pub(super) fn leases(&self) -> Leases {
        self.leases.clone()
    }

    /// As it was with `leases`, with these heads.
    pub(super) fn restore(&mut self, leases: Leases, heads: Vec<(Lane, Head)>) {
        self.heads.clear();
        self.ready.clear();
        self.later.clear();
        self.leases = leases;
        for (lane, head) in heads {
            self.put(&lane, Some(head));
        }
    }

    /// Takes note of who is first in `lane` now.
    pub(super) fn put(&mut self, lane: &Lane, head: Option<Head>) {
        self.withdraw(lane);
        match head {
            Some(head) => self.heads.insert(lane.clone(), head),
            None => self.heads.remove(lane),
        };
        self.offer(lane);
    }

    /// The first that is due at `now`, by the clock `millis`, in a lane that nobody has, and not at one of the clusters
    /// `except`.
    pub(super) fn next(
        &mut self,
        now: Instant,
        millis: i64,
        except: &[String],
    ) -> Option<(Lane, Head)> {
        self.wake(now, millis);
        let lanes = self
            .ready
            .iter()
            .filter(|(cluster, _)| !except.contains(cluster))
            .filter_map(|(_, heads)| heads.first());
        let (_, lane) = lanes.min()?;
        let head = self.heads.get(lane)?;
        Some((lane.clone(), head.clone()))
    }

    /// Gives a lane to somebody who carries that operation out, or makes one call.
    pub(super) fn lease(
        &mut self,
        lane: &Lane,
        operation: Option<OperationId>,
        now: Instant,
        lease: Duration,
    ) -> u64 {
        self.withdraw(lane);
        self.fence += 1;
        let lease = Lease {
            fence: self.fence,
            until: end(now, lease),
            operation,
        };
        self.leases.insert(lane, lease);
        self.fence
    }

    /// Whether somebody has the lane, and for longer than `now`.
    pub(super) fn is_taken(&self, lane: &Lane, now: Instant) -> bool {
        self.leases
            .by_lane
            .get(lane)
            .is_some_and(|lease| lease.until > now)
    }

    /// Whether somebody carries that operation out, and for longer than `now`.
    pub(super) fn is_carried_out(&self, lane: &Lane, id: &OperationId, now: Instant) -> bool {
        self.is_taken(lane, now) && self.carries_out(lane) == Some(id)
    }

    /// What whoever has the lane carries out, if nobody else has taken it over.
    pub(super) fn carries_out(&self, lane: &Lane) -> Option<&OperationId> {
        self.leases.by_lane.get(lane)?.operation.as_ref()
    }

    /// Whether the lane is still `fence`'s.
    pub(super) fn is_owner(&self, lane: &Lane, fence: u64) -> bool {
        self.leases
            .by_lane
            .get(lane)
            .is_some_and(|lease| lease.fence == fence)
    }

    /// Gives the lane for longer to who has it.
    pub(super) fn renew(&mut self, lane: &Lane, now: Instant, lease: Duration) {
        if let Some(held) = self.leases.remove(lane) {
            self.withdraw(lane);
            let until = end(now, lease);
            self.leases.insert(lane, Lease { until, ..held });
        }
    }

    /// Takes the lane from who has it.
    pub(super) fn end(&mut self, lane: &Lane) {
        self.leases.remove(lane);
        self.withdraw(lane);
        self.offer(lane);
    }

    /// Lets nobody have the first of the lane until it is another.
    pub(super) fn block(&mut self, lane: &Lane) {
        self.withdraw(lane);
    }

    /// Offers what has become due, and lanes whose time is over.
    fn wake(&mut self, now: Instant, millis: i64) {
        while let Some((until, _)) = self.leases.by_end.first()
            && *until <= now
        {
            if let Some((_, lane)) = self.leases.by_end.pop_first() {
                if self.carries_out(&lane).is_none() {
                    self.leases.by_lane.remove(&lane);
                }
                self.offer(&lane);
            }
        }
        while let Some((due, _)) = self.later.first()
            && *due <= millis
        {
            let due = self.later.pop_first();
            self.ready(due.map(|(_, lane)| lane));
        }
        while let Some((due, _)) = self.later.last()
            && *due > millis.saturating_add(FAR)
        {
            let far = self.later.pop_last();
            self.ready(far.map(|(_, lane)| lane));
        }
    }

    fn ready(&mut self, lane: Option<Lane>) {
        if let Some(lane) = lane
            && let Some(head) = self.heads.get(&lane)
        {
            let cluster = self.ready.entry(head.cluster.clone()).or_default();
            cluster.insert((head.seq, lane));
        }
    }

    fn offer(&mut self, lane: &Lane) {
        if self.leases.blocks(lane) {
            return;
        }
        if let Some(head) = self.heads.get(lane) {
            self.later.insert((head.due, lane.clone()));
        }
    }

    fn withdraw(&mut self, lane: &Lane) {
        let Some(head) = self.heads.get(lane) else {
            return;
        };
        self.later.remove(&(head.due, lane.clone()));
        if let Some(cluster) = self.ready.get_mut(&head.cluster) {
            cluster.remove(&(head.seq, lane.clone()));
            if cluster.is_empty() {
                self.ready.remove(&head.cluster);
            }
        }
    }
}

impl Leases {
    /// Whether the end of the lane's lease is still waited for.
    fn blocks(&self, lane: &Lane) -> bool {
        self.by_lane
            .get(lane)
            .is_some_and(|lease| self.by_end.contains(&(lease.until, lane.clone())))
    }

    fn insert(&mut self, lane: &Lane, lease: Lease) {
        self.remove(lane);
        self.by_end.insert((lease.until, lane.clone()));
        self.by_lane.insert(lane.clone(), lease);
    }

    fn remove(&mut self, lane: &Lane) -> Option<Lease> {
        let lease = self.by_lane.remove(lane)?;
        self.by_end.remove(&(lease.until, lane.clone()));
        Some(lease)
    }
}

/// When a lease that begins now is over; one that no clock reaches is over in a day.
fn end(now: Instant, lease: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(86_400);
    now.checked_add(lease).unwrap_or(now + DAY)
}
