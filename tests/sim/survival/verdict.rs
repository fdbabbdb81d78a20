//! Whether Tiller's history says what the operations say.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{Deed, End, Operation, Script};
use crate::scenario::Client;

/// Longest history that is asked for.
const MAX: usize = 4096;

/// Compares the history of every release with the ends of its operations.
///
/// # Errors
///
/// Every contradiction, if there is one.
pub(super) async fn check(client: &Client, script: &Script, ends: &[End]) -> Result<()> {
    let mut rest = ends;
    let mut lanes = Vec::new();
    for operations in &script.releases {
        let (own, others) = rest.split_at(operations.len());
        rest = others;
        lanes.push((operations, own));
    }
    let contradictions = stream::iter(lanes).map(|(operations, ends)| async move {
        let history = History::read(client, script, operations).await?;
        anyhow::Ok(history.contradictions(operations, ends))
    });
    let contradictions: Vec<Vec<String>> = contradictions.buffered(8).try_collect().await?;
    let contradictions = contradictions.concat();
    ensure!(
        contradictions.is_empty(),
        "{} contradictions:\n{}",
        contradictions.len(),
        contradictions.join("\n")
    );
    Ok(())
}

/// The revisions of one release, oldest first.
struct History {
    release: String,
    revisions: Vec<Revision>,
}

#[derive(Debug)]
struct Revision {
    number: u64,
    status: String,
    description: String,
    /// The key of the operation whose values it has.
    marker: String,
}

impl History {
    async fn read(client: &Client, script: &Script, operations: &[Operation]) -> Result<Self> {
        let release = operations
            .first()
            .map(|operation| operation.release.clone())
            .unwrap_or_default();
        let path = format!("{}/releases/{release}", script.tiller);
        let answer = client.get(&format!("{path}/history?max={MAX}")).await?;
        if answer.status == 404 {
            return Ok(Self {
                release,
                revisions: Vec::new(),
            });
        }
        ensure!(answer.status == 200, "the history of {release}: {answer}");
        let json = answer.json().cloned().unwrap_or_default();
        let items = json["items"].as_array().context("a list")?;
        let revisions = stream::iter(items.iter().rev())
            .map(|item| Revision::read(client, &path, item))
            .buffered(4);
        Ok(Self {
            release,
            revisions: revisions.try_collect().await?,
        })
    }

    fn contradictions(&self, operations: &[Operation], ends: &[End]) -> Vec<String> {
        let mut found = Vec::new();
        // What was there before the last purge is no more.
        let purged = operations.iter().zip(ends).rposition(|(operation, end)| {
            operation.deed == Deed::Purge && end.state == "succeeded"
        });
        let since = purged.map_or(0, |last| last + 1);
        let mut last = 0;
        for (index, (operation, end)) in operations.iter().zip(ends).enumerate() {
            let mut say = |what: &str| {
                found.push(format!(
                    "{}: {:?} {} {what}: {}\n  history: {:?}",
                    self.release, operation.deed, operation.key, end.view, self.revisions
                ));
            };
            let mut named: Vec<&Revision> = self
                .revisions
                .iter()
                .filter(|revision| revision.description.contains(&end.id))
                .collect();
            if named.is_empty() && end.state == "succeeded" && index >= since {
                let overwritten = |revision: &&Revision| revision.is_overwritten(operation, last);
                named.extend(self.revisions.iter().find(overwritten));
            }
            let brought: Vec<&Revision> = self
                .revisions
                .iter()
                .filter(|revision| revision.marker == operation.key && !revision.is_rollback())
                .collect();
            if brought.len() > 1 {
                say("was applied twice");
            }
            match (end.state.as_str(), operation.deed) {
                ("succeeded", Deed::Purge) => continue,
                ("succeeded", _) if index >= since => match named[..] {
                    [revision] if revision.number > last => last = revision.number,
                    [_] => say("is out of order"),
                    [] => say("is not in the history"),
                    _ => say("is in the history more than once"),
                },
                ("succeeded", _) if !named.is_empty() => say("outlived a purge"),
                ("succeeded", _) => {}
                ("failed", _) if !named.is_empty() => say("was done all the same"),
                ("failed", _) => {}
                _ => say("has no outcome"),
            }
        }
        found.extend(self.unaccounted(operations, ends));
        found
    }

    /// Revisions that nobody claims to have made, and are not what a failure leaves.
    fn unaccounted(&self, operations: &[Operation], ends: &[End]) -> Vec<String> {
        let done = |revision: &&Revision| {
            let by_whom = ends
                .iter()
                .any(|end| revision.description.contains(&end.id));
            let is_trace = revision.description.contains("failed")
                || revision.description.starts_with("Preparing")
                || revision.description.starts_with("Rollback to")
                || revision.description.starts_with("Initial install")
                || revision.is_being_deleted()
                || revision.status == "failed";
            !by_whom && !is_trace && !revision.status.starts_with("pending")
        };
        let foreign = |revision: &&Revision| {
            !operations
                .iter()
                .any(|operation| operation.key == revision.marker)
        };
        self.revisions
            .iter()
            .filter(|revision| done(revision) || foreign(revision))
            .map(|revision| format!("{}: nobody made {revision:?}", self.release))
            .collect()
    }
}

impl Revision {
    async fn read(client: &Client, release: &str, item: &Value) -> Result<Self> {
        let number = item["revision"]
            .as_u64()
            .context("a revision has a number")?;
        let answer = client
            .get(&format!("{release}/values?revision={number}"))
            .await?;
        ensure!(
            answer.status == 200,
            "values of {release} v{number}: {answer}"
        );
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let marker = text.lines().find_map(|line| line.strip_prefix("marker: "));
        Ok(Self {
            number,
            status: item["status"].as_str().unwrap_or_default().to_owned(),
            description: item["description"].as_str().unwrap_or_default().to_owned(),
            marker: marker
                .unwrap_or_default()
                .trim_matches(['"', '\''])
                .to_owned(),
        })
    }

    /// Whether `operation` may have made it after revision `last`. A deletion that Tiller did not live to finish is all
    /// that its description says then; the values tell whose it was, unless they are another revision's.
    fn is_overwritten(&self, operation: &Operation, last: u64) -> bool {
        let has_its_values = self.marker == operation.key || operation.deed == Deed::RollBack;
        self.is_being_deleted() && has_its_values && self.number > last
    }

    fn is_being_deleted(&self) -> bool {
        self.description.starts_with("Deletion in progress")
    }

    /// Whether its values are another revision's.
    fn is_rollback(&self) -> bool {
        self.description.starts_with("Rollback") || self.status == "pending-rollback"
    }
}
