//! The cluster and the edge that all tests share.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::FutureExt;
use real::{Cluster, Edge, User};
use serde_json::{Value, json};
use sim::scenario::{Answer, Body, Client, fixture};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, RwLock};
use tokio::time::timeout;

/// What any one test may take; the scenario is the longest, Tiller asks its
/// API server only five times a second.
const LIMIT: Duration = Duration::from_secs(600);

/// How long any one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The deadline of [`Stage::hasty`], in seconds.
pub(crate) const HASTE: u64 = 3;

// One runtime for all tests, since processes belong to the one they start in.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("the system has threads"));

static STAGE: OnceCell<Result<Stage, String>> = OnceCell::const_new();

/// Held for writing by tests that break something.
static PEACE: RwLock<()> = RwLock::const_new(());

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) edge: Edge,
    /// An edge whose requests have [`HASTE`] seconds.
    pub(crate) hasty: Edge,
}

/// Runs a test beside others.
pub(crate) fn together(test: impl AsyncFnOnce(&Stage) -> Result<()>) {
    RUNTIME.block_on(async {
        let stage = stage().await;
        let _peace = PEACE.read().await;
        finish(test(stage)).await;
    });
}

/// Runs a test while no other runs; what it leaves broken is mended.
pub(crate) fn alone(test: impl AsyncFnOnce(&Stage) -> Result<()>) {
    RUNTIME.block_on(async {
        let stage = stage().await;
        let _peace = PEACE.write().await;
        let ended = AssertUnwindSafe(finish(test(stage))).catch_unwind().await;
        let healed = stage.heal().await;
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
        healed.expect("the stage can be mended");
    });
}

impl Stage {
    async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        let contexts = cluster.contexts();
        let calm = configuration(&contexts, "");
        let edge = cluster
            .edge("edge", "serve", "127.0.0.1:8080", &calm)
            .await?;
        let haste = format!("[limits]\ndeadline = \"{HASTE}s\"\nread_deadline = \"{HASTE}s\"\n");
        let haste = configuration(&contexts, &haste);
        let hasty = cluster
            .edge("hasty-edge", "serve", "127.0.0.1:8081", &haste)
            .await?;
        Ok(Self {
            cluster,
            edge,
            hasty,
        })
    }

    /// Starts whatever does not run, and waits until all of it answers again.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.cluster.heal().await?;
        self.edge.heal().await?;
        self.hasty.heal().await
    }

    /// A caller of the edge.
    pub(crate) fn caller(&self) -> Client {
        caller(&self.edge)
    }
}

/// A caller of an edge.
pub(crate) fn caller(edge: &Edge) -> Client {
    caller_at(&edge.url())
}

/// A caller of whatever answers at this URL.
pub(crate) fn caller_at(url: &str) -> Client {
    let base = url.parse().expect("the tests' own URLs are valid");
    Client::new(base, PATIENCE)
}

/// A chart of `tests/charts`, packed.
pub(crate) fn chart(name: &str) -> Result<Bytes> {
    fixture::archive(&tests().join("charts").join(name), 0)
}

/// Installs a chart by upload.
pub(crate) async fn install(
    caller: &Client,
    name: &str,
    chart: &str,
    more: Value,
) -> Result<Answer> {
    let mut fields = json!({ "name": name });
    if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) {
        fields.extend(more);
    }
    let body = Body::form(&self::chart(chart)?, Some(&fields));
    caller
        .send("POST", "/v1/clusters/real/releases", &[], Some(body))
        .await
}

/// Purges a release.
pub(crate) async fn purge(caller: &Client, name: &str) -> Result<()> {
    let path = format!("/v1/clusters/real/releases/{name}?purge=true");
    expect(200, &caller.send("DELETE", &path, &[], None).await?);
    Ok(())
}

/// Insists on a status.
#[track_caller]
pub(crate) fn expect(status: u16, answer: &Answer) {
    assert_eq!(answer.status, status, "{answer}");
}

/// Insists on a problem with this code, blame and outcome.
#[track_caller]
pub(crate) fn expect_problem(answer: &Answer, code: &str, blame: &str, outcome: &str) {
    let says = |name: &str| text(answer, &format!("/{name}"));
    assert_eq!(
        [says("code"), says("blame"), says("outcome")],
        [code, blame, outcome],
        "{answer}"
    );
}

/// A text of a JSON answer, by its pointer.
#[track_caller]
pub(crate) fn text<'a>(answer: &'a Answer, pointer: &str) -> &'a str {
    let found = answer
        .json()
        .and_then(|json| json.pointer(pointer)?.as_str());
    found.unwrap_or_else(|| panic!("no text at {pointer}: {answer}"))
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    tests().parent().map(Path::to_owned).unwrap_or_default()
}

async fn stage() -> &'static Stage {
    let started =
        STAGE.get_or_init(|| async { Stage::start().await.map_err(|e| format!("{e:#}")) });
    match started.await {
        Ok(stage) => stage,
        Err(error) => panic!("the stage does not start: {error}"),
    }
}

async fn finish(test: impl Future<Output = Result<()>>) {
    let ended = timeout(LIMIT, test)
        .await
        .context("the test hangs")
        .and_then(|ended| ended);
    if let Err(error) = ended {
        panic!("{error:#}");
    }
}

/// The configuration of an edge for the cluster as each of its users.
pub(crate) fn configuration(contexts: &Path, more: &str) -> String {
    let manifest = root().join("spin.toml");
    let clusters = [User::Edge, User::EdgeByCertificate, User::Stranger]
        .map(cluster)
        .concat();
    format!("manifest = {manifest:?}\nkubeconfig = {contexts:?}\n\n{more}\n{clusters}")
}

fn cluster(user: User) -> String {
    format!(
        r#"[[cluster]]
name = "{context}"
context = "{context}"

[[cluster.tiller]]
name = "default"

[[cluster.tiller]]
name = "native"
transport = "grpc"

"#,
        context = user.context()
    )
}

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Says that a part of the tests did not run, past the capture of test output.
pub(crate) fn skip(part: &str, why: impl Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {part}: {why}");
}
