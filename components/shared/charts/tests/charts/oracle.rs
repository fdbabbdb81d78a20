//! The same answers as Helm's own code, asked over and over.
//!
//! `tests/cluster/oracle` is a Go program around Helm 2.17's packages. It needs Go and the module proxy, so this is not
//! part of a plain `cargo test`; ring 3 runs it.

mod address;
mod cases;
mod helm;
mod index;
mod loading;
mod packing;
mod requirements;
mod strvals;
mod version;
mod yaml;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use prost::Message as _;
use serde_json::{Value, json};
use tiller_api::hapi::chart::{Chart, Metadata};

/// Both agree, on the answer or that there is none.
fn compare<T: std::fmt::Debug>(
    questions: impl Iterator<Item = Value>,
    cases: &[T],
    ours: impl Fn(&T) -> Result<Value, String>,
) {
    let theirs = ask(questions);
    assert_eq!(theirs.len(), cases.len());
    let mut wrong = 0;
    let mut agreed = [0, 0];
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = ours(case);
        let same = match (&ours, theirs.get("error")) {
            (Ok(ours), None) => same(ours, &theirs),
            (Err(_), Some(_)) => true,
            _ => false,
        };
        agreed[usize::from(ours.is_err())] += usize::from(same);
        if !same {
            wrong += 1;
            if wrong <= 20 {
                eprintln!("{case:?}\n  ours: {ours:?}\n  Helm's: {theirs}");
            }
        }
    }
    eprintln!("{} answers and {} errors alike", agreed[0], agreed[1]);
    assert_eq!(wrong, 0, "of {} cases", cases.len());
}

fn same(ours: &Value, theirs: &Value) -> bool {
    let theirs_as_message = || theirs.get("proto").map(message).unwrap_or_default();
    if let Some(ours) = ours.get("chart") {
        sorted(&message(ours)) == sorted(&theirs_as_message())
    } else if let Some(ours) = ours.get("metadata") {
        metadata_of(&message(ours)) == metadata_of(&theirs_as_message())
    } else if ours.get("nameless").is_some() {
        let metadata = metadata_of(&theirs_as_message());
        metadata.name.is_empty() || !matches!(metadata.api_version.as_str(), "" | "v1")
    } else {
        ours["json"] == floats(theirs["json"].clone())
    }
}

fn message(value: &Value) -> Vec<u8> {
    STANDARD
        .decode(value.as_str().expect("text"))
        .expect("base64")
}

fn metadata_of(bytes: &[u8]) -> Metadata {
    Metadata::decode(bytes).expect("metadata")
}

fn sorted(chart: &[u8]) -> Chart {
    fn sort(chart: &mut Chart) {
        chart.dependencies.iter_mut().for_each(sort);
        chart.dependencies.sort_by_key(Chart::encode_to_vec);
    }
    let mut chart = Chart::decode(chart).expect("a chart");
    sort(&mut chart);
    chart
}

fn encode(message: &impl prost::Message) -> String {
    STANDARD.encode(message.encode_to_vec())
}

/// All numbers as floats, which is what they are.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, floats(value)))
            .collect(),
        value => value,
    }
}

fn ask(questions: impl Iterator<Item = Value>) -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/cluster/oracle");
    let mut oracle = Command::new("go")
        .args(["run", "."])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Go runs the oracle");
    let mut stdin = oracle.stdin.take().expect("it is piped");
    let stdout = oracle.stdout.take().expect("it is piped");
    let lines: String = questions.map(|question| format!("{question}\n")).collect();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let answers = BufReader::new(stdout)
        .lines()
        .map(|line| serde_json::from_str(&line.expect("UTF-8")).expect("an answer"))
        .collect();
    writer.join().expect("no panic").expect("it reads");
    assert!(oracle.wait().expect("it ends").success());
    answers
}

/// The same ones every time.
fn many<T: std::fmt::Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a case").current())
        .collect()
}
