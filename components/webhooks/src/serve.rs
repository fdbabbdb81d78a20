//! One request in, one answer out.

use std::fmt;

use bytes::Bytes;
use client::{Edge, Relay};
use http::{Method, Request, Response, header, request::Parts};
use http_body_util::Full;
use rest::{
    problem::{Code, Problem},
    relay::REQUEST_ID,
};

use crate::{answer, deliver, discover};

/// Where deliveries go.
const HOOKS: &str = "/hooks/";

/// Serves a request.
///
/// `base` is the relay's base URL, as [`BASE_VARIABLE`](rest::relay::BASE_VARIABLE) has it. Never fails: what goes wrong is an answer.
pub async fn serve<R: Relay, B>(
    relay: R,
    base: Option<String>,
    request: Request<B>,
) -> Response<Full<Bytes>>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let (parts, body) = request.into_parts();
    let id = parts.headers.get(REQUEST_ID).cloned();
    let mut response = match route(relay, base, &parts, body).await {
        Ok(response) => response,
        Err(mut problem) => {
            let id = id.as_ref().and_then(|id| id.to_str().ok());
            problem.request_id = problem.request_id.or_else(|| id.map(Into::into));
            problem.to_response().map(Full::new)
        }
    };
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn route<R: Relay, B>(
    relay: R,
    base: Option<String>,
    parts: &Parts,
    body: B,
) -> Result<Response<Full<Bytes>>, Problem>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let path = parts.uri.path();
    let is_hook = path
        .strip_prefix(HOOKS)
        .is_some_and(|name| !name.is_empty() && !name.contains('/'));
    if !is_hook && path != rules::DISCOVER {
        return Err(Problem::new(
            Code::RouteNotFound,
            "there are hooks below /hooks, and nothing else",
        ));
    }
    if parts.method != Method::POST {
        let problem = Problem::new(Code::MethodNotAllowed, "this resource has the method POST");
        let mut response = problem.to_response().map(Full::new);
        let allow = http::HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, allow);
        return Ok(response);
    }
    let edge = Edge {
        relay,
        base: client::base(base)?,
        request_id: parts.headers.get(REQUEST_ID).cloned(),
        authorization: None,
    };
    let body = answer::collect(body).await?;
    if is_hook {
        deliver::read(&edge, &parts.headers, &body).await
    } else {
        discover::find(&edge, &body).await
    }
}
