//! The cluster behind the demo's edge.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A running cluster and how to reach it. It ends when this is dropped.
pub(crate) struct Behind {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) context: &'static str,
    _cluster: Cluster,
}

enum Cluster {
    Real(#[expect(dead_code, reason = "kept to keep the processes")] Box<real::Cluster>),
    Simulated(#[expect(dead_code, reason = "kept to keep the servers")] Box<sim::Cluster>),
}

impl Behind {
    pub(crate) async fn simulated(folder: &Path) -> Result<Self> {
        println!(
            "Starting a simulated cluster: an API server, Tiller, and the bridge between them."
        );
        let cluster = sim::cluster().named("demo").start().await;
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, cluster.kubeconfig())?;
        Ok(Self {
            kubeconfig,
            context: "demo",
            _cluster: Cluster::Simulated(Box::new(cluster)),
        })
    }

    pub(crate) async fn real() -> Result<Self> {
        println!("Starting a real cluster: etcd, kube-apiserver, two Tillers, and the bridge.");
        let cluster = real::Cluster::start().await?;
        Ok(Self {
            kubeconfig: cluster.kubeconfig(real::User::Edge),
            context: real::User::Edge.context(),
            _cluster: Cluster::Real(Box::new(cluster)),
        })
    }
}
