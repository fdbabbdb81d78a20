//! What a chart is rendered with.

use charts::{
    Limits,
    values::{self, ValuesError, coalesce},
};
use serde_json::{Value, json};
use tiller_api::hapi::chart::{Chart, Config, Metadata};

fn config(raw: &str) -> Config {
    Config {
        raw: raw.to_owned(),
        ..Config::default()
    }
}

fn chart(name: &str, values: &str, dependencies: Vec<Chart>) -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        }),
        values: Some(config(values)).filter(|values| !values.raw.is_empty()),
        dependencies,
        ..Chart::default()
    }
}

fn computed(chart: &Chart, user: &str) -> Result<Value, ValuesError> {
    coalesce(chart, Some(&config(user)), &Limits::default())
}

#[test]
fn v1_null_deletes_a_default() {
    let chart = chart("top", "{a: {b: 1, c: 2}, d: null, e: {f: 1}}", vec![]);
    assert_eq!(
        computed(&chart, "{a: {b: null}, e: null, q: {r: null}}"),
        Ok(json!({"a": {"c": 2}, "d": null, "q": {"r": null}}))
    );
}

#[test]
fn v2_nulls_survive_where_there_are_no_defaults() {
    let chart = chart("top", "", vec![chart("sub", "x: 1", vec![])]);
    assert_eq!(
        computed(&chart, "{a: {b: null}, c: null}"),
        Ok(json!({"a": {"b": null}, "c": null, "sub": {"x": 1, "global": {}}}))
    );
}

#[test]
fn v3_null_for_a_sub_chart_leaves_its_own_defaults() {
    let chart = chart(
        "top",
        "sub: {x: 1, w: 2}",
        vec![chart("sub", "{x: 9, z: 3}", vec![])],
    );
    assert_eq!(
        computed(&chart, "sub: null"),
        Ok(json!({"sub": {"x": 9, "z": 3, "global": {}}}))
    );
}

#[test]
fn v4_a_sub_charts_values_are_a_mapping() {
    let chart = chart("top", "sub: 5", vec![chart("sub", "x: 1", vec![])]);
    assert_eq!(
        computed(&chart, ""),
        Err(ValuesError::TypeMismatch("sub".into()))
    );
}

#[test]
fn v5_a_parents_null_deletes_a_sub_charts_default() {
    let chart = chart(
        "top",
        "sub: {foo: null}",
        vec![chart("sub", "foo: bar", vec![])],
    );
    assert_eq!(computed(&chart, ""), Ok(json!({"sub": {"global": {}}})));
}

#[test]
fn v7_v8_globals_of_the_parent_win() {
    let chart = chart(
        "top",
        "{global: {a: p}, sub: {global: {a: s, b: s}}}",
        vec![chart("sub", "global: {c: d, a: dd}", vec![])],
    );
    let globals = |user| computed(&chart, user).expect("values")["sub"]["global"].clone();
    assert_eq!(globals(""), json!({"a": "p", "b": "s", "c": "d"}));
    assert_eq!(
        globals("global: {a: user}"),
        json!({"a": "user", "b": "s", "c": "d"})
    );
}

#[test]
fn v9_a_sub_charts_nested_defaults_are_deleted() {
    let chart = chart(
        "top",
        "logstash: {livenessProbe: {httpGet: null, exec: /bin/true}}",
        vec![chart(
            "logstash",
            "livenessProbe: {httpGet: {path: /}}",
            vec![],
        )],
    );
    assert_eq!(
        computed(&chart, ""),
        Ok(json!({"logstash": {"livenessProbe": {"exec": "/bin/true"}, "global": {}}}))
    );
}

#[test]
fn without_config_the_charts_own_values_do_not_count() {
    let chart = chart("top", "x: 1", vec![chart("sub", "w: 2", vec![])]);
    assert_eq!(
        coalesce(&chart, None, &Limits::default()),
        Ok(json!({"sub": {"w": 2, "global": {}}}))
    );
    assert_eq!(
        computed(&chart, ""),
        Ok(json!({"x": 1, "sub": {"w": 2, "global": {}}}))
    );
}

