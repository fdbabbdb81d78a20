//! Changes that are no operation's wait for those that are, and for each other.
//!
//! Of one release, one change is made at a time, by whichever of the edges that share a store. A caller who waits for the
//! answer waits for that too, within reason. Such changes have never depended on a store, so if it does not answer they
//! are made all the same: Tiller refuses most of what would meet.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::call::Call;
use super::facts::Facts;
use super::journal::lane;
use super::{Relay, RelayError};
use crate::net::Causes;
use crate::operations::{Hold, Lane, Store, StoreError};

/// How long a change waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a store may take to answer.
const STORE: Duration = Duration::from_secs(5);

/// How long nothing is asked while nothing changes: another edge's changes may not be seen.
const PAUSE: Duration = Duration::from_millis(250);

/// How much longer than its call a right to make it lasts.
const GRACE: Duration = Duration::from_secs(5);

/// The store that says whose turn it is, once there is one.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    store: OnceLock<Arc<dyn Store>>,
}

/// The right to make a change, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    held: Option<(Arc<dyn Store>, Hold)>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some((store, hold)), Ok(runtime)) = (self.held.take(), Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            // What is not given up ends by itself.
            if let Ok(Err(error)) = timeout(STORE, store.free(hold)).await {
                warn!(error = %Causes(&error), "a release stays taken until its call's deadline");
            }
        });
    }
}

impl Relay {
    /// Has changes that are no operation's wait for their turn in the lanes of `store`. What was said first holds.
    pub(crate) fn keep_lanes(&self, store: Arc<dyn Store>) {
        let _ = self.lanes.store.set(store);
    }

    /// The turn of a change; none where nobody sees to turns, or for an operation, which has its own.
    ///
    /// # Errors
    ///
    /// When it does not come in time. Nothing has been sent then.
    pub(super) async fn turn(
        &self,
        call: &Call<'_>,
        facts: &Facts,
    ) -> Result<Option<Turn>, RelayError> {
        let (Some(store), Some(release)) = (self.lanes.store.get(), &facts.release) else {
            return Ok(None);
        };
        if call.caller.operation.is_some() {
            return Ok(None);
        }
        let lane = lane(call, release);
        let patience = call.deadline.min(Instant::now() + PATIENCE);
        let waited = timeout_at(patience, wait(store, &lane, call.deadline)).await;
        match waited {
            Ok(Ok(hold)) => Ok(Some(Turn {
                held: Some((Arc::clone(store), hold)),
            })),
            Ok(Err(error)) => {
                warn!(
                    request_id = %call.caller.request_id,
                    error = %Causes(&error),
                    "the store of operations cannot say whose turn it is; the change is made all the same"
                );
                Ok(None)
            }
            Err(_) => Err(RelayError::NotItsTurn {
                release: release.clone(),
            }),
        }
    }
}

/// Waits until nobody else has the lane.
async fn wait(store: &Arc<dyn Store>, lane: &Lane, deadline: Instant) -> Result<Hold, StoreError> {
    let mut changes = store.changes();
    loop {
        changes.mark_unchanged();
        let lease = deadline.saturating_duration_since(Instant::now()) + GRACE;
        let held = timeout(STORE, store.hold(lane, lease)).await;
        if let Some(hold) = held.map_err(|_| silent())?? {
            return Ok(hold);
        }
        let changed = timeout(PAUSE, changes.changed()).await;
        // A store that is closed tells of no more changes.
        if let Ok(Err(_)) = changed {
            return Err(silent());
        }
    }
}

fn silent() -> StoreError {
    StoreError::Unavailable {
        what: "it does not answer".to_owned(),
        source: None,
    }
}
