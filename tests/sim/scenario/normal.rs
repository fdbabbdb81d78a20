//! Answers without what differs from run to run, from cluster to cluster and between transports.

use std::{collections::BTreeMap, io::Read, sync::LazyLock};

use flate2::read::GzDecoder;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::Answer;

/// Headers that say something about a release.
const HEADERS: [&str; 5] = [
    "allow",
    "content-disposition",
    "etag",
    "location",
    "retry-after",
];

static PATTERNS: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
    [
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<time>"),
        // Ages and service addresses in Tiller's tables.
        (r"(?m) +\d+[smh](\d+s)?$", "   <age>"),
        (r"\b10\.0\.0\.\d+\b", "<address>"),
        (r"\b\d+\.\d+\.\d+\.\d+:\d+\b", "<address>"),
        // Archives are packed anew in every run.
        (r"\bsha256:[0-9a-f]{64}\b", "<digest>"),
        (r"\bv1\.\d+\.\d+(\+[\w.]+)?", "<kubernetes>"),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("a constant"), replacement))
});

static TILLER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(/clusters/[^/]+)/tillers/[^/]+").expect("a constant"));

pub(super) struct Normaliser {
    cluster: String,
    /// By name; what was captured under it.
    captured: BTreeMap<String, String>,
}

impl Normaliser {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            captured: BTreeMap::new(),
        }
    }

    pub(super) fn capture(&mut self, name: &str, value: &str) {
        self.captured.insert(name.to_owned(), value.to_owned());
    }

    /// Puts in what was captured and the repetition.
    pub(super) fn fill(&self, text: &str, repetition: u32) -> String {
        let mut text = text.replace("{n}", &format!("{repetition:02}"));
        for (name, value) in &self.captured {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// Status, headers and body as a document.
    pub(super) fn answer(&self, answer: &Answer) -> Value {
        let mut document = Map::new();
        document.insert("status".to_owned(), answer.status.into());
        for name in HEADERS {
            if let Some(value) = answer.header(name) {
                document.insert(name.to_owned(), self.text(value).into());
            }
        }
        let media_type = answer.header("content-type").unwrap_or_default();
        document.insert("content-type".to_owned(), media_type.into());
        document.insert("body".to_owned(), self.body(media_type, answer));
        Value::Object(document)
    }

    fn body(&self, media_type: &str, answer: &Answer) -> Value {
        if let Some(json) = answer.json() {
            return self.value(json);
        }
        if media_type.starts_with("application/gzip") {
            return archive(&answer.body);
        }
        let text = String::from_utf8_lossy(&answer.body);
        let line = |line: &str| {
            let (prefix, json) = match line.strip_prefix("data: ") {
                Some(json) => ("data: ", json),
                None => ("", line),
            };
            match serde_json::from_str(json) {
                Ok(item) if prefix.is_empty() && media_type.contains("ndjson") => self.value(&item),
                Ok(item) if !prefix.is_empty() => format!("{prefix}{}", self.value(&item)).into(),
                _ => self.text(line).into(),
            }
        };
        text.lines().map(line).collect()
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.split_once('\n') {
                // Lines, so that differences between files can be read.
                Some(_) => text
                    .split('\n')
                    .map(|line| Value::from(self.text(line)))
                    .collect(),
                None => self.text(text).into(),
            },
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let members = members.iter().filter(|(name, _)| *name != "tiller");
                let members = members.map(|(name, value)| match &name[..] {
                    "request_id" => (name.clone(), "<request id>".into()),
                    // Columns are as wide as a generated name.
                    "resources" => (name.clone(), self.value(&narrowed(value))),
                    "cluster" if value.as_str() == Some(&self.cluster) => {
                        (name.clone(), "<cluster>".into())
                    }
                    _ => (name.clone(), self.value(value)),
                });
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.captured {
            text = text.replace(value, &format!("<{name}>"));
        }
        let cluster = super::client::segment(&self.cluster);
        text = text.replace(&format!("/clusters/{cluster}"), "/clusters/<cluster>");
        text = TILLER.replace_all(&text, "$1").into_owned();
        for (pattern, replacement) in PATTERNS.iter() {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
        text
    }
}

/// A table with columns no wider than they must be.
fn narrowed(table: &Value) -> Value {
    static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {3,}").expect("a constant"));
    GAP.replace_all(table.as_str().unwrap_or_default(), "   ")
        .into()
}

/// The files of a chart's archive and their text.
fn archive(archive: &[u8]) -> Value {
    let mut files = Map::new();
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let entries = archive.entries().into_iter().flatten();
    for mut entry in entries.filter_map(Result::ok) {
        let name = entry
            .path()
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let mut content = String::new();
        let content = match entry.read_to_string(&mut content) {
            Ok(_) => content.lines().map(Value::from).collect(),
            Err(error) => json!(error.to_string()),
        };
        files.insert(name, content);
    }
    Value::Object(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let mut normaliser = Normaliser::new("prod eu");
        normaliser.capture("generated", "brisk-otter");
        let value = normaliser.value(&json!({
            "cluster": "prod eu",
            "tiller": "grpc",
            "request_id": "01ABC",
            "path": "/v1/clusters/prod%20eu/tillers/grpc/releases/brisk-otter",
            "at": "2026-11-24T05:55:04.5Z",
            "resources": "NAME          AGE\nbrisk-otter   2m3s\nb     10.0.0.7    <none>   1s",
            "detail": "dial tcp 127.0.0.1:44134: v1.35.4+k3s1",
        }));
        let expected = json!({
            "cluster": "<cluster>",
            "request_id": "<request id>",
            "path": "/v1/clusters/<cluster>/releases/<generated>",
            "at": "<time>",
            "resources": ["NAME   AGE", "<generated>   <age>", "b   <address>   <none>   <age>"],
            "detail": "dial tcp <address>: <kubernetes>",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn requests_are_filled_with_what_was_captured() {
        let mut normaliser = Normaliser::new("prod");
        normaliser.capture("cursor", "abc");
        let filled = normaliser.fill("releases?cursor={cursor}&name=rel-{n}", 7);
        assert_eq!(filled, "releases?cursor=abc&name=rel-07");
    }
}
