//! Why a request fails, and the answer it gets.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rest::problem::{Code, MEDIA_TYPE, Outcome, Problem};

/// A problem found here, or one that the relay has worded.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Ours.
    Problem(Box<Problem>),
    /// The relay's, to be passed on as it is.
    Relayed(Box<Relayed>),
    /// What Tiller said about a call that it carried out and failed at.
    Tiller(Box<Problem>),
}

/// An answer of the relay that is a problem.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// Its status.
    pub status: StatusCode,
    /// When to come again, if it says so.
    pub retry_after: Option<HeaderValue>,
    /// The problem, in JSON.
    pub body: Bytes,
}

/// What a request is about, for the problems it ends in.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The cluster.
    pub cluster: Option<String>,
    /// The tiller, where one is named.
    pub tiller: Option<Box<str>>,
    /// The request.
    pub request_id: Option<Box<str>>,
}

impl Scope {
    /// Fills in what the problem does not say yet.
    pub fn mark(&self, problem: &Problem) -> Problem {
        let mut problem = problem.clone();
        problem.cluster = problem
            .cluster
            .or_else(|| self.cluster.as_deref().map(Into::into));
        problem.tiller = problem.tiller.or_else(|| self.tiller.clone());
        problem.request_id = problem.request_id.or_else(|| self.request_id.clone());
        problem
    }
}

impl Failure {
    /// The problem, unless it is the relay's.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) | Self::Tiller(problem) => Some(problem),
            Self::Relayed(_) => None,
        }
    }

    /// Its code, unless it is the relay's.
    pub fn code(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// With the problem changed, unless it is the relay's.
    pub fn map(self, change: impl FnOnce(Problem) -> Problem) -> Self {
        match self {
            Self::Problem(problem) => Self::Problem(Box::new(change(*problem))),
            Self::Tiller(problem) => Self::Tiller(Box::new(change(*problem))),
            Self::Relayed(relayed) => Self::Relayed(relayed),
        }
    }

    /// Whether Tiller has ended the operation, and ended it with traces: it is not at work any more, so
    /// that what is left can be undone.
    pub fn left_traces(&self) -> bool {
        matches!(self, Self::Tiller(problem) if problem.outcome == Outcome::Unknown)
    }

    /// What it says to people.
    pub fn detail(&self) -> String {
        match self {
            Self::Problem(problem) | Self::Tiller(problem) => problem.detail.clone(),
            Self::Relayed(relayed) => serde_json::from_slice::<Problem>(&relayed.body)
                .map_or_else(|_| relayed.status.to_string(), |problem| problem.detail),
        }
    }

    /// The problem as JSON.
    pub fn to_json(&self, scope: &Scope) -> Bytes {
        match self {
            Self::Problem(problem) | Self::Tiller(problem) => scope.mark(problem).to_json(),
            Self::Relayed(relayed) => relayed.body.clone(),
        }
    }

    /// The answer that says so.
    pub fn to_response(&self, scope: &Scope) -> Response<Bytes> {
        match self {
            Self::Problem(problem) | Self::Tiller(problem) => scope.mark(problem).to_response(),
            Self::Relayed(relayed) => relayed.to_response(),
        }
    }
}

impl Relayed {
    /// That of an answer with these parts.
    pub fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        Self {
            status,
            retry_after: headers.get(header::RETRY_AFTER).cloned(),
            body,
        }
    }

    fn to_response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        if let Some(seconds) = &self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.clone());
        }
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Failure> for Problem {
    /// A problem of the relay's that cannot be read keeps its status in words.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem) | Failure::Tiller(problem) => *problem,
            Failure::Relayed(relayed) => {
                serde_json::from_slice(&relayed.body).unwrap_or_else(|_| {
                    let detail = format!("the relay answers {}", relayed.status);
                    Self::new(Code::NotRelayed, detail)
                })
            }
        }
    }
}
