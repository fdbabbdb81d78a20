//! Whether a connection is of use to anybody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What goes on on one connection.
pub(super) struct Activity {
    in_flight: AtomicUsize,
    last: Mutex<Instant>,
    /// Requests of all connections.
    total: Arc<AtomicUsize>,
}

impl Activity {
    pub(super) fn new(total: &Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            in_flight: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            total: Arc::clone(total),
        })
    }

    /// Counts a request until the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Waits until there was no request for `patience`: none has come yet, its head does not end, or the caller is done.
    /// h1 has such a timeout of its own, but only once the protocol is known, and h2 has none.
    pub(super) async fn idle(&self, patience: Duration) {
        loop {
            let due = self.last() + patience;
            if self.in_flight.load(Ordering::Relaxed) == 0 && due <= Instant::now() {
                return;
            }
            sleep_until(due.max(Instant::now() + patience / 4)).await;
        }
    }

    /// Begins the wait anew.
    pub(super) fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.total.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_under_way_is_not_idle() {
        let total = Arc::default();
        let activity = Activity::new(&total);
        let patience = Duration::from_secs(10);
        let started = Instant::now();
        let request = activity.begin();
        let ended = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move {
                activity.idle(patience).await;
                started.elapsed()
            }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!ended.is_finished());
        drop(request);
        let ended = ended.await.expect("ends");
        assert!(
            ended >= Duration::from_secs(70) && ended < Duration::from_secs(75),
            "{ended:?}"
        );
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
