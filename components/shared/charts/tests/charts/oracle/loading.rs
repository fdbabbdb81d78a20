//! Archives, Chart.yaml and the values of charts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use charts::{Limits, values, yaml};
use proptest::collection::vec;
use serde_json::json;
use tiller_api::hapi::chart::Config as Values;

use super::{
    cases::{files, metadata, table},
    compare, encode, floats, many,
};
use crate::support::{archive, chain};

#[test]
#[ignore = "needs Go; run with --ignored"]
fn chart_yaml_is_read_as_helm_reads_it() {
    let texts = many(10_000, metadata());
    let questions = texts
        .iter()
        .map(|text| json!({ "ask": "metadata", "metadata": text }));
    compare(questions, &texts, |text| {
        let archive = archive([("web/Chart.yaml", text.as_str())]);
        match charts::load(&archive, &Limits::default()) {
            Ok(chart) => Ok(json!({ "metadata": encode(&chart.metadata.unwrap_or_default()) })),
            Err(charts::ChartError::MissingName) => Ok(json!({ "nameless": true })),
            Err(charts::ChartError::ApiVersion(_)) => Ok(json!({ "nameless": true })),
            Err(error) => Err(chain(&error)),
        }
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn archives_are_loaded_as_helm_loads_them() {
    let archives: Vec<Vec<u8>> = many(10_000, files()).into_iter().map(archive).collect();
    let questions = archives
        .iter()
        .map(|archive| json!({ "ask": "archive", "archive": STANDARD.encode(archive) }));
    compare(questions, &archives, |archive| {
        charts::load(archive, &Limits::default())
            .map(|chart| json!({ "chart": encode(&chart) }))
            .map_err(|error| chain(&error))
    });
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn values_are_coalesced_as_helm_coalesces_them() {
    let tables = || vec(table(), 4);
    let cases: Vec<(Vec<u8>, String)> = many(10_000, tables())
        .into_iter()
        .map(|tables| {
            let [user, top, sub, deep] = &tables[..] else {
                unreachable!("four are made");
            };
            let archive = archive([
                ("t/Chart.yaml", "name: top".to_owned()),
                ("t/values.yaml", yaml::to_string(top)),
                ("t/charts/sub/Chart.yaml", "name: sub".to_owned()),
                ("t/charts/sub/values.yaml", yaml::to_string(sub)),
                (
                    "t/charts/sub/charts/deep/Chart.yaml",
                    "name: deep".to_owned(),
                ),
                (
                    "t/charts/sub/charts/deep/values.yaml",
                    yaml::to_string(deep),
                ),
            ]);
            (archive, yaml::to_string(user))
        })
        .collect();
    let questions = cases
        .iter()
        .map(|(archive, values)| json!({ "ask": "coalesce", "archive": STANDARD.encode(archive), "values": values }));
    compare(questions, &cases, |(archive, raw)| {
        let chart = charts::load(archive, &Limits::default()).expect("a chart");
        let config = Values {
            raw: raw.clone(),
            ..Values::default()
        };
        values::coalesce(&chart, Some(&config), &Limits::default())
            .map(|value| json!({ "json": floats(value) }))
            .map_err(|error| chain(&error))
    });
}
