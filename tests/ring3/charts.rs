//! What Helm's client does before it calls Tiller, the edge does too: every chart of Helm's own module, through both.

mod dry_runs;
mod helms;
mod round_trips;

use std::path::Path;

use anyhow::{Context, Result};
use real::Output;
use serde_json::{Value, json};
use sim::scenario::{Answer, Body};

use crate::stage::Stage;

/// Values, as the arguments of Helm's client and as fields of a request.
#[derive(Clone, Debug, Default)]
struct Given {
    files: Vec<&'static str>,
    set: Vec<&'static str>,
    set_string: Vec<&'static str>,
}

impl Given {
    /// The arguments; the files are written into that folder.
    fn arguments(&self, folder: &Path, prefix: &str) -> Result<Vec<String>> {
        let mut arguments = Vec::new();
        for (number, content) in self.files.iter().enumerate() {
            let file = folder.join(format!("{prefix}-{number}.yaml"));
            std::fs::write(&file, content)?;
            arguments.extend(["--values".to_owned(), text(&file)?.to_owned()]);
        }
        for (flag, lines) in [("--set", &self.set), ("--set-string", &self.set_string)] {
            for line in lines {
                arguments.extend([flag.to_owned(), (*line).to_owned()]);
            }
        }
        Ok(arguments)
    }

    /// `fields` with these values.
    fn fields(&self, mut fields: Value) -> Value {
        for (name, texts) in [
            ("values_files", &self.files),
            ("set", &self.set),
            ("set_string", &self.set_string),
        ] {
            if !texts.is_empty() {
                fields[name] = json!(texts);
            }
        }
        fields
    }
}

/// Installs an archive by Helm's own client.
async fn by_helm(stage: &Stage, archive: &Path, more: &[String]) -> Result<Output> {
    let mut arguments = vec!["install", text(archive)?];
    arguments.extend(more.iter().map(String::as_str));
    stage.cluster.tiller().helm(&arguments).await
}

/// Installs an archive through the edge.
async fn by_edge(stage: &Stage, archive: &[u8], fields: &Value) -> Result<Answer> {
    let body = Body::form(archive, Some(fields));
    let releases = "/v1/clusters/real/releases";
    stage.caller().send("POST", releases, &[], Some(body)).await
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path is not text")
}
