//! The distribution registry.

use anyhow::{Context, Result};
use real::{Chart, Style};
use serde_json::json;
use sim::store::{archive, digest, signed};

use super::shelf::{Shelf, VERSIONS};
use crate::stage::{alone, expect, purge, text, together};

/// The same for a registry as for a repository: its tags are versions.
const RANGES: [(&str, &str); 8] = [
    ("", "1.11.0+build.5"),
    ("^1", "1.11.0+build.5"),
    ("~1.2.0", "1.2.10"),
    ("<1.2.10", "1.2.3"),
    ("1.11.0+build.5", "1.11.0+build.5"),
    ("2.0.0-rc.1", "2.0.0-rc.1"),
    (">0.0.0-0", "2.0.0-rc.2"),
    ("0.9.0", "0.9.0"),
];

#[test]
fn tags_are_versions() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        for repository in ["registry", "open"] {
            for (wanted, chosen) in RANGES {
                assert_eq!(
                    shelf.chosen(repository, wanted).await?,
                    chosen,
                    "{repository} {wanted}"
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_chart_of_a_registry_is_installed() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        let chart = json!({ "repository": "registry", "name": "web", "version": "1.11.0+build.5" });
        let name = "from-registry";
        let installed = shelf
            .install(&json!({ "name": name, "chart": chart }))
            .await?;
        expect(201, &installed);
        let digest = format!("sha256:{}", digest(&archive("web", "1.11.0+build.5")));
        assert_eq!(text(&installed, "/source/digest"), digest);
        let url = format!("oci://{}/team/web:1.11.0+build.5", shelf.registry.address());
        assert_eq!(text(&installed, "/source/url"), url);
        assert_eq!(text(&installed, "/chart/version"), "1.11.0+build.5");
        purge(&shelf.caller(), name).await
    });
}

#[test]
fn what_helm_3_pushes_is_found_and_verified() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        shelf.open.push_by_helm(&signed::file(), "pushed").await?;
        let chart = json!({ "repository": "pushed", "name": signed::NAME });
        let answer = shelf.try_install(&chart).await?;
        expect(200, &answer);
        assert_eq!(text(&answer, "/source/version"), signed::VERSION);
        assert_eq!(text(&answer, "/source/provenance/signer"), signed::SIGNER);
        let digest = format!("sha256:{}", digest(&signed::archive()));
        assert_eq!(text(&answer, "/source/digest"), digest);
        Ok(())
    });
}

#[test]
fn tokens_are_asked_for_with_the_login_and_for_no_more_than_pulling() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        shelf.chosen("registry", "").await?;
        let asked = shelf.registry.asked();
        let pulls: Vec<_> = asked
            .iter()
            .filter(|asked| !asked.query.contains("push"))
            .collect();
        assert!(pulls.iter().all(|asked| asked.authorization), "{pulls:?}");
        let pull = |query: &str| query.contains("team") && query.contains("pull");
        assert!(pulls.iter().any(|asked| pull(&asked.query)), "{pulls:?}");
        shelf
            .refuses("stranger", "", "repository_credentials_refused", "edge")
            .await
    });
}

#[test]
fn charts_and_versions_of_a_registry_are_listed() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        for repository in ["registry", "open"] {
            let list = async |path: &str, field: &str| -> Result<Vec<String>> {
                let answer = shelf
                    .caller()
                    .get(&format!("/v1/repositories/{repository}/{path}"))
                    .await?;
                expect(200, &answer);
                let items = answer.json().and_then(|json| json["items"].as_array());
                let items = items.context("no items")?.iter();
                let texts = items.map(|item| item[field].as_str().unwrap_or_default().to_owned());
                Ok(texts.collect())
            };
            assert_eq!(list("charts", "name").await?, ["web"]);
            let mut newest_first = VERSIONS;
            newest_first.reverse();
            assert_eq!(list("charts/web", "version").await?, newest_first);
            let path = format!("/v1/repositories/{repository}/charts/web/1.10.0");
            let inspected = shelf.caller().get(&path).await?;
            expect(200, &inspected);
            assert_eq!(text(&inspected, "/metadata/version"), "1.10.0");
            assert_eq!(text(&inspected, "/readme"), "# Read me\n");
        }
        Ok(())
    });
}

#[test]
fn what_is_not_in_the_registry_is_not_found() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        for wanted in ["7.7.7", "^7", ">2.0.0"] {
            shelf
                .refuses("registry", wanted, "chart_not_found", "caller")
                .await?;
        }
        let chart = json!({ "repository": "registry", "name": "nothing" });
        let answer = shelf.try_install(&chart).await?;
        crate::stage::expect_problem(&answer, "chart_not_found", "caller", "not_applied");
        Ok(())
    });
}

#[test]
fn an_archive_that_was_changed_in_the_registrys_storage_is_not_installed() {
    together(async |stage| {
        let shelf = Shelf::of(stage).await;
        let archive = archive("web", "3.0.0");
        let chart = Chart {
            repository: "scratch/web",
            version: "3.0.0",
            archive: archive.clone(),
            provenance: None,
            style: Style::Current,
        };
        shelf.registry.push(&chart).await?;
        assert_eq!(shelf.chosen("scratch", "").await?, "3.0.0");
        shelf.registry.tamper(&archive)?;
        shelf
            .refuses("scratch", "", "chart_unverified", "repository")
            .await
    });
}

#[test]
fn a_registry_that_is_frozen_or_gone_is_told_so() {
    alone(async |stage| {
        let shelf = Shelf::of(stage).await;
        let process = shelf.registry.process();
        process.freeze().await?;
        let slow = shelf
            .refuses("registry", "", "repository_timed_out", "repository")
            .await;
        process.thaw().await?;
        slow?;
        process.kill().await?;
        let gone = shelf
            .refuses("registry", "", "repository_unreachable", "repository")
            .await;
        shelf.registry.heal().await?;
        gone?;
        assert_eq!(shelf.chosen("registry", "^1").await?, "1.11.0+build.5");
        Ok(())
    });
}
