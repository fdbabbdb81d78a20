//! Which values a release is rendered with, and which it keeps.

use charts::{Limits, values::ValuesError};
use serde_json::{Map, Value};
use tiller_api::hapi::{
    chart::{Chart, Config},
    release::Release,
    services::tiller::UpdateReleaseRequest,
};

use super::{dispatch::Fault, yaml};

/// The chart's defaults under the given configuration.
pub(super) fn coalesced(chart: &Chart, config: Option<&Config>) -> Result<Value, Fault> {
    if !has_metadata(chart) {
        return Err(Fault::Crash("a chart or a sub-chart has no metadata"));
    }
    if let Some(config) = config {
        read(&config.raw)?;
    }
    charts::values::coalesce(chart, config, &Limits::default()).map_err(|error| match error {
        ValuesError::Defaults { chart, source } => {
            let reason = yaml::failure(&source);
            format!("Error: Reading chart '{chart}' default values: {reason}").into()
        }
        ValuesError::Globals(_) => {
            Fault::Crash("a sub-chart with sub-charts has a `global` that is no map for values")
        }
        other => other.to_string().into(),
    })
}

/// Applies `reset_values`, `reuse_values` or, with neither, the rule that values given once stick.
pub(super) fn carry_over(
    request: &mut UpdateReleaseRequest,
    current: &Release,
) -> Result<(), Fault> {
    if request.reset_values {
        return Ok(());
    }
    let old = current
        .config
        .as_ref()
        .map_or("", |config| config.raw.as_str());
    if !request.reuse_values {
        let given = request
            .values
            .as_ref()
            .map_or("", |values| values.raw.as_str());
        if is_blank(given) && !is_blank(old) {
            request.values = current.config.clone();
        }
        return Ok(());
    }
    let old_chart = current.chart.clone().unwrap_or_default();
    let defaults = coalesced(&old_chart, current.config.as_ref())?;
    if let Some(chart) = &mut request.chart {
        chart.values = Some(config(&defaults));
    }
    let Some(given) = &request.values else {
        return Err(Fault::Crash("reuse_values without values"));
    };
    let mut merged = if is_blank(old) { read("")? } else { read(old)? };
    merge(&mut merged, read(&given.raw)?);
    request.values = Some(config(&merged));
    Ok(())
}

/// Tiller's notion of no values; `{}` without a newline is not in it.
fn is_blank(raw: &str) -> bool {
    raw.is_empty() || raw == "{}\n"
}

fn has_metadata(chart: &Chart) -> bool {
    chart.metadata.is_some() && chart.dependencies.iter().all(has_metadata)
}

fn read(raw: &str) -> Result<Value, Fault> {
    let value = yaml::parse(raw)?;
    match yaml::mismatch(&value, "chartutil.Values") {
        Some(error) => Err(error.into()),
        None if value.is_null() => Ok(Value::Object(Map::new())),
        None => Ok(value),
    }
}

fn config(value: &Value) -> Config {
    Config {
        raw: charts::yaml::to_string(value),
        ..Config::default()
    }
}

/// Maps merge, everything else is replaced, null included.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::chart::Metadata;

    use super::*;

    fn raw(text: &str) -> Config {
        Config {
            raw: text.to_owned(),
            ..Config::default()
        }
    }

    fn upgrade(old: &str, new: &str, request: UpdateReleaseRequest) -> UpdateReleaseRequest {
        let chart = Chart {
            metadata: Some(Metadata {
                name: "web".to_owned(),
                ..Metadata::default()
            }),
            values: Some(raw("x: 1\n")),
            ..Chart::default()
        };
        let current = Release {
            chart: Some(chart.clone()),
            config: Some(raw(old)),
            ..Release::default()
        };
        let mut request = UpdateReleaseRequest {
            chart: Some(Chart {
                values: Some(raw("x: 2\ny: 3\n")),
                ..chart
            }),
            values: Some(raw(new)),
            ..request
        };
        carry_over(&mut request, &current).expect("valid values");
        request
    }

    fn config_of(request: &UpdateReleaseRequest) -> &str {
        &request.values.as_ref().expect("values are kept").raw
    }

    #[test]
    fn no_values_keep_the_old_ones() {
        for new in ["", "{}\n"] {
            let request = upgrade("foo: bar\n", new, UpdateReleaseRequest::default());
            assert_eq!(config_of(&request), "foo: bar\n");
        }
    }

    #[test]
    fn any_other_spelling_of_empty_drops_the_old_ones() {
        let request = upgrade("foo: bar\n", "{}", UpdateReleaseRequest::default());
        assert_eq!(config_of(&request), "{}");
    }

    #[test]
    fn reused_values_are_merged_and_replace_the_new_charts_defaults() {
        let reuse = UpdateReleaseRequest {
            reuse_values: true,
            ..Default::default()
        };
        let request = upgrade("foo: bar\n", "foo2: bar2\n", reuse);
        assert_eq!(config_of(&request), "foo: bar\nfoo2: bar2\n");
        let chart = request
            .chart
            .and_then(|chart| chart.values)
            .expect("defaults");
        assert_eq!(chart.raw, "foo: bar\nx: 1\n");
    }

    #[test]
    fn reset_wins_over_reuse() {
        let both = UpdateReleaseRequest {
            reuse_values: true,
            reset_values: true,
            ..Default::default()
        };
        let request = upgrade("foo: bar\n", "a: 1\n", both);
        assert_eq!(config_of(&request), "a: 1\n");
    }

    #[test]
    fn maps_merge_and_the_rest_is_replaced() {
        let mut value = serde_json::json!({"root": {"nested": "a", "another": "b"}});
        merge(&mut value, serde_json::json!({"root": {"nested": null}}));
        assert_eq!(
            value,
            serde_json::json!({"root": {"nested": null, "another": "b"}})
        );
    }
}
