//! From a request to who answers it, in the order of kube-apiserver's filters: audit, authentication, authorisation, and
//! only then whether there is such a thing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::access::{Attributes, User};
use super::listen::Connection;
use super::proxy::{self, Call};
use super::review::Review;
use super::status::{self, Body, Refusal};
use super::{Kubernetes, Seen, State, discovery, lock};

pub(super) async fn answer(
    state: &Arc<State>,
    connection: &Connection,
    request: Request<Incoming>,
) -> Response<Body> {
    let audit_id = audit_id(&request);
    let mut response = authenticated(state, connection, request, &audit_id).await;
    // Older versions have ids only for requests that their audit policy logs.
    let has_ids = state.kubernetes >= Kubernetes::V1_21;
    status::stamp(&mut response, has_ids.then_some(&audit_id));
    response
}

/// The caller's own, or a new one.
fn audit_id(request: &Request<Incoming>) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let sent = request.headers().get("audit-id").cloned();
    sent.unwrap_or_else(|| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        HeaderValue::try_from(format!("00000000-0000-4000-8000-{next:012x}"))
            .unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

async fn authenticated(
    state: &Arc<State>,
    connection: &Connection,
    mut request: Request<Incoming>,
    audit_id: &HeaderValue,
) -> Response<Body> {
    let certificate = connection.certificate.as_deref();
    let user = state.access.authenticate(request.headers(), certificate);
    let acting = user.clone().map(|user| {
        let (headers, version) = (request.headers(), state.kubernetes);
        state.access.impersonate(user, headers, version)
    });
    lock(&state.seen).push(Seen {
        user: user.map_or_else(|| "-".to_owned(), |user| user.name),
        acting: match &acting {
            Some(Ok(user)) => Some(user.clone()),
            _ => None,
        },
        method: request.method().clone(),
        uri: request.uri().to_string(),
        headers: request.headers().clone(),
        version: request.version(),
    });
    let user = match acting {
        Some(Ok(user)) => user,
        Some(Err(refusal)) => return refusal.response(),
        None => {
            // Kubernetes ends HTTP/2 connections of those it does not know.
            if request.version() == Version::HTTP_2 {
                connection.go_away.notify_one();
            }
            return Refusal::unauthorized().response();
        }
    };
    request.headers_mut().remove("impersonate-user");
    request.headers_mut().remove("impersonate-group");
    let path = percent_decode_str(request.uri().path())
        .decode_utf8_lossy()
        .into_owned();
    match path.as_str() {
        "/healthz" | "/livez" | "/readyz" if is_get(&request) => {
            status::text_response(200, "text/plain; charset=utf-8", "ok".to_owned())
        }
        "/version" if is_get(&request) => version(state),
        _ if is_get(&request) && !user.is_anonymous() && discovery::is_one(&path) => {
            discovery::answer(&path)
        }
        _ if request.method() == Method::POST
            && !user.is_anonymous()
            && Review::at(&path, state.kubernetes).is_some() =>
        {
            reviewed(state, &user, &path, request).await
        }
        _ => match service_proxy(&path) {
            Some((namespace, id, rest)) => {
                let call = Call {
                    user: &user,
                    namespace,
                    id,
                    rest,
                    audit_id,
                    peer: connection.peer,
                };
                authorised(state, call, request).await
            }
            None if user.is_anonymous() => {
                let verb = request.method().as_str().to_ascii_lowercase();
                Refusal::forbidden_path(&user, &verb, &path).response()
            }
            None => status::not_found_page(),
        },
    }
}

async fn reviewed(
    state: &State,
    user: &User,
    path: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let Some(review) = Review::at(path, state.kubernetes) else {
        return status::not_found_page();
    };
    let body = Limited::new(request.into_body(), 64 * 1024).collect().await;
    let body = body
        .map(|body| body.to_bytes())
        .unwrap_or_else(|_| Bytes::new());
    review.answer(&state.access, user, &body)
}

async fn authorised(
    state: &Arc<State>,
    call: Call<'_>,
    request: Request<Incoming>,
) -> Response<Body> {
    let wanted = Attributes {
        verb: verb(request.method()),
        resource: "services/proxy",
        namespace: call.namespace,
        name: call.id,
        ..Attributes::default()
    };
    if !state.access.allows(call.user, &wanted) {
        return Refusal::forbidden(call.user, &wanted).response();
    }
    proxy::answer(state, call, request).await
}

/// Namespace, `[scheme:]name[:port]` and the rest of a decoded path to a service's proxy.
fn service_proxy(path: &str) -> Option<(&str, &str, &str)> {
    let path = path.strip_prefix("/api/v1/namespaces/")?;
    let (namespace, path) = path.split_once('/')?;
    let (id, path) = path.strip_prefix("services/")?.split_once('/')?;
    let rest = path.strip_prefix("proxy")?;
    (rest.is_empty() || rest.starts_with('/')).then_some((namespace, id, rest))
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

fn version(state: &State) -> Response<Body> {
    let kubernetes = state.kubernetes;
    let version = json!({
        "major": "1",
        "minor": kubernetes.minor(),
        "gitVersion": kubernetes.git_version(),
        "platform": "linux/amd64",
    });
    status::json(200, &version)
}

fn is_get(request: &Request<Incoming>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
