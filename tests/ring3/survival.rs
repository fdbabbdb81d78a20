//! Operations survive whatever is killed of a real cluster, and of the edge in front of it.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use http::Uri;
use real::{Edge, Process};
use sim::survival::{self, Dice, Script, World};

use crate::stage::{Stage, alone, chart, configuration};

/// Operations, on so many releases.
const OPERATIONS: usize = 100;
const RELEASES: usize = 10;

/// After the last strike: what Tiller has left undone is given up after the longest time that it could have taken.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_hundred_operations_survive_whatever_is_killed() {
    alone(async |stage| {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("operations.db");
        let operations = format!("[operations]\nfile = {file:?}\n");
        let configuration = configuration(&stage.cluster.contexts(), &operations);
        let edge = stage
            .cluster
            .edge("survivor", "serve", "127.0.0.1:8090", &configuration)
            .await?;
        let script = Script::new(
            20_261_124,
            "/v1/clusters/real",
            RELEASES,
            OPERATIONS,
            &chart("web")?,
        );
        let world = Killed {
            stage,
            edge: &edge,
            dead: Mutex::new(None),
        };
        let report = survival::run(&world, &script, PATIENCE).await?;
        println!("{report}");
        let ended = edge.process().terminate().await?;
        ensure!(ended.success(), "the edge ends with {ended}");
        Ok(())
    });
}

/// The cluster and an edge, of which one thing is dead at a time.
struct Killed<'a> {
    stage: &'a Stage,
    edge: &'a Edge,
    dead: Mutex<Option<Victim>>,
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    ApiServer,
    Bridge,
    Edge,
    Tiller,
}

impl World for Killed<'_> {
    fn edges(&self) -> Vec<Uri> {
        let url = self.edge.url();
        vec![url.parse().expect("the tests' own URLs are valid")]
    }

    async fn strike(&self, dice: &mut Dice) -> Result<String> {
        if self.take().is_some() {
            self.heal().await?;
            return Ok("back".to_owned());
        }
        let victim = *dice.pick(&[
            Victim::ApiServer,
            Victim::Bridge,
            Victim::Bridge,
            Victim::Edge,
            Victim::Edge,
            Victim::Tiller,
            Victim::Tiller,
        ]);
        self.process(victim).kill().await?;
        *self.dead.lock().expect("nobody panics with it") = Some(victim);
        Ok(format!("{victim:?}"))
    }

    async fn heal(&self) -> Result<()> {
        self.stage.cluster.heal().await?;
        self.edge.heal().await
    }
}

impl Killed<'_> {
    fn take(&self) -> Option<Victim> {
        self.dead.lock().expect("nobody panics with it").take()
    }

    fn process(&self, victim: Victim) -> &Process {
        let cluster = &self.stage.cluster;
        match victim {
            Victim::ApiServer => cluster.apiserver(),
            Victim::Bridge => cluster.bridge(),
            Victim::Edge => self.edge.process(),
            Victim::Tiller => cluster.tiller().process(),
        }
    }
}
