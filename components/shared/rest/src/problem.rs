//! What went wrong, who is to blame and whether anything may have happened: RFC 9457.
//!
//! A caller acts on three things: the stable [`Code`], the [`Blame`], and the [`Outcome`] of a call
//! that changes something. `detail` is for people; where Tiller or an APIServer said something, it is
//! their own text, whole. Nothing of a credential ever enters a problem.
//!
//! There are exactly two places where the words of others become problems: [`tiller`] and
//! [`apiserver`].

pub mod apiserver;
mod code;
pub mod tiller;

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use tiller_api::Method;

pub use apiserver::from_apiserver;
pub use code::Code;
pub use tiller::{from_bridge, from_tiller};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Who has to act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Whoever sent the request: another request would succeed.
    Caller,
    /// The cluster, its APIServer, the bridge in it, or what stands between it and the edge.
    Cluster,
    /// The edge: its configuration, its load, its code.
    Edge,
    /// The chart repository or registry, or what stands before it.
    Repository,
    /// Tiller.
    Tiller,
}

/// Whether a call that failed may have changed the cluster all the same.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is proven that nothing happened, or the call only reads.
    NotApplied,
    /// It may have happened in whole or in part. Look before trying again.
    Unknown,
}

impl Outcome {
    /// What to assume of a failed call while nothing is proven.
    pub const fn unproven(method: Method) -> Self {
        if method.is_mutation() {
            Self::Unknown
        } else {
            Self::NotApplied
        }
    }
}

/// What `atomic` did about a release that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cleanup {
    /// The call that undoes it.
    pub action: CleanupAction,
    /// What became of that call.
    pub result: CleanupResult,
    /// The revision gone back to, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// Why it failed or was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a failed release is undone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupAction {
    /// A failed upgrade: back to the revision before it.
    Rollback,
    /// A failed install: the release is purged.
    Uninstall,
}

/// What became of the attempt to undo.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupResult {
    /// It succeeded, or nothing was left to undo.
    Done,
    /// It failed; the release is as the failure left it.
    Failed,
    /// It was not tried, since Tiller may still be at work on the release.
    NotTried,
}

/// Something that the cluster does not let the caller do to an object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refused {
    /// The object's `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Its namespace; none for what is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name; none if the cluster is to make one up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What may not be done, as RBAC calls it.
    pub verb: String,
    /// Why, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An error as callers see it.
///
/// Serialises to the members that RFC 9457 names (`type`, `title`, `status`, `detail`) and ours.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(from = "wire::Problem", into = "wire::Problem")]
pub struct Problem {
    /// What happened, for programs.
    pub code: Code,
    /// What happened, for people: the words of whoever refused.
    pub detail: String,
    /// Whether the request may have taken effect.
    pub outcome: Outcome,
    /// The cluster the request was for.
    pub cluster: Option<Box<str>>,
    /// The tiller of that cluster, where the request named one.
    pub tiller: Option<Box<str>>,
    /// The `x-request-id` of the request.
    pub request_id: Option<Box<str>>,
    /// After how many seconds another try makes sense, where that is known.
    pub retry_after: Option<u32>,
    /// What to do about it, where more can be said than in `detail`.
    pub hint: Option<Box<str>>,
    /// What `atomic` did.
    pub cleanup: Option<Box<Cleanup>>,
    // Problems are passed by value all over, and this is nearly always empty: a slice would be twice as large.
    #[expect(clippy::box_collection, reason = "one word and not three")]
    refused: Option<Box<Vec<Refused>>>,
}