#[test]
fn globals_that_are_no_mapping_cost_a_sub_chart_its_values() {
    let own = chart(
        "top",
        "sub: {global: 1, x: 2}",
        vec![chart("sub", "w: 3", vec![])],
    );
    assert_eq!(computed(&own, ""), Ok(json!({"sub": {"w": 3}})));
    let parents = chart(
        "top",
        "{global: 1, sub: {global: {a: b}, x: 2}}",
        vec![chart("sub", "w: 3", vec![])],
    );
    assert_eq!(
        computed(&parents, ""),
        Ok(json!({"global": 1, "sub": {"a": "b", "w": 3}}))
    );
}

#[test]
fn such_globals_leave_nothing_of_a_sub_chart_without_values() {
    let leaf = chart("sub", "", vec![]);
    let top = chart("top", "sub: {global: 1, x: 2}", vec![leaf.clone()]);
    assert_eq!(computed(&top, ""), Ok(json!({"sub": null})));
    let twice = chart(
        "top",
        "sub: {global: 1, x: 2}",
        vec![leaf.clone(), leaf.clone()],
    );
    assert_eq!(computed(&twice, ""), Ok(json!({"sub": {"global": {}}})));
    let middle = chart("middle", "x: 1", vec![leaf]);
    let deep = chart("top", "middle: {sub: {global: ~}}", vec![middle]);
    assert_eq!(
        computed(&deep, ""),
        Ok(json!({"middle": {"x": 1, "global": {}, "sub": null}}))
    );
}

#[test]
fn such_globals_of_a_sub_chart_with_sub_charts_would_end_tiller() {
    let sub = |values| chart("sub", values, vec![chart("deep", "", vec![])]);
    for globals in ["1", "~", "[]", "text"] {
        let values = format!("sub: {{global: {globals}}}");
        let error = Err(ValuesError::Globals("sub".into()));
        assert_eq!(computed(&chart("top", &values, vec![sub("")]), ""), error);
        assert_eq!(computed(&chart("top", "", vec![sub("")]), &values), error);
        assert!(computed(&chart("top", &values, vec![sub("{}")]), "").is_ok());
    }
}

#[test]
fn text_in_globals_is_not_multiplied_without_end() {
    let many = (0..100)
        .map(|at| chart(&format!("sub{at}"), "", vec![]))
        .collect();
    let globals = format!("global: {{k: {}}}", "x".repeat(1 << 20));
    assert!(matches!(
        computed(&chart("top", &globals, many), ""),
        Err(ValuesError::Limit {
            limit: "values",
            ..
        })
    ));
}

#[test]
fn unreadable_values_are_named() {
    let chart = chart("top", "x: 1", vec![chart("sub", "[", vec![])]);
    assert!(matches!(computed(&chart, "{"), Err(ValuesError::Config(_))));
    assert!(matches!(
        computed(&chart, ""),
        Err(ValuesError::Defaults { chart, .. }) if chart == "sub"
    ));
    assert_eq!(
        values::read("[]", &Limits::default()),
        Err(ValuesError::NotATable)
    );
}

#[test]
fn a_sub_chart_without_metadata_is_an_error() {
    let chart = chart("top", "", vec![Chart::default()]);
    assert_eq!(
        computed(&chart, ""),
        Err(ValuesError::MissingMetadata("top".into()))
    );
}

#[test]
fn globals_are_not_multiplied_without_end() {
    let many = (0..1000)
        .map(|at| chart(&format!("sub{at}"), "", vec![]))
        .collect();
    let globals: String = (0..1000).map(|at| format!("  k{at}: 1\n")).collect();
    let chart = chart("top", &format!("global:\n{globals}"), many);
    assert!(matches!(
        computed(&chart, ""),
        Err(ValuesError::Limit {
            limit: "yaml_nodes",
            ..
        })
    ));
}
