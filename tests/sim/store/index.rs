//! index.yaml, as `helm repo index` and chartmuseum write it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

use super::BASE;
use super::entry::{Address, Entry, file};

const CREATED: &str = "2020-10-28T14:00:00.123456789Z";

/// How many versions each filling chart has.
const EACH: usize = 100;

pub(super) fn write(entries: &[Entry], filler: usize, origin: &str) -> String {
    let mut charts: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        charts.entry(&entry.name).or_default().push(entry);
    }
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    if charts.is_empty() && filler == 0 {
        text = "apiVersion: v1\nentries: {}\n".to_owned();
    }
    for (name, versions) in charts {
        text += &format!("  {}:\n", json!(name));
        for version in versions {
            text += &one(version, origin);
        }
    }
    fill(&mut text, filler);
    text + &format!("generated: {CREATED:?}\n")
}

/// JSON is YAML, whatever is in the texts.
fn one(entry: &Entry, origin: &str) -> String {
    let path = file(&entry.name, &entry.version);
    let url = match &entry.address {
        Address::Relative => path,
        Address::Absolute => format!("{origin}{BASE}/{path}"),
        Address::Elsewhere(url) => url.clone(),
    };
    let mut fields = json!({
        "apiVersion": "v1",
        "appVersion": "1.0",
        "created": CREATED,
        "description": entry.description,
        "name": entry.name,
        "urls": [url],
        "version": entry.version,
    });
    if let Some(digest) = &entry.digest {
        fields["digest"] = json!(digest);
    }
    if entry.deprecated {
        fields["deprecated"] = json!(true);
    }
    if !entry.keywords.is_empty() {
        fields["keywords"] = json!(entry.keywords);
    }
    format!("  - {fields}\n")
}

/// Written as Helm does, since it is read a hundred thousand times.
fn fill(text: &mut String, versions: usize) {
    for number in 0..versions {
        let (chart, version) = (number / EACH, number % EACH);
        if version == 0 {
            // Not an error: it is written to memory.
            _ = writeln!(text, "  filler-{chart:04}:");
        }
        _ = write!(
            text,
            "  - apiVersion: v1\n    appVersion: 3.1.{version}\n    created: \"{CREATED}\"\n    \
             description: A chart that fills the index of a repository\n    \
             digest: {number:064x}\n    home: https://filler.example.com/{chart}\n    \
             keywords:\n    - filler\n    - database\n    maintainers:\n    \
             - email: somebody@example.com\n      name: somebody\n    name: filler-{chart:04}\n    \
             urls:\n    - charts/filler-{chart:04}-0.{version}.0.tgz\n    version: 0.{version}.0\n"
        );
    }
}
