//! docs/security.md names the tests that show what it says. They exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where tests are.
const SOURCES: [&str; 2] = ["host/src", "tests"];

/// Every test: its function's name, and the modules with one of that name, each as a path.
type Tests = BTreeMap<String, Vec<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tests() -> Tests {
    let mut tests = Tests::new();
    let mut folders: Vec<PathBuf> = SOURCES.map(|source| root().join(source)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                read(&path, &mut tests);
            }
        }
    }
    tests
}

fn read(path: &Path, tests: &mut Tests) {
    let text = fs::read_to_string(path).expect("a source file");
    let mut module = path.with_extension("").to_string_lossy().replace('/', "::");
    if text.contains("\nmod tests {\n") {
        module += "::tests";
    }
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with('#') {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        if is_test && let Some((_, rest)) = line.split_once("fn ") {
            let name: String = rest.chars().take_while(|char| *char != '(').collect();
            tests.entry(name).or_default().push(module.clone());
        }
        is_test = false;
    }
}

/// What stands in backquotes and has the form of a test's path: its modules and its name.
fn named(page: &str) -> Vec<(&str, &str)> {
    let is_name = |text: &str| {
        text.chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.split("::").all(is_name))
        .filter_map(|code| code.rsplit_once("::"))
        .collect()
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let tests = tests();
    let named = named(&page);
    assert!(named.len() > 60, "only {} are named", named.len());
    let exists = |(module, name): &(&str, &str)| {
        let end = format!("::{module}");
        let mut found = tests.get(*name).into_iter().flatten();
        found.any(|found| found.ends_with(&end))
    };
    let missing: Vec<_> = named.iter().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "there are no tests {missing:#?}");
}
