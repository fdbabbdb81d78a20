//! What requirements.yaml does to a chart.

mod enabled;
mod hostile;
mod imports;

use charts::{
    Limits,
    requirements::{RequirementsError, check, process},
    values::{self, Table},
};
use proptest::prelude::*;
use tiller_api::hapi::chart::{Chart, Config};

use crate::{
    required,
    support::{Build as _, chain, chart},
};

/// What becomes of a chart with these values of the caller.
fn processed(mut chart: Chart, user: &str) -> Result<Chart, RequirementsError> {
    let user = Config {
        raw: user.to_owned(),
        ..Config::default()
    };
    process(&mut chart, &user, &Limits::default()).map(|()| chart)
}

/// The names of its sub-charts.
fn names(chart: &Chart) -> Vec<&str> {
    chart.dependencies.iter().map(name).collect()
}

/// The names of all charts below it, each before those below itself.
fn all_names(chart: &Chart) -> Vec<&str> {
    chart
        .dependencies
        .iter()
        .flat_map(|below| [vec![name(below)], all_names(below)].concat())
        .collect()
}

fn name(chart: &Chart) -> &str {
    &chart.metadata.as_ref().expect("metadata").name
}

/// The chart's own values.
fn own(chart: &Chart) -> Table {
    values::read(raw(chart), &Limits::default()).expect("values")
}

fn raw(chart: &Chart) -> &str {
    &chart.values.as_ref().expect("values").raw
}

fn refused(chart: &Chart) -> String {
    chain(&check(chart, &Limits::default()).expect_err("it lacks something"))
}

#[test]
fn r22_missing_sub_charts_are_named() {
    let requirements = "dependencies: [{name: w}, {name: a}, {name: v}]";
    let chart = chart("top").requires(requirements).with(chart("a"));
    assert_eq!(
        refused(&chart),
        "found in requirements.yaml, but missing in charts/ directory: w, v"
    );
}

#[test]
fn only_names_are_checked_and_only_at_the_top() {
    let sub = chart("sub").requires("dependencies: [{name: missing}]");
    let top = chart("top")
        .requires("dependencies: [{name: sub, version: 9.9.9, alias: other}]")
        .with(sub);
    check(&top, &Limits::default()).expect("nothing is missing");
}

#[test]
fn a_chart_without_requirements_lacks_nothing() {
    for file in ["", "# nothing\n", "dependencies:\n", "other: 1", "~"] {
        check(&chart("top").requires(file), &Limits::default()).expect(file);
    }
    check(&chart("top"), &Limits::default()).expect("no file");
}

#[test]
fn requirements_that_cannot_be_read_are_refused_at_the_top() {
    for (file, reason) in [
        ("[", "malformed YAML"),
        ("- a", "not a mapping of keys to values"),
        ("text", "not a mapping of keys to values"),
        ("dependencies: x", "dependencies is not a list of mappings"),
        (
            "dependencies: [x]",
            "dependencies is not a list of mappings",
        ),
        ("dependencies: [{tags: x}]", "tags is not a list of texts"),
        (
            "dependencies: [{tags: [[]]}]",
            "tags is not a list of texts",
        ),
        ("dependencies: [{name: {}}]", "name is not a text"),
        (
            "dependencies: [{enabled: 1}]",
            "enabled is not true or false",
        ),
        (
            "dependencies: [{import-values: x}]",
            "import-values is not a list",
        ),
        (
            "dependencies: [{x: .nan}]",
            "infinity and NaN are no JSON values",
        ),
    ] {
        let text = refused(&chart("top").requires(file));
        assert!(
            text.starts_with(&format!("cannot load requirements: {reason}")),
            "{file}: {text}"
        );
    }
}

#[test]
fn below_the_top_they_count_for_nothing() {
    let sub = chart("sub")
        .requires("- a")
        .values("x: 1 # one")
        .with(chart("deep"));
    let top = chart("top").requires("dependencies: []").with(sub.clone());
    assert_eq!(processed(top, "").expect("a chart").dependencies, [sub]);
}

