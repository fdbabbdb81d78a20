//! The static repository.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sim::store::{Fault, Part, digest, signed};

use super::shelf::{BODY, PASSWORD, Shelf};
use crate::stage::{Stage, alone, expect, purge, text, together};

/// What people ask for.
const RANGES: [&str; 12] = [
    "",
    "^1",
    "~1.2.0",
    "~1.2",
    "1.2.x",
    "<1.2.10",
    ">=1, <1.10.0",
    "1.2.3 || >1.10",
    "1.11.0+build.5",
    "2.0.0-rc.1",
    ">0.0.0-0",
    "~2.0.0-0",
];

#[test]
fn versions_are_those_that_helm_chooses() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        add_to_helm(stage, shelf).await?;
        for wanted in RANGES {
            let mut arguments = vec![
                "install",
                "stable/web",
                "--dry-run",
                "--debug",
                "--name",
                "dry",
            ];
            if !wanted.is_empty() {
                arguments.extend(["--version", wanted]);
            }
            let shown = helm(stage, &arguments).await?;
            let chart = shown
                .lines()
                .find_map(|line| line.strip_prefix("CHART: web-"));
            let helms = chart.with_context(|| shown.clone())?;
            assert_eq!(shelf.chosen("stable", wanted).await?, helms, "{wanted}");
        }
        Ok(())
    });
}

#[test]
fn searches_find_what_helm_finds() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        add_to_helm(stage, shelf).await?;
        for (search, all) in [
            ("", false),
            ("web", false),
            ("web", true),
            ("WEB", false),
            ("pages", false),
            ("sql", false),
            ("site", false),
            ("stable/da", false),
            ("nothing", false),
        ] {
            let mut arguments = vec!["search", search, "--output", "json"];
            if all {
                arguments.extend(["--versions", "--devel"]);
            }
            let found: Value = serde_json::from_str(&helm(stage, &arguments).await?)?;
            let helms: Vec<_> = items(&found, "Name", "Version")
                .filter_map(|item| item.strip_prefix("stable/").map(str::to_owned))
                .collect();
            let path = format!("/v1/repositories/stable/charts?search={search}&all={all}");
            let ours = shelf.caller().get(&path).await?;
            expect(200, &ours);
            let ours = ours.json().context("no JSON")?;
            let ours: Vec<_> = items(&ours["items"], "name", "version").collect();
            assert_eq!(ours, helms, "{search} {all}");
        }
        Ok(())
    });
}

#[test]
fn an_install_tells_where_its_chart_came_from() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        let chart = json!({ "repository": "stable", "name": "web", "version": "^1.10.0, <1.11" });
        let name = "from-store";
        let installed = shelf
            .install(&json!({ "name": name, "chart": chart }))
            .await?;
        expect(201, &installed);
        let digest = format!("sha256:{}", digest(&sim::store::archive("web", "1.10.0")));
        assert_eq!(text(&installed, "/source/digest"), digest);
        let url = shelf.store.archive_url("web", "1.10.0");
        assert_eq!(text(&installed, "/source/url"), url);
        let description = format!("Install complete (chart stable/web 1.10.0 {digest})");
        assert_eq!(text(&installed, "/description"), description);
        let history = helm(
            stage,
            &["history", name, "--output", "json", "--col-width", "300"],
        )
        .await?;
        let history: Value = serde_json::from_str(&history)?;
        assert_eq!(history[0]["description"], description);
        assert_eq!(history[0]["chart"], "web-1.10.0");
        purge(&shelf.caller(), name).await
    });
}

#[test]
fn a_signature_of_helms_is_verified() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        for repository in ["verified", "signed-registry"] {
            let chart =
                json!({ "repository": repository, "name": "web", "version": signed::VERSION });
            let answer = shelf.try_install(&chart).await?;
            expect(200, &answer);
            assert_eq!(text(&answer, "/source/provenance/signer"), signed::SIGNER);
            shelf
                .refuses(repository, "1.10.0", "chart_unverified", "repository")
                .await?;
        }
        Ok(())
    });
}

