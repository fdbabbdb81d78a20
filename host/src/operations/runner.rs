//! Who does what an operation asks for.
//!
//! A request is served in a sandbox and a notice sent, which the engine does itself. Other jobs have runners: they know
//! nothing of leases and when to try again, and the engine knows nothing of rules.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};
use rest::problem::Problem;

use super::carry::told;
use super::judge::trouble;
use super::{Answer, Claim, New};
use crate::relay::{Body, Caller};
use crate::sandbox::Sandbox;

/// Carries out the jobs of one kind.
pub trait Runner: Send + Sync + 'static {
    /// Does what the operation of `claim` asks for. It may be asked again for the same operation, after a failure or after
    /// this process ended in the middle, and leads to the same children then. Dropping the future must stop whatever goes
    /// on behind it.
    fn run<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Run>;
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum Run {
    /// It is over.
    Over {
        /// What it says; with an error's status the operation has failed.
        answer: Answer,
        /// What it leads to: accepted in the same moment.
        children: Vec<New>,
    },
    /// It could not be done for a reason that time may heal: it is tried again until the operation expires.
    Postponed {
        /// Why, for people.
        why: String,
    },
}

impl Run {
    /// What a job comes to that ended with a problem: whether time may heal it is said in one place for all of them.
    pub(crate) fn failed(problem: &Problem) -> Self {
        let answer = told(problem);
        match trouble(&answer) {
            Some(trouble) => Self::Postponed { why: trouble.why },
            None => Self::Over {
                answer,
                children: Vec::new(),
            },
        }
    }
}

/// The runners there are. A job without one fails.
#[derive(Clone, Default)]
pub struct Runners {
    /// Of [`Job::Discovery`](super::Job::Discovery).
    pub discovery: Option<Arc<dyn Runner>>,
}

/// Serves a request in the name of a caller: what there is beyond tests is the [`Sandbox`].
pub trait Serve: Send + Sync + 'static {
    /// Answers `request`, whose URI is absolute; every failure is an answer too. Dropping the future or the answer's body
    /// stops whatever goes on behind it.
    fn serve(&self, caller: Caller, request: Request<Body>) -> BoxFuture<'_, Response<Body>>;
}

impl Serve for Sandbox {
    fn serve(&self, caller: Caller, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(self.serve(caller, request))
    }
}
