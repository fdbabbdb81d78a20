//! The charts that Helm's own tests are made with.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use charts::{Limits, values, yaml};
use serde_json::{Value, json};
use tiller_api::hapi::chart::{Chart, Config as Values};

use super::{ask, compare, encode, floats, message};
use crate::support::chain;

/// Every chart of Helm's module that Helm loads, as an archive, by its path there.
pub(crate) fn helm_charts() -> Vec<(String, Vec<u8>)> {
    let charts: Vec<_> = archives()
        .into_iter()
        .filter(|(_, _, loads)| *loads)
        .map(|(name, archive, _)| (name, archive))
        .collect();
    assert!(charts.len() > 100, "{} charts", charts.len());
    charts
}

/// Every archive, and whether Helm loads it.
fn archives() -> Vec<(String, Vec<u8>, bool)> {
    let answers = ask([json!({ "ask": "charts" })].into_iter());
    let charts = answers[0]["charts"].as_array().expect("a list").clone();
    charts
        .into_iter()
        .map(|chart| {
            let name = chart["name"].as_str().expect("a name").to_owned();
            let loads = chart.get("error").is_none();
            // Go's empty list is null.
            let archive = match &chart["archive"] {
                Value::Null => Vec::new(),
                archive => message(archive),
            };
            (name, archive, loads)
        })
        .collect()
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn helms_own_charts_are_loaded_as_helm_loads_them() {
    let archives = archives();
    let questions = archives
        .iter()
        .map(|(_, archive, _)| json!({ "ask": "archive", "archive": STANDARD.encode(archive) }));
    compare(questions, &archives, |(_, archive, _)| {
        charts::load(archive, &Limits::default())
            .map(|chart| json!({ "chart": encode(&chart) }))
            .map_err(|error| chain(&error))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn helms_own_charts_have_the_values_that_helm_computes() {
    let charts = helm_charts();
    let questions = charts.iter().map(|(_, archive)| {
        json!({ "ask": "coalesce", "archive": STANDARD.encode(archive), "values": "" })
    });
    compare(questions, &charts, |(_, archive)| {
        let chart = charts::load(archive, &Limits::default()).expect("a chart");
        values::coalesce(&chart, Some(&Values::default()), &Limits::default())
            .map(|value| json!({ "json": floats(value) }))
            .map_err(|error| chain(&error))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn helms_own_values_are_written_as_helm_writes_them() {
    let texts: Vec<String> = helm_charts()
        .iter()
        .map(|(_, archive)| charts::load(archive, &Limits::default()).expect("a chart"))
        .flat_map(all_values)
        .collect();
    assert!(texts.len() > 100, "{} values", texts.len());
    let questions = texts
        .iter()
        .map(|text| json!({ "ask": "rewrite", "yaml": text }));
    for (text, theirs) in texts.iter().zip(ask(questions)) {
        let ours = yaml::parse(text, &yaml::Limits::default()).map(|value| yaml::to_string(&value));
        assert_eq!(ours.ok().as_deref(), theirs["yaml"].as_str(), "{text}");
    }
}

/// Its own and those of its sub-charts, and every other file of YAML that it has.
fn all_values(chart: Chart) -> Vec<String> {
    let values = chart.values.into_iter().map(|values| values.raw);
    let files = chart
        .files
        .into_iter()
        .filter(|file| file.type_url.ends_with(".yaml"))
        .map(|file| String::from_utf8(file.value).expect("it is text"));
    let sub_charts = chart.dependencies.into_iter().flat_map(all_values);
    values.chain(files).chain(sub_charts).collect()
}