#[test]
fn what_a_repository_does_wrong_is_told_as_its_doing() {
    alone(async |stage| {
        let shelf = Shelf::of(stage).await;
        let there = shelf.victim.archive_url("web", "1.2.3");
        let body = format!("<html>{BODY} {PASSWORD}</html>");
        for (part, fault, code) in [
            (Part::Archive, Fault::Tamper, "chart_unverified"),
            // Over HTTP/2 a body of another length than told is none.
            (Part::Archive, Fault::Length, "repository_unreachable"),
            (Part::Archive, Fault::Truncate, "repository_unreachable"),
            (
                Part::Archive,
                Fault::Answer(404, body.clone()),
                "repository_error",
            ),
            (
                Part::Archive,
                Fault::Answer(500, body.clone()),
                "repository_error",
            ),
            (
                Part::Archive,
                Fault::Redirect(there.clone()),
                "repository_address_refused",
            ),
            (
                Part::Index,
                Fault::Redirect(there),
                "repository_address_refused",
            ),
            (
                Part::Index,
                Fault::Answer(404, body.clone()),
                "repository_error",
            ),
            (Part::Index, Fault::Answer(200, body), "repository_error"),
        ] {
            shelf.store.set(part, fault.clone());
            let refused = shelf.refuses("stable", "^1", code, "repository").await;
            shelf.store.clear();
            refused.with_context(|| format!("{part:?} {fault:?}"))?;
        }
        assert_eq!(shelf.victim.asked(), []);
        shelf
            .refuses("stable", "7.7.7", "chart_not_found", "caller")
            .await?;
        shelf
            .refuses("none", "", "repository_not_configured", "edge")
            .await
    });
}

#[test]
fn a_slow_repository_has_until_its_deadline() {
    alone(async |stage| {
        let shelf = Shelf::of(stage).await;
        for part in [Part::Index, Part::Archive] {
            let hold = shelf.store.hold(part);
            shelf
                .refuses("stable", "", "repository_timed_out", "repository")
                .await?;
            hold.release();
        }
        assert_eq!(shelf.chosen("stable", "^1").await?, "1.11.0+build.5");
        Ok(())
    });
}

#[test]
fn a_huge_index_is_read_once() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        let mut took = Vec::new();
        for _ in 0..3 {
            let asked = Instant::now();
            assert_eq!(shelf.chosen("huge", "").await?, "1.2.3");
            took.push(asked.elapsed());
        }
        let statuses: Vec<_> = shelf
            .huge
            .asked_for(Part::Index)
            .iter()
            .map(|asked| asked.status)
            .collect();
        assert_eq!(statuses, [200, 304, 304]);
        assert!(took[2] < Duration::from_secs(3), "{took:?}");
        println!("{} bytes of index: {took:?}", shelf.huge.index().len());
        Ok(())
    });
}

/// Has Helm's client know the repository too.
async fn add_to_helm(stage: &Stage, shelf: &Shelf) -> Result<()> {
    let ca = shelf.store.ca().context("no TLS")?;
    let ca = ca.to_str().context("a path is not text")?;
    helm(stage, &["init", "--client-only", "--skip-refresh"]).await?;
    let url = shelf.store.url();
    let add = [
        "repo",
        "add",
        "stable",
        &url,
        "--ca-file",
        ca,
        "--username",
        "edge",
        "--password",
        PASSWORD,
    ];
    helm(stage, &add).await?;
    Ok(())
}

async fn helm(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let output = stage.cluster.tiller().helm(arguments).await?;
    output.check(&format!("helm {arguments:?}"))
}

fn items<'a>(
    list: &'a Value,
    name: &'a str,
    version: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    list.as_array()
        .into_iter()
        .flatten()
        .map(move |item| format!("{} {}", text(item, name), text(item, version)))
}
