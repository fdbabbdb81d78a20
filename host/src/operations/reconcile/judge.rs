//! What the history says about a call.

use std::time::Duration;

use jiff::Timestamp;
use tiller_api::Method;
use tiller_api::hapi::release::status::Code as Status;

use super::{Trace, Verdict};
use crate::operations::{OperationId, Step};
use crate::relay::{Recorded, is_marked};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The newest revision; none if the release has none.
    pub(super) newest: Option<Recorded>,
    /// The one that was the newest before the call, as it is now, if there is a newer one.
    pub(super) before: Option<Recorded>,
    /// Those that came later, in order. Where Tiller made up the name, all that may be the release.
    pub(super) later: Vec<Recorded>,
    /// The one that a rollback goes back to.
    pub(super) target: Option<Recorded>,
    /// Whether Tiller writes down what it is told to.
    pub(super) keeps_descriptions: bool,
}

/// A call and how long ago it was over.
#[derive(Debug)]
pub(super) struct Case<'a> {
    step: &'a Step,
    operation: &'a OperationId,
    method: Option<Method>,
    /// Whether it cannot be on its way any more, nor be where it leaves no trace.
    is_quiet: bool,
    /// Whether Tiller cannot be at work on it any more.
    is_over: bool,
}

/// How far a revision is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Begun,
    Done,
    Failed,
}

impl<'a> Case<'a> {
    pub(super) fn new(trace: &Trace<'a>, transit: Duration, now: Timestamp) -> Self {
        let step = trace.step;
        // Of a step that was not even told to be orphaned nothing is known.
        let since = step.ended_at.map(|ended| now.duration_since(ended));
        let has_passed = |waited: u64| {
            let all = transit.saturating_add(Duration::from_secs(waited));
            let since = since.and_then(|since| Duration::try_from(since).ok());
            since.is_some_and(|since| since >= all)
        };
        Self {
            step,
            operation: trace.operation,
            method: Method::from_name(&step.rpc),
            is_quiet: has_passed(step.silent),
            is_over: has_passed(step.longest),
        }
    }

    pub(super) fn judge(&self, evidence: &Evidence) -> Verdict {
        match self.method {
            Some(Method::InstallRelease | Method::UpdateRelease | Method::RollbackRelease) => {
                self.new_revision(evidence)
            }
            Some(Method::UninstallRelease) if self.step.purge => self.purge(evidence),
            Some(Method::UninstallRelease) => self.uninstall(evidence),
            Some(Method::RunReleaseTest) => self.test(evidence),
            _ => undecided("the call is none that changes a release"),
        }
    }

    /// What makes a revision.
    fn new_revision(&self, evidence: &Evidence) -> Verdict {
        let marked = evidence.later.iter().find(|found| self.is_own(found));
        if let Some(found) = marked {
            return self.of(found, self.stage(found));
        }
        let knows_by_name = self.step.marked && evidence.keeps_descriptions;
        for found in &evidence.later {
            if !self.fits(found, evidence) {
                continue;
            }
            let is_deleted = found.is(Status::Deleted) || found.is(Status::Deleting);
            match self.stage(found) {
                // A deletion wrote its own words over those of the revision.
                Stage::Done if is_deleted && !self.is_certain(evidence) => {
                    return undecided("the release was deleted meanwhile");
                }
                // It would have the operation's name.
                Stage::Done if knows_by_name && !is_deleted => {}
                stage if self.step.release.is_some() => return self.of(found, stage),
                // Under a name that is not known others may have been installed from the same chart.
                _ if self.is_over => {
                    return undecided(format!("release {} may be what came of it", found.release));
                }
                _ => return wait("Tiller may be at work on it"),
            }
        }
        if let Some(why) = self.is_lost(evidence) {
            return undecided(why);
        }
        self.untouched()
    }

    fn uninstall(&self, evidence: &Evidence) -> Verdict {
        if let Some(why) = self.is_lost(evidence) {
            return undecided(why);
        }
        let Some(found) = self.still(evidence) else {
            return self.untouched();
        };
        if self.is_own(found) {
            return self.of(found, Stage::Done);
        }
        let knows_by_name = self.step.marked && evidence.keeps_descriptions;
        let was_deleted = self.step.status.as_deref() == Some("deleted");
        if found.is(Status::Deleted) && !knows_by_name && !was_deleted {
            return self.of(found, Stage::Done);
        }
        if found.is(Status::Deleting) {
            return self.of(found, Stage::Begun);
        }
        self.untouched()
    }

    fn purge(&self, evidence: &Evidence) -> Verdict {
        if self.step.revision > 0 && self.is_lost(evidence).is_some() {
            return self.applied(0);
        }
        match self.still(evidence) {
            Some(found) if found.is(Status::Deleting) => self.of(found, Stage::Begun),
            _ => self.untouched(),
        }
    }

    /// Tests leave pods behind, so they are never run again unasked.
    fn test(&self, evidence: &Evidence) -> Verdict {
        match self.still(evidence) {
            Some(found) if found.tested.is_some() && found.tested != self.step.tested => {
                self.applied(found.number)
            }
            Some(_) if !self.is_over => wait("the tests may be running"),
            Some(_) => undecided("the tests may have run without a result"),
            None => undecided("the release is not there any more"),
        }
    }

