//! Undoing what failed, where whoever was to do so is gone.
//!
//! An `atomic` request undoes a change that fails, and the process may end between the two. What the undoing is was
//! written down with the change, so that it can be carried out as one more request of the same operation.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use rest::plan::Undo;
use rest::problem::{Cleanup, CleanupAction, CleanupResult, Problem};
use rest::relay::Target;

use super::{Step, StepEnd};

/// What is left to be undone: the change that failed, unless its undoing has begun.
pub(crate) fn due(steps: &[Step]) -> Option<(&Step, &Undo)> {
    let step = steps.last()?;
    match (step.end, &step.undo) {
        (Some(StepEnd::Failed), Some(undo)) => Some((step, undo)),
        _ => None,
    }
}

/// The request that undoes `step`; none if its release has no name.
pub(crate) fn request(target: &Target, step: &Step, undo: &Undo) -> Option<Request<Bytes>> {
    let (method, path, body) = undo.request(target, step.release.as_deref()?, step.timeout);
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = method;
    *request.uri_mut() = path.try_into().ok()?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    Some(request)
}

/// The problem of a change that failed, with what became of the undoing: `failure` is why it failed as well.
pub(crate) fn told(mut problem: Problem, undo: &Undo, failure: Option<String>) -> Problem {
    problem.cleanup = Some(Box::new(Cleanup {
        action: match undo.revision {
            None => CleanupAction::Uninstall,
            Some(_) => CleanupAction::Rollback,
        },
        result: match failure {
            None => CleanupResult::Done,
            Some(_) => CleanupResult::Failed,
        },
        revision: undo.revision,
        detail: failure,
    }));
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(end: StepEnd, undo: Option<Undo>) -> Step {
        Step {
            release: Some("web".into()),
            undo,
            end: Some(end),
            timeout: 60,
            ..Step::default()
        }
    }

    #[test]
    fn only_what_failed_is_undone_and_only_once() {
        let failed = step(StepEnd::Failed, Some(Undo::default()));
        assert!(due(std::slice::from_ref(&failed)).is_some());
        let begun = [failed, step(StepEnd::Lost, None)];
        assert!(due(&begun).is_none());
        for end in [StepEnd::Applied, StepEnd::Lost, StepEnd::NotApplied] {
            assert!(due(&[step(end, Some(Undo::default()))]).is_none());
        }
        assert!(due(&[step(StepEnd::Failed, None)]).is_none());
        assert!(due(&[]).is_none());
    }

    #[test]
    fn undoing_is_a_request_for_the_same_release() {
        let target = Target {
            cluster: "prod".into(),
            tiller: None,
        };
        let undo = Undo {
            revision: Some(7),
            ..Undo::default()
        };
        let step = step(StepEnd::Failed, Some(undo.clone()));
        let request = request(&target, &step, &undo).expect("it has a name");
        let path = "/v1/clusters/prod/releases/web/rollback";
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("POST", path)
        );
        let nameless = Step {
            release: None,
            ..step
        };
        assert!(super::request(&target, &nameless, &undo).is_none());
    }
}
