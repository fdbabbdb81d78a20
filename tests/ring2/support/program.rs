//! The edge as a process of its own, for what a process alone can show: all that it writes, and its end.
//!
//! It is this very program, told to be `tiller-edge`, so that it is always the one that was just built.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use real::Process;
use sim::Cluster;
use tempfile::TempDir;
use tiller_edge::cli::Cli;
use tiller_edge::config::Config;
use tokio::task::JoinHandle;

use super::ask::Ask;
use super::{Answer, Opened, soon};

/// The configuration file of the process.
const CONFIG: &str = "RING2_PROGRAM_CONFIG";

/// A running edge in front of a simulated cluster.
pub(crate) struct Program {
    pub(crate) cluster: Cluster,
    process: Process,
    addr: SocketAddr,
    home: TempDir,
}

impl Program {
    pub(super) async fn start(cluster: Cluster, home: TempDir, config: &Config) -> Self {
        let file = home.path().join("edge.toml");
        let text = toml::to_string(config).expect("a configuration");
        fs::write(&file, text).expect("written");
        let this = env::current_exe().expect("it has a path");
        let process = Process::new("edge", this, home.path())
            .arguments(["--ignored", "--exact", "--nocapture"])
            .argument("support::program::the_program")
            .variable(CONFIG, file);
        soon(process.start()).await.expect("it starts");
        let written = || log(home.path()).and_then(|log| listens(&log).context("it says where"));
        let ready = soon(process.ready(async || written().map(drop))).await;
        ready.unwrap_or_else(|error| panic!("{error:#}"));
        Self {
            addr: written().expect("it listens"),
            cluster,
            process,
            home,
        }
    }

    /// Its own directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        let opened = soon(Opened::of(ask, self.addr)).await;
        let answer = opened.expect("an answer").rest().await;
        answer.expect("a whole answer")
    }

    /// Sends a request in a task of its own, which outlives the process.
    pub(crate) fn later(&self, ask: Ask) -> JoinHandle<hyper::Result<Answer>> {
        let opened = Opened::of(ask, self.addr);
        tokio::spawn(async move { soon(opened).await?.rest().await })
    }

    /// Kills it, as the kernel does that has no memory left.
    pub(crate) async fn kill(&self) {
        soon(self.process.kill()).await.expect("killed");
    }

    /// Starts it again, with the same configuration and what it left on its disk.
    pub(crate) async fn restart(&mut self) {
        let before = log(self.home()).expect("written").len();
        soon(self.process.start()).await.expect("it starts");
        let home = self.home.path();
        let written = || log(home).and_then(|log| listens(&log[before..]).context("it says where"));
        let ready = soon(self.process.ready(async || written().map(drop))).await;
        ready.unwrap_or_else(|error| panic!("{error:#}"));
        self.addr = written().expect("it listens");
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it in order; everything that it wrote to its standard output and error.
    pub(crate) async fn end(self) -> String {
        let ended = soon(self.process.terminate()).await.expect("ended");
        let log = log(self.home()).expect("written");
        assert!(ended.success(), "{ended}: {log}");
        log
    }
}

fn log(home: &Path) -> anyhow::Result<String> {
    let path: PathBuf = home.join("edge.log");
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The address in the line that says that it answers.
fn listens(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("the edge answers"))?;
    let (_, rest) = line.split_once("\"addr\":\"")?;
    rest.split_once('"')?.0.parse().ok()
}

#[test]
#[ignore = "the process that other tests start"]
fn the_program() {
    let Some(config) = env::var_os(CONFIG) else {
        return;
    };
    let arguments = [
        "tiller-edge".into(),
        "serve".into(),
        "--config".into(),
        config,
    ];
    let cli = Cli::try_parse_from(arguments).expect("a command");
    let code = cli.run().unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(code, ExitCode::SUCCESS);
}
