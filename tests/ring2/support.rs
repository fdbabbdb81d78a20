//! What every test here stands on: an edge in front of a simulated cluster, whoever calls it, and what is sent.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod charts;
pub(crate) mod log;
mod panics;
pub(crate) mod pki;
pub(crate) mod program;
pub(crate) mod releases;
pub(crate) mod repositories;
pub(crate) mod stage;

use std::time::Duration;

use sim::faults::{Faults, Hop};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::answer::{Answer, Opened};
pub(crate) use self::ask::{Ask, Protocol, delete, get, options, post, put};
pub(crate) use self::stage::{Plan, Stage, Transport, stage};

/// One of a cluster's hops.
pub(crate) type Place = fn(&Faults) -> &Hop;

/// Longer than anything here takes, so that what hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits, but not for ever.
#[track_caller]
pub(crate) fn soon<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        timeout(PATIENCE, what)
            .await
            .unwrap_or_else(|_| panic!("{place} waits in vain"))
    }
}

/// Waits for something that other tasks bring about and nobody announces.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "{place}: never {what}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}
