//! What providers send, as they document it, and the events that it is read as.
//!
//! Each file in `payloads/` says where its payload is from. With `UPDATE=1` the events that are found are written into
//! the files.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue};
use rules::{Event, Provider, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A payload and the events that it is.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    source: String,
    provider: Provider,
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// The body where it is no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Without their payloads.
    events: Vec<Event>,
}

impl Case {
    fn read(&self) -> Vec<Event> {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a header's name");
                let value: HeaderValue = value.parse().expect("a header's value");
                (name, value)
            })
            .collect();
        let body = match (&self.body, &self.text) {
            (Some(body), None) => body.to_string(),
            (None, Some(text)) => text.clone(),
            _ => panic!("either `body` or `text`"),
        };
        read(self.provider, &headers, body.as_bytes()).expect("it can be read")
    }
}

#[test]
fn payloads_are_read_as_what_they_mean() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("text");
        let mut case: Case = serde_json::from_str(&text).expect("a case");
        let mut found = case.read();
        for event in &mut found {
            assert!(!event.payload.is_null(), "{}", path.display());
            event.payload = Value::Null;
        }
        if env::var_os("UPDATE").is_some() {
            case.events = found;
            let text = serde_json::to_string_pretty(&case).expect("JSON");
            fs::write(&path, text + "\n").expect("written");
        } else {
            assert_eq!(found, case.events, "{}", path.display());
        }
        count += 1;
    }
    assert!(count > 50, "{count} payloads");
}
