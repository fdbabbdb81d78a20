//! The simulated cluster as a program, for whoever wants to point an edge, `curl` or `kubectl` at one.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use sim::apiserver::Kubernetes;
use sim::{Cluster, cluster};
use tiller_edge::bridge::MARKER;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a simulated Kubernetes cluster on loopback: an APIServer's service proxy, the bridge, and a Tiller in memory
#[derive(Debug, Parser)]
#[command(
    name = "sim",
    after_help = "\
Example:
  sim --kubeconfig sim.kubeconfig --release web
  tiller-edge --kubeconfig sim.kubeconfig check

Everything is gone when it ends (SIGTERM or Ctrl-C), the kubeconfig file included."
)]
struct Arguments {
    /// Where to write the kubeconfig
    #[arg(long, value_name = "FILE", default_value = "sim.kubeconfig")]
    kubeconfig: PathBuf,
    /// Where the APIServer listens; a loopback address
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The cluster's name
    #[arg(long, default_value = "sim")]
    name: String,
    /// The version of Kubernetes: 1.15, 1.16, 1.19, 1.21 or 1.35
    #[arg(long, value_name = "VERSION", default_value_t)]
    kubernetes: Kubernetes,
    /// A release that exists from the start; may be given several times
    #[arg(long, value_name = "NAME")]
    release: Vec<String>,
    /// Have no controllers: workloads never become ready
    #[arg(long)]
    without_controllers: bool,
    /// Offer HTTP/1.1 only, as many a load balancer does
    #[arg(long)]
    http1: bool,
    /// Put a client certificate into the kubeconfig instead of a token
    #[arg(long)]
    certificate: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let cluster = start(&arguments).await?;
    let kubeconfig = if arguments.certificate {
        cluster.kubeconfig_with_certificate()
    } else {
        cluster.kubeconfig()
    };
    let path = &arguments.kubeconfig;
    std::fs::write(path, kubeconfig).with_context(|| format!("cannot write {}", path.display()))?;
    print(&cluster, &arguments)?;

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // Its credentials open nothing any more.
    std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}

async fn start(arguments: &Arguments) -> anyhow::Result<Cluster> {
    let listen = arguments.listen;
    ensure!(
        listen.ip() == SocketAddr::from(([127, 0, 0, 1], 0)).ip(),
        "the simulated cluster listens on 127.0.0.1 only, not on {}",
        listen.ip()
    );
    let mut options = cluster()
        .named(&arguments.name)
        .with_kubernetes(arguments.kubernetes);
    options.port = listen.port();
    options.apiserver.http2 = !arguments.http1;
    options.tiller.controllers = !arguments.without_controllers;
    for name in &arguments.release {
        options = options.with_release(name);
    }
    Cluster::start(options).await
}

fn print(cluster: &Cluster, arguments: &Arguments) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "simulated cluster {}, Kubernetes {}",
        cluster.name(),
        arguments.kubernetes
    )?;
    writeln!(out, "  kubeconfig  {}", arguments.kubeconfig.display())?;
    writeln!(out, "  apiserver   {}", cluster.server())?;
    writeln!(
        out,
        "  bridge      services/tiller-bridge:grpc-web in kube-system (answers carry {MARKER})"
    )?;
    writeln!(
        out,
        "  tiller      services/https:tiller-deploy:tiller in kube-system, and h2c at {}",
        cluster.tiller_addr()
    )?;
    writeln!(out, "ready")?;
    out.flush()
}