#[test]
fn null_is_no_requirement() {
    for file in ["dependencies: [~]", "dependencies: [{name: a}, null]"] {
        let top = chart("top").requires(file).with(chart("a"));
        assert_eq!(
            check(&top, &Limits::default()),
            Err(RequirementsError::NullRequirement("top".into()))
        );
        assert_eq!(
            processed(top, ""),
            Err(RequirementsError::NullRequirement("top".into()))
        );
    }
}

#[test]
fn the_last_of_several_files_counts() {
    let top = chart("top")
        .requires("dependencies: [{name: missing}]")
        .requires("dependencies: [{name: a}]")
        .with(chart("a"));
    check(&top, &Limits::default()).expect("nothing is missing");
    assert!(check(&top.requires(""), &Limits::default()).is_ok());
}

#[test]
fn keys_match_in_any_case_and_scalars_become_text() {
    let requirements =
        "Dependencies: [{NAME: a, Version: 1.0, ALIAS: 1, Tags: [1, yes], unknown: {}}]";
    let top = chart("top").requires(requirements).with(chart("a"));
    check(&top, &Limits::default()).expect("nothing is missing");
    let enabled = processed(top.clone(), "").expect("a chart");
    assert_eq!(names(&enabled), ["1"]);
    let disabled = processed(top, "tags: {'1': false, 'true': false}").expect("a chart");
    assert!(names(&disabled).is_empty());
}

#[test]
fn utf16_is_read_and_other_bytes_are_not() {
    let text = "dependencies: [{name: w}]";
    let little = [0xff, 0xfe]
        .into_iter()
        .chain(text.bytes().flat_map(|byte| [byte, 0]));
    let big = [0xfe, 0xff]
        .into_iter()
        .chain(text.bytes().flat_map(|byte| [0, byte]));
    for data in [little.collect::<Vec<u8>>(), big.collect()] {
        let mut top = chart("top").requires(text);
        top.files[0].value = data;
        assert!(refused(&top).ends_with(": w"));
        top.files[0].value.pop();
        assert_eq!(refused(&top), "cannot load requirements: not UTF-8");
    }
    let mut top = chart("top").requires(text);
    top.files[0].value = b"dependencies: [\xff]".to_vec();
    assert_eq!(refused(&top), "cannot load requirements: not UTF-8");
}

#[test]
fn a_chart_without_requirements_stays_as_it_is() {
    let sub = chart("sub").values("a:   1 # one").with(chart("deep"));
    let top = chart("top").values("{sub: {deep: 5}}").with(sub);
    assert_eq!(processed(top.clone(), "[not, read]"), Ok(top));
}

#[test]
fn a_chart_that_is_refused_stays_as_it_is() {
    let mut top = chart("top")
        .requires("dependencies: [{name: a, version: 1.0.0, alias: b}, {name: x, alias: '!'}]")
        .with(chart("a"));
    let before = top.clone();
    let error = process(&mut top, &Config::default(), &Limits::default());
    assert_eq!(error, Err(RequirementsError::Alias("x".into())));
    assert_eq!(top, before);
}

#[test]
fn charts_without_metadata_are_refused() {
    for top in [
        Chart::default(),
        chart("top").with(Chart::default()),
        chart("top").with(chart("sub").with(Chart::default())),
    ] {
        assert_eq!(processed(top, ""), Err(RequirementsError::MissingMetadata));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_makes_it_panic(top in required::tree(), user in required::user()) {
        let _ = check(&top, &Limits::default());
        let _ = processed(top, &user);
    }

    #[test]
    fn what_is_left_was_there(top in required::tree(), user in required::user()) {
        if let Ok(chart) = processed(top.clone(), &user) {
            prop_assert_eq!(&chart.metadata, &top.metadata);
            prop_assert_eq!(&chart.files, &top.files);
            prop_assert!(all_names(&chart).len() <= 10_000);
        }
    }
}
