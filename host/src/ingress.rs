//! Requests in, answers out, on a socket that anybody may have reached.
//!
//! HTTP/1.1 and HTTP/2 without TLS, whichever the caller begins with. Every request gets an id, a bounded body, one line
//! in the log and an answer; what it asks for is the [`Handler`]'s business. Nothing a caller does or leaves undone may
//! hold a connection, a body or a sandbox for ever: heads and bodies must arrive in time, answers must be taken, idle
//! connections are closed.
//!
//! `/healthz` and `/readyz` are answered here, whatever the components do.

mod activity;
mod answer;
mod connection;
mod exchange;
mod intake;
mod linger;
mod record;
mod request_id;
mod upload;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::config::Limits;
use crate::relay::{Body, Caller};

use self::answer::Watch;

pub use self::request_id::RequestId;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; every failure is an answer too. The URI is absolute, the headers are end-to-end ones, and
    /// the credential is with the caller. Dropping the future or the answer's body must stop whatever goes on behind it.
    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What goes on at an ingress.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Open connections.
    pub connections: usize,
    /// Requests whose answers are not over.
    pub requests: usize,
    /// Requests since the start.
    pub served: u64,
}

/// How far an ingress is on its way out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Phase {
    Serving,
    /// Requests under way are finished, none is taken.
    Draining,
    /// Everything is cut off.
    Ended,
}

/// What all connections share.
struct Shared<H> {
    handler: Arc<H>,
    limits: Limits,
    answers: Watch,
    phase: watch::Receiver<Phase>,
    connections: AtomicUsize,
    requests: Arc<AtomicUsize>,
    served: AtomicU64,
}

/// A listener and its connections. Dropping it ends them all at once.
pub struct Ingress<H> {
    addr: SocketAddr,
    shared: Arc<Shared<H>>,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Closed when the last connection is.
    closed: mpsc::Receiver<()>,
}

impl<H: Handler> Ingress<H> {
    /// Serves what arrives at `listener` with `handler`, in the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn start(listener: TcpListener, handler: Arc<H>, limits: &Limits) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let shared = Arc::new(Shared {
            handler,
            limits: limits.clone(),
            answers: Watch::default(),
            phase: phases,
            connections: AtomicUsize::new(0),
            requests: Arc::default(),
            served: AtomicU64::new(0),
        });
        let (open, closed) = mpsc::channel(1);
        Ok(Self {
            addr,
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared), open)),
            sweeping: tokio::spawn(sweep(Arc::clone(&shared))),
            shared,
            phase,
            closed,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What goes on.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.shared.connections.load(Ordering::Relaxed),
            requests: self.shared.requests.load(Ordering::Relaxed),
            served: self.shared.served.load(Ordering::Relaxed),
        }
    }

    /// Takes no more requests and waits for those under way; what is left after `patience` is cut off. True if nothing
    /// was.
    pub async fn drain(mut self, patience: Duration) -> bool {
        self.phase.send_replace(Phase::Draining);
        let whole = timeout(patience, self.closed.recv()).await.is_ok();
        if !whole {
            self.phase.send_replace(Phase::Ended);
            self.closed.recv().await;
        }
        whole
    }
}

impl<H> Drop for Ingress<H> {
    fn drop(&mut self) {
        self.accepting.abort();
        self.sweeping.abort();
        // Connections see that the sender is gone.
    }
}

/// How long to wait when no connection can be accepted, which is for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

async fn accept<H: Handler>(listener: TcpListener, shared: Arc<Shared<H>>, open: mpsc::Sender<()>) {
    let slots = Arc::new(Semaphore::new(shared.limits.connections));
    let mut phase = shared.phase.clone();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            accepted = accepted => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (shared, open) = (Arc::clone(&shared), open.clone());
                tokio::spawn(async move {
                    connection::serve(stream, &shared).await;
                    drop((slot, open));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Often enough that nothing lies much longer than it may, and that what is over is forgotten soon.
async fn sweep<H>(shared: Arc<Shared<H>>) {
    let stall = shared.limits.stall;
    loop {
        sleep((stall / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))).await;
        shared.answers.sweep(stall);
    }
}

#[cfg(test)]
mod tests;
