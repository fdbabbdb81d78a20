//! The relay on a loopback port, for components that another host runs (Spin, `wasmtime serve`).
//!
//! It is the same relay with the same refusals; only the caller is made of the request's own `Authorization` and
//! `x-request-id`. Whoever reaches the port is lent the edge's credentials, so it is loopback and nothing else, and a web
//! page that a browser on this machine shows is kept out: it sends `Origin`, or a host name that is not ours.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::ORIGIN;
use http::{Request, Response};
use tokio::net::TcpListener;

use super::{Body, Caller, NotACall, Relay, Stats};
use crate::access::{Access, AccessError};
use crate::audit::{Audit, AuditError};
use crate::clusters::{Clusters, ClustersError};
use crate::config::{Config, is_loopback, is_loopback_ip};
use crate::ingress::{Cors, Handler, Ingress, Setup};
use crate::rate::Rate;
use crate::repositories::{Repositories, RepositoriesError};
use crate::shutdown::Shutdown;

/// A relay that listens. Dropping it ends it at once.
pub struct Listener {
    ingress: Ingress<Relay>,
    relay: Arc<Relay>,
    audit: Arc<Audit>,
}

impl Listener {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.ingress.addr()
    }

    /// What is under way now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.relay.stats()
    }

    /// Takes no more calls and waits for those under way; what is left after `patience` is cut off. True if nothing was.
    pub async fn drain(self, patience: Duration) -> bool {
        let whole = self.ingress.drain(patience).await;
        self.audit.close().await;
        whole
    }
}

/// Has `relay` listen at `address` in the current tokio runtime, with HTTP/1.1 and HTTP/2 in clear text.
///
/// # Errors
///
/// When the address is not loopback or cannot be listened on.
pub async fn listen(
    relay: Arc<Relay>,
    address: SocketAddr,
    setup: Setup,
) -> Result<Listener, ListenError> {
    if !is_loopback(address) {
        return Err(ListenError::NotLoopback(address));
    }
    let failed = |source| ListenError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let audit = Arc::clone(&setup.audit);
    Ok(Listener {
        ingress: Ingress::start(listener, Arc::clone(&relay), setup).map_err(failed)?,
        relay,
        audit,
    })
}

/// Runs `tiller-edge relay` until SIGTERM or SIGINT, then drains it; a second signal ends it at once.
///
/// # Errors
///
/// When it cannot start, or signals cannot be waited for.
pub async fn run(config: Config) -> Result<(), ListenError> {
    let mut shutdown = Shutdown::listen().map_err(ListenError::Signal)?;
    let clusters = Arc::new(Clusters::load(&config)?);
    let repositories = Arc::new(Repositories::load(&config)?);
    let audit = Arc::new(Audit::open(&config.audit)?);
    let relay = Arc::new(Relay::new(
        clusters,
        repositories,
        Arc::clone(&audit),
        &config,
    ));
    let setup = Setup {
        access: Arc::new(Access::load(&config)?),
        rate: Arc::new(Rate::new(&config.rate)),
        audit,
        tls: None,
        cors: Cors::none(),
        // The host of the components is one address, for all its requests.
        connections_per_address: None,
        limits: config.limits,
    };
    let listener = listen(relay, config.relay.listen, setup).await?;
    tracing::info!(addr = %listener.addr(), "the relay answers");
    shutdown.requested().await;
    tracing::info!(calls = listener.stats().calls, "draining");
    let audit = Arc::clone(&listener.audit);
    match shutdown.second(listener.drain(config.drain.timeout)).await {
        Some(true) => {}
        Some(false) => tracing::warn!("calls were cut off: they took longer than `drain.timeout`"),
        None => audit.close().await,
    }
    Ok(())
}

impl Handler for Relay {
    async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        if is_foreign(&request) {
            return self.not_a_call(&caller, NotACall::Foreign).await;
        }
        Self::handle(self, &caller, request).await
    }
}

/// The ingress has put the host of whichever header told it into the URI.
fn is_foreign(request: &Request<Body>) -> bool {
    request.headers().contains_key(ORIGIN) || !request.uri().host().is_some_and(is_ours)
}

fn is_ours(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback_ip)
}

/// Why the relay does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Callers cannot be authenticated.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The clusters cannot be used.
    #[error("the clusters cannot be loaded")]
    Clusters(#[from] ClustersError),
    /// Others could reach it.
    #[error("{0} is not a loopback address: whoever reaches the relay is lent its credentials")]
    NotLoopback(SocketAddr),
    /// The repositories cannot be used.
    #[error("the repositories cannot be loaded")]
    Repositories(#[from] RepositoriesError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signal(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_hosts_own_names_are_ours() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }
}
