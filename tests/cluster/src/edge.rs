//! An edge in front of the cluster.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::http;
use crate::process::Process;

/// `tiller-edge serve` or `tiller-edge relay`.
pub struct Edge {
    process: Process,
    address: String,
    /// A path that answers 200 once it is ready.
    probe: &'static str,
}

impl Edge {
    pub(crate) fn new(process: Process, address: &str, command: &str) -> Self {
        let probe = match command {
            "relay" => "/clusters",
            _ => "/readyz",
        };
        Self {
            process,
            address: address.to_owned(),
            probe,
        }
    }

    /// Starts it if it does not run, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it ends, or takes more than two minutes.
    pub async fn heal(&self) -> Result<()> {
        if !self.process.runs().await {
            self.process.start().await?;
        }
        self.process
            .ready(async || http::ok(&self.address, self.probe).await)
            .await
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The process, to be stopped and looked into.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// The `tiller-edge` of the build that this program is part of.
pub(crate) fn binary() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let found = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("tiller-edge"))
        .find(|binary| binary.is_file());
    found.with_context(|| {
        format!(
            "no tiller-edge beside {}: `cargo build --package tiller-edge`",
            this.display()
        )
    })
}
