//! Requests in, answers out, on a socket that anybody may have reached.
//!
//! HTTP/1.1 and HTTP/2, whichever the caller begins with, with TLS or without. Every request gets an id, a bounded body, one line
//! in the log and an answer; what it asks for is the [`Handler`]'s business. Nothing a caller does or leaves undone may
//! hold a connection, a body or a sandbox for ever: heads and bodies must arrive in time, answers must be taken, idle
//! connections are closed.
//!
//! `/healthz` and `/readyz` are answered here, whatever the components do.

mod activity;
mod addresses;
mod answer;
mod connection;
mod cors;
mod exchange;
mod intake;
mod linger;
mod peer;
mod record;
mod request_id;
mod tls;
mod upload;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::access::Access;
#[cfg(doc)]
use crate::access::Principal;
use crate::audit::Audit;
use crate::config::Limits;
use crate::rate::Rate;
use crate::relay::{Body, Caller};

use self::addresses::Addresses;
use self::answer::Watch;

pub use self::cors::Cors;
pub use self::peer::Certificate;
pub use self::request_id::RequestId;
pub use self::tls::{Tls, TlsError};

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; every failure is an answer too. The URI is absolute, the headers are end-to-end ones, and
    /// the credential is with the caller. Dropping the future or the answer's body must stop whatever goes on behind it.
    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Whether requests for `path` come to [`Self::handle`] without their sender being known, for the handler to find out.
    /// Such a caller is [`Principal::unverified`], has its `Authorization` with it, and the request its connection's
    /// certificate as [`Certificate`].
    fn opens(&self, path: &str) -> bool {
        let _ = path;
        false
    }
}

/// How an ingress treats those who reach it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What connections and requests may use.
    pub limits: Limits,
    /// Connections from one address at once; none: as many as there may be in all.
    pub connections_per_address: Option<usize>,
    /// TLS; none: clear text.
    pub tls: Option<Arc<Tls>>,
    /// Which web pages may call.
    pub cors: Cors,
    /// Who is who.
    pub access: Arc<Access>,
    /// How often each may call.
    pub rate: Arc<Rate>,
    /// Where it is written who was refused.
    pub audit: Arc<Audit>,
}

impl Setup {
    /// For callers on this host, who are taken for administrators.
    #[must_use]
    pub fn local(limits: Limits) -> Self {
        Self {
            connections_per_address: limits.connections_per_address,
            limits,
            tls: None,
            cors: Cors::none(),
            access: Arc::new(Access::local()),
            rate: Arc::new(Rate::unlimited()),
            audit: Arc::new(Audit::off()),
        }
    }
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
    addresses: Arc<Addresses>,
    tls: Option<Arc<Tls>>,
    cors: Cors,
    access: Arc<Access>,
    rate: Arc<Rate>,
    audit: Arc<Audit>,
    answers: Watch,
    phase: watch::Receiver<Phase>,
    connections: AtomicUsize,
    requests: Arc<AtomicUsize>,
    served: AtomicU64,
}

impl<H> Shared<H> {
    fn hsts(&self) -> Option<&HeaderValue> {
        self.tls.as_ref().and_then(|tls| tls.hsts())
    }
}

/// A listener and its connections. Dropping it ends them all at once.
pub struct Ingress<H> {
    addr: SocketAddr,
    shared: Arc<Shared<H>>,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    watching: Option<JoinHandle<()>>,
    /// Closed when the last connection is.
    closed: mpsc::Receiver<()>,
}

impl<H: Handler> Ingress<H> {
    /// Serves what arrives at `listener` with `handler`, in the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn start(listener: TcpListener, handler: Arc<H>, setup: Setup) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let shared = Arc::new(Shared {
            handler,
            limits: setup.limits,
            addresses: Addresses::new(setup.connections_per_address),
            tls: setup.tls,
            cors: setup.cors,
            access: setup.access,
            rate: setup.rate,
            audit: setup.audit,
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
            watching: shared
                .tls
                .clone()
                .map(|tls| tokio::spawn(async move { tls.watch().await })),
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
        if let Some(watching) = &self.watching {
            watching.abort();
        }
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
            Ok((stream, address)) => {
                let Some(entered) = shared.addresses.enter(address.ip()) else {
                    continue;
                };
                let (shared, open) = (Arc::clone(&shared), open.clone());
                tokio::spawn(async move {
                    connection::serve(stream, address, &shared).await;
                    drop((entered, slot, open));
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