    /// That `found` came of the call.
    fn of(&self, found: &Recorded, stage: Stage) -> Verdict {
        match stage {
            Stage::Done => Verdict::Applied {
                release: found.release.clone(),
                revision: found.number,
            },
            Stage::Begun if !self.is_over => wait(format!(
                "Tiller is at work on it: revision {} is {}",
                found.number,
                found.status_name()
            )),
            Stage::Begun | Stage::Failed => Verdict::Failed {
                revision: found.number,
                description: found.description.clone(),
                status: found.status_name(),
                undo: self.step.undo.clone(),
            },
        }
    }

    fn applied(&self, revision: i32) -> Verdict {
        Verdict::Applied {
            release: self.step.release.clone().unwrap_or_default(),
            revision,
        }
    }

    /// That nothing is to be seen of the call.
    fn untouched(&self) -> Verdict {
        if !self.is_quiet {
            return wait("it may still be on its way, or have left no trace yet");
        }
        if self.step.hooks {
            return undecided(
                "nothing is in the release's history, but hooks of the chart may have run",
            );
        }
        Verdict::NotApplied {
            why: "nothing is in the release's history, and nothing can come any more".to_owned(),
        }
    }

    fn is_own(&self, found: &Recorded) -> bool {
        is_marked(&found.description, self.operation)
    }

    /// The revision that was the newest before, as it is now.
    fn still<'e>(&self, evidence: &'e Evidence) -> Option<&'e Recorded> {
        let newest = evidence.newest.as_ref();
        evidence
            .before
            .as_ref()
            .or_else(|| newest.filter(|newest| newest.number == self.step.revision))
    }

    /// Why the history says nothing of what was done before it began.
    fn is_lost(&self, evidence: &Evidence) -> Option<&'static str> {
        let newest = evidence.newest.as_ref().map_or(0, |newest| newest.number);
        let was_there = self.step.release.is_some() && self.step.revision > 0;
        (was_there && newest < self.step.revision)
            .then_some("the release was purged meanwhile, and its history with it")
    }

    /// Whether a revision may be what came of the call, all but its description considered.
    fn fits(&self, found: &Recorded, evidence: &Evidence) -> bool {
        let (chart, values) = match (self.method, &evidence.target) {
            (Some(Method::RollbackRelease), Some(target)) => {
                (Some(&target.chart), Some(&target.values))
            }
            _ => (self.step.chart.as_ref(), self.step.values.as_ref()),
        };
        // A list has no values.
        let values = values.filter(|_| !found.values.is_empty());
        chart.is_none_or(|chart| *chart == found.chart)
            && values.is_none_or(|values| *values == found.values)
            && self.is_kind(found)
    }

    /// Whether chart and values both tell.
    fn is_certain(&self, evidence: &Evidence) -> bool {
        evidence.target.is_some() || (self.step.chart.is_some() && self.step.values.is_some())
    }

    /// Whether such a call leaves such a revision.
    fn is_kind(&self, found: &Recorded) -> bool {
        let made_by = [
            (Status::PendingInstall, INITIAL, Method::InstallRelease),
            (Status::PendingUpgrade, PREPARING, Method::UpdateRelease),
            (Status::PendingRollback, "Rollback", Method::RollbackRelease),
        ];
        let failed = FAILURES
            .iter()
            .find(|(prefix, _)| is_failure(&found.description, prefix));
        // `force` may make an install of an upgrade.
        let is = |method| {
            self.method == Some(method)
                || (method == Method::InstallRelease && self.method == Some(Method::UpdateRelease))
        };
        match failed {
            Some((_, method)) => is(*method),
            None => made_by
                .iter()
                .find(|(status, ..)| found.is(*status))
                .is_none_or(|(_, _, method)| is(*method)),
        }
    }

    /// How far `found` is, or was before something else put an end to it: later revisions change the status of those before
    /// and leave their descriptions alone.
    fn stage(&self, found: &Recorded) -> Stage {
        let pending = [
            Status::PendingInstall,
            Status::PendingUpgrade,
            Status::PendingRollback,
        ];
        let text = found.description.as_str();
        if pending.iter().any(|status| found.is(*status)) {
            Stage::Begun
        } else if found.is(Status::Failed)
            || FAILURES.iter().any(|(prefix, _)| is_failure(text, prefix))
        {
            Stage::Failed
        } else if found.is(Status::Superseded) && [INITIAL, PREPARING].contains(&text) {
            Stage::Begun
        } else {
            Stage::Done
        }
    }
}

fn is_failure(description: &str, prefix: &str) -> bool {
    description
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.contains("\" failed"))
}

fn wait(why: impl Into<String>) -> Verdict {
    Verdict::Wait { why: why.into() }
}

fn undecided(why: impl Into<String>) -> Verdict {
    Verdict::Undecided { why: why.into() }
}

/// What Tiller writes about a revision that it failed at, with what it failed to do.
const FAILURES: [(&str, Method); 4] = [
    ("Release \"", Method::InstallRelease),
    ("Release replace \"", Method::InstallRelease),
    ("Upgrade \"", Method::UpdateRelease),
    ("Rollback \"", Method::RollbackRelease),
];

/// What Tiller writes about a revision that it has begun with.
const INITIAL: &str = "Initial install underway";
const PREPARING: &str = "Preparing upgrade";

#[cfg(test)]
mod tests;
