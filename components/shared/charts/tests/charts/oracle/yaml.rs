//! YAML, read and written.

use charts::yaml;
use proptest::prelude::*;
use serde_json::json;

use super::{
    cases::{document, number, scalar, value},
    compare, floats, many,
};
use crate::support::chain;

#[test]
#[ignore = "needs Go; run with --ignored"]
fn yaml_is_read_as_go_yaml_reads_it() {
    let texts = many(10_000, document());
    let questions = texts.iter().map(|text| json!({ "ask": "yaml", "yaml": text }));
    compare(questions, &texts, |text| {
        yaml::parse(text, &yaml::Limits::default())
            .map(|value| json!({ "json": floats(value) }))
            .map_err(|error| chain(&error))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn scalars_are_read_as_go_yaml_reads_them() {
    let texts = many(
        20_000,
        prop_oneof![scalar(), number()].prop_map(|s| format!("- {s}\n")),
    );
    let questions = texts.iter().map(|text| json!({ "ask": "yaml", "yaml": text }));
    compare(questions, &texts, |text| {
        yaml::parse(text, &yaml::Limits::default())
            .map(|value| json!({ "json": floats(value) }))
            .map_err(|error| chain(&error))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn what_is_written_is_read_alike_by_go_yaml() {
    let values = many(10_000, value());
    let questions = values
        .iter()
        .map(|value| json!({ "ask": "yaml", "yaml": yaml::to_string(value) }));
    compare(questions, &values, |value| {
        Ok(json!({ "json": floats(value.clone()) }))
    });
}
