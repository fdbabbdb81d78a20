//! Operations survive whatever is killed: the edge, the bridge, Tiller, the APIServer.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use anyhow::Result;
use http::Uri;
use sim::survival::{self, Dice, Script, World};
use sim::tiller::{Hold, Point};
use tiller_api::Method;
use tokio::sync::Mutex;

use crate::support::program::Program;
use crate::support::{charts, soon, stage};

/// Operations, on so many releases.
const OPERATIONS: usize = 2_000;
const RELEASES: usize = 40;

/// After the last strike: a call that Tiller may still be at takes its time to be given up.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the whole machine; ring 2 runs it by itself"]
async fn two_thousand_operations_survive_whatever_is_killed() {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let program = stage()
        .configure(|config, home| config.operations.file = Some(home.join("operations.db")))
        .program()
        .await;
    let script = Script::new(
        seed.unwrap_or(20_261_124),
        "/v1/clusters/sim",
        RELEASES,
        OPERATIONS,
        &charts::archive("web"),
    );
    let world = Killed {
        addr: std::sync::Mutex::new(program.addr()),
        state: Mutex::new(State {
            program,
            holds: BTreeMap::new(),
            dead: None,
        }),
    };
    let report = survival::run(&world, &script, PATIENCE).await;
    let report = report.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    world.state.into_inner().program.end().await;
}

/// A process and a simulated cluster, of which one thing is dead at a time.
struct Killed {
    addr: std::sync::Mutex<std::net::SocketAddr>,
    state: Mutex<State>,
}

struct State {
    program: Program,
    /// Calls that are held just now, so that somebody dies in the middle of them.
    holds: BTreeMap<&'static str, Hold>,
    dead: Option<Victim>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Victim {
    ApiServer,
    Bridge,
    Edge,
    Tiller,
}

impl World for Killed {
    fn edges(&self) -> Vec<Uri> {
        let addr = *self.addr.lock().expect("nobody panics with it");
        vec![format!("http://{addr}").parse().expect("an address")]
    }

    async fn strike(&self, dice: &mut Dice) -> Result<String> {
        let mut state = self.state.lock().await;
        if let Some(victim) = state.dead.take() {
            self.revive(&mut state, victim).await;
            return Ok("back".to_owned());
        }
        if state.holds.is_empty() && dice.between(0, 2) == 0 {
            let method = *dice.pick(&[
                Method::InstallRelease,
                Method::UpdateRelease,
                Method::UpdateRelease,
                Method::UninstallRelease,
                Method::RollbackRelease,
            ]);
            let point = *dice.pick(&[Point::Arrival, Point::Answer, Point::Underway]);
            let hold = state.program.cluster.tiller().hold(method, point);
            state.holds.insert(method.name(), hold);
            return Ok("hold".to_owned());
        }
        let victim = *dice.pick(&[
            Victim::ApiServer,
            Victim::Bridge,
            Victim::Edge,
            Victim::Edge,
            Victim::Tiller,
            Victim::Tiller,
        ]);
        let cluster = &state.program.cluster;
        match victim {
            Victim::ApiServer => soon(cluster.kill_apiserver()).await,
            Victim::Bridge => soon(cluster.kill_bridge()).await,
            Victim::Edge => state.program.kill().await,
            Victim::Tiller => soon(cluster.kill_tiller()).await,
        }
        state.holds.clear();
        state.dead = Some(victim);
        Ok(format!("{victim:?}"))
    }

    async fn heal(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        state.holds.clear();
        if let Some(victim) = state.dead.take() {
            self.revive(&mut state, victim).await;
        }
        Ok(())
    }
}

impl Killed {
    async fn revive(&self, state: &mut State, victim: Victim) {
        let cluster = &state.program.cluster;
        match victim {
            Victim::ApiServer => soon(cluster.restart_apiserver()).await,
            Victim::Bridge => soon(cluster.restart_bridge()).await.expect("it starts"),
            Victim::Edge => {
                state.program.restart().await;
                *self.addr.lock().expect("nobody panics with it") = state.program.addr();
            }
            Victim::Tiller => soon(cluster.restart_tiller()).await,
        }
    }
}
