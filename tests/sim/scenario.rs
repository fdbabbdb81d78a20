//! What a caller of an edge sees of a Tiller, step by step, the same whether the cluster is simulated
//! or real.
//!
//! The steps are in `tests/scenario/scenario.toml`, each with the status and the problem that must come
//! of it. The whole answer is compared with a file in `tests/scenario/golden`, without what differs from
//! run to run; `UPDATE=1` accepts what came instead. The charts are in `tests/charts`.
//!
//! Only releases of namespace [`NAMESPACE`] are touched: those of an earlier run that ended early are
//! purged first, and the last steps purge this one's.

pub mod fixture;

mod client;
mod golden;
mod normal;
mod steps;

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use serde_json::Value;

pub use self::client::{Answer, Body, Client};
use self::{
    golden::Golden,
    normal::Normaliser,
    steps::{Problem, Step},
};

/// Where the scenario's releases are.
pub const NAMESPACE: &str = "scenario";

/// How a scenario is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tiller to use, the cluster's default one without it.
    pub tiller: Option<String>,
    /// The directory with `charts` and `scenario`.
    pub root: PathBuf,
    /// Whether to accept the answers as they come.
    pub update: bool,
    /// Longest time for one request; the slowest waits for objects that never become ready.
    pub patience: Duration,
    /// Whether to print a line for each step.
    pub print: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tiller: None,
            root: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            update: env::var_os("UPDATE").is_some_and(|value| value == "1"),
            patience: Duration::from_secs(120),
            print: true,
        }
    }
}

/// What came of a scenario that was run to its end.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Steps that went as they must.
    pub passed: usize,
    /// A text for each step that did not.
    pub failures: Vec<String>,
}

impl Report {
    /// Turns failed steps into an error that names them all.
    ///
    /// # Errors
    ///
    /// When there are any.
    pub fn check(self) -> Result<()> {
        let Self { passed, failures } = self;
        ensure!(
            failures.is_empty(),
            "{} of {} steps failed:\n{}",
            failures.len(),
            passed + failures.len(),
            failures.join("\n")
        );
        Ok(())
    }
}

/// Runs the scenario against the edge at `base`, such as `http://127.0.0.1:8080`. A step that fails does
/// not end it.
///
/// # Errors
///
/// When the scenario cannot be read or the edge not be reached at all.
pub async fn run(base: &Uri, cluster: &str, options: &Options) -> Result<Report> {
    let steps = steps::load(&options.root.join("scenario/scenario.toml"))?;
    let mut runner = Runner {
        client: Client::new(base.clone(), options.patience),
        target: Target::new(cluster, options.tiller.as_deref()),
        normaliser: Normaliser::new(cluster),
        charts: options.root.join("charts"),
        golden: Golden::new(options.root.join("scenario/golden"), options.update),
    };
    runner
        .clean()
        .await
        .context("purging what an earlier run left")?;
    let mut report = Report::default();
    for step in &steps {
        let started = Instant::now();
        let outcome = runner.step(step).await;
        let elapsed = started.elapsed().as_millis();
        let word = if outcome.is_ok() { "ok  " } else { "FAIL" };
        if options.print {
            println!("{word} {elapsed:>6} ms  {}", step.name);
        }
        match outcome {
            Ok(()) => report.passed += 1,
            Err(error) => report.failures.push(format!("{}: {error:#}", step.name)),
        }
    }
    runner.golden.check_others(&steps)?;
    Ok(report)
}

/// Which Tiller's resources paths are relative to.
struct Target {
    cluster: String,
    prefix: String,
}

impl Target {
    fn new(cluster: &str, tiller: Option<&str>) -> Self {
        let encoded = client::segment(cluster);
        let tiller = tiller.map(|tiller| format!("/tillers/{}", client::segment(tiller)));
        Self {
            prefix: format!("/v1/clusters/{encoded}{}", tiller.unwrap_or_default()),
            cluster: encoded,
        }
    }

    fn path(&self, path: &str) -> String {
        match path.strip_prefix('/') {
            Some(_) => path.replace("{cluster}", &self.cluster),
            None => format!("{}/{path}", self.prefix),
        }
    }
}

struct Runner {
    client: Client,
    target: Target,
    normaliser: Normaliser,
    charts: PathBuf,
    golden: Golden,
}

impl Runner {
    async fn clean(&self) -> Result<()> {
        let list = format!("releases?namespace={NAMESPACE}&status=all");
        let listed = self.client.get(&self.target.path(&list)).await?;
        let Some(items) = listed.json().and_then(|list| list.get("items")?.as_array()) else {
            bail!("{listed}");
        };
        for name in items.iter().filter_map(|item| item.get("name")?.as_str()) {
            let path = self.target.path(&format!("releases/{name}?purge=true"));
            let purged = self.client.send("DELETE", &path, &[], None).await?;
            ensure!(purged.status == 200, "{purged}");
        }
        Ok(())
    }

    /// All its repetitions; the first that fails ends it, the last is compared with the file.
    async fn step(&mut self, step: &Step) -> Result<()> {
        let mut answer = None;
        for repetition in 1..=step.times {
            answer = Some(self.request(step, repetition).await?);
        }
        let answer = answer.context("`times` is 0")?;
        for (name, pointer) in &step.capture {
            let value = answer
                .json()
                .and_then(|body| body.pointer(pointer))
                .and_then(Value::as_str);
            let value =
                value.with_context(|| format!("the answer has no text at {pointer}: {answer}"))?;
            self.normaliser.capture(name, value);
        }
        if step.golden {
            self.golden.check(step, &self.normaliser.answer(&answer))?;
        }
        Ok(())
    }

    async fn request(&self, step: &Step, repetition: u32) -> Result<Answer> {
        let fill = |text: &str| self.normaliser.fill(text, repetition);
        let (method, path) = step
            .request
            .split_once(' ')
            .context("`request` is METHOD PATH")?;
        let path = self.target.path(&fill(path));
        let body = self.body(step, fill)?;
        let headers: Vec<_> = step
            .headers
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        let answer = self.client.send(method, &path, &headers, body).await?;
        ensure!(
            answer.status == step.status,
            "status {} instead of {}: {answer}",
            answer.status,
            step.status
        );
        if let Some(expected) = &step.problem {
            let said = answer
                .json()
                .and_then(Problem::of)
                .with_context(|| format!("no problem: {answer}"))?;
            ensure!(
                said == *expected,
                "{said:?} instead of {expected:?}: {answer}"
            );
        }
        Ok(answer)
    }

    fn body(&self, step: &Step, fill: impl Fn(&str) -> String) -> Result<Option<Body>> {
        let json = step
            .json
            .as_deref()
            .map(|json| serde_json::from_str(&fill(json)));
        let mut json: Option<Value> = json.transpose().context("`json` is no JSON")?;
        let archive = |chart: &str| fixture::archive(&self.charts.join(chart), step.padding());
        if let Some(chart) = &step.archive {
            let object = json.get_or_insert_with(|| Value::Object(serde_json::Map::new()));
            object["chart"] = client::archive_json(&archive(chart)?);
        }
        Ok(match &step.upload {
            Some(chart) => Some(Body::form(&archive(chart)?, json.as_ref())),
            None => json.as_ref().map(Body::json),
        })
    }
}

/// Reads a file with its name in the error.
fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
