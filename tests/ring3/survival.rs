//! Operations survive whatever is killed of a real cluster, of the edges in front of it, and of the store that they share.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use http::Uri;
use real::{Edge, Nats, Process};
use sim::survival::{self, Dice, Script, World};

use crate::stage::{Stage, alone, chart, configuration, root, together};

/// After the last strike: what Tiller has left undone is given up after the longest time that it could have taken.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_hundred_operations_survive_whatever_is_killed() {
    alone(async |stage| {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("operations.db");
        let operations = format!("[operations]\nfile = {file:?}\n");
        let edge = edge(stage, "survivor", 8090, &operations).await?;
        let edges = [edge];
        let world = Killed {
            stage,
            edges: &edges,
            nats: None,
            dead: Mutex::new(None),
        };
        let script = script(20_261_123, 100)?;
        println!("{}", survival::run(&world, &script, PATIENCE).await?);
        finish(edges).await
    });
}

#[test]
fn two_edges_and_their_store_are_killed_and_nothing_is_lost_or_done_twice() {
    alone(async |stage| {
        let folder = tempfile::tempdir()?;
        let nats = Nats::start(folder.path(), 4229).await?;
        let operations = format!("[operations]\nlease = \"5s\"\n{}", nats.config("survivors"));
        let edges = [
            edge(stage, "survivor-a", 8095, &operations).await?,
            edge(stage, "survivor-b", 8096, &operations).await?,
        ];
        let world = Killed {
            stage,
            edges: &edges,
            nats: Some(&nats),
            dead: Mutex::new(None),
        };
        let script = script(20_261_124, 60)?;
        println!("{}", survival::run(&world, &script, PATIENCE).await?);
        finish(edges).await
    });
}

#[test]
fn two_thousand_operations_survive_their_store_too() {
    together(async |stage| {
        let folder = tempfile::tempdir()?;
        let cluster = sim::cluster().start().await;
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, cluster.kubeconfig())?;
        let nats = Nats::start(folder.path(), 4230).await?;
        let configuration = format!(
            "manifest = {:?}\n[operations]\nlease = \"5s\"\n{}[[cluster]]\nname = \"sim\"\nkubeconfig = {kubeconfig:?}\n",
            root().join("spin.toml"),
            nats.config("simulated"),
        );
        let edge = async |name, listen| {
            stage
                .cluster
                .edge(name, "serve", listen, &configuration)
                .await
        };
        let edges = [
            edge("simulated-a", "127.0.0.1:8097").await?,
            edge("simulated-b", "127.0.0.1:8098").await?,
        ];
        let world = Simulated {
            cluster: &cluster,
            edges: &edges,
            nats: &nats,
            dead: Mutex::new(None),
        };
        let script = Script::new(20_261_125, "/v1/clusters/sim", 40, 2_000, &chart("web")?);
        println!("{}", survival::run(&world, &script, PATIENCE).await?);
        finish(edges).await
    });
}

async fn edge(stage: &Stage, name: &'static str, port: u16, operations: &str) -> Result<Edge> {
    let configuration = configuration(&stage.cluster.contexts(), operations);
    let listen = format!("127.0.0.1:{port}");
    stage
        .cluster
        .edge(name, "serve", &listen, &configuration)
        .await
}

fn script(seed: u64, operations: usize) -> Result<Script> {
    let archive = chart("web")?;
    Ok(Script::new(
        seed,
        "/v1/clusters/real",
        10,
        operations,
        &archive,
    ))
}

async fn finish<const N: usize>(edges: [Edge; N]) -> Result<()> {
    for edge in edges {
        let ended = edge.process().terminate().await?;
        ensure!(ended.success(), "an edge ends with {ended}");
    }
    Ok(())
}

/// The cluster, the edges and their store, of which one thing is dead at a time.
struct Killed<'a> {
    stage: &'a Stage,
    edges: &'a [Edge],
    nats: Option<&'a Nats>,
    dead: Mutex<Option<&'static str>>,
}

