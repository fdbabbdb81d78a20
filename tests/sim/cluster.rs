//! A whole cluster in this process: APIServer, bridge and Tiller, with a fault proxy on every hop between them.
//!
//! ```text
//! edge ──▶ edge_to_apiserver ──▶ APIServer ─┬▶ apiserver_to_bridge ──▶ bridge ──▶ bridge_to_tiller ──▶ Tiller (plain)
//!                                           └▶ apiserver_to_tiller ─────────────────────────────────▶ Tiller (TLS)
//! ```
//!
//! The bridge is the real one. Everything else follows specifications of what it stands for.

mod kubeconfig;
mod pki;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tiller_edge::bridge::{self, Bridge};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use self::pki::Pki;
use crate::apiserver::{self, ApiServer, Endpoint, Kubernetes, Port, Rule, Service, User};
use crate::faults::{Faults, Hop};
use crate::tiller::{self, Seed, Server, Tiller};

/// The token of user `edge`, who may reach Tiller over both transports and nothing else.
pub const EDGE_TOKEN: &str = "edge-token";
/// The token of user `nobody`, who may do nothing.
pub const NOBODY_TOKEN: &str = "nobody-token";

/// A cluster to be; see [`cluster`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the kubeconfig's context, and so the cluster's name at an edge.
    pub name: String,
    /// The port at which the APIServer is reached; 0 for any.
    pub port: u16,
    /// The APIServer; rules and services are added to these.
    pub apiserver: apiserver::Options,
    /// Tiller.
    pub tiller: tiller::Options,
    /// The bridge; its addresses are set here.
    pub bridge: bridge::Options,
    /// Releases that exist from the start.
    pub releases: Vec<Seed>,
    /// Whether `tiller-deploy` leads to Tiller's TLS port; otherwise to the plain one.
    pub tiller_tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "sim".to_owned(),
            port: 0,
            apiserver: apiserver::Options {
                rules: vec![
                    Rule::create("edge", "tiller-bridge:grpc-web"),
                    Rule::create("edge", "https:tiller-deploy:tiller"),
                ],
                ..apiserver::Options::default()
            },
            tiller: tiller::Options::default(),
            bridge: bridge::Options::default(),
            releases: Vec::new(),
            tiller_tls: true,
        }
    }
}

/// A cluster with nothing in it: `sim::cluster().with_release("web").start().await`.
pub fn cluster() -> Options {
    Options::default()
}

impl Options {
    /// Gives it another name than `sim`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Runs this version of Kubernetes.
    #[must_use]
    pub fn with_kubernetes(mut self, version: Kubernetes) -> Self {
        self.apiserver.kubernetes = version;
        self.tiller.kubernetes = version.git_version().to_owned();
        self
    }

    /// Runs controllers and kubelets, so that workloads become ready and tests end.
    #[must_use]
    pub fn with_controllers(mut self) -> Self {
        self.tiller.controllers = true;
        self
    }

    /// Has a release from the start, revision 1, deployed.
    #[must_use]
    pub fn with_release(self, name: impl Into<String>) -> Self {
        self.with_releases([Seed::new(name)])
    }

    /// Has these releases from the start.
    #[must_use]
    pub fn with_releases(mut self, releases: impl IntoIterator<Item = Seed>) -> Self {
        self.releases.extend(releases);
        self
    }

    /// Has a Tiller without TLS only, which the APIServer cannot reach without a bridge.
    #[must_use]
    pub fn without_tiller_tls(mut self) -> Self {
        self.tiller_tls = false;
        self
    }

    /// Has something in front of its APIServer that does not speak HTTP/2.
    #[must_use]
    pub fn without_http2(mut self) -> Self {
        self.apiserver.http2 = false;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it cannot be started, for want of ports or of memory.
    pub async fn start(self) -> Cluster {
        Cluster::start(self)
            .await
            .unwrap_or_else(|error| panic!("the simulated cluster does not start: {error}"))
    }
}

/// A running cluster. Dropping it ends all of it.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    pki: Pki,
    faults: Faults,
    apiserver: ApiServer,
    tiller: Tiller,
    plain: Server,
    tls: Server,
    bridge: Mutex<Option<Bridge>>,
    bridge_options: bridge::Options,
    following: AbortHandle,
}

impl Cluster {
    /// Starts a cluster in the current tokio runtime, on loopback ports.
    ///
    /// # Errors
    ///
    /// Those of binding ports, and what the bridge's options may be wrong in.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let pki = Pki::new()?;
        let tiller = Tiller::new(options.tiller);
        tiller.seed(options.releases);
        let plain = Server::start(&tiller, None).await?;
        let tls = Server::start(&tiller, Some(pki.tiller.clone())).await?;

        let bridge_to_tiller = hop(Some(plain.addr())).await?;
        let bridge_options = bridge::Options {
            listen: "127.0.0.1:0".to_owned(),
            tiller: bridge_to_tiller.addr().to_string(),
            ..options.bridge
        };
        let bridge = Bridge::start(bridge_options.clone()).await?;

