//! An edge that is a process of its own, so that the kernel says what it alone uses: the benchmark's own program, started
//! again.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use sim::components::component;
use sim::scenario::Client;
use tiller_edge::config::Config;
use tiller_edge::edge::Edge;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// What the program is called with to be an edge.
const EDGE: &str = "edge";

/// The longest that an edge may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running edge. It ends when it is dropped.
pub(crate) struct Process {
    pub(crate) client: Client,
    child: Child,
    /// It ends with this, should this process be killed.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts one with the configuration in that file.
    pub(crate) async fn start(config: &Path) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(EDGE)
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = child.stdout.take().context("no output")?;
        let address = BufReader::new(said)
            .lines()
            .next_line()
            .await?
            .context("the edge does not start")?;
        Ok(Self {
            client: Client::new(format!("http://{address}").parse()?, PATIENCE),
            _stdin: child.stdin.take(),
            child,
        })
    }

    /// What the kernel says of it in that file of `/proc/[pid]`.
    pub(crate) fn kernel(&self, file: &str) -> Result<String> {
        let pid = self.child.id().context("the edge has ended")?;
        Ok(fs::read_to_string(format!("/proc/{pid}/{file}"))?)
    }
}

/// Whether this program was started to be an edge: then it was one, until its standard input ended.
pub(crate) async fn was_one() -> Result<bool> {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(EDGE) {
        return Ok(false);
    }
    let config = arguments.next().context("no configuration")?;
    let edge = Edge::start(Config::load(Some(Path::new(&config)))?).await?;
    println!("{}", edge.addr());
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    drop(edge);
    Ok(true)
}

/// The application, with the components as they were built last.
pub(crate) fn manifest() -> Result<String> {
    let (releases, webhooks) = (component("releases")?, component("webhooks")?);
    Ok(format!(
        r#"
spin_manifest_version = 2

[application]
name = "bench"

[[trigger.http]]
route = "/v1/..."
component = "releases"

[component.releases]
source = {releases:?}

[component.webhooks]
source = {webhooks:?}

[component.webhooks.tool.tiller-edge]
routes = ["/hooks/..."]
"#
    ))
}
