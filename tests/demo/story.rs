//! The steps, told to a reader.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use sim::scenario::{Answer, Body, fixture};

use crate::edge::{CLUSTER, Edge, NATIVE, root};

/// Lines of an answer that are shown.
const SHOWN: usize = 24;

/// One request, and what must come of it.
struct Step {
    title: &'static str,
    method: &'static str,
    path: String,
    body: Sent,
    status: u16,
}

enum Sent {
    Chart(Value),
    Json(Value),
    Nothing,
}

/// Sends every step and shows it; returns how many went otherwise than they
/// should.
pub(crate) async fn tell(edge: &Edge, folder: &Path) -> Result<usize> {
    let chart = fixture::archive(&root().join("tests/charts/web"), 0)?;
    let file = folder.join("web-1.2.3.tgz");
    fs::write(&file, &chart)?;

    let mut unexpected = 0;
    for (number, step) in (1..).zip(steps()) {
        println!("{number}. {}\n   $ {}", step.title, step.curl(edge, &file));
        let body = match &step.body {
            Sent::Chart(fields) => Some(Body::form(&chart, Some(fields))),
            Sent::Json(fields) => Some(Body::json(fields)),
            Sent::Nothing => None,
        };
        match edge.client().send(step.method, &step.path, &[], body).await {
            Ok(answer) => {
                show(&answer);
                if answer.status != step.status {
                    println!("   UNEXPECTED: {} was expected\n", step.status);
                    unexpected += 1;
                }
            }
            Err(error) => {
                println!("   UNEXPECTED: no answer: {error:#}\n");
                unexpected += 1;
            }
        }
    }
    Ok(unexpected)
}

/// Prints what to try next.
pub(crate) fn suggest(edge: &Edge, folder: &Path) {
    let releases = edge.url(&format!("/v1/clusters/{CLUSTER}/releases"));
    let chart = folder.join("web-1.2.3.tgz");
    println!(
        "The edge goes on answering. Try next:\n\
         \n  curl -F chart=@{} -F name=mine {releases}\
         \n  curl -H 'Accept: application/x-ndjson' '{releases}?status=deployed'\
         \n  curl {releases}/mine/manifest\
         \n  curl -X DELETE '{releases}/mine?purge=true'\
         \n  curl '{}'\
         \n\nWhat it logs is in {}.",
        chart.display(),
        edge.url(&format!("/v1/clusters/{CLUSTER}?check=true")),
        folder.join("edge.log").display(),
    );
}

fn steps() -> Vec<Step> {
    let cluster = format!("/v1/clusters/{CLUSTER}");
    let step = |title, method, path: &str, body, status| Step {
        title,
        method,
        path: format!("{cluster}{path}"),
        body,
        status,
    };
    let native = format!("/tillers/{NATIVE}/version");
    vec![
        step(
            "What does this cluster's Tiller call itself?",
            "GET",
            "/version",
            Sent::Nothing,
            200,
        ),
        step(
            "Install a chart",
            "POST",
            "/releases",
            Sent::Chart(json!({ "name": "web", "values": { "greeting": "hello from the demo" } })),
            201,
        ),
        step(
            "List what is installed",
            "GET",
            "/releases",
            Sent::Nothing,
            200,
        ),
        step(
            "Upgrade it with other values",
            "PUT",
            "/releases/web",
            Sent::Chart(json!({ "values": { "greeting": "good evening" } })),
            200,
        ),
        step(
            "See what Tiller made of it",
            "GET",
            "/releases/web/manifest",
            Sent::Nothing,
            200,
        ),
        step(
            "The same name again is refused, and says why",
            "POST",
            "/releases",
            Sent::Chart(json!({ "name": "web" })),
            409,
        ),
        step(
            "Its history",
            "GET",
            "/releases/web/history",
            Sent::Nothing,
            200,
        ),
        step(
            "Roll back",
            "POST",
            "/releases/web/rollback",
            Sent::Json(json!({ "revision": 1 })),
            200,
        ),
        step(
            "Its values now",
            "GET",
            "/releases/web/values",
            Sent::Nothing,
            200,
        ),
        step(
            "Delete it",
            "DELETE",
            "/releases/web?purge=true",
            Sent::Nothing,
            200,
        ),
        step(
            "Nothing is left",
            "GET",
            "/releases/web",
            Sent::Nothing,
            404,
        ),
        step(
            "Another Tiller of this cluster, with TLS, needs no bridge",
            "GET",
            &native,
            Sent::Nothing,
            200,
        ),
    ]
}

impl Step {
    fn curl(&self, edge: &Edge, chart: &Path) -> String {
        let url = edge.url(&self.path);
        let method = match (self.method, &self.body) {
            ("GET", _) | ("POST", Sent::Chart(_) | Sent::Json(_)) => String::new(),
            (method, _) => format!(" -X {method}"),
        };
        let body = match &self.body {
            Sent::Chart(fields) => format!(" -F chart=@{} -F 'request={fields}'", chart.display()),
            Sent::Json(fields) => format!(" --json '{fields}'"),
            Sent::Nothing => String::new(),
        };
        format!("curl{method}{body} '{url}'")
    }
}

fn show(answer: &Answer) {
    let status = http::StatusCode::from_u16(answer.status).ok();
    let reason = status
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let kind = answer.header("content-type").unwrap_or("no content");
    println!("   {} {reason}  ({kind})", answer.status);
    let text = match answer.json() {
        Some(json) => format!("{json:#}"),
        None => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    let lines: Vec<_> = text.lines().collect();
    for line in lines.iter().take(SHOWN) {
        println!("   {line}");
    }
    if lines.len() > SHOWN {
        println!("   … {} more lines", lines.len() - SHOWN);
    }
    println!();
}