        let apiserver_to_bridge = hop(Some(bridge.addr())).await?;
        let deployed = if options.tiller_tls { &tls } else { &plain };
        let apiserver_to_tiller = hop(Some(deployed.addr())).await?;
        let mut apiserver = options.apiserver;
        apiserver.services.extend([
            service("tiller-bridge", "grpc-web", 8080, &apiserver_to_bridge),
            service("tiller-deploy", "tiller", 44134, &apiserver_to_tiller),
        ]);
        let apiserver = ApiServer::start(apiserver, pki.apiserver.clone()).await?;
        apiserver.add_token(EDGE_TOKEN, User::named("edge"));
        apiserver.add_token(NOBODY_TOKEN, User::named("nobody"));
        apiserver.add_certificate(&pki.client.certificate, User::named("edge"));

        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let faults = Faults {
            edge_to_apiserver: Hop::start(listen, Some(apiserver.addr())).await?,
            apiserver_to_bridge,
            bridge_to_tiller,
            apiserver_to_tiller,
        };
        let following = tokio::spawn(follow(
            tiller.clone(),
            [
                (faults.bridge_to_tiller.clone(), plain.addr()),
                (faults.apiserver_to_tiller.clone(), deployed.addr()),
            ],
        ));
        Ok(Self {
            name: options.name,
            pki,
            faults,
            apiserver,
            tiller,
            plain,
            tls,
            bridge: Mutex::new(Some(bridge)),
            bridge_options,
            following: following.abort_handle(),
        })
    }

    /// Its name, that of the kubeconfig's context.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The APIServer's URL.
    pub fn server(&self) -> String {
        format!("https://{}", self.faults.edge_to_apiserver.addr())
    }

    /// The authority that signed the APIServer's certificate, as PEM.
    pub fn ca(&self) -> &str {
        &self.pki.ca
    }

    /// A kubeconfig with one context, for user `edge` with a token.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_with_token(EDGE_TOKEN)
    }

    /// The same for whoever has this token.
    pub fn kubeconfig_with_token(&self, token: &str) -> String {
        kubeconfig::with_token(&self.name, &self.server(), &self.pki.ca, token)
    }

    /// The same for user `edge` with a client certificate.
    pub fn kubeconfig_with_certificate(&self) -> String {
        kubeconfig::with_certificate(&self.name, &self.server(), &self.pki.ca, &self.pki.client)
    }

    /// The APIServer.
    pub fn apiserver(&self) -> &ApiServer {
        &self.apiserver
    }

    /// Tiller. To end and restart it use [`Self::kill_tiller`] and [`Self::restart_tiller`].
    pub fn tiller(&self) -> &Tiller {
        &self.tiller
    }

    /// Where Tiller listens without TLS, with no hop in between.
    pub fn tiller_addr(&self) -> SocketAddr {
        self.plain.addr()
    }

    /// Where Tiller listens with TLS, with no hop in between.
    pub fn tiller_tls_addr(&self) -> SocketAddr {
        self.tls.addr()
    }

    /// The hops.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the bridge has done; nothing while it is dead.
    pub fn bridge_stats(&self) -> bridge::Stats {
        let bridge = self.bridge.lock();
        let bridge = bridge.unwrap_or_else(std::sync::PoisonError::into_inner);
        bridge.as_ref().map(Bridge::stats).unwrap_or_default()
    }

    /// Ends the APIServer at once, as callers see it: its port is closed when this returns.
    pub async fn kill_apiserver(&self) {
        self.faults.edge_to_apiserver.close().await;
    }

    /// Starts the APIServer again at the same port, with all it knew.
    pub async fn restart_apiserver(&self) {
        self.faults
            .edge_to_apiserver
            .open(self.apiserver.addr())
            .await;
    }

    /// Ends the bridge at once; its port is closed when this returns.
    pub async fn kill_bridge(&self) {
        drop(self.take_bridge());
        self.faults.apiserver_to_bridge.close().await;
    }

    /// Drains the bridge as SIGTERM does; it is gone when this returns.
    pub async fn drain_bridge(&self) {
        if let Some(bridge) = self.take_bridge() {
            bridge.drain().await;
        }
        self.faults.apiserver_to_bridge.stop_listening().await;
    }

    /// Starts a new bridge in place of the old one.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::start`].
    pub async fn restart_bridge(&self) -> Result<(), bridge::Error> {
        let bridge = Bridge::start(self.bridge_options.clone()).await?;
        let addr = bridge.addr();
        let old = self
            .bridge
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .replace(bridge);
        drop(old);
        self.faults.apiserver_to_bridge.open(addr).await;
        Ok(())
    }

    /// Ends Tiller at once; its ports are closed when this returns.
    pub async fn kill_tiller(&self) {
        self.tiller.kill().await;
        self.tiller_hops_listen(false).await;
    }

    /// Starts a Tiller that was killed, or that a request killed, with what it had stored.
    pub async fn restart_tiller(&self) {
        self.tiller.restart().await;
        self.tiller_hops_listen(true).await;
    }

    async fn tiller_hops_listen(&self, expected: bool) {
        self.faults.bridge_to_tiller.led(expected).await;
        self.faults.apiserver_to_tiller.led(expected).await;
    }

    fn take_bridge(&self) -> Option<Bridge> {
        self.bridge
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// Closes Tiller's hops while Tiller is dead: a proxy that still listened would turn a refused connection into one that
/// breaks, which says less about what happened.
async fn follow(tiller: Tiller, hops: [(Hop, SocketAddr); 2]) {
    loop {
        tiller.died().await;
        for (hop, _) in &hops {
            hop.close().await;
        }
        while !tiller.is_alive() {
            sleep(Duration::from_millis(1)).await;
        }
        for (hop, addr) in &hops {
            hop.open(*addr).await;
        }
    }
}

async fn hop(target: Option<SocketAddr>) -> io::Result<Hop> {
    Hop::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target).await
}

fn service(name: &str, port: &str, number: u16, hop: &Hop) -> Service {
    Service {
        namespace: "kube-system".to_owned(),
        name: name.to_owned(),
        ports: vec![Port {
            name: port.to_owned(),
            number,
            endpoint: Endpoint::Ready(hop.addr()),
        }],
    }
}
