//! An edge in front of a simulated cluster, in this process, and the check that nothing is left at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sim::cluster::EDGE_TOKEN;
use sim::components::component;
use sim::{Cluster, Options, cluster};
use tempfile::TempDir;
use tiller_edge::config::{
    self, ChartsConfig, ClusterConfig, Config, CredentialSource, Limits, LogFormat,
    OperationsConfig, RepositoryConfig, TillerConfig,
};
use tiller_edge::edge::Edge;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::answer::{Answer, Opened};
use super::ask::{Ask, get};
use super::program::Program;
use super::{PATIENCE, panics, soon, until};

/// `releases` and `guests`, side by side.
const ROUTES: [(&str, &str); 2] = [("/v1/...", "releases"), ("/guests/...", "guests")];

/// The cluster's two tillers are the same Tiller, reached in two ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// Through the bridge.
    GrpcWeb,
    /// Without it.
    Grpc,
}

impl Transport {
    pub(crate) const BOTH: [Self; 2] = [Self::GrpcWeb, Self::Grpc];

    /// The path of a resource of the tiller that is reached so.
    pub(crate) fn path(self, resource: &str) -> String {
        match self {
            Self::GrpcWeb => format!("/v1/clusters/sim/{resource}"),
            Self::Grpc => format!("/v1/clusters/sim/tillers/grpc/{resource}"),
        }
    }
}

/// A stage to be.
pub(crate) struct Plan {
    cluster: Options,
    limits: Limits,
    credentials: CredentialSource,
    token_file: bool,
    twin: bool,
    region: Option<String>,
    charts: ChartsConfig,
    repositories: Vec<RepositoryConfig>,
    changes: Vec<Change>,
}

/// What else a configuration has; the path is that of the stage's own directory.
type Change = Box<dyn FnOnce(&mut Config, &Path)>;

/// An empty cluster and an edge with patience for what tests do, not more.
pub(crate) fn stage() -> Plan {
    Plan {
        cluster: cluster(),
        limits: Limits {
            sandboxes: 16,
            deadline: Duration::from_secs(30),
            read_deadline: Duration::from_secs(30),
            ..Limits::default()
        },
        credentials: CredentialSource::default(),
        token_file: false,
        twin: false,
        region: None,
        charts: ChartsConfig::default(),
        repositories: Vec::new(),
        changes: Vec::new(),
    }
}

impl Plan {
    /// With another cluster.
    pub(crate) fn cluster(mut self, change: impl FnOnce(Options) -> Options) -> Self {
        self.cluster = change(self.cluster);
        self
    }

    /// With other limits.
    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// With the token in [`Stage::token_file`].
    pub(crate) fn token_file(mut self) -> Self {
        self.token_file = true;
        self
    }

    /// With the cluster a second time, as `twin`.
    pub(crate) fn twin(mut self) -> Self {
        self.twin = true;
        self
    }

    /// With an edge of that region.
    pub(crate) fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// With other limits of what is fetched.
    pub(crate) fn charts(mut self, change: impl FnOnce(&mut ChartsConfig)) -> Self {
        change(&mut self.charts);
        self
    }

    /// With this repository too.
    pub(crate) fn repository(mut self, repository: RepositoryConfig) -> Self {
        self.repositories.push(repository);
        self
    }

    /// With whatever else of the configuration, of which the path is the stage's own directory.
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Config, &Path) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// With the callers' own credentials for the cluster.
    pub(crate) fn callers_credentials(mut self) -> Self {
        self.credentials = CredentialSource::Caller;
        self
    }

    pub(crate) async fn start(self) -> Stage {
        panics::watch();
        let panics = panics::in_tasks();
        let cluster = soon(self.cluster.clone().start()).await;
        let home = tempfile::tempdir().expect("a directory");
        let config = self.config(home.path(), &cluster);
        // One after the other, so that each component is compiled once for all.
        static STARTING: Mutex<()> = Mutex::const_new(());
        let edge = {
            let _alone = soon(STARTING.lock()).await;
            soon(Edge::start(config.clone())).await
        };
        Stage {
            edge: Some(edge.unwrap_or_else(|error| panic!("the edge does not start: {error:?}"))),
            cluster,
            config,
            home,
            panics,
            ended: false,
        }
    }
}

impl Plan {
    /// Starts it with the edge as a process of its own.
    pub(crate) async fn program(self) -> Program {
        let cluster = soon(self.cluster.clone().start()).await;
        let home = tempfile::tempdir().expect("a directory");
        let mut config = self.config(home.path(), &cluster);
        // Its address is found in its log.
        config.log.format = LogFormat::Json;
        Program::start(cluster, home, &config).await
    }

