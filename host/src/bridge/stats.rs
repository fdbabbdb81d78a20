//! Counters, so that tests and operators can tell that nothing was sent twice and nothing leaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a bridge has done since it started; `*_open` is what is there now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections taken.
    pub connections: u64,
    /// Connections open.
    pub connections_open: u64,
    /// Calls that began, refused ones included.
    pub calls: u64,
    /// Calls under way.
    pub calls_open: u64,
    /// Requests given to a connection to Tiller; one that Tiller certainly did not process may count twice.
    pub calls_sent: u64,
    /// Calls whose answer ended in the bridge's own status.
    pub calls_failed: u64,
    /// Calls whose caller left before the answer ended.
    pub calls_cancelled: u64,
    /// Connections to Tiller made.
    pub tiller_connections: u64,
    /// Connections to Tiller open.
    pub tiller_connections_open: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: Gauge,
    pub(super) calls: Gauge,
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) tiller_connections: Gauge,
}

impl Counters {
    pub(super) fn snapshot(&self) -> Stats {
        Stats {
            connections: self.connections.entered(),
            connections_open: self.connections.open(),
            calls: self.calls.entered(),
            calls_open: self.calls.open(),
            calls_sent: self.sent.load(Relaxed),
            calls_failed: self.failed.load(Relaxed),
            calls_cancelled: self.cancelled.load(Relaxed),
            tiller_connections: self.tiller_connections.entered(),
            tiller_connections_open: self.tiller_connections.open(),
        }
    }
}

/// How many of something there have been and are now.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<Counts>);

#[derive(Default)]
struct Counts {
    entered: AtomicU64,
    left: AtomicU64,
}

impl Gauge {
    /// Counts one more, until the guard is dropped.
    pub(super) fn enter(&self) -> Entered {
        self.0.entered.fetch_add(1, Relaxed);
        Entered(self.0.clone())
    }

    fn entered(&self) -> u64 {
        self.0.entered.load(Relaxed)
    }

    fn open(&self) -> u64 {
        // Read first, so that a concurrent exit cannot make this negative.
        let left = self.0.left.load(Relaxed);
        self.0.entered.load(Relaxed).saturating_sub(left)
    }
}

pub(super) struct Entered(Arc<Counts>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Relaxed);
    }
}
