//! The edge of the demo: `tiller-edge serve` as a process.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sim::scenario::Client;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::behind::Behind;

/// The cluster's name at the edge.
pub(crate) const CLUSTER: &str = "demo";

/// The name of the cluster's second Tiller, reached without a bridge.
pub(crate) const NATIVE: &str = "native";

/// How long the edge may take to compile the components and answer.
const START: Duration = Duration::from_secs(120);

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(20);

/// A running edge.
pub(crate) struct Edge {
    address: SocketAddr,
    client: Client,
    process: Mutex<Child>,
}

impl Edge {
    pub(crate) async fn start(folder: &Path, behind: &Behind) -> Result<Self> {
        let address = free_address()?;
        let config = folder.join("edge.toml");
        fs::write(&config, configuration(address, behind))?;
        println!(
            "Starting the edge on http://{address} with {}.\n",
            config.display()
        );
        let log = fs::File::create(folder.join("edge.log"))?;
        let process = Command::new(binary()?)
            .arg("--config")
            .arg(&config)
            .arg("serve")
            .env("STATE_DIRECTORY", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the edge does not start")?;
        let base = format!("http://{address}").parse()?;
        let client = Client::new(base, START);
        let edge = Self {
            address,
            client,
            process: Mutex::new(process),
        };
        edge.ready(folder).await?;
        Ok(edge)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The URL of a path of the cluster.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until the edge ends by itself, which it should not.
    pub(crate) async fn ended(&self) -> Result<()> {
        let status = self.process.lock().await.wait().await?;
        bail!("the edge ended with {status}")
    }

    /// Tells the edge to finish, and waits for it.
    pub(crate) async fn end(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        if let Some(id) = process.id() {
            // The standard library can only kill.
            let kill = format!("kill -TERM {id}");
            StdCommand::new("sh").args(["-c", &kill]).status()?;
        }
        let status = timeout(DRAIN, process.wait())
            .await
            .context("the edge does not end")??;
        if !status.success() {
            bail!("the edge ended with {status}");
        }
        Ok(())
    }

    async fn ready(&self, folder: &Path) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if self
                .client
                .get("/readyz")
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            let ended = self.process.lock().await.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("edge.log"))?;
                bail!("the edge does not answer; its log:\n{log}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The port that the documentation names, or any that is free.
fn free_address() -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(usual).or_else(|_| TcpListener::bind(any))?;
    Ok(listener.local_addr()?)
}

fn configuration(address: SocketAddr, behind: &Behind) -> String {
    let Behind {
        kubeconfig,
        context,
        ..
    } = behind;
    let manifest = root().join("spin.toml");
    format!(
        r#"listen = "{address}"
manifest = {manifest:?}

[[cluster]]
name = "{CLUSTER}"
kubeconfig = {kubeconfig:?}
context = "{context}"

[[cluster.tiller]]
name = "default"

[[cluster.tiller]]
name = "{NATIVE}"
transport = "grpc"
"#
    )
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The `tiller-edge` of the build that this program is part of.
fn binary() -> Result<PathBuf> {
    let binary = env::current_exe()?.with_file_name("tiller-edge");
    if !binary.is_file() {
        bail!(
            "{} is missing: `cargo build --package tiller-edge`",
            binary.display()
        );
    }
    Ok(binary)
}
