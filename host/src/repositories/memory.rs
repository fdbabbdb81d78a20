//! The memory of what is being fetched.
//!
//! An archive is held whole until it is verified and sent, an index until it is parsed. So that callers together cannot
//! fill the memory with them, each has a place in one budget before its first byte is asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What all may take together, where no single one takes more: a dozen of the largest archives.
const BUDGET: usize = 256 << 20;

/// The budget is counted in KiB.
const UNIT: usize = 1 << 10;

/// The budget.
pub(super) struct Memory {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Memory {
    /// A budget with room for `largest` bytes at least, where nothing waits for its place longer than `patience`.
    pub(super) fn new(largest: usize, patience: Duration) -> Self {
        let units = BUDGET.max(largest).div_ceil(UNIT);
        Self {
            places: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            patience,
        }
    }

    /// A place for `bytes` bytes.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<Place, Full> {
        let place = Arc::clone(&self.places).acquire_many_owned(units(bytes));
        match timeout(self.patience, place).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            _ => Err(Full {
                retry_after: self.patience,
            }),
        }
    }
}

/// A place in the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

impl Place {
    /// Gives back what is over `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let held = u32::try_from(self.0.num_permits()).unwrap_or(u32::MAX);
        drop(self.0.split(held.saturating_sub(units(bytes)) as usize));
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// No place came free in time.
#[derive(Debug, thiserror::Error)]
#[error("this edge is fetching too many charts at once")]
pub(crate) struct Full {
    /// When to try again.
    pub(super) retry_after: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_it_is_given_back() {
        let memory = Memory::new(1, Duration::from_secs(5));
        let mut all = memory.reserve(BUDGET).await.unwrap();
        assert!(memory.reserve(1).await.is_err());
        all.shrink(BUDGET - UNIT);
        let one = memory.reserve(UNIT).await.unwrap();
        assert!(memory.reserve(1).await.is_err());
        drop((all, one));
        assert!(memory.reserve(BUDGET).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_limit_allows_has_room() {
        let memory = Memory::new(BUDGET * 2, Duration::ZERO);
        assert!(memory.reserve(BUDGET * 2).await.is_ok());
    }
}
