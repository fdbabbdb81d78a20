//! Asking a component what a request comes to.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use http::{HeaderValue, Request, Response};
use rest::plan::{PLAN, Plan};
use rest::problem::{Code, Problem};

use super::super::engine::{Core, refuse, whole};
use super::super::request::text;
use super::super::{Journal, Lane, Mark, Step, StepEnd, StoreError};
use crate::relay::{Body, Caller};

/// The largest plan, in bytes.
const LARGEST: usize = 64 << 10;

/// What `request` comes to.
///
/// # Errors
///
/// The answer that says what is wrong with it.
pub(super) async fn plan(
    core: &Core,
    caller: &Caller,
    request: &Request<Bytes>,
) -> Result<Plan, Response<Body>> {
    let mut asked = request.clone();
    asked
        .headers_mut()
        .insert(PLAN, HeaderValue::from_static("1"));
    let caller = Caller {
        operation: Some(Arc::new(Nothing {
            mark: core.ids.next(),
            lane: Lane::other("plan", &[]),
        })),
        session: Arc::default(),
        ..caller.clone()
    };
    let request_id = caller.request_id.clone();
    let answer = core.serve.serve(caller, asked.map(whole)).await;
    if !answer.status().is_success() {
        return Err(answer);
    }
    let read = text(answer.into_body(), LARGEST).await;
    let plan = read.ok().and_then(|plan| serde_json::from_str(&plan).ok());
    plan.ok_or_else(|| {
        let problem = Problem::new(Code::SandboxFailed, "the component does not plan requests");
        refuse(problem.with_request_id(request_id.as_str()))
    })
}

/// The journal of what may change nothing.
#[derive(Debug)]
struct Nothing {
    mark: super::super::OperationId,
    lane: Lane,
}

impl Journal for Nothing {
    fn mark(&self) -> Mark {
        Mark {
            operation: self.mark.clone(),
            delivery: None,
        }
    }

    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn begin(&self, _: Step) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(future::ready(Err(StoreError::Unavailable {
            what: "it was only asked what the request comes to".to_owned(),
            source: None,
        })))
    }

    fn end(&self, _: usize, _: StepEnd) {}
}
