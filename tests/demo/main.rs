//! `cargo xtask demo`: a release's life over HTTP, each request shown as the
//! `curl` line that sends it, each answer as it comes.
//!
//! The edge is the real program; the cluster behind it is the simulated one,
//! or with `--real` etcd, kube-apiserver and Tiller as processes.

mod behind;
mod edge;
mod story;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tempfile::TempDir;
use tokio::process::Command;

use behind::Behind;
use edge::Edge;

/// A release's life over HTTP.
#[derive(Parser)]
struct Arguments {
    /// Through real etcd, kube-apiserver and Tiller
    #[arg(long)]
    real: bool,
    /// End after the last step, with status 0 if every step went as expected
    #[arg(long)]
    exit: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(&Arguments::parse()).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = TempDir::with_prefix("tiller-edge-demo-")?;
    let behind = match arguments.real {
        true => Behind::real().await?,
        false => Behind::simulated(folder.path()).await?,
    };
    let edge = Edge::start(folder.path(), &behind).await?;
    let unexpected = story::tell(&edge, folder.path()).await?;

    if unexpected > 0 {
        println!("\n{unexpected} of the steps did not go as expected.");
        edge.end().await?;
        return Ok(ExitCode::FAILURE);
    }
    println!("\nEvery step went as expected.");
    if !arguments.exit {
        story::suggest(&edge, folder.path());
        stay(&edge, arguments.real).await?;
    }
    edge.end().await?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps the edge until the reader has seen enough.
async fn stay(edge: &Edge, real: bool) -> Result<()> {
    // The namespace of a real cluster is out of reach for the reader's own shell.
    if real && std::io::stdin().is_terminal() {
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "sh".into());
        println!("This shell is in the cluster's network namespace; all ends with it.");
        Command::new(&shell)
            .status()
            .await
            .context("the shell does not start")?;
        return Ok(());
    }
    println!("Ctrl-C ends it.");
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        ended = edge.ended() => ended?,
    }
    Ok(())
}
