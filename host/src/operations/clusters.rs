//! How much is going on at each cluster, and which of them are left alone for a while.
//!
//! Operations at a cluster that does not answer would keep all workers waiting, and those of other clusters with them. So
//! each cluster has a few workers at most, and one that has failed several times in a row is left alone for a time that
//! grows: its operations stay where they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::judge::jitter;

/// The clusters at which anything goes on.
#[derive(Debug, Default)]
pub(super) struct Clusters(Mutex<HashMap<String, Load>>);

#[derive(Debug, Default)]
struct Load {
    /// Operations that are carried out.
    running: usize,
    /// Failures since it last answered.
    failures: u32,
    /// Until when it is left alone.
    until: Option<Instant>,
}

impl Load {
    fn is_left_alone(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl Clusters {
    /// Those at which nothing more is to be begun just now.
    pub(super) fn except(&self, most: usize) -> Vec<String> {
        let now = Instant::now();
        self.lock()
            .iter()
            .filter(|(_, load)| load.running >= most || load.is_left_alone(now))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Counts an operation at `cluster` until what is returned is dropped.
    pub(super) fn enter(self: &Arc<Self>, cluster: &str) -> Entered {
        self.lock().entry(cluster.to_owned()).or_default().running += 1;
        Entered {
            clusters: Arc::clone(self),
            cluster: cluster.to_owned(),
        }
    }

    /// Takes note that the cluster could not be reached.
    pub(super) fn failed(&self, cluster: &str) {
        let now = Instant::now();
        let mut clusters = self.lock();
        let load = clusters.entry(cluster.to_owned()).or_default();
        // Of several that fail together the first says all.
        if load.is_left_alone(now) {
            return;
        }
        load.failures = load.failures.saturating_add(1);
        if let Some(above) = load.failures.checked_sub(PATIENCE) {
            let pause = LONGEST.min(SHORTEST * 2_u32.saturating_pow(above.min(16)));
            load.until = Some(now + pause / 2 + jitter(pause / 2));
            tracing::warn!(cluster, ?pause, "a cluster is left alone for a while");
        }
    }

    /// Takes note that the cluster did something.
    pub(super) fn answered(&self, cluster: &str) {
        if let Some(load) = self.lock().get_mut(cluster) {
            load.failures = 0;
            load.until = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Load>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many failures in a row, and a cluster is left alone.
const PATIENCE: u32 = 3;

/// For that long at first.
const SHORTEST: Duration = Duration::from_secs(1);

/// For that long at most.
const LONGEST: Duration = Duration::from_secs(60);

/// An operation that is counted.
#[derive(Debug)]
pub(super) struct Entered {
    clusters: Arc<Clusters>,
    cluster: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut clusters = self.clusters.lock();
        if let Some(load) = clusters.get_mut(&self.cluster) {
            load.running -= 1;
            if load.running == 0 && load.failures == 0 {
                clusters.remove(&self.cluster);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_so_many_workers_and_no_more() {
        let clusters = Arc::<Clusters>::default();
        let first = clusters.enter("prod");
        assert!(clusters.except(2).is_empty());
        let second = clusters.enter("prod");
        let other = clusters.enter("test");
        assert_eq!(clusters.except(2), ["prod"]);
        drop(first);
        assert!(clusters.except(2).is_empty());
        drop((second, other));
        assert!(clusters.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_again_and_again_is_left_alone_for_longer_each_time() {
        let clusters = Arc::<Clusters>::default();
        for _ in 1..PATIENCE {
            clusters.failed("prod");
            assert!(clusters.except(9).is_empty());
        }
        for longest in [SHORTEST, SHORTEST * 2, SHORTEST * 4] {
            clusters.failed("prod");
            // Those that were under way already do not count.
            clusters.failed("prod");
            assert_eq!(clusters.except(9), ["prod"]);
            tokio::time::advance(longest / 2 - Duration::from_millis(1)).await;
            assert_eq!(clusters.except(9), ["prod"]);
            tokio::time::advance(longest / 2 + Duration::from_millis(1)).await;
            assert!(clusters.except(9).is_empty());
        }
        clusters.failed("prod");
        clusters.answered("prod");
        assert!(clusters.except(9).is_empty());
    }
}
