//! An edge: ingress, sandbox and relay put together, and taken apart in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rest::problem::{Code, Problem};
use tokio::net::TcpListener;
use tokio::task;

use crate::clusters::{Clusters, ClustersError};
use crate::config::{Config, ConfigError};
use crate::ingress::{self, Handler, Ingress};
use crate::relay::{self, Body, Caller, Relay};
use crate::repositories::{Repositories, RepositoriesError};
use crate::sandbox::{self, Sandbox, SandboxError};
use crate::shutdown::Shutdown;

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The clusters cannot be used.
    #[error(transparent)]
    Clusters(#[from] ClustersError),
    /// The repositories cannot be used.
    #[error(transparent)]
    Repositories(#[from] RepositoriesError),
    /// The components cannot be run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signal(#[source] io::Error),
    /// A component could not be made ready, for a fault of this program.
    #[error("preparing the components failed")]
    Prepare(#[source] task::JoinError),
}

/// What goes on in an edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Connections and requests of callers.
    pub ingress: ingress::Stats,
    /// Sandboxes.
    pub sandbox: sandbox::Stats,
    /// Calls to clusters.
    pub relay: relay::Stats,
}

/// A running edge. Dropping it ends it at once.
pub struct Edge {
    ingress: Ingress<Front>,
    sandbox: Arc<Sandbox>,
    relay: Arc<Relay>,
}

impl Edge {
    /// Starts an edge in the current tokio runtime: once this returns it answers.
    ///
    /// # Errors
    ///
    /// When anything the configuration names cannot be used.
    pub async fn start(config: Config) -> Result<Self, EdgeError> {
        let started = Instant::now();
        config.validate()?;
        let clusters = Arc::new(Clusters::load(&config)?);
        let repositories = Arc::new(Repositories::load(&config)?);
        let relay = Arc::new(Relay::new(clusters, repositories, &config));
        let outlet = Arc::clone(&relay);
        let (config, sandbox) = task::spawn_blocking(move || {
            let sandbox = Sandbox::load(&config, outlet);
            (config, sandbox)
        })
        .await
        .map_err(EdgeError::Prepare)?;
        let sandbox = Arc::new(sandbox?);
        let address = config.listen;
        let listen = |source| EdgeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let front = Arc::new(Front {
            hosts: config.hosts,
            sandbox: Arc::clone(&sandbox),
        });
        let ingress = Ingress::start(listener, front, &config.limits).map_err(listen)?;
        tracing::info!(addr = %ingress.addr(), elapsed = ?started.elapsed(), "the edge answers");
        Ok(Self {
            ingress,
            sandbox,
            relay,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.ingress.addr()
    }

    /// What goes on.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            ingress: self.ingress.stats(),
            sandbox: self.sandbox.stats(),
            relay: self.relay.stats(),
        }
    }

    /// Takes no more requests and waits for those under way; what is left after `timeout` is cut off. True if nothing was.
    pub async fn drain(self, timeout: Duration) -> bool {
        self.ingress.drain(timeout).await
    }
}

/// The components, for callers that mean this edge.
struct Front {
    hosts: Vec<String>,
    sandbox: Arc<Sandbox>,
}

impl Handler for Front {
    async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let host = request.uri().host().unwrap_or_default();
        if !is_own(host, &self.hosts) {
            return Problem::new(
                Code::InvalidRequest,
                format!("this edge does not go by the name `{host}`"),
            )
            .with_hint("the operator adds a name to `hosts` in the edge's configuration")
            .with_request_id(caller.request_id.as_str())
            .to_response()
            .map(|body| {
                Full::new(body)
                    .map_err(|never| match never {})
                    .boxed_unsync()
            });
        }
        self.sandbox.serve(caller, request).await
    }
}

/// Whether a request for `host` is meant for an edge that goes by `hosts`. A page that a browser on this machine shows
/// can have its own host's name resolve to loopback; no such page can call itself `localhost`.
fn is_own(host: &str, hosts: &[String]) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// Runs an edge until SIGTERM or SIGINT, then drains it; a second signal ends it at once.
///
/// # Errors
///
/// What [`Edge::start`] fails with, or that signals cannot be waited for.
pub async fn run(config: Config) -> Result<(), EdgeError> {
    let mut shutdown = Shutdown::listen().map_err(EdgeError::Signal)?;
    let patience = config.drain.timeout;
    let edge = tokio::select! {
        edge = Edge::start(config) => edge?,
        () = shutdown.requested() => return Ok(()),
    };
    shutdown.requested().await;
    tracing::info!(
        ?patience,
        requests = edge.stats().ingress.requests,
        "draining"
    );
    if shutdown.second(edge.drain(patience)).await == Some(false) {
        tracing::warn!("requests were cut off: they took longer than `drain.timeout`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_goes_by_loopback_and_by_the_names_it_was_given() {
        let hosts = ["edge.example.com".to_owned()];
        for own in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
            "edge.example.com",
            "Edge.Example.com",
        ] {
            assert!(is_own(own, &hosts), "{own}");
        }
        for other in ["", "evil.example", "10.0.0.1", "localhost.evil.example"] {
            assert!(!is_own(other, &hosts), "{other}");
        }
    }
}
