//! The cluster as a whole.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::deploy;
use crate::edge::{Edge, binary};
use crate::http;
use crate::kubernetes::{Kubernetes, User};
use crate::objects::{POD_ADDRESS, tiller_service};
use crate::pki::{Pki, Subject};
use crate::process::{Output, Process};
use crate::tiller::{Place, Tiller};

// Below 32768: above, the system hands ports out to outgoing connections.
const PLAIN_PORT: u16 = 24134;
const TLS_PORT: u16 = 24144;
const BRIDGE_PORT: u16 = 18080;

/// The processes of one cluster; they end when it is dropped.
pub struct Cluster {
    kubernetes: Kubernetes,
    tiller: Tiller,
    tls_tiller: Tiller,
    bridge: Process,
    binary: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// Starts everything and waits until all of it answers.
    ///
    /// # Errors
    ///
    /// When this process is not in the namespace that `cargo xtask` makes, or
    /// a program does not start; the end of its log is part of the error.
    pub async fn start() -> Result<Self> {
        ensure!(
            TcpListener::bind((POD_ADDRESS, 0)).is_ok(),
            "the real cluster needs a network namespace of its own: run it by `cargo xtask test \
             --ring 3`, `cargo xtask demo --real` or `cargo xtask cluster`"
        );
        let binary = binary()?;
        let folder = TempDir::with_prefix("tiller-edge-")?;
        let path = folder.path();
        let pki = Pki::create(&path.join("pki"))?;
        pki.issue(
            "tiller",
            Subject {
                name: "tiller",
                alternatives: &[POD_ADDRESS, "tiller-deploy.kube-system.svc"],
            },
        )?;
        let kubernetes = Kubernetes::start(path, &pki).await?;
        kubernetes.apply(&tiller_service("tools", TLS_PORT)).await?;

        let kubeconfig = kubernetes.kubeconfig(User::Admin);
        let plain = Place {
            name: "tiller",
            namespace: "kube-system",
            port: PLAIN_PORT,
            kubeconfig: &kubeconfig,
            tls: false,
        };
        let tls = Place {
            name: "tiller-tls",
            namespace: "tools",
            port: TLS_PORT,
            tls: true,
            ..plain
        };
        let (tiller, tls_tiller) = tokio::try_join!(
            Tiller::start(plain, path, &pki),
            Tiller::start(tls, path, &pki),
        )?;
        let bridge = Process::new("bridge", &binary, path)
            .argument("bridge")
            .arguments(["--tiller".to_owned(), tiller.address()])
            .arguments([
                "--listen".to_owned(),
                format!("{POD_ADDRESS}:{BRIDGE_PORT}"),
            ]);
        let cluster = Self {
            kubernetes,
            tiller,
            tls_tiller,
            bridge,
            binary,
            folder,
        };
        cluster.bridge.start().await?;
        cluster.bridge_ready().await?;
        deploy::publish(&cluster.kubernetes, BRIDGE_PORT, TLS_PORT).await?;
        deploy::admit(&cluster.kubernetes, &pki).await?;
        Ok(cluster)
    }

    /// Starts an edge (`serve`) or a relay on this address, configured by this
    /// TOML text, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn edge(
        &self,
        name: &'static str,
        command: &str,
        address: &str,
        config: &str,
    ) -> Result<Edge> {
        let file = self.folder().join(format!("{name}.toml"));
        fs::write(&file, config)?;
        let process = Process::new(name, &self.binary, self.folder())
            .arguments(["--config".as_ref(), file.as_os_str()])
            .arguments([command, "--listen", address])
            .variable("HOME", self.folder())
            .variable("STATE_DIRECTORY", self.folder().join(name));
        let edge = Edge::new(process, address, command);
        edge.heal().await?;
        Ok(edge)
    }

    /// Runs `tiller-edge` with these arguments to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be run; that it fails is part of the output.
    pub async fn tiller_edge(&self, arguments: &[&str]) -> Result<Output> {
        crate::process::run(
            &self.binary,
            arguments,
            &[("HOME", self.folder().as_os_str())],
        )
        .await
    }

    /// Runs kubectl as this user.
    ///
    /// # Errors
    ///
    /// When it cannot be run; that it fails is part of the output.
    pub async fn kubectl(&self, user: User, arguments: &[&str]) -> Result<Output> {
        self.kubernetes.kubectl(user, arguments).await
    }

    /// A kubeconfig with this user alone.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.kubernetes.kubeconfig(user)
    }

    /// A kubeconfig with a context for every [`User`].
    pub fn contexts(&self) -> PathBuf {
        self.kubernetes.contexts()
    }

    /// A folder that lives as long as the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The Tiller behind the bridge, whose records are in `kube-system`.
    pub fn tiller(&self) -> &Tiller {
        &self.tiller
    }

    /// The Tiller with TLS, whose records are in `tools`.
    pub fn tls_tiller(&self) -> &Tiller {
        &self.tls_tiller
    }

    /// `tiller-edge bridge`.
    pub fn bridge(&self) -> &Process {
        &self.bridge
    }

    /// kube-apiserver.
    pub fn apiserver(&self) -> &Process {
        &self.kubernetes.apiserver
    }

    /// Starts whatever does not run, and waits until all of it answers again.
    ///
    /// # Errors
    ///
    /// When a program ends, or takes more than two minutes.
    pub async fn heal(&self) -> Result<()> {
        let Self {
            kubernetes,
            tiller,
            tls_tiller,
            bridge,
            ..
        } = self;
        for process in [
            &kubernetes.etcd,
            &kubernetes.apiserver,
            tiller.process(),
            tls_tiller.process(),
            bridge,
        ] {
            if !process.runs().await {
                process.start().await?;
            }
        }
        kubernetes.ready().await?;
        tiller.ready().await?;
        tls_tiller.ready().await?;
        self.bridge_ready().await
    }

    async fn bridge_ready(&self) -> Result<()> {
        let address = format!("{POD_ADDRESS}:{BRIDGE_PORT}");
        self.bridge
            .ready(async || http::ok(&address, "/readyz").await)
            .await
    }
}
