//! What an answer means for its operation: that it is over, or that it may be tried again later.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rest::problem::{Cleanup, Code, Outcome, Problem};

use super::{Answer, Step, StepEnd};

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judgement {
    /// It was done.
    Done,
    /// It failed for good.
    Failed,
    /// Tiller did it all, and the answer does not show it.
    Hidden,
    /// Time may heal what stands in the way, and nothing has happened yet.
    Later(Trouble),
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    /// What, for people.
    pub(super) why: String,
    /// After how long it was said to make sense to try again.
    pub(super) after: Option<Duration>,
    /// Whether it stands in the way of every operation at the cluster.
    pub(super) is_clusters: bool,
}

/// What `answer` means after `steps`, all of which have an end.
pub(super) fn judge(answer: &Answer, steps: &[Step]) -> Judgement {
    let made = || steps.iter().filter_map(|step| step.end);
    let last = made().rfind(|end| *end != StepEnd::NotApplied);
    if answer.status().is_success() {
        return match last {
            Some(StepEnd::Failed) => Judgement::Failed,
            _ => Judgement::Done,
        };
    }
    match last {
        None => trouble(answer).map_or(Judgement::Failed, Judgement::Later),
        Some(StepEnd::Applied) if !made().any(|end| end == StepEnd::Failed) => Judgement::Hidden,
        Some(_) => Judgement::Failed,
    }
}

/// Whether Tiller has been saying that another operation is in progress for longer than this one could take. Then nobody is
/// at it any more, and the release waits for somebody who rolls it back.
pub(super) fn is_stuck(answer: &Answer, steps: &[Step], now: Timestamp) -> bool {
    let is_busy = problem(answer).is_some_and(|problem| problem.code == Code::OperationInProgress);
    is_busy
        && steps.first().is_some_and(|first| {
            let waited = now.duration_since(first.sent_at);
            waited > SignedDuration::from_secs(first.longest.try_into().unwrap_or(i64::MAX)) + SLACK
        })
}

/// What of an answer that says that nothing was done may pass.
pub(super) fn trouble(answer: &Answer) -> Option<Trouble> {
    let problem = problem(answer)?;
    if problem.outcome != Outcome::NotApplied || !may_pass(problem.code) {
        return None;
    }
    Some(Trouble {
        is_clusters: matches!(problem.code, Code::ClusterBusy | Code::ClusterUnreachable),
        after: problem
            .retry_after
            .map(|seconds| Duration::from_secs(seconds.into())),
        why: problem.to_string(),
    })
}

/// The problem that an answer is, if it is one.
pub(super) fn problem(answer: &Answer) -> Option<Problem> {
    if answer.status().is_success() {
        return None;
    }
    serde_json::from_str(&answer.body).ok()
}

/// What was undone, as the answer says.
pub(super) fn cleanup(answer: &Answer) -> Option<Cleanup> {
    problem(answer)?.cleanup.map(|cleanup| *cleanup)
}

/// What Tiller may take beside waiting: rendering, and asking its APIServer.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// Whether the same request may succeed later without anybody doing anything to it.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::AnswerInterrupted
            | Code::AuditUnavailable
            | Code::BridgeError
            | Code::ClusterBusy
            | Code::ClusterError
            | Code::ClusterUnreachable
            | Code::DeadlineExceeded
            | Code::EdgeBusy
            | Code::EdgeDraining
            | Code::EndpointNotFound
            | Code::EndpointNotReady
            | Code::EndpointUnreachable
            | Code::IdentityUnavailable
            | Code::IntermediaryError
            | Code::OperationInProgress
            | Code::OperationsUnavailable
            | Code::RateLimited
            | Code::RepositoryTimedOut
            | Code::RepositoryUnreachable
            | Code::TillerUnavailable
            | Code::TillerUnreachable
    )
}

/// How long to wait before an attempt is made that follows on so many: longer each time, and for everybody another time,
/// so that what failed together does not come again together.
pub(super) fn backoff(attempts: u32) -> Duration {
    let longest = LONGEST.min(SHORTEST * 2_u32.saturating_pow(attempts.saturating_sub(1).min(16)));
    jitter(longest).max(LEAST)
}

