//! Webhooks as other people's software sends them, down to the real Tiller: a registry's notifications, and the public SDKs
//! of Standard Webhooks and CloudEvents, which are also the receivers of what the edge sends.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use real::{Edge, Listener, Registry};
use serde_json::{Value, json};
use sim::scenario::Answer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Stage, caller, configuration, expect, install, purge, root, text, together};

/// Where the registry is.
const REGISTRY: u16 = 5085;

/// What the registry sends as `Authorization`, and others as a bearer token.
const TOKEN: &str = "a-token-of-the-registry";

/// Standard Webhooks' own example of a secret.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_image_push_upgrades_the_release_in_tiller() {
    together(async |stage| {
        let home = TempDir::new()?;
        let edge = edge(stage, home.path(), "pushed", "127.0.0.1:8091", "").await?;
        let caller = caller(&edge);
        let values = json!({ "values": { "tag": "1.0.0", "kept": true } });
        expect(201, &install(&caller, "pushed", "web", values).await?);
        let registry = Registry::telling(
            home.path(),
            REGISTRY,
            Listener {
                url: "http://127.0.0.1:8091/hooks/registry",
                authorization: TOKEN,
            },
        )
        .await?;
        let digest = registry
            .push_image("shop/web", "1.2.3", "a layer".into())
            .await?;

        let revision = upgraded(&edge, "pushed", 2).await?;
        let description = revision["description"].as_str().unwrap_or_default();
        let operation = only_operation(&edge, "registry").await?;
        let delivery = operation["origin"]["delivery"]
            .as_str()
            .context("no delivery")?;
        let id = operation["id"].as_str().context("no id")?;
        assert_eq!(
            description,
            format!(
                "image-pushed 127.0.0.1:5085/shop/web:1.2.3 (by hook:registry, delivery {delivery}, {id})"
            )
        );
        assert_eq!(operation["state"], "succeeded", "{operation}");
        let values = caller
            .get("/v1/clusters/real/releases/pushed/values")
            .await?;
        let values = String::from_utf8_lossy(&values.body).into_owned();
        for line in ["tag: 1.2.3", &format!("digest: {digest}"), "kept: true"] {
            ensure!(values.contains(line), "no `{line}` in\n{values}");
        }
        // Helm's own client reads the same in Tiller's history, and cuts it after 60 characters.
        let history = stage.cluster.tiller().helm(&["history", "pushed"]).await?;
        let history = history.check("helm history")?;
        ensure!(history.contains("(by hook:regis"), "{history}");
        let audit = fs::read_to_string(home.path().join("audit.log"))?;
        let line = audit
            .lines()
            .map(serde_json::from_str::<Value>)
            .filter_map(Result::ok)
            .find(|line| line["action"] == "upgrade");
        let line = line.with_context(|| audit.clone())?;
        assert_eq!(line["principal"]["name"], "hook:registry", "{line}");
        assert_eq!(line["operation"], id, "{line}");
        assert_eq!(line["delivery"], delivery, "{line}");

        // The same push again is the same content, and another event: nothing is new in it but its id.
        registry
            .push_image("shop/other", "1.2.3", "a layer".into())
            .await?;
        let deliveries = delivered(&edge, "registry", 2).await?;
        ensure!(
            deliveries
                .iter()
                .any(|delivery| delivery["operations"] == json!([])),
            "{deliveries:?}"
        );
        purge(&caller, "pushed").await?;
        finish(edge).await
    });
}

#[test]
fn the_public_sdks_senders_are_believed_and_their_events_acted_upon() {
    together(async |stage| {
        let home = TempDir::new()?;
        let edge = edge(stage, home.path(), "sent", "127.0.0.1:8092", "").await?;
        let caller = caller(&edge);
        let values = json!({ "values": { "tag": "1" } });
        expect(201, &install(&caller, "sent", "web", values).await?);
        let hook = |name: &str| format!("{}/hooks/{name}", edge.url());
        let image = json!({ "kind": "image-pushed", "image": "registry.example.com/shop/sent", "tag": "2" });
        let standard =
            json!({ "type": "image.pushed", "timestamp": "2026-11-24T00:00:00Z", "data": image });

        let url = hook("standard");
        let arguments = ["standard-webhooks", &url, SECRET, "msg_1"];
        let sent = send(&arguments, &standard).await?;
        assert_eq!(sent["status"], 202, "{sent}");
        upgraded(&edge, "sent", 2).await?;
        let again = send(&arguments, &standard).await?;
        assert_eq!(again["body"]["duplicate"], true, "{again}");
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let forged = send(&["standard-webhooks", &url, other, "msg_2"], &standard).await?;
        assert_eq!(forged["status"], 401, "{forged}");

        for (number, how) in ["cloudevents-binary", "cloudevents-structured"]
            .iter()
            .enumerate()
        {
            let event = json!({
                "specversion": "1.0",
                "id": format!("event-{number}"),
                "source": "/ci/shop",
                "type": "com.example.image.pushed",
                "time": "2026-11-24T00:00:00+00:00",
                "datacontenttype": "application/json",
                "data": { "tag": format!("{}", number + 3) },
            });
            let sent = send(&[how, &hook("events"), TOKEN], &event).await?;
            assert_eq!(sent["status"], 202, "{how}: {sent}");
            upgraded(&edge, "sent", number + 3).await?;
            let again = send(&[how, &hook("events"), TOKEN], &event).await?;
            assert_eq!(again["body"]["duplicate"], true, "{how}: {again}");
        }
        purge(&caller, "sent").await?;
        finish(edge).await
    });
}

