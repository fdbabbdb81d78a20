//! Whether grants and refusals can mean what is written.
//!
//! What could never apply is refused, or where that depends on what else the file has, warned of: a grant that matches
//! nothing is a mistake somebody will look for, a refusal that matches nothing is one that nobody will.

use std::collections::BTreeSet;

use rest::fields::nearest;

use super::grants::Selectors;
use super::pattern::{is_pattern, is_text};
use super::{ClusterConfig, Config, Invalid, matches};
use crate::grants::{ANONYMOUS, Action, LOCAL, PROTECTED, Place, READ_ONLY};

/// The longest name of a rule, in bytes.
const MAX_NAME: usize = 253;

impl Config {
    /// What is well-formed and yet without effect, for the operator to know.
    #[must_use]
    pub fn warnings(&self) -> Vec<Invalid> {
        let mut warnings = Vec::new();
        if !self.grants.is_empty() && self.hooks.is_empty() && !self.has_authentication() {
            warnings.push(Invalid::new(
                "grant",
                "without a method of authentication every caller is an administrator, whatever is granted",
            ));
        }
        self.warn_of_hooks(&mut warnings);
        for (key, selectors) in self.selectors() {
            selectors.warn(&key, self, &mut warnings);
        }
        warnings
    }

    pub(super) fn validate_rules(&self, refused: &mut Vec<Invalid>) {
        self.validate_rule_names(refused);
        for (index, grant) in self.grants.iter().enumerate() {
            let key = format!("grant[{index}]");
            if grant.principals.is_empty() && grant.groups.is_empty() {
                refused.push(Invalid::new(
                    key.clone(),
                    "is for nobody; name `principals` or `groups` (`[\"*\"]` for everybody who is authenticated)",
                ));
            }
            if grant.actions.is_empty() {
                refused.push(Invalid::new(
                    format!("{key}.actions"),
                    format!("allows nothing; name some of {}, or `*`", Action::names()),
                ));
            }
            let who = [("principals", &grant.principals), ("groups", &grant.groups)];
            validate_who(&key, who, refused);
        }
        for (index, refusal) in self.refusals.iter().enumerate() {
            let key = format!("refusal[{index}]");
            if refusal.reason.trim().is_empty() || !is_text(&refusal.reason) {
                refused.push(Invalid::new(
                    format!("{key}.reason"),
                    "write in one line why: it is what those are told who are refused",
                ));
            }
            if refusal.actions.is_empty() {
                refused.push(Invalid::new(
                    format!("{key}.actions"),
                    "forbids nothing; leave it away to forbid every change",
                ));
            }
            let who = [
                ("principals", &refusal.principals),
                ("groups", &refusal.groups),
                ("except_principals", &refusal.except_principals),
                ("except_groups", &refusal.except_groups),
            ];
            validate_who(&key, who, refused);
        }
        for (key, selectors) in self.selectors() {
            selectors.validate(&key, refused);
        }
        for (index, cluster) in self.clusters.iter().enumerate() {
            for (place, pattern) in cluster.protected.iter().enumerate() {
                if !is_pattern(pattern) {
                    refused.push(Invalid::new(
                        format!("cluster[{index}].protected[{place}]"),
                        NO_PATTERN,
                    ));
                }
            }
        }
    }

    fn validate_rule_names(&self, refused: &mut Vec<Invalid>) {
        let mut names: BTreeSet<String> = [ANONYMOUS, LOCAL, PROTECTED, READ_ONLY]
            .map(str::to_owned)
            .into();
        let grants = self.grants.iter().enumerate();
        let refusals = self.refusals.iter().enumerate();
        let all = grants
            .map(|(place, grant)| (format!("grant[{place}]"), grant.name(place)))
            .chain(
                refusals.map(|(place, refusal)| (format!("refusal[{place}]"), refusal.name(place))),
            );
        for (key, name) in all {
            if name.len() > MAX_NAME || !is_text(&name) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!("a name has 1 to {MAX_NAME} bytes and no control characters"),
                ));
            } else if !names.insert(name.clone()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!(
                        "another rule is called `{name}` already, or the edge has one of that name; an audit line must \
                         say which"
                    ),
                ));
            }
        }
    }

    fn selectors(&self) -> impl Iterator<Item = (String, Selectors<'_>)> {
        let grants = self.grants.iter().enumerate();
        let refusals = self.refusals.iter().enumerate();
        grants
            .map(|(place, grant)| (format!("grant[{place}]"), grant.selectors()))
            .chain(
                refusals.map(|(place, refusal)| (format!("refusal[{place}]"), refusal.selectors())),
            )
    }
}

