//! A server that panics in a task of its own fails nothing by itself: whoever waits for it sees a broken connection, which
//! is what many a test here expects. So panics in tasks are counted.

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

static IN_TASKS: AtomicUsize = AtomicUsize::new(0);

/// Counts from now on.
pub(super) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A test's own future is no task.
            if tokio::task::try_id().is_some() {
                IN_TASKS.fetch_add(1, Ordering::Relaxed);
            }
            before(panic);
        }));
    });
}

/// How many there have been, in all tests of this process.
pub(super) fn in_tasks() -> usize {
    IN_TASKS.load(Ordering::Relaxed)
}
