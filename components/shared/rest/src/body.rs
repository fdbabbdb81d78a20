//! What the bodies of mutations ask for.
//!
//! Defaults are those of Helm's CLI. Where leaving a field out of Tiller's request means something else
//! than a caller would think, the type here has no way to leave it out.

mod chart;
mod values;

use std::time::Duration;

use bytes::Bytes;

pub use self::{
    chart::ChartRef,
    values::{Inline, Values},
};
use crate::{
    fields::Fields,
    problem::{Code, Problem},
};

/// How long Tiller waits for hooks and resources unless told otherwise: 5 minutes, as Helm's CLI has it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// An install, or an upgrade that may turn into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The release's name; made up by Tiller if none.
    pub name: Option<String>,
    /// Where it goes; the cluster's default if none.
    pub namespace: Option<String>,
    /// The chart.
    pub chart: ChartRef,
    /// The values given.
    pub values: Values,
    /// How long Tiller waits; above zero.
    pub timeout: Duration,
    /// Whether it waits until everything is ready. Always, if `atomic`.
    pub wait: bool,
    /// Whether a failure is undone.
    pub atomic: bool,
    /// Whether to render only.
    pub dry_run: bool,
    /// Whether to run no hooks.
    pub disable_hooks: bool,
    /// Whether to install no CRDs.
    pub disable_crd_hook: bool,
    /// What to say about the revision.
    pub description: Option<String>,
    /// Whether to take the name of a deleted release.
    pub replace: bool,
    /// Whether to render the notes of sub-charts.
    pub sub_notes: bool,
    /// Whether an upgrade of a release that does not exist installs it.
    pub install: bool,
    /// Whether to replace what cannot be patched.
    pub force: bool,
    /// Whether to restart pods.
    pub recreate_pods: bool,
    /// Whether to forget the values of the last revision.
    pub reset_values: bool,
    /// Whether to start from the values of the last revision.
    pub reuse_values: bool,
    /// Whether a failed upgrade deletes what it made.
    pub cleanup_on_fail: bool,
}

/// Which verb an [`Apply`] is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// `POST …/releases`.
    Install,
    /// `PUT …/releases/{r}`.
    Upgrade,
}

impl Apply {
    /// Reads the fields; `upload` is the archive that came as a file, if one did.
    ///
    /// # Errors
    ///
    /// `invalid_request` for fields that are unknown, malformed or of the other verb.
    pub fn read(mut fields: Fields, upload: Option<Bytes>, verb: Verb) -> Result<Self, Problem> {
        let chart = chart::chart(&mut fields, upload)?;
        let atomic = fields.flag("atomic")?;
        let apply = Self {
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            chart,
            values: Values::take(&mut fields)?,
            timeout: fields.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT),
            wait: fields.flag("wait")? || atomic,
            atomic,
            dry_run: fields.flag("dry_run")?,
            disable_hooks: fields.flag("disable_hooks")?,
            disable_crd_hook: fields.flag("disable_crd_hook")?,
            description: fields.string("description")?,
            replace: fields.flag("replace")?,
            sub_notes: fields.flag("sub_notes")?,
            install: fields.flag("install")?,
            force: fields.flag("force")?,
            recreate_pods: fields.flag("recreate_pods")?,
            reset_values: fields.flag("reset_values")?,
            reuse_values: fields.flag("reuse_values")?,
            cleanup_on_fail: fields.flag("cleanup_on_fail")?,
        };
        fields.finish()?;
        apply.belongs_to(verb)?;
        Ok(apply)
    }

    /// What is set must mean something: a flag that the verb has no use for is a mistake.
    fn belongs_to(&self, verb: Verb) -> Result<(), Problem> {
        if verb == Verb::Install && self.chart == ChartRef::Deployed {
            return Err(invalid(
                "field `chart.deployed` has no meaning for an install: nothing is deployed yet",
            ));
        }
        let foreign: &[(&str, bool)] = match verb {
            Verb::Install => &[
                ("install", self.install),
                ("force", self.force),
                ("recreate_pods", self.recreate_pods),
                ("reset_values", self.reset_values),
                ("reuse_values", self.reuse_values),
                ("cleanup_on_fail", self.cleanup_on_fail),
            ],
            Verb::Upgrade => &[
                ("replace", self.replace),
                ("disable_crd_hook", self.disable_crd_hook && !self.install),
            ],
        };
        match foreign.iter().find(|(_, set)| *set) {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!(
                "field `{name}` has no meaning for an {}",
                match verb {
                    Verb::Install => "install",
                    Verb::Upgrade => "upgrade",
                }
            ))),
        }
    }

    /// The fields set that a Tiller may be too old for, by their names in REST.
    pub fn used(&self) -> Vec<&'static str> {
        used(&[
            ("cleanup_on_fail", self.cleanup_on_fail),
            ("description", self.description.is_some()),
            ("disable_crd_hook", self.disable_crd_hook),
            ("force", self.force),
            ("recreate_pods", self.recreate_pods),
            ("reset_values", self.reset_values),
            ("reuse_values", self.reuse_values),
            ("sub_notes", self.sub_notes),
            ("wait", self.wait),
        ])
    }
}

