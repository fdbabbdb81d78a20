//! Being told to end: the first SIGTERM or SIGINT asks for an orderly end, the second for one at once.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, from when this was made on; until then they end the process as usual.
pub(crate) struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// # Errors
    ///
    /// When the system does not let this process wait for signals.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal.
    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for `drained`, or for the next signal: then `None`.
    pub(crate) async fn second<T>(&mut self, drained: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            drained = drained => Some(drained),
            () = self.requested() => {
                tracing::warn!("second signal: ending at once");
                None
            }
        }
    }
}
