//! The same component under other hosts, sending to `tiller-edge relay` with
//! the caller's own credentials.
//!
//! Programs come from `$SPIN` and `$WASMTIME`; without them these tests say
//! that they are skipped.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use real::{Edge, Process, User};
use serde_json::{Value, json};
use sim::scenario::{Body, Client};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::stage::{Stage, caller_at, chart, expect, expect_problem, root, skip, together};

/// Where `spin.toml` says that the relay is.
const RELAY: &str = "127.0.0.1:4480";

#[test]
fn the_component_serves_under_spin() {
    let Some(spin) = program("SPIN") else {
        return skip("the component under Spin", "$SPIN names no program");
    };
    together(async |stage| {
        let listen = "127.0.0.1:13000";
        let host = Process::new("spin", spin, stage.cluster.folder())
            .arguments(["up", "--from"])
            .argument(root().join("spin.toml"))
            .arguments(["--listen", listen, "--state-dir"])
            .argument(stage.cluster.folder().join("spin-state"))
            .variable("HOME", stage.cluster.folder());
        serves(stage, host, listen, "under-spin").await
    });
}

#[test]
fn the_component_serves_under_wasmtime() {
    let Some(wasmtime) = program("WASMTIME") else {
        return skip("the component under wasmtime", "$WASMTIME names no program");
    };
    together(async |stage| {
        let listen = "127.0.0.1:13001";
        let host = Process::new("wasmtime", wasmtime, stage.cluster.folder())
            .arguments(["serve", "-Scli=y", "-Wcomponent-model-async=y", "-Sp3=y"])
            .arguments(["--addr", listen, "--env"])
            .argument(format!("TILLER_EDGE_RELAY=http://{RELAY}"))
            .argument(root().join("target/wasm32-wasip2/component/releases.wasm"))
            .variable("HOME", stage.cluster.folder());
        serves(stage, host, listen, "under-wasmtime").await
    });
}

/// Install, list, stream and error through a host that is not ours.
async fn serves(stage: &Stage, host: Process, listen: &str, name: &str) -> Result<()> {
    relay(stage).await?;
    host.start().await?;
    let caller = caller_at(&format!("http://{listen}"));
    host.ready(async || {
        let answer = caller.get("/v1/clusters").await?;
        ensure!(answer.status < 500, "{answer}");
        Ok(())
    })
    .await?;

    let bearer = format!("Bearer {}", token(stage)?);
    let with = |accept: &'static str| {
        [
            ("authorization", bearer.clone()),
            ("accept", accept.to_owned()),
        ]
    };
    let releases = "/v1/clusters/real/releases";

    let body = Body::form(&chart("web")?, Some(&json!({ "name": name })));
    let installed = send(
        &caller,
        "POST",
        releases,
        &with("application/json"),
        Some(body),
    )
    .await?;
    expect(201, &installed);

    let listed = send(&caller, "GET", releases, &with("application/json"), None).await?;
    expect(200, &listed);
    let items = listed
        .json()
        .and_then(|json| json["items"].as_array())
        .context("no items")?;
    ensure!(items.iter().any(|item| item["name"] == name), "{listed}");

    let streamed = send(
        &caller,
        "GET",
        releases,
        &with("application/x-ndjson"),
        None,
    )
    .await?;
    expect(200, &streamed);
    let text = String::from_utf8_lossy(&streamed.body);
    let lines = text
        .lines()
        .map(serde_json::from_str::<Value>)
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(lines.iter().any(|item| item["name"] == name), "{streamed}");

    let path = format!("{releases}/no-such-release");
    let missing = send(&caller, "GET", &path, &with("application/json"), None).await?;
    expect(404, &missing);
    expect_problem(&missing, "release_not_found", "caller", "not_applied");

    let refused = caller.get(releases).await?;
    ensure!(
        refused.status >= 400,
        "without credentials it answers {refused}"
    );
    ensure!(!refused.to_string().contains(name), "{refused}");

    let path = format!("{releases}/{name}?purge=true");
    let purged = send(&caller, "DELETE", &path, &with("application/json"), None).await?;
    expect(200, &purged);
    host.kill().await
}

/// One relay for all hosts: it has one address in `spin.toml`.
async fn relay(stage: &Stage) -> Result<&'static Edge> {
    static STARTED: OnceCell<Edge> = OnceCell::const_new();
    STARTED
        .get_or_try_init(|| async {
            let kubeconfig = stage.cluster.kubeconfig(User::Edge);
            let context = User::Edge.context();
            let config = format!(
                "[[cluster]]\nname = \"real\"\nkubeconfig = {kubeconfig:?}\ncontext = \"{context}\"\n\
                 credentials = \"caller\"\n"
            );
            let starting = stage.cluster.edge("relay", "relay", RELAY, &config);
            timeout(Duration::from_secs(60), starting).await?
        })
        .await
}

async fn send(
    caller: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Option<Body>,
) -> Result<sim::scenario::Answer> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    caller.send(method, path, &headers, body).await
}

/// The token that the edge's kubeconfig holds; here it is the caller's.
fn token(stage: &Stage) -> Result<String> {
    let text = fs::read_to_string(stage.cluster.kubeconfig(User::Edge))?;
    let kubeconfig: Value = serde_json::from_str(&text)?;
    let token = kubeconfig
        .pointer("/users/0/user/token")
        .and_then(Value::as_str);
    Ok(token.context("the kubeconfig has no token")?.to_owned())
}

fn program(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
}