impl Problem {
    /// A problem with nothing applied and nothing else known.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            outcome: Outcome::NotApplied,
            cluster: None,
            tiller: None,
            request_id: None,
            retry_after: None,
            hint: None,
            cleanup: None,
            refused: None,
        }
    }

    /// With that outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// With the cluster it is about.
    #[must_use]
    pub fn with_cluster(mut self, cluster: impl Into<Box<str>>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// With the request it answers.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// With the seconds to wait.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: Option<u32>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what the cluster refuses.
    #[must_use]
    pub fn with_refused(mut self, refused: Vec<Refused>) -> Self {
        self.refused = Some(refused)
            .filter(|refused| !refused.is_empty())
            .map(Box::new);
        self
    }

    /// What of the objects of a chart the cluster refuses the caller.
    pub fn refused(&self) -> &[Refused] {
        self.refused.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Who has to act.
    pub const fn blame(&self) -> Blame {
        self.code.blame()
    }

    /// The JSON document.
    pub fn to_json(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("strings and numbers always serialise")
            .into()
    }

    /// The answer that carries it, `content-length` and `retry-after` included.
    pub fn to_response(&self) -> Response<Bytes> {
        let body = self.to_json();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.map(|_| body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

/// The JSON shape: what follows from the code is written, and read no further.
mod wire {
    use serde::{Deserialize, Serialize};

    use super::{Blame, Cleanup, Code, Outcome, Refused};

    #[derive(Deserialize, Serialize)]
    pub(super) struct Problem {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        title: String,
        #[serde(default)]
        status: u16,
        detail: String,
        code: Code,
        #[serde(default, skip_deserializing)]
        blame: Option<Blame>,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tiller: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cleanup: Option<Box<Cleanup>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<Refused>,
    }

    impl From<super::Problem> for Problem {
        fn from(problem: super::Problem) -> Self {
            Self {
                kind: format!("urn:tiller-edge:problem:{}", problem.code),
                title: problem.code.title().to_owned(),
                status: problem.status().as_u16(),
                detail: problem.detail,
                code: problem.code,
                blame: Some(problem.code.blame()),
                outcome: problem.outcome,
                cluster: problem.cluster,
                tiller: problem.tiller,
                request_id: problem.request_id,
                retry_after: problem.retry_after,
                hint: problem.hint,
                cleanup: problem.cleanup,
                refused: problem.refused.map(|refused| *refused).unwrap_or_default(),
            }
        }
    }

    impl From<Problem> for super::Problem {
        fn from(problem: Problem) -> Self {
            let refused = problem.refused;
            Self {
                refused: None,
                code: problem.code,
                detail: problem.detail,
                outcome: problem.outcome,
                cluster: problem.cluster,
                tiller: problem.tiller,
                request_id: problem.request_id,
                retry_after: problem.retry_after,
                hint: problem.hint,
                cleanup: problem.cleanup,
            }
            .with_refused(refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_ours() {
        let problem = Problem::new(Code::ReleaseNotFound, "release: \"web\" not found")
            .with_cluster("prod")
            .with_request_id("r-1");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            json!({
                "type": "urn:tiller-edge:problem:release_not_found",
                "title": "No such release",
                "status": 404,
                "detail": "release: \"web\" not found",
                "code": "release_not_found",
                "blame": "caller",
                "outcome": "not_applied",
                "cluster": "prod",
                "request_id": "r-1",
            })
        );
    }

    #[test]
    fn a_problem_reads_back_as_it_was_written() {
        let mut problem = Problem::new(Code::WaitTimedOut, "timed out waiting for the condition")
            .with_outcome(Outcome::Unknown)
            .with_retry_after(Some(5))
            .with_hint("look at the pods");
        problem.tiller = Some("blue".into());
        problem.cleanup = Some(Box::new(Cleanup {
            action: CleanupAction::Rollback,
            result: CleanupResult::NotTried,
            revision: Some(3),
            detail: None,
        }));
        let problem = problem.with_refused(vec![Refused {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            namespace: Some("kube-system".to_owned()),
            name: None,
            verb: "create".to_owned(),
            reason: None,
        }]);
        let read: Problem = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(read, problem);
    }

    #[test]
    fn an_answer_tells_its_length_and_when_to_come_back() {
        let problem = Problem::new(Code::ClusterBusy, "shutting down").with_retry_after(Some(5));
        let response = problem.to_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(
            response.headers()["content-length"],
            response.body().len().to_string().as_str()
        );
    }

    #[test]
    fn a_failed_read_has_not_been_applied_and_a_failed_mutation_may_have_been() {
        for method in Method::ALL {
            let expected = if method.is_mutation() {
                Outcome::Unknown
            } else {
                Outcome::NotApplied
            };
            assert_eq!(Outcome::unproven(method), expected, "{method}");
        }
    }
}
