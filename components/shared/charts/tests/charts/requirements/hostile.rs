//! Charts that multiply. Each is refused, soon, and in little memory.

use std::time::{Duration, Instant};

use allocation_counter::measure;

use super::*;

const MIB: u64 = 1 << 20;

/// Far less than a second would do; slow machines and debug builds get thirty.
#[track_caller]
fn refused_by(chart: Chart, limit: &str) {
    let start = Instant::now();
    let mut result = None;
    let cost = measure(|| result = Some(processed(chart, "")));
    let error = result.expect("it ran").expect_err("it is refused");
    assert_eq!(error.is_limit(), Some(limit), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert!(cost.bytes_max < 200 * MIB, "{} bytes", cost.bytes_max);
}

/// A chart that has this one many times.
fn many(name: &str, count: usize, of: Chart) -> Chart {
    let of_name = super::name(&of).to_owned();
    let requirements: String = (0..count)
        .map(|at| format!("- {{name: {of_name}, version: '*', alias: a{at}}}\n"))
        .collect();
    chart(name)
        .requires(&format!("dependencies:\n{requirements}"))
        .with(of)
}

/// Charts within each other, each of which has the next many times.
fn tower(levels: usize, count: usize, leaf: Chart) -> Chart {
    (0..levels).fold(leaf, |below, level| {
        many(&format!("level{level}"), count, below)
    })
}

#[test]
fn aliases_of_aliases_are_refused() {
    for (levels, count) in [(16, 2), (8, 10), (2, 1000)] {
        let start = Instant::now();
        let error = processed(tower(levels, count, chart("leaf")), "").expect_err("too many");
        let limit = error.is_limit().expect("a limit");
        assert!(
            ["charts", "work", "yaml_nodes", "values"].contains(&limit),
            "{limit}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{:?}",
            start.elapsed()
        );
    }
}

#[test]
fn more_charts_than_can_be_are_refused() {
    refused_by(many("top", 10_001, chart("leaf").at("1.0.0")), "charts");
}

#[test]
fn a_long_name_under_many_names_is_refused() {
    let long = "n".repeat(MIB as usize);
    let condition = "a,b,".repeat(1000);
    let requirements =
        format!("dependencies: [{{name: {long}, version: 1.0.0, condition: '{condition}'}}]");
    let leaf = chart(&long).requires("dependencies: [{name: x, condition: a}]");
    let below = chart("below").requires(&requirements).with(leaf);
    refused_by(many("top", 1000, below), "values");
}

#[test]
fn a_large_file_under_many_names_is_refused() {
    let leaf = chart("leaf").file("data", &"x".repeat(MIB as usize));
    refused_by(many("top", 40, leaf), "expanded");
}

#[test]
fn large_values_under_many_names_are_refused() {
    let leaf = chart("leaf").values(&format!("k: {}", "x".repeat(MIB as usize)));
    refused_by(many("top", 40, leaf), "values");
}

#[test]
fn values_that_are_merged_over_and_over_are_refused() {
    let values: String = (0..50_000).map(|at| format!("k{at}: 1\n")).collect();
    let leaf = chart("leaf").requires("{}");
    refused_by(many("top", 200, leaf).values(&values), "work");
}

#[test]
fn names_that_are_compared_over_and_over_are_refused() {
    let mut top = chart("top");
    for _ in 0..3000 {
        top = top.with(chart("s").at("2.0.0"));
    }
    let requirements = "- {name: s, version: 1.0.0}\n".repeat(3000);
    refused_by(
        top.requires(&format!("dependencies:\n{requirements}")),
        "work",
    );
}

#[test]
fn imports_to_many_places_are_refused() {
    let values: String = (0..1000).map(|at| format!("  k{at}: 1\n")).collect();
    let imports: String = (0..1000)
        .map(|at| format!("  - {{child: d, parent: p{at}}}\n"))
        .collect();
    let top = chart("top")
        .requires(&format!(
            "dependencies:\n- name: s\n  version: '*'\n  import-values:\n{imports}"
        ))
        .with(chart("s").values(&format!("d:\n{values}")));
    refused_by(top, "work");
}

#[test]
fn imports_to_deep_places_are_refused() {
    let import = |depth| {
        chart("top")
            .requires(&format!(
                "dependencies: [{{name: s, version: '*', import-values: [{{child: d, parent: {}}}]}}]",
                vec!["p"; depth].join(".")
            ))
            .with(chart("s").values("d: {k: 1}"))
    };
    assert!(processed(import(90), "").is_ok());
    refused_by(import(100), "yaml_depth");
    refused_by(import(100_000), "yaml_depth");
}

#[test]
fn charts_that_are_too_deep_are_refused() {
    let deep = (0..40).fold(chart("leaf"), |below, _| chart("level").with(below));
    refused_by(deep, "depth");
}

#[test]
fn requirements_that_are_too_large_are_refused_wherever_they_are() {
    let laughs = format!("a: [{}]", "x,".repeat(300_000));
    let sub = chart("sub").requires(&laughs).with(chart("deep"));
    let error = check(&sub, &Limits::default()).expect_err("too large");
    assert_eq!(error.is_limit(), Some("yaml_nodes"));
    refused_by(chart("top").requires("{}").with(sub), "yaml_nodes");
}
