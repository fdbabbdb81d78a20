//! `/v1/operations`: what became of requests that were accepted, and what can be done about them.
//!
//! Nothing here is any component's business: nobody's text is parsed beyond a query, and what is answered is the host's own.

mod act;
mod follow;
mod list;

use std::sync::Arc;

use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use rest::negotiate;
use rest::problem::{Code, Problem};
use rest::query;
use serde_json::Value;
use tokio::time::Instant;

use self::act::Act;
use super::engine::{Core, refuse, refused_by_store, whole};
use super::standing::Standing;
use super::view::{Sight, view};
use super::watching::Watching;
use super::wish::LONGEST_WAIT;
use super::{OperationId, Stored};
use crate::relay::{Body, Caller};

const LIST: &str = "/v1/operations";

/// Whether a request for `path` is answered here.
pub(super) fn is_about(path: &str) -> bool {
    path.strip_prefix(LIST)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request.
///
/// # Errors
///
/// The problem to answer with.
pub(super) async fn answer(
    core: &Arc<Core>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (head, _) = request.into_parts();
    let path = head.uri.path();
    let query = head.uri.query();
    let segments: Vec<&str> = path
        .strip_prefix(LIST)
        .unwrap_or_default()
        .split('/')
        .skip(1)
        .take(3)
        .collect();
    let reads = [Method::GET, Method::HEAD].contains(&head.method);
    let posts = head.method == Method::POST;
    match segments[..] {
        [] if reads => list::answer(core, &caller, query, &head.headers).await,
        [] => Ok(wrong_method("GET, HEAD", &caller)),
        [id] if reads => one(core, &caller, &parse(id)?, query, &head.headers).await,
        [id] if head.method == Method::DELETE => {
            act::answer(core, &caller, &parse(id)?, Act::Cancel, query).await
        }
        [_] => Ok(wrong_method("DELETE, GET, HEAD", &caller)),
        [id, verb] => match Act::named(verb) {
            Some(act) if posts => act::answer(core, &caller, &parse(id)?, act, query).await,
            Some(_) => Ok(wrong_method("POST", &caller)),
            None => Err(no_route(path)),
        },
        _ => Err(no_route(path)),
    }
}

/// One operation: now, as soon as it has settled, or whenever it changes.
async fn one(
    core: &Arc<Core>,
    caller: &Caller,
    id: &OperationId,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let mut fields = query::parse(query, &[])?;
    let wait = fields.duration("wait")?;
    fields.finish()?;
    let offers = [negotiate::JSON, follow::MEDIA_TYPE];
    let follows = negotiate::choose(accept(headers), &offers)? == 1;
    let until = Instant::now() + wait.unwrap_or_default().min(LONGEST_WAIT);
    let mut watching = Watching::new(core, id.clone());
    let mut seen = None;
    loop {
        let operation = watching
            .look(core)
            .await
            .map_err(|error| refused_by_store(&error))?
            .ok_or_else(|| not_found(id))?;
        let sight = match seen {
            Some(sight) => sight,
            None => Standing::of(core, caller, &operation)
                .await
                .and_then(|standing| standing.sight)
                .ok_or_else(|| not_found(id))?,
        };
        seen = Some(sight);
        if follows {
            return Ok(follow::answer(core, watching, operation, sight));
        }
        if operation.state.is_settled() || !watching.may_have_changed(until).await {
            return Ok(json(StatusCode::OK, &view(&operation, sight)));
        }
    }
}

/// An operation that the caller may see, and what the caller is to it.
async fn find(
    core: &Core,
    caller: &Caller,
    id: &OperationId,
) -> Result<(Stored, Option<Standing>), Problem> {
    let found = core.store.operation(id).await;
    let stored = found
        .map_err(|error| refused_by_store(&error))?
        .ok_or_else(|| not_found(id))?;
    let standing = Standing::of(core, caller, &stored.operation).await;
    Ok((stored, standing))
}

fn parse(id: &str) -> Result<OperationId, Problem> {
    id.parse().map_err(|_| {
        let shown: String = id.chars().take(64).collect();
        Problem::new(
            Code::OperationNotFound,
            format!("there is no operation `{shown}`"),
        )
    })
}

fn not_found(id: &OperationId) -> Problem {
    Problem::new(
        Code::OperationNotFound,
        format!("there is no operation `{id}`"),
    )
}

fn no_route(path: &str) -> Problem {
    let shown: String = path.chars().take(200).collect();
    Problem::new(Code::RouteNotFound, format!("there is no route {shown}"))
}

fn wrong_method(allow: &'static str, caller: &Caller) -> Response<Body> {
    let problem = Problem::new(Code::MethodNotAllowed, format!("this route has {allow}"));
    let mut answer = refuse(problem.with_request_id(caller.request_id.as_str()));
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

fn accept(headers: &HeaderMap) -> Option<&str> {
    headers.get(ACCEPT)?.to_str().ok()
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let text = value.to_string();
    let length = text.len();
    let mut answer = Response::new(whole(text.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(negotiate::JSON));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

/// An operation as whoever has just accepted or changed it sees it.
fn shown(stored: &Stored, sight: Sight) -> Response<Body> {
    json(StatusCode::OK, &view(&stored.operation, sight))
}