impl Selectors<'_> {
    fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        let free = (is_text as fn(&str) -> bool, NO_TEXT);
        let strict = (is_pattern as fn(&str) -> bool, NO_PATTERN);
        let source = (is_source as fn(&str) -> bool, NO_SOURCE);
        for (part, patterns, (is_good, why)) in [
            ("clusters", self.clusters, free),
            ("regions", self.regions, free),
            ("tillers", self.tillers, free),
            ("namespaces", self.namespaces, strict),
            ("releases", self.releases, strict),
            ("charts", self.charts, source),
        ] {
            let Some(patterns) = patterns else { continue };
            if patterns.is_empty() {
                refused.push(Invalid::new(
                    format!("{key}.{part}"),
                    "an empty list matches nothing; leave it away to match everything",
                ));
            }
            for (index, pattern) in patterns.iter().enumerate() {
                if !is_good(pattern) {
                    refused.push(Invalid::new(format!("{key}.{part}[{index}]"), why));
                }
            }
        }
        for (label, value) in self.labels {
            if !is_text(label) || value.contains(char::is_control) {
                refused.push(Invalid::new(
                    format!("{key}.labels"),
                    "a label has a name, and neither it nor its value has control characters",
                ));
            }
        }
    }

    fn warn(&self, key: &str, config: &Config, warnings: &mut Vec<Invalid>) {
        // Without clusters in the configuration they are the kubeconfig's contexts, of which nothing is known yet.
        if !config.clusters.is_empty() {
            self.warn_of_clusters(key, &config.clusters, warnings);
        }
        for (index, pattern) in self.charts.iter().flatten().enumerate() {
            let Some((repository, _)) = pattern.split_once('/') else {
                continue;
            };
            let is_name = !repository.contains(['*', ':']);
            let names = config.repositories.iter().map(|known| known.name.as_str());
            if is_name && !names.clone().any(|known| known == repository) {
                warnings.push(Invalid::new(
                    format!("{key}.charts[{index}]"),
                    format!(
                        "this edge has no repository `{repository}`{}",
                        alike(repository, names)
                    ),
                ));
            }
        }
    }

    fn warn_of_clusters(&self, key: &str, clusters: &[ClusterConfig], warnings: &mut Vec<Invalid>) {
        let names = clusters.iter().map(|cluster| cluster.name.as_str());
        let before = warnings.len();
        for (index, pattern) in self.clusters.iter().flatten().enumerate() {
            if !names.clone().any(|name| matches(pattern, name)) {
                warnings.push(Invalid::new(
                    format!("{key}.clusters[{index}]"),
                    format!(
                        "this edge has no cluster `{pattern}`{}",
                        alike(pattern, names.clone())
                    ),
                ));
            }
        }
        let scope = self.scope();
        let covered = |cluster: &ClusterConfig| {
            cluster.tiller_names().any(|tiller| {
                scope.covers(&Place {
                    cluster: &cluster.name,
                    region: cluster.region.as_deref(),
                    labels: &cluster.labels,
                    tiller: Some(tiller),
                })
            })
        };
        if warnings.len() == before && !clusters.iter().any(covered) {
            warnings.push(Invalid::new(
                key,
                "no cluster of this edge is as its `clusters`, `regions`, `labels` and `tillers` say, so it never applies",
            ));
        }
    }
}

fn validate_who<const N: usize>(
    key: &str,
    who: [(&str, &Vec<String>); N],
    refused: &mut Vec<Invalid>,
) {
    for (part, patterns) in who {
        for (index, pattern) in patterns.iter().enumerate() {
            if !is_text(pattern) {
                refused.push(Invalid::new(format!("{key}.{part}[{index}]"), NO_TEXT));
            }
        }
    }
}

/// Whether `pattern` can match where a chart is from.
fn is_source(pattern: &str) -> bool {
    let named = pattern == "upload" || pattern.contains(['*', '/']);
    named && !pattern.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    nearest(name, &known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

const NO_PATTERN: &str = "is not a name, in which `*` may stand for any text";
const NO_SOURCE: &str = "is not where a chart is from: `repository/name`, a URL, or `upload`; `*` may stand for any text";
const NO_TEXT: &str = "a name has at least one character and none that is a control character";

#[cfg(test)]
mod tests;
