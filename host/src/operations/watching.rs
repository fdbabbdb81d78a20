//! Waiting for what becomes of an operation.
//!
//! A store says only that something changed. Those who wait look again then, but no more often than so many times a
//! second, since with many of them most changes are somebody else's.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::engine::{Core, Phase};
use super::{Operation, OperationId, StoreError};

/// Sees what becomes of an operation.
pub(super) struct Watching {
    id: OperationId,
    changes: watch::Receiver<u64>,
    phases: watch::Receiver<Phase>,
    looked: Option<Instant>,
}

impl Watching {
    pub(super) fn new(core: &Core, id: OperationId) -> Self {
        Self {
            id,
            changes: core.store.changes(),
            phases: core.phases(),
            looked: None,
        }
    }

    /// The operation as it is now; none if it is gone.
    pub(super) async fn look(&mut self, core: &Core) -> Result<Option<Operation>, StoreError> {
        self.changes.borrow_and_update();
        self.looked = Some(Instant::now());
        let stored = core.store.operation(&self.id).await?;
        Ok(stored.map(|stored| stored.operation))
    }

    /// Waits until it is worth while to look again. False if `until` came first, or the edge is about to end.
    pub(super) async fn may_have_changed(&mut self, until: Instant) -> bool {
        let Self {
            changes,
            phases,
            looked,
            ..
        } = self;
        let changed = async {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(looked) = looked {
                sleep_until(*looked + PAUSE).await;
            }
        };
        let draining = phases.wait_for(|phase| *phase != Phase::Working);
        tokio::select! {
            changed = timeout_at(until, changed) => changed.is_ok(),
            _ = draining => false,
        }
    }
}

/// How long it is not looked again.
const PAUSE: Duration = Duration::from_millis(20);