impl World for Killed<'_> {
    fn edges(&self) -> Vec<Uri> {
        let urls = self.edges.iter().map(Edge::url);
        urls.map(|url| url.parse().expect("the tests' own URLs are valid"))
            .collect()
    }

    async fn strike(&self, dice: &mut Dice) -> Result<String> {
        if self.take().is_some() {
            self.heal().await?;
            return Ok("back".to_owned());
        }
        let (name, victim) = *dice.pick(&self.victims());
        victim.kill().await?;
        *self.dead.lock().expect("nobody panics with it") = Some(name);
        Ok(name.to_owned())
    }

    async fn heal(&self) -> Result<()> {
        self.stage.cluster.heal().await?;
        if let Some(nats) = self.nats {
            nats.heal().await?;
        }
        for edge in self.edges {
            edge.heal().await?;
        }
        Ok(())
    }
}

impl Killed<'_> {
    fn take(&self) -> Option<&'static str> {
        self.dead.lock().expect("nobody panics with it").take()
    }

    /// Who may be killed; edges and Tiller more often than the others.
    fn victims(&self) -> Vec<(&'static str, &Process)> {
        let cluster = &self.stage.cluster;
        let tiller = ("Tiller", cluster.tiller().process());
        let edges = self.edges.iter().map(|edge| ("Edge", edge.process()));
        let nats = self.nats.map(|nats| ("NATS", nats.process()));
        [
            ("ApiServer", cluster.apiserver()),
            ("Bridge", cluster.bridge()),
            tiller,
            tiller,
        ]
        .into_iter()
        .chain(edges.clone())
        .chain(edges)
        .chain(nats)
        .collect()
    }
}

/// A simulated cluster behind two real edges with a real store, of which one thing is dead at a time.
struct Simulated<'a> {
    cluster: &'a sim::Cluster,
    edges: &'a [Edge],
    nats: &'a Nats,
    dead: Mutex<Option<Victim>>,
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    ApiServer,
    Bridge,
    Edge(usize),
    Nats,
    Tiller,
}

impl World for Simulated<'_> {
    fn edges(&self) -> Vec<Uri> {
        let urls = self.edges.iter().map(Edge::url);
        urls.map(|url| url.parse().expect("the tests' own URLs are valid"))
            .collect()
    }

    async fn strike(&self, dice: &mut Dice) -> Result<String> {
        if self.dead.lock().expect("nobody panics with it").is_some() {
            self.heal().await?;
            return Ok("back".to_owned());
        }
        let victim = *dice.pick(&[
            Victim::ApiServer,
            Victim::Bridge,
            Victim::Edge(0),
            Victim::Edge(1),
            Victim::Nats,
            Victim::Tiller,
            Victim::Tiller,
        ]);
        match victim {
            Victim::ApiServer => self.cluster.kill_apiserver().await,
            Victim::Bridge => self.cluster.kill_bridge().await,
            Victim::Edge(number) => self.edges[number].process().kill().await?,
            Victim::Nats => self.nats.process().kill().await?,
            Victim::Tiller => self.cluster.kill_tiller().await,
        }
        *self.dead.lock().expect("nobody panics with it") = Some(victim);
        Ok(format!("{victim:?}"))
    }

    async fn heal(&self) -> Result<()> {
        let dead = self.dead.lock().expect("nobody panics with it").take();
        match dead {
            None => {}
            Some(Victim::ApiServer) => self.cluster.restart_apiserver().await,
            Some(Victim::Bridge) => self.cluster.restart_bridge().await?,
            Some(Victim::Edge(number)) => self.edges[number].heal().await?,
            Some(Victim::Nats) => self.nats.heal().await?,
            Some(Victim::Tiller) => self.cluster.restart_tiller().await,
        }
        Ok(())
    }
}
