//! Helm's own client, past everything of ours, sees the same releases.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sim::scenario::Body;

use crate::stage::{Stage, chart, expect, install, purge, text, together};

#[test]
fn helm_lists_what_an_upload_installed() {
    together(async |stage| {
        let caller = stage.caller();
        let name = "helm-lists";
        let installed = install(&caller, name, "web", json!({ "namespace": "shop" })).await?;
        expect(201, &installed);

        let listed = helm_json(stage, &["list", name, "--output", "json"]).await?;
        let release = listed
            .pointer("/Releases/0")
            .context("helm lists nothing")?;
        assert_eq!(
            [
                &release["Name"],
                &release["Status"],
                &release["Chart"],
                &release["Namespace"]
            ],
            [name, "DEPLOYED", "web-1.2.3", "shop"]
        );
        let ours = caller
            .get(&format!("/v1/clusters/real/releases/{name}"))
            .await?;
        expect(200, &ours);
        assert_eq!(
            [text(&ours, "/status"), text(&ours, "/namespace")],
            ["deployed", "shop"]
        );
        purge(&caller, name).await?;
        let listed = helm(stage, &["list", name, "--all"]).await?;
        assert_eq!(listed.trim(), "", "helm lists a purged release");
        Ok(())
    });
}

#[test]
fn helm_gets_what_the_edge_shows() {
    together(async |stage| {
        let caller = stage.caller();
        let name = "helm-gets";
        let values = json!({ "values": { "greeting": "good day", "page": { "size": 7 } } });
        expect(201, &install(&caller, name, "web", values).await?);
        for (ours, helms) in [
            ("manifest", &["get", "manifest"][..]),
            ("notes", &["get", "notes"]),
            ("values", &["get", "values"]),
            ("values?all=true", &["get", "values", "--all"]),
        ] {
            let path = format!("/v1/clusters/real/releases/{name}/{ours}");
            let accept = [("accept", "application/yaml, text/plain")];
            let shown = caller.send("GET", &path, &accept, None).await?;
            expect(200, &shown);
            let shown = String::from_utf8_lossy(&shown.body).trim().to_owned();
            let got = helm(stage, &[helms, &[name]].concat()).await?;
            // Helm writes a heading above the notes.
            let got = got.trim().trim_start_matches("NOTES:").trim();
            assert_eq!(lines(&shown), lines(got), "{ours}");
        }
        purge(&caller, name).await
    });
}

#[test]
fn histories_agree_after_upgrade_and_rollback() {
    together(async |stage| {
        let caller = stage.caller();
        let name = "helm-history";
        expect(201, &install(&caller, name, "web", json!({})).await?);
        let fields = json!({ "values": { "greeting": "second" } });
        let body = Body::form(&chart("web")?, Some(&fields));
        let path = format!("/v1/clusters/real/releases/{name}");
        expect(200, &caller.send("PUT", &path, &[], Some(body)).await?);
        helm(stage, &["rollback", name, "1"]).await?;

        let ours = caller.get(&format!("{path}/history")).await?;
        expect(200, &ours);
        let helms = helm_json(stage, &["history", name, "--output", "json"]).await?;
        let ours = ours
            .json()
            .and_then(|json| json["items"].as_array())
            .context("no items")?;
        let helms = helms.as_array().context("helm's history is no list")?;
        // Helm lists the oldest first.
        let helms: Vec<_> = helms
            .iter()
            .rev()
            .map(|entry| summary(entry, true))
            .collect();
        let ours: Vec<_> = ours.iter().map(|entry| summary(entry, false)).collect();
        assert_eq!(ours, helms);
        assert_eq!(ours.len(), 3);
        purge(&caller, name).await
    });
}

#[test]
fn statuses_agree() {
    together(async |stage| {
        let caller = stage.caller();
        let name = "helm-status";
        expect(201, &install(&caller, name, "web", json!({})).await?);
        let ours = caller
            .get(&format!("/v1/clusters/real/releases/{name}/status"))
            .await?;
        expect(200, &ours);
        let helms = helm_json(stage, &["status", name, "--output", "json"]).await?;
        assert_eq!(
            helms.pointer("/info/status/code"),
            Some(&json!(1)),
            "deployed"
        );
        assert_eq!(text(&ours, "/status"), "deployed");
        let resources = helms
            .pointer("/info/status/resources")
            .and_then(Value::as_str);
        let kinds = |table: &str| -> Vec<String> {
            let headings = table.lines().filter(|line| line.starts_with("==> "));
            let mut kinds: Vec<_> = headings.map(str::to_owned).collect();
            kinds.sort();
            kinds
        };
        assert_eq!(
            kinds(text(&ours, "/resources")),
            kinds(resources.unwrap_or_default())
        );
        purge(&caller, name).await
    });
}

#[test]
fn the_edge_sees_what_helm_installed() {
    together(async |stage| {
        let caller = stage.caller();
        let name = "by-helm";
        let file = stage.cluster.folder().join("web-1.2.3.tgz");
        std::fs::write(&file, chart("web")?)?;
        let file = file
            .to_str()
            .context("the temporary folder's path is not text")?;
        helm(
            stage,
            &[
                "install",
                file,
                "--name",
                name,
                "--set",
                "greeting=from helm",
            ],
        )
        .await?;
        let ours = caller
            .get(&format!("/v1/clusters/real/releases/{name}"))
            .await?;
        expect(200, &ours);
        assert_eq!(text(&ours, "/config/greeting"), "from helm");
        purge(&caller, name).await
    });
}

#[test]
fn helm_sees_what_went_to_the_tiller_with_tls() {
    together(async |stage| {
        let caller = stage.caller();
        let releases = "/v1/clusters/real/tillers/native/releases";
        let body = Body::form(
            &chart("web")?,
            Some(&json!({ "name": "over-tls", "namespace": "tls" })),
        );
        expect(201, &caller.send("POST", releases, &[], Some(body)).await?);
        let listed = stage
            .cluster
            .tls_tiller()
            .helm(&["list", "--output", "json"])
            .await?;
        let listed: Value = serde_json::from_str(&listed.check("helm list")?)?;
        let found = listed["Releases"]
            .as_array()
            .context("helm lists nothing")?;
        assert!(
            found.iter().any(|release| release["Name"] == "over-tls"),
            "{listed}"
        );
        let path = format!("{releases}/over-tls?purge=true");
        expect(200, &caller.send("DELETE", &path, &[], None).await?);
        Ok(())
    });
}

async fn helm(stage: &Stage, arguments: &[&str]) -> Result<String> {
    stage
        .cluster
        .tiller()
        .helm(arguments)
        .await?
        .check(&format!("helm {arguments:?}"))
}

async fn helm_json(stage: &Stage, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&helm(stage, arguments).await?)?)
}

/// Revision, status and description of an entry of a history.
fn summary(entry: &Value, helms: bool) -> (i64, String, String) {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let status = if helms {
        text("status").to_lowercase().replace('_', "-")
    } else {
        text("status")
    };
    (
        entry["revision"].as_i64().unwrap_or_default(),
        status,
        text("description"),
    )
}

fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect()
}
