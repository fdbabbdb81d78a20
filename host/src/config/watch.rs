//! What is looked at from time to time, where nobody calls.

use std::collections::BTreeSet;
use std::time::Duration;

use rules::{Provider, Rule};
use serde::{Deserialize, Serialize};

use super::pattern::is_pattern;
use super::{ChartUrl, Config, HookConfig, Invalid, Scheme, units};

/// The shortest interval. Whoever wants to know sooner has to be called.
const SHORTEST: Duration = Duration::from_secs(10);

/// A repository that is looked at from time to time: what is new in it is an event, as if somebody had told of it.
///
/// Its operations act as the principal `watch:` and its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    /// Its name, unique among hooks and watches: lower case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The `[[repository]]` that is looked at.
    pub repository: String,
    /// The charts: patterns in a repository with an index.yaml, whole names below a registry's path. Empty: all of an
    /// index.yaml.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Images of a registry, by their whole names below its path. Either these or `charts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The versions or tags, patterns. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// How often; at least 10 seconds.
    #[serde(default = "interval", with = "units::duration")]
    pub interval: Duration,
    /// What events lead to.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

impl WatchConfig {
    /// What is looked at: images, or else charts.
    #[must_use]
    pub fn names(&self) -> &[String] {
        if self.images.is_empty() {
            &self.charts
        } else {
            &self.images
        }
    }

    /// The hook that it is, which nobody else can call.
    pub(crate) fn hook(&self) -> HookConfig {
        HookConfig {
            rules: self.rules.clone(),
            ..HookConfig::new(&self.name, Provider::Watch)
        }
    }

    fn validate(&self, key: &str, config: &Config, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: &str| {
            refused.push(Invalid::new(format!("{key}.{part}"), why));
        };
        let repository = config
            .repositories
            .iter()
            .find(|repository| repository.name == self.repository);
        let scheme = repository
            .and_then(|repository| repository.url.parse::<ChartUrl>().ok())
            .map(|url| url.scheme);
        if repository.is_none() {
            refuse("repository", "is the name of no [[repository]]");
        }
        if self.interval < SHORTEST {
            refuse("interval", "must be at least \"10s\"");
        }
        if !self.charts.is_empty() && !self.images.is_empty() {
            refuse("images", "is set and so is `charts`; write two watches");
        }
        match scheme {
            Some(Scheme::Oci) => {
                let part = if self.images.is_empty() {
                    "charts"
                } else {
                    "images"
                };
                if self.names().is_empty() || self.names().iter().any(|name| name.contains('*')) {
                    refuse(
                        part,
                        "names in a registry are written whole, since not every registry lists them",
                    );
                }
            }
            Some(Scheme::Http | Scheme::Https) if !self.images.is_empty() => {
                refuse(
                    "images",
                    "are in registries, `oci://`, and this repository is none",
                );
            }
            Some(Scheme::Http | Scheme::Https) | None => {}
        }
        self.hook().validate_rules(&mut refuse);
        for (part, patterns) in [("charts", &self.charts), ("versions", &self.versions)] {
            for (index, pattern) in patterns.iter().enumerate() {
                if !is_pattern(pattern) {
                    refuse(
                        &format!("{part}[{index}]"),
                        "is no name, in which `*` may stand for any text",
                    );
                }
            }
        }
    }
}

impl Config {
    pub(super) fn validate_watches(&self, refused: &mut Vec<Invalid>) {
        let mut names: BTreeSet<&str> = self.hooks.iter().map(|hook| &*hook.name).collect();
        for (index, watch) in self.watches.iter().enumerate() {
            let key = format!("watch[{index}]");
            if !names.insert(&watch.name) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!("another hook or watch is called `{}` already", watch.name),
                ));
            }
            watch.validate(&key, self, refused);
        }
    }
}

const fn interval() -> Duration {
    Duration::from_secs(300)
}
