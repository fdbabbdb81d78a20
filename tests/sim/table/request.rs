//! A row as a request, and whether the answer is what the table says.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{ANONYMOUS, Deed, LOCAL, REPOSITORY, Row};
use crate::scenario::{Answer, Body, Client, fixture};

/// The chart of every install and upgrade.
const CHART: &str = "web";

impl Row {
    /// Asks for it. `client` is one of the edge that is to answer.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn ask(&self, client: &Client) -> Result<Answer> {
        let (method, path, body) = self.request()?;
        let id = self.request_id();
        let mut headers = vec![("x-request-id", id.as_str())];
        let authorization = format!("Bearer table-{}", self.who);
        if ![ANONYMOUS, LOCAL].contains(&self.who.as_str()) {
            headers.push(("authorization", &authorization));
        }
        client.send(method, &path, &headers, body).await
    }

    /// Insists on the answer that the table has.
    ///
    /// # Errors
    ///
    /// When it is another.
    pub fn check(&self, answer: &Answer) -> Result<()> {
        let code = answer.json().and_then(|json| json["code"].as_str());
        let is_good = (200..300).contains(&answer.status);
        ensure!(
            is_good == self.is_allowed() && code == self.code.as_deref(),
            "{} is answered {answer}",
            self.told()
        );
        let Some(problem) = answer.json().filter(|_| !is_good) else {
            return Ok(());
        };
        ensure!(
            problem["outcome"] == "not_applied" && problem["blame"] == "caller",
            "{} is refused with {answer}",
            self.told()
        );
        // Whoever does not say where a release is does not learn it.
        let detail = problem["detail"].as_str().unwrap_or_default();
        let said = self.deed == Deed::Install || self.decided.starts_with('!');
        let told = detail.contains(&format!("`{}`", self.namespace))
            || detail.contains(&format!("namespace {}", self.namespace));
        ensure!(said || !told, "{} is told {detail}", self.told());
        Ok(())
    }

    /// It, in short.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "table.txt:{}: {} {:?}{} {}/{}",
            self.line,
            self.who,
            self.deed,
            if self.dry_run { "?" } else { "" },
            self.cluster,
            self.release
        )
    }

    fn request(&self) -> Result<(&'static str, String, Option<Body>)> {
        let Self {
            cluster, release, ..
        } = self;
        let releases = match &self.tiller {
            None => format!("/v1/clusters/{cluster}/releases"),
            Some(tiller) => format!("/v1/clusters/{cluster}/tillers/{tiller}/releases"),
        };
        let one = format!("{releases}/{release}");
        Ok(match self.deed {
            Deed::Content => ("GET", one, None),
            Deed::History => ("GET", format!("{one}/history"), None),
            Deed::Install => {
                let fields = json!({
                    "name": release,
                    "namespace": self.namespace,
                    "dry_run": self.dry_run,
                });
                ("POST", releases, Some(self.with_chart(fields)?))
            }
            Deed::Rollback => {
                let fields = json!({ "revision": 1, "dry_run": self.dry_run });
                ("POST", format!("{one}/rollback"), Some(Body::json(&fields)))
            }
            Deed::Status => ("GET", format!("{one}/status"), None),
            Deed::Test => ("POST", format!("{one}/tests"), None),
            Deed::Uninstall => ("DELETE", one, None),
            Deed::Upgrade => {
                let fields = json!({ "dry_run": self.dry_run });
                ("PUT", one, Some(self.with_chart(fields)?))
            }
            Deed::Values => ("GET", format!("{one}/values"), None),
        })
    }

    fn with_chart(&self, mut fields: Value) -> Result<Body> {
        let source = self.chart.as_deref().unwrap_or_default();
        let of_repository = source.split_once('/');
        if let Some((REPOSITORY, name)) = of_repository {
            fields["chart"] = json!({ "repository": REPOSITORY, "name": name });
            return Ok(Body::json(&fields));
        }
        Ok(Body::form(&upload()?, Some(&fields)))
    }
}

/// The chart that is uploaded.
///
/// # Errors
///
/// Those of reading it.
pub fn upload() -> Result<bytes::Bytes> {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    fixture::archive(&charts.join(CHART), 0)
}
