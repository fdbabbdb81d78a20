//! Requests that come again with the same `Idempotency-Key`.

use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Response};
use jiff::Timestamp;
use rest::problem::{Code, Problem};

use super::super::engine::{Core, refuse, refused_by_store};
use super::super::wish::Preferences;
use super::super::{Actor, Key, Lane, Operation, State};
use super::{accepted, location, stored};
use crate::ingress::RequestId;
use crate::relay::Body;

/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key of a request of `actor` that calls it `name`.
pub(super) fn key(actor: &Actor, name: &str, fingerprint: String, expires_at: Timestamp) -> Key {
    let who = &actor.principal;
    let cluster = actor.cluster.as_deref().unwrap_or_default();
    let parts = [who.method.as_str(), cluster, &who.name, name];
    Key {
        name: Lane::other("call", &parts).as_str().to_owned(),
        fingerprint,
        operations: Vec::new(),
        delivery: None,
        expires_at,
        replaces: None,
    }
}

/// The answer to a request whose key is known; none if it is not.
///
/// # Errors
///
/// When it was another request's.
pub(super) async fn answer(
    core: &Core,
    key: &Key,
    request: &RequestId,
    preferences: &Preferences,
) -> Result<Option<Response<Body>>, Problem> {
    let found = core.store.key(&key.name).await;
    let Some(known) = found.map_err(|error| refused_by_store(&error))? else {
        return Ok(None);
    };
    if known.fingerprint != key.fingerprint {
        return Err(Problem::new(
            Code::IdempotencyKeyReused,
            "another request came with this Idempotency-Key",
        )
        .with_hint("each request has a key of its own; only the same request again has the same"));
    }
    let operation = match known.operations.first() {
        Some(id) => {
            let found = core.store.operation(id).await;
            found.map_err(|error| refused_by_store(&error))?
        }
        None => None,
    };
    let Some(operation) = operation.map(|stored| stored.operation) else {
        return Err(Problem::new(
            Code::OperationNotFound,
            "what became of the first request with this Idempotency-Key is kept no more",
        ));
    };
    if !operation.state.is_settled() {
        return Ok(Some(in_use(&operation, request)));
    }
    // Whoever was promised an operation wants to hear of that, not what another would have been answered in its place.
    let mut answer = if preferences.respond_async && preferences.wait.is_none() {
        accepted(&operation, preferences)
    } else {
        settled(&operation, request)
    };
    let replayed = HeaderValue::from_static("true");
    answer.headers_mut().insert(REPLAYED, replayed);
    Ok(Some(answer))
}

/// What a caller is told who waited for an operation that has settled.
pub(super) fn settled(operation: &Operation, request: &RequestId) -> Response<Body> {
    match &operation.answer {
        Some(answer) => stored(answer),
        None => {
            let id = &operation.id;
            let what = match &operation.superseded_by {
                Some(newer) => format!("the operation `{id}` was replaced by `{newer}`"),
                None if operation.state == State::Cancelled => {
                    format!("the operation `{id}` was called off")
                }
                None => format!("the operation `{id}` is over"),
            };
            conflict(operation, request, Code::OperationStateConflict, what)
        }
    }
}

fn in_use(operation: &Operation, request: &RequestId) -> Response<Body> {
    let what = format!(
        "the first request with this Idempotency-Key is the operation `{}`, which is {}",
        operation.id,
        operation.state.as_str()
    );
    conflict(operation, request, Code::IdempotencyKeyInUse, what)
}

fn conflict(
    operation: &Operation,
    request: &RequestId,
    code: Code,
    detail: String,
) -> Response<Body> {
    let problem = Problem::new(code, detail).with_request_id(request.as_str());
    let mut answer = refuse(problem);
    answer.headers_mut().insert(LOCATION, location(operation));
    answer
}
