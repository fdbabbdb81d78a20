//! Many operations while everything that carries them out is killed again and again.
//!
//! The operations of each release are handed in one after the other, without waiting for what becomes of them, each with an
//! `Idempotency-Key` of its own, so that one whose acceptance was not heard of can be handed in again. Meanwhile a
//! [`World`] strikes at the edge, at Tiller and at whatever is between them. Once everything is healed and every operation
//! has come to rest, Tiller's history must say of each what the operation itself says: nothing is lost, nothing is stuck,
//! nothing was done twice or out of order.
//!
//! Everything random comes of one seed, which a failure names.

mod dice;
mod script;
mod verdict;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use http::Uri;
use tokio::time::sleep;

pub use self::dice::Dice;
pub use self::script::{Deed, Operation, Script};
use crate::scenario::{Answer, Body, Client};

/// What operations go through, and who strikes at it.
pub trait World: Sync {
    /// The edges, of which some may be dead just now.
    fn edges(&self) -> Vec<Uri>;

    /// Kills something, or brings something back; says what.
    fn strike(&self, dice: &mut Dice) -> impl Future<Output = Result<String>>;

    /// Brings everything back for good.
    fn heal(&self) -> impl Future<Output = Result<()>>;
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Operations by how they ended.
    pub states: std::collections::BTreeMap<String, usize>,
    /// Operations whose outcome was found in Tiller's history.
    pub reconciled: usize,
    /// How often something was struck at, by what.
    pub strikes: std::collections::BTreeMap<String, usize>,
    /// From the first operation handed in to the last one at rest.
    pub elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}, {} reconciled, after {:?} in {:?}",
            self.states, self.reconciled, self.strikes, self.elapsed
        )
    }
}

/// Between two strikes.
const PAUSE: (u64, u64) = (50, 900);

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `script`, whose operations come to rest within `patience` after the last strike.
///
/// # Errors
///
/// When they do not, or Tiller's history says something else than they do; every contradiction is named.
pub async fn run(world: &impl World, script: &Script, patience: Duration) -> Result<Report> {
    let seed = script.seed;
    attempt(world, script, patience)
        .await
        .with_context(|| format!("with seed {seed}"))
}

async fn attempt(world: &impl World, script: &Script, patience: Duration) -> Result<Report> {
    let started = Instant::now();
    let mut report = Report::default();
    let mut dice = Dice::new(script.seed);
    let handing_in = hand_in(world, script);
    tokio::pin!(handing_in);
    let ids = loop {
        let pause = Duration::from_millis(dice.between(PAUSE.0, PAUSE.1));
        tokio::select! {
            ids = &mut handing_in => break ids?,
            () = sleep(pause) => {
                let what = world.strike(&mut dice).await?;
                *report.strikes.entry(what).or_default() += 1;
            }
        }
    };
    world.heal().await?;
    let ends = rest(world, &ids, patience).await?;
    report.elapsed = started.elapsed();
    for end in &ends {
        *report.states.entry(end.state.clone()).or_default() += 1;
        report.reconciled += usize::from(end.reconciled);
    }
    verdict::check(&client(world)?, script, &ends).await?;
    Ok(report)
}

/// How an operation ended.
#[derive(Clone, Debug)]
struct End {
    id: String,
    state: String,
    reconciled: bool,
    /// The whole view, for failures.
    view: String,
}

/// The operations' names, in the order of the script.
async fn hand_in(world: &impl World, script: &Script) -> Result<Vec<String>> {
    let lanes = script.releases.iter().map(|operations| async move {
        let mut ids = Vec::new();
        for operation in operations {
            sleep(operation.after).await;
            ids.push(accepted(world, operation).await?);
        }
        anyhow::Ok(ids)
    });
    let ids: Vec<Vec<String>> = stream::iter(lanes)
        .buffered(script.releases.len().max(1))
        .try_collect()
        .await?;
    Ok(ids.concat())
}

/// Hands an operation in until it is heard that it was accepted.
async fn accepted(world: &impl World, operation: &Operation) -> Result<String> {
    const LONGEST: Duration = Duration::from_secs(120);
    let deadline = Instant::now() + LONGEST;
    let mut last = "no edge answered".to_owned();
    while Instant::now() < deadline {
        for edge in world.edges() {
            let client = Client::new(edge, PATIENCE);
            let headers = [
                ("prefer", "respond-async"),
                ("idempotency-key", operation.key.as_str()),
            ];
            let body = operation.body.as_ref().map(Body::json);
            match client
                .send(operation.method, &operation.path, &headers, body)
                .await
            {
                Ok(answer) => match location(&answer) {
                    Some(id) => return Ok(id),
                    None if answer.status == 503 => last = answer.to_string(),
                    None => bail!(
                        "{} {} is not accepted: {answer}",
                        operation.method,
                        operation.path
                    ),
                },
                Err(error) => last = format!("{error:#}"),
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!(
        "{} {} is never accepted: {last}",
        operation.method,
        operation.path
    )
}

/// The operation that an answer is about: the first time, or when its key is known already.
fn location(answer: &Answer) -> Option<String> {
    let location = answer.headers.get("location")?.to_str().ok()?;
    location
        .strip_prefix("/v1/operations/")
        .map(ToOwned::to_owned)
}

/// Waits until every operation has come to rest.
async fn rest(world: &impl World, ids: &[String], patience: Duration) -> Result<Vec<End>> {
    let deadline = Instant::now() + patience;
    let client = client(world)?;
    let ends = stream::iter(ids)
        .map(|id| end(&client, id, deadline))
        .buffered(16);
    ends.try_collect().await
}

async fn end(client: &Client, id: &str, deadline: Instant) -> Result<End> {
    const SETTLED: [&str; 5] = ["cancelled", "dead", "failed", "succeeded", "superseded"];
    loop {
        let answer = client.get(&format!("/v1/operations/{id}?wait=5s")).await?;
        ensure!(answer.status == 200, "operation {id} is lost: {answer}");
        let json = answer.json().cloned().unwrap_or_default();
        let state = json["state"].as_str().unwrap_or_default().to_owned();
        if SETTLED.contains(&state.as_str()) {
            return Ok(End {
                id: id.to_owned(),
                state,
                reconciled: json["reconciled"] == true,
                view: json.to_string(),
            });
        }
        ensure!(
            Instant::now() < deadline,
            "operation {id} is stuck: {answer}"
        );
    }
}

fn client(world: &impl World) -> Result<Client> {
    let edge = world
        .edges()
        .into_iter()
        .next()
        .context("there is no edge")?;
    Ok(Client::new(edge, PATIENCE))
}
