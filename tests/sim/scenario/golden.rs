//! Answers as they were accepted, a file each.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{read, steps::Step};

/// Differences told of one answer.
const SHOWN: usize = 8;

pub(super) struct Golden {
    directory: PathBuf,
    update: bool,
}

impl Golden {
    pub(super) fn new(directory: PathBuf, update: bool) -> Self {
        Self { directory, update }
    }

    /// Compares an answer with the file of its step, or makes it the file.
    pub(super) fn check(&self, step: &Step, answer: &Value) -> Result<()> {
        let path = self.path(step);
        if self.update {
            fs::create_dir_all(&self.directory)?;
            return fs::write(&path, format!("{answer:#}\n"))
                .with_context(|| format!("writing {}", path.display()));
        }
        let accepted: Value = serde_json::from_str(&read(&path)?)
            .with_context(|| format!("parsing {}", path.display()))?;
        let mut found = Vec::new();
        differences("", &accepted, answer, &mut found);
        if found.is_empty() {
            return Ok(());
        }
        found.truncate(SHOWN);
        bail!("differs from {}:\n  {}", path.display(), found.join("\n  "))
    }

    /// Files that are no step's: removed, or an error.
    pub(super) fn check_others(&self, steps: &[Step]) -> Result<()> {
        let kept: Vec<_> = steps
            .iter()
            .filter(|step| step.golden)
            .map(|step| self.path(step))
            .collect();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if kept.contains(&path) {
                continue;
            }
            ensure!(self.update, "{} belongs to no step", path.display());
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        Ok(())
    }

    fn path(&self, step: &Step) -> PathBuf {
        self.directory.join(format!("{}.json", step.slug()))
    }
}

fn differences(at: &str, accepted: &Value, answer: &Value, found: &mut Vec<String>) {
    match (accepted, answer) {
        (Value::Object(accepted), Value::Object(answer)) => {
            let names = accepted
                .keys()
                .chain(answer.keys().filter(|name| !accepted.contains_key(*name)));
            for name in names {
                let member =
                    |object: &serde_json::Map<_, _>| object.get(name).cloned().unwrap_or_default();
                differences(
                    &format!("{at}/{name}"),
                    &member(accepted),
                    &member(answer),
                    found,
                );
            }
        }
        (Value::Array(accepted), Value::Array(answer)) if accepted.len() == answer.len() => {
            for (index, (accepted, answer)) in accepted.iter().zip(answer).enumerate() {
                differences(&format!("{at}/{index}"), accepted, answer, found);
            }
        }
        (accepted, answer) if accepted == answer => {}
        (accepted, answer) => {
            let show = |value: &Value| {
                format!("{value:.600}")
                    .chars()
                    .take(600)
                    .collect::<String>()
            };
            found.push(format!(
                "{at}: {} instead of {}",
                show(answer),
                show(accepted)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_by_where_they_are() {
        let accepted = json!({"a": [1, {"b": "x"}], "gone": true});
        let answer = json!({"a": [1, {"b": "y"}], "new": 1});
        let mut found = Vec::new();
        differences("", &accepted, &answer, &mut found);
        let expected = [
            r#"/a/1/b: "y" instead of "x""#,
            "/gone: null instead of true",
            "/new: 1 instead of null",
        ];
        assert_eq!(found, expected);
    }
}
