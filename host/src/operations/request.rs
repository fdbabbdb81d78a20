//! An operation that is a request: served in a sandbox as its actor, and never twice unless nothing came of it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use rest::problem::{Code, Outcome, Problem};

use super::carry::{Next, begin};
use super::engine::{Core, whole};
use super::judge::{Judgement, Trouble, cleanup, is_stuck, judge};
use super::record::Record;
use super::recover::{Found, recover};
use super::{Answer, Head, Job, State, undo};
use crate::net::Causes;
use crate::relay::{Body, Caller};

/// Serves the request of `record`, or finds out what became of it where it was served already.
pub(super) async fn perform(core: &Arc<Core>, record: &Arc<Record>) -> Next {
    if record.has_begun()
        && let Found::All(next) = recover(core, record, None).await
    {
        return *next;
    }
    if let Some(next) = begin(record).await {
        return next;
    }
    let answer = match serve_its_own(core, record).await {
        Ok(answer) => answer,
        Err(next) => return *next,
    };
    let steps = record.operation().steps;
    let is_unfinished = undo::due(&steps).is_some() && cleanup(&answer).is_none();
    if record.is_undecided() || is_unfinished {
        return match recover(core, record, Some(&answer)).await {
            Found::All(next) => *next,
            Found::Nothing => Next::Later(Trouble {
                why: "the call did not reach Tiller".to_owned(),
                after: None,
                is_clusters: false,
            }),
        };
    }
    match judge(&answer, &steps) {
        Judgement::Done => Next::settled(State::Succeeded, answer),
        Judgement::Failed => Next::settled(State::Failed, answer),
        Judgement::Later(_) if is_stuck(&answer, &steps, Timestamp::now()) => {
            Next::settled(State::Failed, answer)
        }
        Judgement::Later(trouble) => Next::Later(trouble),
        Judgement::Hidden => match recover(core, record, Some(&answer)).await {
            Found::All(next) => *next,
            Found::Nothing => Next::settled(State::Succeeded, answer),
        },
    }
}

async fn serve_its_own(core: &Arc<Core>, record: &Arc<Record>) -> Result<Answer, Box<Next>> {
    let operation = &record.claim().operation;
    let Job::Request { head, .. } = &operation.job else {
        return Err(Box::new(Next::failed(&Problem::new(
            Code::NotDeferrable,
            "the operation is no request",
        ))));
    };
    let caller = acting(core, record).await?;
    let body = match core.store.body(&operation.id).await {
        Ok(body) => body.unwrap_or_default(),
        Err(error) => {
            return Err(Box::new(Next::Later(Trouble {
                why: Causes(&error).to_string(),
                after: None,
                is_clusters: false,
            })));
        }
    };
    let request = head.request(body).ok_or_else(|| {
        let problem = Problem::new(Code::InvalidRequest, "what is stored is no request");
        Box::new(Next::failed(&problem))
    })?;
    Ok(serve(core, caller, request).await)
}

/// The actor as a caller.
///
/// # Errors
///
/// What the operation comes to if nobody can act as it any more.
pub(super) async fn acting(core: &Core, record: &Arc<Record>) -> Result<Caller, Box<Next>> {
    core.actor(record).await.ok_or_else(|| {
        let who = &record.claim().operation.actor.principal;
        let problem = Problem::new(
            Code::NotAllowed,
            format!("`{}` is nobody whom this edge lets in any more", who.name),
        );
        Box::new(Next::failed(&problem))
    })
}

/// Serves a request and reads the whole answer.
pub(super) async fn serve(core: &Core, caller: Caller, request: Request<Bytes>) -> Answer {
    let answer = core.serve.serve(caller, request.map(whole)).await;
    read(answer).await
}

/// The largest answer that is kept, in bytes. Those to changes have neither manifests nor charts.
const LARGEST: usize = 4 << 20;

async fn read(answer: Response<Body>) -> Answer {
    let (head, body) = answer.into_parts();
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, ETAG, LOCATION] {
        if let Some(value) = head.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    match text(body, LARGEST).await {
        Ok(body) => Answer {
            status: head.status.as_u16(),
            headers,
            body,
        },
        Err(why) => broken(why),
    }
}

/// The text of a body that has `largest` bytes at most.
///
/// # Errors
///
/// What is wrong with it, for people.
pub(super) async fn text(mut body: Body, largest: usize) -> Result<String, &'static str> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "the answer broke off")?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if text.len() + data.len() > largest {
            return Err("the answer is too large to be kept");
        }
        text.extend_from_slice(&data);
    }
    String::from_utf8(text).map_err(|_| "the answer is not text")
}

/// What stands in for an answer that cannot be kept. What was done is known from the calls that were made.
fn broken(why: &str) -> Answer {
    let problem = Problem::new(Code::SandboxFailed, why).with_outcome(Outcome::Unknown);
    super::carry::told(&problem)
}

impl Head {
    /// The request that it is the head of; none if it is none.
    pub(super) fn request(&self, body: Bytes) -> Option<Request<Bytes>> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.parse().ok()?;
        *request.uri_mut() = format!("{BASE}{}", self.target).parse().ok()?;
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }
}

/// What an edge calls itself to its components when nobody called it by any name.
pub(super) const BASE: &str = "http://localhost";