    fn config(self, home: &Path, cluster: &Cluster) -> Config {
        let mut kubeconfig = cluster.kubeconfig();
        if self.token_file {
            let token = format!("token: {EDGE_TOKEN:?}");
            assert!(kubeconfig.contains(&token), "{kubeconfig}");
            let file = token_file(home);
            fs::write(&file, EDGE_TOKEN).expect("written");
            kubeconfig = kubeconfig.replace(&token, &format!("tokenFile: {file:?}"));
        }
        fs::write(home.join("kubeconfig"), kubeconfig).expect("written");
        fs::write(home.join("spin.toml"), manifest()).expect("written");
        let native = TillerConfig {
            name: "grpc".to_owned(),
            transport: config::Transport::Grpc,
            ..TillerConfig::default()
        };
        let once = ClusterConfig {
            name: cluster.name().to_owned(),
            kubeconfig: Some(home.join("kubeconfig")),
            credentials: self.credentials,
            tillers: vec![TillerConfig::default(), native],
            ..ClusterConfig::default()
        };
        let again = self.twin.then(|| ClusterConfig {
            name: "twin".to_owned(),
            context: Some(cluster.name().to_owned()),
            ..once.clone()
        });
        let mut config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            manifest: home.join("spin.toml"),
            // One for all tests of this build.
            cache_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("ring2")),
            limits: self.limits,
            region: self.region,
            charts: self.charts,
            repositories: self.repositories,
            clusters: [once].into_iter().chain(again).collect(),
            operations: OperationsConfig {
                file: Some(home.join("operations.db")),
                transit: Duration::from_secs(1),
                ..OperationsConfig::default()
            },
            ..Config::default()
        };
        for change in self.changes {
            change(&mut config, home);
        }
        config
    }
}

/// What is running. [`Stage::end`] must be the last thing that a test does.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    edge: Option<Edge>,
    config: Config,
    home: TempDir,
    panics: usize,
    ended: bool,
}

impl Stage {
    pub(crate) fn edge(&self) -> &Edge {
        self.edge.as_ref().expect("it has not been taken")
    }

    /// The edge, for whoever ends it.
    pub(crate) fn take_edge(&mut self) -> Edge {
        self.edge.take().expect("it has not been taken")
    }

    /// Starts another edge with the same configuration and what the last one left on its disk.
    pub(crate) async fn start_edge(&mut self) {
        let edge = soon(Edge::start(self.config.clone())).await;
        self.edge = Some(edge.unwrap_or_else(|error| panic!("the edge does not start: {error:?}")));
    }

    /// Its own directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        token_file(self.home.path())
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        self.attempt(ask).await.expect("a whole answer")
    }

    pub(crate) async fn get(&self, path: impl Into<String>) -> Answer {
        self.send(get(path)).await
    }

    /// Sends a request whose answer may break off.
    pub(crate) async fn attempt(&self, ask: Ask) -> hyper::Result<Answer> {
        self.try_open(ask).await?.rest().await
    }

    /// Sends a request and reads the head of the answer.
    pub(crate) async fn open(&self, ask: Ask) -> Opened {
        self.try_open(ask).await.expect("an answer")
    }

    /// Sends a request in a task of its own, which outlives the edge.
    pub(crate) fn later(&self, ask: Ask) -> JoinHandle<hyper::Result<Answer>> {
        let opened = Opened::of(ask, self.edge().addr());
        tokio::spawn(async move { soon(opened).await?.rest().await })
    }

    async fn try_open(&self, ask: Ask) -> hyper::Result<Opened> {
        soon(Opened::of(ask, self.edge().addr())).await
    }

    /// The edge serves, over every transport.
    pub(crate) async fn serves(&self) {
        for transport in Transport::BOTH {
            self.get(transport.path("version")).await.expect(200);
        }
    }

    /// Waits until nothing is left of any request, on no hop.
    pub(crate) async fn is_clean(&self) {
        until("clean", || {
            let stats = self.edge().stats();
            let sandbox = stats.sandbox;
            [
                stats.ingress.connections,
                stats.ingress.requests,
                sandbox.live,
                sandbox.queued,
                stats.relay.calls,
                stats.relay.message_bytes,
            ]
            .into_iter()
            .all(|count| count == 0)
                && sandbox.memory == 0
                && self.cluster.bridge_stats().calls_open == 0
        })
        .await;
    }

    /// Ends everything, in order, and insists that nothing is left of it.
    pub(crate) async fn end(mut self) {
        if self.edge.is_some() {
            self.is_clean().await;
            self.serves_nobody().await;
        }
        soon(self.cluster.faults().clear()).await;
        until("without a connection or a call", || {
            self.cluster.faults().edge_to_apiserver.traffic().open == 0
                && self.cluster.bridge_stats().calls_open == 0
        })
        .await;
        assert_eq!(panics::in_tasks(), self.panics, "a task panicked");
        self.ended = true;
    }

    async fn serves_nobody(&mut self) {
        let edge = self.take_edge();
        assert!(soon(edge.drain(PATIENCE)).await, "requests were cut off");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        assert!(
            self.ended || thread::panicking(),
            "the test does not call Stage::end"
        );
    }
}

fn manifest() -> String {
    let mut manifest = "spin_manifest_version = 2\n[application]\nname = \"ring2\"\n".to_owned();
    for (route, id) in ROUTES {
        let source = component(id).unwrap_or_else(|error| panic!("\n\n{error}\n\n"));
        manifest.push_str(&format!(
            "[[trigger.http]]\nroute = {route:?}\ncomponent = {id:?}\n[component.{id}]\nsource = {source:?}\n"
        ));
    }
    let webhooks = component("webhooks").unwrap_or_else(|error| panic!("\n\n{error}\n\n"));
    manifest.push_str(&format!(
        "[component.webhooks]\nsource = {webhooks:?}\n[component.webhooks.tool.tiller-edge]\n\
         routes = [\"/hooks/...\", \"/discover\"]\n"
    ));
    manifest
}

fn token_file(home: &Path) -> PathBuf {
    home.join("token")
}
