//! What became of a call whose answer was lost: Tiller's history says it, or nobody does.
//!
//! Tiller carries a call on when nobody waits for it any more, and it has no name for a call. So what the history says is
//! compared with what was written down before the call left: a newer revision with the operation's name in its description
//! is the operation's. Tiller writes its own words when it fails, though, so a newer revision without the name is known by
//! its chart and its values. Where there is no newer one, nothing happened, unless it is still going to: a call may be on
//! its way for `transit` after nobody sends it any more, and some calls leave no trace before the hooks of the chart have
//! run. Only after that it is proven, and only then a call is made again.
//!
//! What nobody can know is said to be so, and left to people: a release that somebody purged meanwhile, hooks that may have
//! run without a trace, a test run that may have begun.

mod judge;

use std::time::Duration;

use jiff::Timestamp;
use rest::plan::Undo;
use rest::problem::{Code, Outcome, Problem, from_tiller};
use rest::relay::Target;
use tiller_api::Method;
use tiller_api::hapi::release::status::Code as Status;

use self::judge::{Case, Evidence};
use super::{OperationId, Step};
use crate::relay::{Caller, History, Recorded, Relay, is_marked};

/// How many revisions are looked at. Others than those that this edge makes in turn are rare.
const MOST: i32 = 64;

/// A call whose outcome is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace<'a> {
    /// Where it went.
    pub(crate) target: &'a Target,
    /// The operation that it was made for.
    pub(crate) operation: &'a OperationId,
    /// What is known of it; [`Step::orphaned`] was told.
    pub(crate) step: &'a Step,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Tiller did it.
    Applied {
        /// The release.
        release: String,
        /// Its revision that came of it; 0 if the release is gone.
        revision: i32,
    },
    /// Tiller began and failed, or never ended.
    Failed {
        /// The revision that came of it.
        revision: i32,
        /// What Tiller says of it.
        description: String,
        /// Its status, as the REST interface names it.
        status: String,
        /// What is to be done about it still.
        undo: Option<Undo>,
    },
    /// Nothing happened and nothing will: it may be made again.
    NotApplied {
        /// How that is known, for people.
        why: String,
    },
    /// It cannot be found out.
    Undecided {
        /// Why, for people.
        why: String,
    },
    /// It cannot be found out yet.
    Wait {
        /// What is being waited for, for people.
        why: String,
    },
}

/// Finds out what became of a call. `caller` is its operation's actor, in whose name the cluster is asked; the grants are
/// not, since who may change a release need not be allowed to read it. `transit` is how long a call that nobody sends any
/// more may still be on its way to Tiller.
pub(crate) async fn reconcile(
    relay: &Relay,
    caller: &Caller,
    trace: &Trace<'_>,
    transit: Duration,
    now: Timestamp,
) -> Verdict {
    let case = Case::new(trace, transit, now);
    let evidence = match relay.history(caller, trace.target) {
        Ok(history) => gather(&history, trace).await,
        Err(problem) => Err(problem),
    };
    match evidence {
        Ok(evidence) => case.judge(&evidence),
        Err(problem) => Verdict::Wait {
            why: format!("Tiller's history cannot be read: {}", problem.detail),
        },
    }
}

/// The problem that a call is whose revision has that `description` and `status`, in the words with which its answer
/// would have come.
pub(crate) fn problem(step: &Step, description: &str, status: &str) -> Problem {
    let never_ended = ["pending-", "deleting"]
        .iter()
        .any(|begun| status.starts_with(begun));
    if never_ended {
        let detail =
            format!("Tiller began and never finished; the release is {status}: {description}");
        return Problem::new(Code::OperationInterrupted, detail).with_outcome(Outcome::Unknown);
    }
    let method = Method::from_name(&step.rpc).unwrap_or(Method::UpdateRelease);
    // In front of what it answers with, Tiller writes which release it was that failed.
    let said = match description.split_once("\" failed: ") {
        Some((_, said)) => said,
        None => description,
    };
    let status = grpc_web::Status::new(grpc_web::Code::Unknown, said);
    from_tiller(method, &status).with_outcome(Outcome::Unknown)
}

async fn gather(history: &History<'_>, trace: &Trace<'_>) -> Result<Evidence, Problem> {
    let step = trace.step;
    let Some(release) = &step.release else {
        let chart = step.chart.as_deref().unwrap_or_default();
        let wanted = |found: &Recorded| {
            is_marked(&found.description, trace.operation) || is_like(found, chart)
        };
        return Ok(Evidence {
            later: history.search(wanted).await?,
            keeps_descriptions: history.keeps_descriptions().await?,
            ..Evidence::default()
        });
    };
    let newest = history.revision(release, 0).await?;
    let newest_number = newest.as_ref().map_or(0, |newest| newest.number);
    let mut evidence = Evidence::default();
    if step.revision > 0 && newest_number > step.revision {
        evidence.before = history.revision(release, step.revision).await?;
    }
    if step.target > 0 || step.rpc == Method::RollbackRelease.name() {
        let target = match step.target {
            0 => step.revision - 1,
            target => target,
        };
        // Below 1 there is none.
        if target > 0 {
            evidence.target = history.revision(release, target).await?;
        }
    }
    let first = step.revision.saturating_add(1);
    for number in first..newest_number.min(first.saturating_add(MOST)) {
        evidence
            .later
            .extend(history.revision(release, number).await?);
    }
    if let Some(newest) = &newest
        && newest.number > step.revision
    {
        evidence.later.push(newest.clone());
    }
    evidence.newest = newest;
    evidence.keeps_descriptions = history.keeps_descriptions().await?;
    Ok(evidence)
}

/// Whether it may be what came of an install under a name that Tiller made up.
fn is_like(found: &Recorded, chart: &str) -> bool {
    let unfinished = found.is(Status::PendingInstall) || found.is(Status::Failed);
    found.number == 1 && unfinished && found.chart == chart
}
