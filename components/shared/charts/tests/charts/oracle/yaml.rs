//! YAML, read and written.

use std::collections::BTreeMap;

use charts::yaml;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    ask,
    cases::{document, number, scalar, value},
    compare, floats, many,
};
use crate::support::chain;

#[test]
#[ignore = "needs Go; run with --ignored"]
fn yaml_is_read_as_go_yaml_reads_it() {
    let texts = many(10_000, document());
    read_alike(&texts);
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn scalars_are_read_as_go_yaml_reads_them() {
    let texts = many(
        20_000,
        prop_oneof![scalar(), number()].prop_map(|s| format!("- {s}\n")),
    );
    read_alike(&texts);
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn numbers_that_are_keys_are_printed_as_go_prints_them() {
    let single = any::<u32>().prop_map(|bits| f64::from(f32::from_bits(bits)));
    let texts = many(
        20_000,
        prop_oneof![single, any::<f64>()]
            .prop_filter("a number", |float| float.is_finite())
            .prop_map(|float| format!("{float:?}: 1\n")),
    );
    read_alike(&texts);
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn what_is_written_is_read_alike_by_go_yaml() {
    let values = many(20_000, value());
    let questions = values
        .iter()
        .map(|value| json!({ "ask": "yaml", "yaml": yaml::to_string(value) }));
    compare(questions, &values, |value| {
        Ok(json!({ "json": floats(value.clone()) }))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn values_are_written_as_helm_writes_them() {
    let values = many(30_000, value());
    let questions = values
        .iter()
        .map(|value| json!({ "ask": "marshal", "json": value }));
    let mut counts = BTreeMap::<_, usize>::new();
    let mut wrong = 0;
    for (value, theirs) in values.iter().zip(ask(questions)) {
        let ours = yaml::to_string(value);
        let read = yaml::parse(&ours, &yaml::Limits::default()).map(floats);
        assert_eq!(read, Ok(floats(value.clone())), "{ours}");
        let promise = promise(value, &theirs);
        *counts.entry(promise).or_default() += 1;
        let yaml = theirs["yaml"].as_str().unwrap_or_default();
        let kept = match promise {
            Promise::Bytes => ours == yaml,
            Promise::Entries => ours.len() == yaml.len(),
            Promise::Value => true,
        };
        if !kept {
            wrong += 1;
            if wrong <= 20 {
                eprintln!("{value:?}\n  ours: {ours:?}\n  Helm's: {yaml:?}");
            }
        }
    }
    eprintln!("{counts:?}");
    assert_eq!(wrong, 0, "of {} values", values.len());
    assert!(counts[&Promise::Bytes] > 20_000);
}

/// What is promised of a value as it is written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Promise {
    /// Helm's bytes.
    Bytes,
    /// Any order of keys, since Helm's is one of chance.
    Entries,
    /// The value, which Helm does not write, or does not read again.
    Value,
}

fn promise(value: &Value, theirs: &Value) -> Promise {
    if theirs["read"].is_null() && !value.is_null()
        || floats(theirs["read"].clone()) != floats(value.clone())
        || has_separators(value)
    {
        Promise::Value
    } else if theirs["ordered"] == false {
        Promise::Entries
    } else {
        Promise::Bytes
    }
}

/// Whether there are characters that end lines in YAML 1.1 only.
fn has_separators(value: &Value) -> bool {
    let has = |text: &str| text.contains(['\u{2028}', '\u{2029}']);
    match value {
        Value::Array(items) => items.iter().any(has_separators),
        Value::Object(entries) => entries
            .iter()
            .any(|(key, value)| has(key) || has_separators(value)),
        Value::String(text) => has(text),
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

fn read_alike(texts: &[String]) {
    let questions = texts
        .iter()
        .map(|text| json!({ "ask": "yaml", "yaml": text }));
    compare(questions, texts, |text| {
        yaml::parse(text, &yaml::Limits::default())
            .map(|value| json!({ "json": floats(value) }))
            .map_err(|error| chain(&error))
    });
}
