//! An edge: ingress, sandbox and relay put together, and taken apart in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::{BodyExt, Full};
use rest::problem::{Code, Problem};
use tokio::net::TcpListener;
use tokio::task::{self, JoinHandle};

use crate::access::{Access, AccessError};
use crate::audit::{Audit, AuditError};
use crate::clusters::{Clusters, ClustersError};
use crate::config::{Config, ConfigError, is_loopback, is_loopback_ip};
use crate::hooks::{self, Discoverer, Hooks, HooksError};
use crate::ingress::{self, Cors, Handler, Ingress, Setup, Tls, TlsError};
use crate::notices::Notices;
use crate::operations::{self, Engine, Ids, OpenError, Parts, Runners, Serve, StoreError};
use crate::rate::Rate;
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
    /// Callers cannot be authenticated.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The clusters cannot be used.
    #[error(transparent)]
    Clusters(#[from] ClustersError),
    /// The repositories cannot be used.
    #[error(transparent)]
    Repositories(#[from] RepositoriesError),
    /// TLS cannot be spoken with callers.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The components cannot be run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The hooks cannot be used.
    #[error(transparent)]
    Hooks(#[from] HooksError),
    /// Operations cannot be kept.
    #[error(transparent)]
    Operations(#[from] OpenError),
    /// What is kept of operations cannot be read.
    #[error("cannot read which operations there are")]
    Stored(#[source] StoreError),
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
    audit: Arc<Audit>,
    engine: Arc<Engine>,
    watching: Watching,
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
        let access = Arc::new(Access::load(&config)?);
        let tls = Tls::load(&config).await?.map(Arc::new);
        let audit = Arc::new(Audit::open(&config.audit)?);
        if config.audit.is_off() && !is_loopback(config.listen) {
            tracing::warn!(
                "who changes what is written nowhere; name a file in `audit.file`, or set `audit.stdout`"
            );
        }
        let store = operations::open(&config.operations, !config.hooks.is_empty()).await?;
        let relay = Arc::new(Relay::new(
            clusters,
            Arc::clone(&repositories),
            Arc::clone(&audit),
            &config,
        ));
        let outlet = Arc::clone(&relay);
        let (config, sandbox) = task::spawn_blocking(move || {
            let sandbox = Sandbox::load(&config, outlet);
            (config, sandbox)
        })
        .await
        .map_err(EdgeError::Prepare)?;
        let sandbox = Arc::new(sandbox?);
        let server = Arc::clone(&sandbox) as Arc<dyn Serve>;
        let ids = Arc::new(
            match &store {
                Some(store) => operations::ids(store.as_ref()).await,
                None => Ok(Ids::after(None)),
            }
            .map_err(EdgeError::Stored)?,
        );
        if let Some(store) = &store {
            relay.keep_lanes(Arc::clone(store));
        }
        let parts = hooks::Parts {
            server: Arc::clone(&server),
            store: store.clone(),
            ids: Arc::clone(&ids),
            audit: Arc::clone(&audit),
        };
        let hooks = Arc::new(Hooks::load(&config, parts)?);
        let engine = match store {
            None => Engine::off(),
            Some(store) => Engine::start(Parts {
                store,
                serve: Arc::clone(&server),
                relay: Arc::clone(&relay),
                access: Arc::clone(&access),
                audit: Arc::clone(&audit),
                runners: Runners {
                    discovery: Some(Arc::new(Discoverer::new(Arc::clone(&hooks), server))),
                },
                notices: Arc::new(Notices::load(&config)),
                ids,
                config: config.operations.clone(),
                limits: config.limits.clone(),
            }),
        };
        let watching = Watching(hooks.watch(&config, &repositories));
        let engine = Arc::new(engine);
        let address = config.listen;
        let listen = |source| EdgeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let setup = Setup {
            connections_per_address: config.connections_per_address(),
            tls,
            cors: Cors::new(&config),
            access,
            rate: Arc::new(Rate::new(&config.rate)),
            audit: Arc::clone(&audit),
            limits: config.limits,
        };
        let front = Arc::new(Front {
            hosts: config.hosts,
            exposed: !is_loopback(address),
            sandbox: Arc::clone(&sandbox),
            engine: Arc::clone(&engine),
            hooks,
        });
        let ingress = Ingress::start(listener, front, setup).map_err(listen)?;
        tracing::info!(addr = %ingress.addr(), elapsed = ?started.elapsed(), "the edge answers");
        Ok(Self {
            ingress,
            sandbox,
            relay,
            audit,
            engine,
            watching,
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

    /// Takes no more requests, begins no more operations and waits for those under way; what is left after `timeout` is cut
    /// off. True if no request was; an operation that was is found again.
    pub async fn drain(self, timeout: Duration) -> bool {
        drop(self.watching);
        let (whole, ()) = tokio::join!(self.ingress.drain(timeout), self.engine.drain(timeout));
        self.engine.close().await;
        self.audit.close().await;
        whole
    }
}

/// The tasks that look at repositories, which end with this.
struct Watching(Vec<JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        for watching in &self.0 {
            watching.abort();
        }
    }
}

/// The components, for callers that mean this edge.
struct Front {
    hosts: Vec<String>,
    /// Whether others than this host can reach the listener.
    exposed: bool,
    sandbox: Arc<Sandbox>,
    engine: Arc<Engine>,
    hooks: Arc<Hooks>,
}

impl Handler for Front {
    fn opens(&self, path: &str) -> bool {
        Hooks::opens(path)
    }

    async fn handle(&self, caller: Caller, mut request: Request<Body>) -> Response<Body> {
        strip(request.headers_mut());
        let host = request.uri().host().unwrap_or_default();
        if !is_own(host, &self.hosts, self.exposed) {
            let problem = Problem::new(
                Code::InvalidRequest,
                format!("this edge does not go by the name `{host}`"),
            );
            return refuse(
                &caller,
                problem
                    .with_hint("the operator adds a name to `hosts` in the edge's configuration"),
            );
        }
        if Hooks::serves(request.uri().path()) {
            return self.hooks.handle(caller, request).await;
        }
        if request.uri().path() == rules::DISCOVER {
            return no_route(&caller);
        }
        if Engine::serves(&request) {
            return self.engine.handle(caller, request).await;
        }
        self.sandbox.serve(caller, request).await
    }
}

/// What is told of a path at which only the host itself asks its components.
fn no_route(caller: &Caller) -> Response<Body> {
    refuse(
        caller,
        Problem::new(Code::RouteNotFound, "there is no such route"),
    )
}

fn refuse(caller: &Caller, problem: Problem) -> Response<Body> {
    let problem = problem.with_request_id(caller.request_id.as_str());
    problem.to_response().map(|body| {
        Full::new(body)
            .map_err(|never| match never {})
            .boxed_unsync()
    })
}

/// Takes away what only this host says to its components.
fn strip(headers: &mut HeaderMap) {
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OWN))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

/// What the names of the host's own headers begin with.
const OWN: &str = "x-tiller-edge-";

/// Whether a request for `host` is meant for an edge that goes by `hosts`. A page that a browser shows can have its own
/// host's name resolve to this edge; no such page can call itself `localhost`, or an address that others can reach.
fn is_own(host: &str, hosts: &[String], exposed: bool) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
        || address
            .parse()
            .is_ok_and(|address| exposed || is_loopback_ip(address))
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
    let audit = Arc::clone(&edge.audit);
    match shutdown.second(edge.drain(patience)).await {
        Some(true) => {}
        Some(false) => {
            tracing::warn!("requests were cut off: they took longer than `drain.timeout`");
        }
        None => audit.close().await,
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
            for exposed in [false, true] {
                assert!(is_own(own, &hosts, exposed), "{own}");
            }
        }
        for other in ["", "evil.example", "localhost.evil.example"] {
            for exposed in [false, true] {
                assert!(!is_own(other, &hosts, exposed), "{other}");
            }
        }
    }

    #[test]
    fn an_edge_that_others_reach_goes_by_addresses_too() {
        for address in ["10.0.0.1", "[2001:db8::1]"] {
            assert!(is_own(address, &[], true), "{address}");
            assert!(!is_own(address, &[], false), "{address}");
        }
    }
}
