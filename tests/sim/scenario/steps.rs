//! The scenario's file.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::read;

/// A request and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// What it shows; also the name of its golden file.
    pub(super) name: String,
    /// `METHOD PATH`. A path without a leading slash is below the Tiller's. `{n}` is the repetition,
    /// `{NAME}` what a step before captured.
    pub(super) request: String,
    /// The fields, as JSON, with the same replacements.
    pub(super) json: Option<String>,
    /// Chart to send as the file `chart` of a form, the fields beside it.
    pub(super) upload: Option<String>,
    /// Chart to send in base64 as the field `chart`.
    pub(super) archive: Option<String>,
    /// MiB of noise that the chart has as a file.
    #[serde(default)]
    pub(super) noise: usize,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// How often the request is sent; each answer must have the status.
    #[serde(default = "once")]
    pub(super) times: u32,
    pub(super) status: u16,
    pub(super) problem: Option<Problem>,
    /// Texts of the answer to remember, by JSON pointer.
    #[serde(default)]
    pub(super) capture: BTreeMap<String, String>,
    /// Whether the whole answer is compared.
    #[serde(default = "yes")]
    pub(super) golden: bool,
}

impl Step {
    /// Bytes of noise.
    pub(super) fn padding(&self) -> usize {
        self.noise << 20
    }

    /// The name as that of a file.
    pub(super) fn slug(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").to_lowercase()
    }
}

/// What a problem must say for programs.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Problem {
    code: String,
    blame: String,
    outcome: String,
}

impl Problem {
    /// What a body says, if it is a problem.
    pub(super) fn of(body: &Value) -> Option<Self> {
        let text = |name: &str| Some(body.get(name)?.as_str()?.to_owned());
        Some(Self {
            code: text("code")?,
            blame: text("blame")?,
            outcome: text("outcome")?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    step: Vec<Step>,
}

pub(super) fn load(path: &Path) -> Result<Vec<Step>> {
    let text = read(path)?;
    let parsed = toml::from_str::<Scenario>(&text);
    let steps = parsed
        .with_context(|| format!("parsing {}", path.display()))?
        .step;
    let mut slugs: Vec<_> = steps.iter().map(Step::slug).collect();
    slugs.sort_unstable();
    slugs.dedup();
    ensure!(slugs.len() == steps.len(), "two steps have one name");
    Ok(steps)
}

const fn once() -> u32 {
    1
}

const fn yes() -> bool {
    true
}
