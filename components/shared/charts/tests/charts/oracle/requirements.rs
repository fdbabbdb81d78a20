//! Charts as they are sent, once their requirements are processed.

use std::collections::BTreeMap;

use charts::{
    Limits, load,
    requirements::{RequirementsError, check, process},
    values::ValuesError,
};
use prost::Message as _;
use serde_json::{Value, json};
use tiller_api::hapi::chart::{Chart, Config};

use super::{ask, encode, helm, many, message};
use crate::{required, support::chain};

#[test]
#[ignore = "needs Go; run with --ignored"]
fn requirements_are_processed_as_helm_processes_them() {
    agree(&many(20_000, (required::tree(), required::user())));
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn requirements_of_helms_own_charts_are_processed_as_helm_processes_them() {
    let users = [
        "",
        "{}\n",
        "tags: {front-end: false, back-end: true}",
        "{subchart1: {enabled: false}, subchart2: {enabled: true}, subchart3: {enabled: true}}",
        "{subchart1: {subcharta: {enabled: false}}, subchart2alias: {enabled: true, subchartb: {enabled: true}}}",
        "global: {kolla: {nova: 5}}\nmariners: {global: {x: 1}}\n",
        "subchart1: 5",
        "[",
    ];
    let cases: Vec<(Chart, String)> = helm::helm_charts()
        .into_iter()
        .flat_map(|(_, archive)| {
            let chart = load(&archive, &Limits::default()).expect("a chart");
            users.map(|user| (chart.clone(), user.to_owned()))
        })
        .collect();
    agree(&cases);
}

/// Both have the same chart, sub-charts in the same order and values to the byte, or the same to complain of.
fn agree(cases: &[(Chart, String)]) {
    let questions = cases.iter().map(
        |(chart, user)| json!({ "ask": "requirements", "chart": encode(chart), "values": user }),
    );
    let answers = ask(questions);
    assert_eq!(answers.len(), cases.len());
    let mut agreed = BTreeMap::new();
    let mut wrong = 0;
    for ((chart, user), theirs) in cases.iter().zip(answers) {
        let ours = processed(chart.clone(), user);
        if same(&ours, &theirs) {
            *agreed.entry(outcome(&ours, chart)).or_insert(0) += 1;
        } else {
            wrong += 1;
            if wrong <= 5 {
                let theirs = theirs
                    .get("proto")
                    .map(|proto| outline(&Chart::decode(&*message(proto)).expect("a chart")))
                    .unwrap_or_else(|| theirs.to_string());
                let ours = ours.map_or_else(|error| chain(&error), |chart| outline(&chart));
                eprintln!(
                    "{}\n{user}\n  ours: {ours}\n  Helm's: {theirs}",
                    outline(chart)
                );
            }
        }
    }
    eprintln!("{agreed:#?}");
    assert_eq!(wrong, 0, "of {} cases", cases.len());
}

fn processed(mut chart: Chart, user: &str) -> Result<Chart, RequirementsError> {
    let user = Config {
        raw: user.to_owned(),
        ..Config::default()
    };
    check(&chart, &Limits::default())?;
    process(&mut chart, &user, &Limits::default())?;
    Ok(chart)
}

fn same(ours: &Result<Chart, RequirementsError>, theirs: &Value) -> bool {
    let text = theirs["error"].as_str();
    match (ours, text) {
        (Ok(ours), None) => theirs
            .get("proto")
            .is_some_and(|proto| Chart::decode(&*message(proto)).as_ref() == Ok(ours)),
        (Err(error), Some(text)) => same_error(error, text),
        _ => false,
    }
}

fn same_error(error: &RequirementsError, text: &str) -> bool {
    match error {
        RequirementsError::Alias(_) | RequirementsError::Missing(_) => chain(error) == text,
        RequirementsError::Unreadable(_) => text.starts_with("cannot load requirements: "),
        RequirementsError::Import { .. }
        | RequirementsError::NullRequirement(_)
        | RequirementsError::Values(ValuesError::Globals(_)) => text.starts_with("panic: "),
        RequirementsError::Values(ValuesError::TypeMismatch(_)) => {
            text.starts_with(&format!("{}: ", chain(error)))
        }
        RequirementsError::Values(_) => !text.starts_with("panic: "),
        _ => false,
    }
}

/// What a case shows.
fn outcome(ours: &Result<Chart, RequirementsError>, before: &Chart) -> String {
    match ours {
        Ok(after) if after == before => "unchanged".to_owned(),
        Ok(after) => format!("{} sub-charts", after.dependencies.len()),
        Err(error) => format!("{error:?}")
            .split(['(', ' '])
            .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A chart for people.
fn outline(chart: &Chart) -> String {
    let metadata = chart.metadata.clone().unwrap_or_default();
    let files = chart.files.iter();
    let texts: String = files
        .map(|file| String::from_utf8_lossy(&file.value))
        .chain(chart.values.iter().map(|values| values.raw.as_str().into()))
        .map(|text| format!("{text}--\n"))
        .collect();
    let below: String = chart.dependencies.iter().map(outline).collect();
    format!("{} {}\n{texts}{below}", metadata.name, metadata.version).replace('\n', "\n    ")
}
