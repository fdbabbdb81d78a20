//! Charts out of real stores: a static repository over TLS with a private authority and a login, and the distribution
//! registry with tokens; into a real Tiller, and beside what Helm's own client makes of the same repository.

mod registries;
mod repositories;
mod shelf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sim::scenario::{Answer, Body};

use self::shelf::Shelf;
use crate::stage::{expect, expect_problem};

impl Shelf {
    /// A dry run of an install of that chart.
    async fn try_install(&self, chart: &Value) -> Result<Answer> {
        self.install(&json!({ "name": "dry", "chart": chart, "dry_run": true }))
            .await
    }

    async fn install(&self, body: &Value) -> Result<Answer> {
        let releases = "/v1/clusters/real/releases";
        let body = Some(Body::json(body));
        self.caller().send("POST", releases, &[], body).await
    }

    /// Which version a dry run comes to.
    async fn chosen(&self, repository: &str, wanted: &str) -> Result<String> {
        let chart = json!({ "repository": repository, "name": "web", "version": wanted });
        let answer = self.try_install(&chart).await?;
        expect(200, &answer);
        let version = answer
            .json()
            .and_then(|json| json["source"]["version"].as_str());
        Ok(version.context("no version")?.to_owned())
    }

    /// Insists that the newest version of the chart `web` is refused, and says nothing of what stores keep to themselves.
    async fn refuses(
        &self,
        repository: &str,
        version: &str,
        code: &str,
        blame: &str,
    ) -> Result<()> {
        let chart = json!({ "repository": repository, "name": "web", "version": version });
        let answer = self.try_install(&chart).await?;
        expect_problem(&answer, code, blame, "not_applied");
        let text = answer.to_string();
        for secret in [shelf::PASSWORD, shelf::BODY, real::PASSWORD] {
            assert!(!text.contains(secret), "{text}");
        }
        Ok(())
    }
}
