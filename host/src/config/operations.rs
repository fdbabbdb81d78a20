//! Where operations are kept, and how they are carried out.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Invalid, JetStreamConfig, units};

/// Where operations are kept, and how they are carried out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationsConfig {
    /// Whether there are none: a request that is to be carried out later is refused.
    pub off: bool,
    /// The file in which one edge keeps them; see [`OperationsConfig::default_file`] for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where several edges keep them together, in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jetstream: Option<JetStreamConfig>,
    /// How many are carried out at once.
    pub workers: usize,
    /// How many of them at one cluster.
    pub per_cluster: usize,
    /// How long after it was accepted an operation may still be begun.
    #[serde(with = "units::duration")]
    pub deadline: Duration,
    /// How long operations and deliveries are kept when they are over.
    #[serde(with = "units::duration")]
    pub keep: Duration,
    /// How long an `Idempotency-Key` is known.
    #[serde(with = "units::duration")]
    pub keys: Duration,
    /// How long an edge that shares its store may be silent before another takes over what it was carrying out.
    #[serde(with = "units::duration")]
    pub lease: Duration,
    /// How long a call whose sender is gone may still be on its way to Tiller. Only after that does Tiller's silence
    /// mean that the call never arrived.
    #[serde(with = "units::duration")]
    pub transit: Duration,
}

impl OperationsConfig {
    /// Where one edge keeps them if nothing is configured: `operations.db` in `$STATE_DIRECTORY`, which systemd sets, or
    /// in `tiller-edge` under `$XDG_STATE_HOME` or `~/.local/state`. None where there is no home.
    #[must_use]
    pub fn default_file() -> Option<PathBuf> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let directory = match variable("STATE_DIRECTORY") {
            // systemd separates several by colons; the first is as good as any.
            Some(several) => env::split_paths(&several).next()?,
            None => variable("XDG_STATE_HOME")
                .map(PathBuf::from)
                .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")))?
                .join("tiller-edge"),
        };
        Some(directory.join("operations.db"))
    }

    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        if let Some(jetstream) = &self.jetstream {
            if self.file.is_some() {
                refused.push(Invalid::new(
                    "operations.jetstream",
                    "operations are kept there or in `operations.file`; leave one of the two out",
                ));
            }
            jetstream.validate(refused);
        }
        if self.off && (self.file.is_some() || self.jetstream.is_some()) {
            refused.push(Invalid::new(
                "operations.off",
                "where operations are kept says nothing where there are none; leave one of the two out",
            ));
        }
        for (key, count) in [("workers", self.workers), ("per_cluster", self.per_cluster)] {
            if !(1..=MOST_WORKERS).contains(&count) {
                refused.push(Invalid::new(
                    format!("operations.{key}"),
                    format!(
                        "from 1 to {MOST_WORKERS}; to accept no operation at all, set `off = true`"
                    ),
                ));
            }
        }
        for (key, value, least, most) in [
            ("deadline", self.deadline, MINUTE, 365 * DAY),
            ("keep", self.keep, MINUTE, 365 * DAY),
            ("keys", self.keys, MINUTE, 365 * DAY),
            ("lease", self.lease, SECOND * 5, HOUR),
            ("transit", self.transit, Duration::ZERO, HOUR),
        ] {
            if !(least..=most).contains(&value) {
                refused.push(Invalid::new(
                    format!("operations.{key}"),
                    format!(
                        "from \"{}\" to \"{}\"",
                        units::format_duration(least),
                        units::format_duration(most)
                    ),
                ));
            }
        }
        if self.keep < self.keys {
            refused.push(Invalid::new(
                "operations.keep",
                "shorter than `operations.keys`: the answer to a request that is repeated would be gone before its key is",
            ));
        }
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.file
            .iter_mut()
            .chain(self.jetstream.iter_mut().flat_map(JetStreamConfig::paths))
    }
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self {
            off: false,
            file: None,
            jetstream: None,
            workers: 16,
            per_cluster: 4,
            deadline: DAY,
            keep: 7 * DAY,
            keys: DAY,
            lease: SECOND * 30,
            transit: SECOND * 10,
        }
    }
}

const MOST_WORKERS: usize = 1024;

const SECOND: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(change: impl FnOnce(&mut OperationsConfig)) -> Vec<String> {
        let mut config = OperationsConfig::default();
        change(&mut config);
        let mut refused = Vec::new();
        config.validate(&mut refused);
        refused.into_iter().map(|invalid| invalid.key).collect()
    }

    #[test]
    fn the_defaults_are_accepted() {
        assert!(complaints(|_| ()).is_empty());
    }

    #[test]
    fn what_would_carry_out_nothing_or_forget_too_early_is_refused() {
        assert_eq!(
            complaints(|config| config.workers = 0),
            ["operations.workers"]
        );
        assert_eq!(
            complaints(|config| config.per_cluster = 2000),
            ["operations.per_cluster"]
        );
        assert_eq!(
            complaints(|config| config.deadline = SECOND),
            ["operations.deadline"]
        );
        assert_eq!(complaints(|config| config.keep = HOUR), ["operations.keep"]);
        assert_eq!(
            complaints(|config| config.lease = SECOND),
            ["operations.lease"]
        );
        assert_eq!(
            complaints(|config| {
                config.off = true;
                config.file = Some("operations.db".into());
            }),
            ["operations.off"]
        );
    }
}
