//! The scenario against the simulated cluster, through an edge in this process, over both transports.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use http::Uri;
use sim::scenario;
use tiller_edge::{config::Config, edge::Edge};

/// A second tiller in the file: the same Tiller, reached without the bridge.
const CONFIG: &str = r#"
listen = "127.0.0.1:0"

[operations]
file = "operations.db"

[[cluster]]
name = "sim"
kubeconfig = "kubeconfig"
context = "sim"

[[cluster.tiller]]
name = "default"

[[cluster.tiller]]
name = "grpc"
transport = "grpc"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn scenario_goes_the_same_over_both_transports() -> Result<()> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    sim::components::component("releases")?;
    let cluster = sim::cluster().start().await;
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("kubeconfig"), cluster.kubeconfig())?;
    let file = directory.path().join("edge.toml");
    let manifest = format!("manifest = {:?}\n", root.join("spin.toml"));
    fs::write(&file, manifest + CONFIG)?;
    let edge = Edge::start(Config::load(Some(&file))?).await?;
    let base: Uri = format!("http://{}", edge.addr()).parse()?;

    for tiller in [None, Some("grpc".to_owned())] {
        let transport = tiller.clone().unwrap_or_else(|| "grpc-web".to_owned());
        println!("over {transport}");
        let options = scenario::Options {
            tiller,
            ..scenario::Options::default()
        };
        let report = scenario::run(&base, "sim", &options).await?;
        report
            .check()
            .with_context(|| format!("over {transport}"))?;
    }
    assert!(cluster.tiller().is_alive(), "nothing of it ends Tiller");
    Ok(())
}
