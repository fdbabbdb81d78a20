//! The host with real components, hostile ones above all (`tests/guests`). One binary: linking a runtime takes a while.

mod edge;
mod fake;
mod guests;
mod sandbox;

use std::time::Duration;

use tokio::time::timeout;

/// Longer than anything here takes, so that what hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}