/// `POST …/rollback`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// Where to; the one before the last if 0.
    pub revision: i32,
    /// How long Tiller waits; above zero.
    pub timeout: Duration,
    /// Whether it waits until everything is ready.
    pub wait: bool,
    /// Whether to change nothing.
    pub dry_run: bool,
    /// Whether to run no hooks.
    pub disable_hooks: bool,
    /// Whether to restart pods.
    pub recreate_pods: bool,
    /// Whether to replace what cannot be patched.
    pub force: bool,
    /// Whether a failure deletes what the rollback made.
    pub cleanup_on_fail: bool,
    /// What to say about the revision.
    pub description: Option<String>,
}

impl Rollback {
    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// `invalid_request` for fields that are unknown or malformed.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let rollback = Self {
            revision: revision(&mut fields)?,
            timeout: fields.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT),
            wait: fields.flag("wait")?,
            dry_run: fields.flag("dry_run")?,
            disable_hooks: fields.flag("disable_hooks")?,
            recreate_pods: fields.flag("recreate_pods")?,
            force: fields.flag("force")?,
            cleanup_on_fail: fields.flag("cleanup_on_fail")?,
            description: fields.string("description")?,
        };
        fields.finish()?;
        Ok(rollback)
    }

    /// The fields set that a Tiller may be too old for, by their names in REST.
    pub fn used(&self) -> Vec<&'static str> {
        used(&[
            ("cleanup_on_fail", self.cleanup_on_fail),
            ("description", self.description.is_some()),
            ("force", self.force),
            ("recreate_pods", self.recreate_pods),
            ("wait", self.wait),
        ])
    }
}

/// `DELETE …/releases/{r}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Uninstall {
    /// Whether to forget the release and free its name.
    pub purge: bool,
    /// Whether to run no hooks.
    pub disable_hooks: bool,
    /// How long Tiller waits for hooks; above zero.
    pub timeout: Duration,
    /// What to say about the deletion.
    pub description: Option<String>,
}

impl Uninstall {
    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// `invalid_request` for fields that are unknown or malformed.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let uninstall = Self {
            purge: fields.flag("purge")?,
            disable_hooks: fields.flag("disable_hooks")?,
            timeout: fields.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT),
            description: fields.string("description")?,
        };
        fields.finish()?;
        Ok(uninstall)
    }

    /// The fields set that a Tiller may be too old for, by their names in REST.
    pub fn used(&self) -> Vec<&'static str> {
        used(&[("description", self.description.is_some())])
    }
}

/// `POST …/tests`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// How long Tiller waits for each pod; above zero.
    pub timeout: Duration,
    /// Whether to delete the pods afterwards.
    pub cleanup: bool,
    /// Whether to run the pods at the same time.
    pub parallel: bool,
    /// How many at most; Tiller's default if 0.
    pub max_parallel: u32,
    /// Whether to send the pods' logs.
    pub logs: bool,
}

impl Test {
    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// `invalid_request` for fields that are unknown or malformed.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let max_parallel = fields
            .integer("max_parallel", 1..=1000)?
            .unwrap_or_default();
        let test = Self {
            timeout: fields.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT),
            cleanup: fields.flag("cleanup")?,
            parallel: fields.flag("parallel")?,
            max_parallel: u32::try_from(max_parallel).unwrap_or_default(),
            logs: fields.flag("logs")?,
        };
        fields.finish()?;
        Ok(test)
    }

    /// The fields set that a Tiller may be too old for, by their names in REST.
    pub fn used(&self) -> Vec<&'static str> {
        used(&[
            ("cleanup", self.cleanup),
            ("logs", self.logs),
            ("max_parallel", self.max_parallel > 0),
            ("parallel", self.parallel),
        ])
    }
}

/// Takes `revision`; 0 if left out.
///
/// # Errors
///
/// `invalid_request` if it is negative or no revision at all.
pub fn revision(fields: &mut Fields) -> Result<i32, Problem> {
    let revision = fields.integer("revision", 0..=i64::from(i32::MAX))?;
    Ok(i32::try_from(revision.unwrap_or_default()).unwrap_or(i32::MAX))
}

fn used(fields: &[(&'static str, bool)]) -> Vec<&'static str> {
    fields
        .iter()
        .filter_map(|(name, set)| set.then_some(*name))
        .collect()
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests;
