//! What it costs that an edge has 1,000 callers with a token and a grant each, rather than one: `cargo xtask bench`.
//!
//! Two edges answer the same request of the same simulated cluster, one with one caller and one with 1,000, in turns.
//! Each is a process of its own (this program again), so that the kernel says what it alone used: authentication, decision
//! and all the rest of a request. Times depend on the machine, the ratio does not much; above [`LIMIT`] this fails.

mod edge;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tiller_edge::access::{Method, Principal};
use tiller_edge::config::Config;
use tiller_edge::grants::{Action, Attempt, Decision, Place, Policy};

use self::edge::Process;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    if edge::was_one().await? {
        return Ok(ExitCode::SUCCESS);
    }
    decisions()?;
    let ratio = requests().await?;
    if ratio > LIMIT {
        eprintln!("a request costs {ratio:.3} times as much, more than {LIMIT}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole of a request, in CPU time of the edge; the ratio of many callers to one.
async fn requests() -> Result<f64> {
    let cluster = sim::cluster().with_release("web").start().await;
    let home = TempDir::with_prefix("tiller-edge-bench-")?;
    fs::write(home.path().join("kubeconfig"), cluster.kubeconfig())?;
    fs::write(home.path().join("spin.toml"), edge::manifest()?)?;
    // One after the other, so that the component is compiled once.
    let one = Callers::start(home.path(), 1).await?;
    let many = Callers::start(home.path(), MANY).await?;
    one.round().await?;
    many.round().await?;
    let (mut total, mut ratios) = ([Duration::ZERO; 2], Vec::new());
    for round in 0..ROUNDS {
        // Whatever else the machine does is not always the same one's misfortune.
        let (first, second) = if round % 2 == 0 {
            (one.round().await?, many.round().await?)
        } else {
            let many = many.round().await?;
            (one.round().await?, many)
        };
        total[0] += first;
        total[1] += second;
        ratios.push(second.as_secs_f64() / first.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = total[1].as_secs_f64() / total[0].as_secs_f64();
    let each = |total: Duration| total / (ROUNDS * REQUESTS) as u32;
    println!(
        "a request: {:.1?} of CPU with 1 token and grant, {:.1?} with {MANY}, ratio {ratio:.3} ({} rounds of {REQUESTS}, \
         each from {:.3} to {:.3})",
        each(total[0]),
        each(total[1]),
        ROUNDS,
        ratios.first().copied().unwrap_or_default(),
        ratios.last().copied().unwrap_or_default(),
    );
    Ok(ratio)
}

/// An edge with so many callers.
struct Callers {
    count: usize,
    edge: Process,
}

impl Callers {
    async fn start(home: &Path, count: usize) -> Result<Self> {
        let config = home.join(format!("edge-{count}.toml"));
        fs::write(&config, configuration(count)?)?;
        let edge = Process::start(&config).await?;
        Ok(Self { count, edge })
    }

    /// Sends requests, by all callers in turn, and says how much CPU the edge used.
    async fn round(&self) -> Result<Duration> {
        let before = self.cpu()?;
        stream::iter(0..REQUESTS)
            .map(|request| self.ask(request % self.count))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(self.cpu()? - before)
    }

    async fn ask(&self, caller: usize) -> Result<()> {
        let authorization = format!("Bearer {}", token(caller));
        let headers = [("authorization", authorization.as_str())];
        let answer = self
            .edge
            .client
            .send("GET", "/v1/clusters/sim/releases/web", &headers, None)
            .await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }

    /// What the process has used since its start.
    fn cpu(&self) -> Result<Duration> {
        let stat = self.edge.kernel("stat")?;
        // The name of the program may have anything in it, and ends with the last parenthesis.
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        let ticks = fields
            .split_whitespace()
            .skip(USER_TIME)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * MILLIS_PER_TICK))
    }
}

/// The decision alone.
fn decisions() -> Result<()> {
    let own = || grant("principals = [\"user-0\"]");
    let with =
        |who: fn(usize) -> String| (1..MANY).map(move |n| grant(&who(n))).collect::<String>();
    let mut first = None;
    for (what, grants) in [
        ("1 grant", own()),
        (
            "1,000 grants, one of them its own",
            with(|n| format!("principals = [\"user-{n}\"]")) + &own(),
        ),
        (
            "1,000 grants, all of them its own, the last of which allows it",
            with(|n| format!("principals = [\"user-0\"]\nreleases = [\"app-{n}\"]")) + &own(),
        ),
        (
            "1,000 grants, all but one of them with a pattern in place of a name",
            with(|n| format!("principals = [\"team-{n}-*\"]")) + &own(),
        ),
    ] {
        let policy = Policy::compile(&Config::parse(&grants, Path::new("grants.toml"))?);
        let time = decision(&policy)?;
        let ratio = time.as_secs_f64() / first.get_or_insert(time).as_secs_f64();
        println!("a decision with {what}: {time:.0?}, ratio {ratio:.1}");
    }
    Ok(())
}

fn decision(policy: &Policy) -> Result<Duration> {
    let principal = Principal {
        name: "user-0".to_owned(),
        groups: vec!["developers".to_owned(), "staff".to_owned()],
        method: Method::Token,
    };
    let labels = BTreeMap::new();
    let attempt = Attempt {
        action: Action::Read,
        dry_run: false,
        place: Some(Place {
            cluster: "sim",
            region: None,
            labels: &labels,
            tiller: Some("default"),
        }),
        namespace: Some("default"),
        release: Some("web"),
        chart: None,
    };
    let now = serde_json::from_str("\"2026-06-10T12:00:00Z\"")?;
    let start = Instant::now();
    for _ in 0..DECISIONS {
        let decision = policy.decide(black_box(&principal), black_box(&attempt), now);
        ensure!(matches!(decision, Decision::Allowed { .. }), "{decision:?}");
    }
    Ok(start.elapsed() / DECISIONS)
}

fn configuration(callers: usize) -> Result<String> {
    let mut text = "listen = \"127.0.0.1:0\"\nmanifest = \"spin.toml\"\nkubeconfig = \"kubeconfig\"\ncache_dir = \"cache\"\n\
                    [log]\nlevel = \"error\"\n[operations]\noff = true\n[[cluster]]\nname = \"sim\"\n"
        .to_owned();
    for caller in 0..callers {
        let hash = Sha256::digest(token(caller));
        write!(
            text,
            "[[token]]\nname = \"user-{caller}\"\nhash = \"sha256:{hash:x}\"\n{}",
            grant(&format!("principals = [\"user-{caller}\"]"))
        )?;
    }
    Ok(text)
}

fn grant(lines: &str) -> String {
    format!(
        "[[grant]]\n{lines}\nactions = [\"read\"]\nclusters = [\"sim\"]\nnamespaces = [\"default\"]\n"
    )
}

fn token(caller: usize) -> String {
    format!("te_{caller:043}")
}

/// The most that a request may cost with many callers, as a multiple of what it costs with one.
const LIMIT: f64 = 1.05;
const MANY: usize = 1_000;
const ROUNDS: usize = 20;
const REQUESTS: usize = 1_000;
const AT_ONCE: usize = 8;
const DECISIONS: u32 = 100_000;
/// Where the time in user mode stands after the name of the program in `/proc/[pid]/stat`; that in the kernel follows.
const USER_TIME: usize = 11;
/// Linux tells user space hundredths of a second, whatever it counts itself.
const MILLIS_PER_TICK: u64 = 10;
