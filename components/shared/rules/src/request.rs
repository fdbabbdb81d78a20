//! What a rule wants, as a request of the REST interface.

use std::collections::BTreeMap;

use rest::{
    pattern,
    plan::Plan,
    relay::{ClusterView, Target},
    route::release_path,
    time::whole_seconds,
};
use serde_json::{Map, Value, json};

use crate::{
    Event, Wanted,
    compile::Compiled,
    expression::{Scope, cut},
    path::Path,
};

/// What is changed of a release, the same wherever it is.
pub(crate) struct Change {
    /// The request's body, but for the values.
    body: Map<String, Value>,
    values: Map<String, Value>,
}

impl Change {
    /// Computes what a rule sets, or says what cannot be computed.
    pub(crate) fn compute(
        rule: &Compiled,
        event: &Event,
        scope: &Scope<'_>,
    ) -> Result<Self, String> {
        let mut values = Map::new();
        for setting in &rule.change.set {
            let field = &setting.field;
            match setting.value.evaluate(scope) {
                // Helm takes null for "forget this value", which nobody says by looking at an event.
                Ok(Value::Null) => return Err(format!("`{field}` gives null")),
                Ok(value) => setting.path.set(&mut values, value),
                Err(why) => return Err(format!("`{field}` cannot be computed: {why}")),
            }
        }
        let version = match &rule.change.version {
            None => None,
            Some(version) => Some(
                version
                    .fill(scope)
                    .map_err(|why| format!("`upgrade.chart.version` cannot be computed: {why}"))?,
            ),
        };
        Ok(Self {
            body: body(rule, event, version),
            values,
        })
    }

    /// Sets a value on top.
    pub(crate) fn set(&mut self, path: &Path, value: Value) {
        path.set(&mut self.values, value);
    }

    /// The request for one release.
    pub(crate) fn request(
        &self,
        rule: &Compiled,
        target: &Target,
        release: &str,
        approve: bool,
    ) -> Wanted {
        let mut body = self.body.clone();
        body.insert("values".into(), Value::Object(self.values.clone()));
        Wanted::Request {
            rule: rule.rule.name.clone(),
            method: "PUT".to_owned(),
            target: release_path(target, release),
            body: Value::Object(body),
            plan: Plan {
                action: "upgrade".to_owned(),
                cluster: target.cluster.clone(),
                tiller: target.tiller.clone(),
                release: Some(release.to_owned()),
                namespace: rule.rule.upgrade.namespace.clone(),
                dry_run: rule.rule.dry_run,
                timeout: whole_seconds(rule.change.timeout).unsigned_abs(),
            },
            coalesce: rule.rule.coalesce.is_some(),
            approve,
        }
    }
}

fn body(rule: &Compiled, event: &Event, version: Option<String>) -> Map<String, Value> {
    let upgrade = &rule.rule.upgrade;
    let mut body = Map::new();
    let chart = match &upgrade.chart {
        None => json!({"deployed": true}),
        Some(chart) => {
            let mut members = json!({"repository": chart.repository, "name": chart.name});
            if let Some(version) = version {
                members["version"] = version.into();
            }
            members
        }
    };
    body.insert("chart".into(), chart);
    let values = if upgrade.reset_values {
        "reset_values"
    } else {
        "reuse_values"
    };
    let flags = [
        (values, true),
        ("dry_run", rule.rule.dry_run),
        ("wait", upgrade.wait),
        ("atomic", upgrade.atomic),
        ("install", upgrade.install),
    ];
    for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
        body.insert(name.into(), true.into());
    }
    let timeout = whole_seconds(rule.change.timeout);
    body.insert("timeout".into(), format!("{timeout}s").into());
    if let Some(namespace) = &upgrade.namespace {
        body.insert("namespace".into(), namespace.clone().into());
    }
    let summary = event.summary();
    body.insert("description".into(), cut(&summary, MAX_DESCRIPTION).into());
    body
}

/// The clusters that fit all of what is asked for, by name.
pub(crate) fn clusters(
    names: &[String],
    regions: &[String],
    labels: &BTreeMap<String, String>,
    clusters: &[ClusterView],
) -> Vec<String> {
    let fits = |patterns: &[String], name: Option<&str>| {
        patterns.is_empty() || name.is_some_and(|name| pattern::any(patterns, name))
    };
    clusters
        .iter()
        .filter(|cluster| {
            fits(names, Some(&cluster.name))
                && fits(regions, cluster.region.as_deref())
                && labels.iter().all(|(label, wanted)| {
                    cluster
                        .labels
                        .get(label)
                        .is_some_and(|value| pattern::matches(wanted, value))
                })
        })
        .map(|cluster| cluster.name.clone())
        .collect()
}

/// The longest description of a revision that is made of an event, in bytes.
const MAX_DESCRIPTION: usize = 200;