#[test]
fn the_public_sdks_receiver_takes_what_the_edge_sends() {
    together(async |stage| {
        let home = TempDir::new()?;
        fs::write(home.path().join("secret"), SECRET)?;
        let receiver = "[[receiver]]\nname = \"ops\"\nurl = \"http://127.0.0.1:8094/\"\nprivate = true\n\
                        secret_files = [\"secret\"]\n";
        let edge = edge(stage, home.path(), "told", "127.0.0.1:8093", receiver).await?;
        // The edge has something to tell before anybody listens.
        let answer = caller(&edge)
            .send(
                "DELETE",
                "/v1/clusters/real/releases/never-there",
                &[("prefer", "respond-async")],
                None,
            )
            .await?;
        expect(202, &answer);
        let mut receiver = Receiver::start().await?;
        let notice = receiver.next().await?;
        assert_eq!(notice["type"], "tiller-edge.operation.failed", "{notice}");
        assert_eq!(notice["subject"], "clusters/real/releases/never-there");
        assert_eq!(notice["data"]["id"], text(&answer, "/id"), "{notice}");
        assert_eq!(notice["data"]["code"], "release_not_found", "{notice}");
        finish(edge).await
    });
}

/// An edge with hooks of its own.
async fn edge(
    stage: &Stage,
    home: &Path,
    name: &'static str,
    listen: &str,
    more: &str,
) -> Result<Edge> {
    let hooks = HOOKS.replace("TOKEN", TOKEN).replace("SECRET", SECRET);
    let own = format!(
        "[operations]\nfile = {:?}\n[audit]\nfile = {:?}\n{hooks}{}",
        home.join("operations.db"),
        home.join("audit.log"),
        more.replace("\"secret\"", &format!("{:?}", home.join("secret"))),
    );
    let configuration = configuration(&stage.cluster.contexts(), &own);
    stage
        .cluster
        .edge(name, "serve", listen, &configuration)
        .await
}

async fn finish(edge: Edge) -> Result<()> {
    let ended = edge.process().terminate().await?;
    ensure!(
        ended.success(),
        "the edge ends with {ended}: {}",
        edge.process().log()
    );
    Ok(())
}

/// Waits until a release has that many revisions, the newest of which is deployed.
async fn upgraded(edge: &Edge, release: &str, revisions: usize) -> Result<Value> {
    let path = format!("/v1/clusters/real/releases/{release}/history");
    eventually(edge, &path, |items| {
        let newest = items.first()?;
        let done = items.len() == revisions && newest["status"] == "deployed";
        done.then(|| newest.clone())
    })
    .await
}

async fn only_operation(edge: &Edge, hook: &str) -> Result<Value> {
    let path = format!("/v1/operations?hook={hook}");
    eventually(edge, &path, |items| {
        let [operation] = items else { return None };
        (operation["state"] == "succeeded").then(|| operation.clone())
    })
    .await
}

async fn delivered(edge: &Edge, hook: &str, count: usize) -> Result<Vec<Value>> {
    let path = format!("/v1/hooks/{hook}/deliveries");
    eventually(edge, &path, |items| {
        (items.len() >= count).then(|| items.to_vec())
    })
    .await
}

/// Asks for a list until it has what is wanted.
async fn eventually<T>(
    edge: &Edge,
    path: &str,
    found: impl Fn(&[Value]) -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer: Answer = caller(edge).get(path).await?;
        let items = answer.json().and_then(|json| json["items"].as_array());
        if let Some(found) = items.and_then(|items| found(items)) {
            return Ok(found);
        }
        ensure!(
            Instant::now() < deadline,
            "never: {path}: {answer}\n{}",
            edge.process().log()
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// Has an SDK send something, and says what it was answered.
async fn send(arguments: &[&str], body: &Value) -> Result<Value> {
    let mut sender = Command::new("sender")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the SDKs are not there")?;
    let mut input = sender.stdin.take().context("no input")?;
    input.write_all(body.to_string().as_bytes()).await?;
    drop(input);
    let output = timeout(PATIENCE, sender.wait_with_output()).await??;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: {arguments:?}", output.status))
}

/// An SDK that takes notices.
struct Receiver {
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let mut process = Command::new("sender")
            .args(["receive", "8094", SECRET])
            .current_dir(root())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the SDKs are not there")?;
        let output = process.stdout.take().context("no output")?;
        Ok(Self {
            lines: BufReader::new(output).lines(),
            _process: process,
        })
    }

    async fn next(&mut self) -> Result<Value> {
        let line = timeout(PATIENCE, self.lines.next_line()).await??;
        Ok(serde_json::from_str(&line.context("the receiver ended")?)?)
    }
}

const HOOKS: &str = r#"
[[hook]]
name = "registry"
provider = "distribution"
secrets = ["TOKEN"]

[[hook.rule]]
name = "web"
images = ["127.0.0.1:*/shop/web"]
digest = true
target = { clusters = ["real"], release = "pushed" }
upgrade.set = { tag = "event.tag", digest = "event.image.digest" }

[[hook]]
name = "standard"
provider = "standard-webhooks"
secrets = ["SECRET"]

[[hook.rule]]
name = "sent"
images = ["registry.example.com/shop/*"]
target = { clusters = ["real"], release = "sent" }
upgrade.set = { tag = "event.tag" }

[[hook]]
name = "events"
provider = "cloudevents"
secrets = ["TOKEN"]

[[hook.rule]]
name = "sent"
names = ["com.example.image.*"]
target = { clusters = ["real"], release = "sent" }
upgrade.set = { tag = "event.payload.data.tag" }

[[grant]]
principals = ["hook:*"]
actions = ["upgrade", "get-values"]
clusters = ["real"]
"#;
