//! The in-cluster end: grpc-web in, native gRPC over HTTP/2 to Tiller out.
//!
//! The APIServer's service proxy speaks HTTP/1.1 to a plain backend and never h2c, so a Tiller without TLS cannot be
//! reached through it. The bridge stands next to Tiller and carries the same messages in grpc-web, which needs nothing
//! of the way but bodies. It decodes no message.
//!
//! It assumes that whoever reaches its port may use Tiller: the APIServer's RBAC on `services/proxy` is the lock, and a
//! shared key closes the port to other pods. It refuses every path but Tiller's methods and the gRPC health check, trusts
//! no header that names a caller, and forwards none.
//!
//! Three rules make its answers readable from far away:
//! * a request is read whole before its answer begins, since the APIServer is not full duplex over HTTP/1.1;
//! * an answer always ends in a trailer frame, also when Tiller is lost: a body without one was cut on the way;
//! * what the bridge says itself is marked ([`rest::relay::ANSWERED_BY`], [`rest::relay::OUTCOME`], [`REASON`]), and every answer carries
//!   [`MARKER`], so that neither is taken for Tiller's, the APIServer's or a load balancer's.

mod answer;
mod call;
mod der;
mod error;
mod failure;
mod key;
mod listen;
mod options;
mod ready;
mod record;
mod request;
mod service;
mod stats;
mod tiller;
mod tls;
mod verify;

#[cfg(test)]
mod tests;

pub use self::answer::{MARKER, REASON};
pub use self::error::Error;
pub use self::key::KEY_HEADER;
pub use self::options::{Identity, Limits, Options, Times, Tls, Verify};
pub use self::stats::Stats;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::listen::Phase;
use self::service::Service;
use crate::shutdown::Shutdown;

/// Runs a bridge until SIGTERM or SIGINT, then drains it; a second signal ends it at once.
///
/// # Errors
///
/// What [`Bridge::start`] fails with, or that signals cannot be waited for.
pub async fn run(options: Options) -> Result<(), Error> {
    let mut shutdown = Shutdown::listen().map_err(Error::Signal)?;
    let bridge = Bridge::start(options).await?;
    shutdown.requested().await;
    tracing::info!("draining");
    shutdown.second(bridge.drain()).await;
    Ok(())
}

/// A running bridge. Dropping it ends it at once and breaks every call that is under way.
pub struct Bridge {
    addr: SocketAddr,
    service: Arc<Service>,
    phase: watch::Sender<Phase>,
    listening: JoinHandle<()>,
}

impl Bridge {
    /// Listens and serves in the current tokio runtime. Tiller need not be there yet.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or a file the options name cannot be used.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let listener = listen::bind(&options.listen).await?;
        let addr = listener.local_addr().map_err(|source| Error::Listen {
            address: options.listen.clone(),
            source,
        })?;
        let times = options.times.clone();
        let service = Arc::new(Service::new(options)?);
        let (phase, phases) = watch::channel(Phase::Serving);
        let listening = tokio::spawn(listen::serve(listener, service.clone(), phases, times));
        tracing::info!(%addr, tiller = %service.tiller, "bridge listens");
        Ok(Self {
            addr,
            service,
            phase,
            listening,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        self.service.counters.snapshot()
    }

    /// Says that it is not ready, keeps serving for [`Times::linger`], then takes no more and waits up to
    /// [`Times::drain`] for the calls under way; what is left then is broken off.
    pub async fn drain(mut self) {
        self.phase.send_replace(Phase::Leaving);
        if let Err(error) = (&mut self.listening).await {
            tracing::error!(%error, "the listener failed");
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("addr", &self.addr)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
