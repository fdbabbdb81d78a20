//! What is packed, as Helm loads it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use charts::{Limits, load, pack, requirements::process};
use serde_json::json;
use tiller_api::hapi::chart::{Chart, Config};

use super::{compare, encode, helm, many};
use crate::{
    pack::{any_chart, any_name, without_requirements},
    required,
    support::{Build as _, chart},
};

/// Helm loads each of these, once packed, as the chart that it was.
fn loads_as_it_was(charts: &[Chart]) {
    let archives = charts.iter().map(|chart| pack(chart).expect("an archive"));
    let questions =
        archives.map(|archive| json!({ "ask": "archive", "archive": STANDARD.encode(archive) }));
    compare(questions, charts, |chart| {
        Ok(json!({ "chart": encode(&without_requirements(chart.clone())) }))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn charts_with_any_metadata_and_files_are_loaded_as_they_were() {
    loads_as_it_was(&many(5000, any_chart()));
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn processed_charts_are_loaded_as_they_were() {
    let charts = many(5000, (required::tree(), required::user()));
    loads_as_it_was(&charts.into_iter().map(processed).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn files_with_odd_names_are_loaded_as_they_were() {
    let charts: Vec<Chart> = many(10_000, any_name())
        .iter()
        .map(|name| chart("top").with(chart("sub").file(name, name)))
        .filter(|chart| pack(chart).is_ok())
        .collect();
    assert!(charts.len() > 4000, "{} charts", charts.len());
    loads_as_it_was(&charts);
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn helms_own_charts_are_loaded_as_they_were() {
    let charts: Vec<Chart> = helm::helm_charts()
        .into_iter()
        .map(|(_, archive)| load(&archive, &Limits::default()).expect("a chart"))
        .map(|chart| processed((chart, String::new())))
        .collect();
    loads_as_it_was(&charts);
}

/// As it is sent, or as it is if it is refused.
fn processed((chart, raw): (Chart, String)) -> Chart {
    let mut processed = chart.clone();
    let user = Config {
        raw,
        ..Config::default()
    };
    match process(&mut processed, &user, &Limits::default()) {
        Ok(()) => processed,
        Err(_) => chart,
    }
}