/// Any time up to `longest`.
pub(super) fn jitter(longest: Duration) -> Duration {
    // Keyed anew each time, from the system's randomness.
    let random = RandomState::new().build_hasher().finish();
    let part = f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    longest.mul_f64(part)
}

/// The longest first wait.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// What is waited in any case.
const LEAST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(problem: &Problem) -> Answer {
        Answer {
            status: problem.status().as_u16(),
            headers: HeaderMap::new(),
            body: String::from_utf8(problem.to_json().to_vec()).expect("UTF-8"),
        }
    }

    fn good() -> Answer {
        Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: "{}".to_owned(),
        }
    }

    fn steps(ends: &[StepEnd]) -> Vec<Step> {
        let step = |end: &StepEnd| Step {
            end: Some(*end),
            ..Step::default()
        };
        ends.iter().map(step).collect()
    }

    #[test]
    fn what_time_may_heal_is_tried_again_as_long_as_nothing_was_done() {
        let problem = Problem::new(Code::ClusterUnreachable, "no route").with_retry_after(Some(7));
        let Judgement::Later(trouble) = judge(&answer(&problem), &[]) else {
            panic!("it is over");
        };
        assert_eq!(trouble.after, Some(Duration::from_secs(7)));
        assert!(trouble.is_clusters);
        let again = judge(&answer(&problem), &steps(&[StepEnd::NotApplied]));
        assert!(matches!(again, Judgement::Later(_)));
        for ends in [&[StepEnd::Failed][..], &[StepEnd::Failed, StepEnd::Applied]] {
            assert_eq!(judge(&answer(&problem), &steps(ends)), Judgement::Failed);
        }
    }

    #[test]
    fn an_operation_that_nobody_is_at_any_more_is_not_waited_for() {
        let busy = answer(&Problem::new(Code::OperationInProgress, "busy"));
        let down = answer(&Problem::new(Code::ClusterUnreachable, "down"));
        let step = Step {
            longest: 60,
            ..Step::default()
        };
        let after = |seconds| Timestamp::from_second(seconds).unwrap();
        let steps = [step];
        assert!(!is_stuck(&busy, &steps, after(89)));
        assert!(is_stuck(&busy, &steps, after(91)));
        assert!(!is_stuck(&down, &steps, after(91)));
        assert!(!is_stuck(&busy, &[], after(91)));
    }

    #[test]
    fn what_may_have_happened_is_not_tried_again() {
        let problem = Problem::new(Code::DeadlineExceeded, "late").with_outcome(Outcome::Unknown);
        assert_eq!(judge(&answer(&problem), &[]), Judgement::Failed);
    }

    #[test]
    fn what_another_request_would_be_needed_for_is_over() {
        for code in [
            Code::NotAllowed,
            Code::InvalidValues,
            Code::RevisionConflict,
            Code::SandboxFailed,
        ] {
            let problem = Problem::new(code, "no");
            assert_eq!(judge(&answer(&problem), &[]), Judgement::Failed, "{code}");
        }
    }

    #[test]
    fn the_last_call_says_whether_it_was_done() {
        use StepEnd::{Applied, Failed, NotApplied};
        let answers = answer(&Problem::new(Code::SandboxLimit, "too much"));
        for (answer, ends, expected) in [
            (good(), &[][..], Judgement::Done),
            (good(), &[Applied], Judgement::Done),
            (good(), &[Failed, Applied], Judgement::Done),
            (good(), &[NotApplied, Applied], Judgement::Done),
            (good(), &[Failed], Judgement::Failed),
            (answers.clone(), &[Applied], Judgement::Hidden),
            (answers, &[Failed, Applied], Judgement::Failed),
        ] {
            assert_eq!(judge(&answer, &steps(ends)), expected, "{ends:?}");
        }
    }

    #[test]
    fn waits_grow_to_a_minute_and_differ() {
        for attempts in [0, 1, 2, 7, 100, u32::MAX] {
            let longest = Duration::from_secs(1 << attempts.saturating_sub(1).min(6)).min(LONGEST);
            for _ in 0..100 {
                let wait = backoff(attempts);
                assert!((LEAST..=longest).contains(&wait), "{attempts}: {wait:?}");
            }
        }
        let waits: std::collections::BTreeSet<_> = (0..100).map(|_| backoff(7)).collect();
        assert!(waits.len() > 90);
    }
}
