//! What a hook does with 500 deliveries a second for a minute while its cluster is away: `cargo xtask bench`.
//!
//! An edge, a process of its own (this program again), is sent signed deliveries at a steady pace, whether or not the last
//! one was answered. Nothing of them can be carried out: the cluster's API server is dead. Then it comes back, and every
//! delivery must have become one upgrade, in the order in which its release's deliveries were acknowledged.
//!
//! The time to an acknowledgement is compared with the tightest that a sender sets, of which [`BOUND`] leaves most to the
//! network; the memory that the edge uses, with what it used when a quarter was over.

mod edge;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use prost::Message;
use serde_json::json;
use sha2::Sha256;
use sim::cluster::Cluster;
use sim::scenario::{Body, Client};
use sim::tiller::Seed;
use tempfile::TempDir;
use tiller_api::Method;
use tiller_api::hapi::services::tiller::UpdateReleaseRequest;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::edge::Process;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    if edge::was_one().await? {
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = sim::cluster()
        .with_releases((0..RELEASES).map(|number| Seed::new(release(number))))
        .start()
        .await;
    let home = TempDir::with_prefix("tiller-edge-bench-")?;
    let process = start(home.path(), &cluster).await?;
    cluster.kill_apiserver().await;
    let load = Arc::new(process.load().await?);
    cluster.restart_apiserver().await;
    process.settled(&cluster).await?;
    in_order(&cluster)?;
    println!(
        "{} deliveries at {RATE}/s to an edge whose cluster is away: acknowledged within {:.1?} in half of the cases, {:.1?} \
         in 99.9%, {:.1?} at most; memory {} KiB after a quarter and {} KiB at the end, ratio {:.3}",
        load.times.len(),
        load.quantile(0.5),
        load.quantile(0.999),
        load.quantile(1.0),
        load.early,
        load.late,
        load.growth(),
    );
    let held = load.quantile(0.999) <= BOUND && load.growth() <= GROWTH;
    if !held {
        eprintln!("more than {BOUND:?} in 99.9%, or more than {GROWTH} times the memory");
    }
    Ok(if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What a minute of deliveries was like.
struct Load {
    /// From sending to the acknowledgement, in order of length.
    times: Vec<Duration>,
    /// The edge's memory in KiB, after a quarter and at the end.
    early: u64,
    late: u64,
}

/// Starts an edge with a hook in front of `cluster`.
async fn start(home: &Path, cluster: &Cluster) -> Result<Process> {
    fs::write(home.join("kubeconfig"), cluster.kubeconfig())?;
    fs::write(home.join("spin.toml"), edge::manifest()?)?;
    let config = home.join("edge.toml");
    fs::write(&config, CONFIGURATION.replace("SECRET", SECRET))?;
    Process::start(&config).await
}

impl Process {
    /// Sends deliveries at a steady pace.
    async fn load(&self) -> Result<Load> {
        let mut ticks = interval(Duration::from_secs(1) / RATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sending = JoinSet::new();
        let mut early = 0;
        for number in 0..DELIVERIES {
            ticks.tick().await;
            sending.spawn(deliver(self.client.clone(), number));
            if number == DELIVERIES / 4 {
                early = self.memory()?;
            }
        }
        let mut times = Vec::new();
        while let Some(sent) = sending.join_next().await {
            times.push(sent??);
        }
        times.sort_unstable();
        let late = self.memory()?;
        Ok(Load { times, early, late })
    }

    /// Waits until every operation is over.
    async fn settled(&self, cluster: &Cluster) -> Result<()> {
        let deadline = Instant::now() + SETTLED;
        while cluster.tiller().count(Method::UpdateRelease) < DELIVERIES {
            ensure!(
                Instant::now() < deadline,
                "the operations are not carried out"
            );
            sleep(Duration::from_secs(1)).await;
        }
        for state in ["accepted", "running", "unknown", "failed", "dead"] {
            loop {
                let path = format!("/v1/operations?state={state}&limit=1");
                let answer = self.client.get(&path).await?;
                ensure!(answer.status == 200, "{answer}");
                let left = answer.json().and_then(|json| json["items"].as_array());
                if left.is_some_and(Vec::is_empty) {
                    break;
                }
                ensure!(!matches!(state, "failed" | "dead"), "{answer}");
                ensure!(Instant::now() < deadline, "operations are still {state}");
                sleep(Duration::from_secs(1)).await;
            }
        }
        Ok(())
    }

    /// What it has in memory, in KiB.
    fn memory(&self) -> Result<u64> {
        let status = self.kernel("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse()?)
    }
}

impl Load {
    fn quantile(&self, quantile: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times[(last as f64 * quantile) as usize]
    }

    fn growth(&self) -> f64 {
        self.late as f64 / self.early as f64
    }
}

async fn deliver(client: Client, number: usize) -> Result<Duration> {
    let payload = json!({ "release": release(number % RELEASES), "marker": number });
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(payload.to_string().as_bytes());
    let signature = format!("{:x}", mac.finalize().into_bytes());
    let started = Instant::now();
    let headers = [("x-signature", signature.as_str())];
    let answer = client
        .send("POST", "/hooks/load", &headers, Some(Body::json(&payload)))
        .await?;
    ensure!(answer.status == 202, "{answer}");
    Ok(started.elapsed())
}

/// Every delivery has become one upgrade, and those of each release came in the order in which they were sent.
fn in_order(cluster: &Cluster) -> Result<()> {
    let mut last = BTreeMap::<String, i64>::new();
    let mut upgrades = 0;
    for call in cluster.tiller().calls() {
        if call.method() != Some(Method::UpdateRelease) {
            continue;
        }
        let request = UpdateReleaseRequest::decode(call.message)?;
        let values = request.values.map(|values| values.raw).unwrap_or_default();
        let marker = values
            .lines()
            .find_map(|line| line.strip_prefix("marker: "));
        let marker: i64 = marker.with_context(|| values.clone())?.parse()?;
        let before = last.insert(request.name.clone(), marker);
        let before = before.unwrap_or(marker - i64::try_from(RELEASES)?);
        ensure!(
            marker - before == i64::try_from(RELEASES)?,
            "{}: {marker} comes after {before}",
            request.name
        );
        upgrades += 1;
    }
    ensure!(
        upgrades == DELIVERIES,
        "{upgrades} upgrades of {DELIVERIES}"
    );
    Ok(())
}

fn release(number: usize) -> String {
    format!("app-{number}")
}

const CONFIGURATION: &str = r#"
listen = "127.0.0.1:0"
manifest = "spin.toml"
kubeconfig = "kubeconfig"
cache_dir = "cache"

[log]
level = "error"

[operations]
file = "operations.db"

[[cluster]]
name = "sim"

[[hook]]
name = "load"
provider = "hmac"
header = "x-signature"
secrets = ["SECRET"]

[[hook.rule]]
name = "load"
target = { clusters = ["sim"], release = "${event.payload.release}" }
upgrade = { set = { marker = "event.payload.marker" } }

[[grant]]
principals = ["hook:load"]
actions = ["upgrade", "get-values"]
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Deliveries a second.
const RATE: u32 = 500;
const DELIVERIES: usize = 30_000;
const RELEASES: usize = 50;
/// What 99.9% of the acknowledgements may take: a sender waits three seconds at least.
const BOUND: Duration = Duration::from_millis(500);
/// What the memory may grow by, as a multiple of what it was after a quarter.
const GROWTH: f64 = 1.5;
/// The longest that the operations may take once the cluster is back.
const SETTLED: Duration = Duration::from_secs(1800);
