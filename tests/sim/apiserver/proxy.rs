//! The service proxy: what it does to a request, and to the answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::access::User;
use super::backend;
use super::services::Scheme;
use super::status::{self, Body, Refusal};
use super::{Kubernetes, State, When, lock};

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// What gRPC puts into trailers. Go forwards trailers unannounced; hyper wants them announced over HTTP/1.1.
const ANNOUNCED: &str = "grpc-status, grpc-message, grpc-status-details-bin";

/// A request to a service's proxy that may be carried out.
pub(super) struct Call<'a> {
    pub(super) user: &'a User,
    pub(super) namespace: &'a str,
    pub(super) id: &'a str,
    /// What follows `proxy` in the decoded path.
    pub(super) rest: &'a str,
    pub(super) audit_id: &'a HeaderValue,
    pub(super) peer: SocketAddr,
}

pub(super) async fn answer(
    state: &State,
    call: Call<'_>,
    request: Request<Incoming>,
) -> Response<Body> {
    let query = request.uri().query();
    if query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("dryRun="))) {
        return Refusal::bad_request("dryRun is not supported".to_owned()).response();
    }
    if !is_connectable(request.method()) {
        return status::method_not_allowed();
    }
    let (scheme, addr) = match state.services.resolve(call.namespace, call.id) {
        Ok(found) => found,
        Err(refusal) => return refusal.response(),
    };
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    if call.rest.is_empty() && (read || state.kubernetes < Kubernetes::V1_35) {
        return status::moved(&format!("{}/", request.uri().path()));
    }
    let path = clean(call.rest);
    let path = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let Ok(uri) = backend::uri(scheme, addr, &path) else {
        return Refusal::bad_request("invalid path".to_owned()).response();
    };
    let url = uri.to_string();

    let arranged = lock(&state.answers).pop_front();
    if let Some((When::BeforeBackend, answer)) = &arranged {
        return status::arranged(state.kubernetes, &url, answer);
    }
    let http1 = request.version() < Version::HTTP_2;
    let (body_read, when_read) = oneshot::channel();
    let request = outgoing(state.kubernetes, &call, scheme, uri, request, body_read);
    let response = state.backends.send(request, addr).await;
    if let Some((_, answer)) = &arranged {
        // The backend has done its work; whoever called does not learn of it.
        if let Ok(response) = response {
            _ = response.into_body().collect().await;
        }
        return status::arranged(state.kubernetes, &url, answer);
    }
    match response {
        Ok(response) => {
            if http1 {
                // No answer begins over HTTP/1.1 while the request is still on its way.
                _ = when_read.await;
            }
            incoming(response, http1)
        }
        Err(error) => status::unreachable(state.kubernetes, &url, &error),
    }
}

fn is_connectable(method: &Method) -> bool {
    [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ]
    .contains(method)
}

/// Go's `path.Join` of a decoded path, which keeps a slash at the end.
fn clean(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    clean
}

/// The request as the backend gets it.
fn outgoing(
    kubernetes: Kubernetes,
    call: &Call<'_>,
    scheme: Scheme,
    uri: http::Uri,
    request: Request<Incoming>,
    body_read: oneshot::Sender<()>,
) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let original = head.uri.path().to_owned();
    if let (Some(authority), Scheme::Http) = (head.uri.authority(), scheme)
        && let Ok(host) = HeaderValue::try_from(authority.as_str())
    {
        // HTTP/2 names the host in the URI; the backend sees it unchanged.
        head.headers.insert(HOST, host);
    }
    head.uri = uri;
    head.version = Version::HTTP_11;
    let headers = &mut head.headers;
    let trailers = headers
        .get(TE)
        .is_some_and(|te| te.as_bytes().starts_with(b"trailers"));
    strip(headers, kubernetes);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let forwarded = headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok());
    let peer = call.peer.ip();
    let forwarded =
        forwarded.map_or_else(|| peer.to_string(), |before| format!("{before}, {peer}"));
    let added = [
        ("x-forwarded-for", forwarded),
        ("x-forwarded-uri", original),
    ];
    for (name, value) in added {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    if kubernetes >= Kubernetes::V1_21 {
        headers.insert("audit-id", call.audit_id.clone());
    }
    headers
        .entry(ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static("gzip"));
    let body = Watched {
        body,
        _read: body_read,
    };
    Request::from_parts(head, body.map_err(Into::into).boxed_unsync())
}

fn strip(headers: &mut HeaderMap, kubernetes: Kubernetes) {
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named).chain(&[AUTHORIZATION]) {
        headers.remove(name);
    }
    if kubernetes >= Kubernetes::V1_35 {
        let remote: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-remote-"))
            .cloned()
            .collect();
        for name in remote {
            headers.remove(name);
        }
    }
}

/// The backend's answer as the caller gets it.
fn incoming(response: Response<Incoming>, http1: bool) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    for name in &HOP_BY_HOP {
        head.headers.remove(name);
    }
    for name in ["credentials", "headers", "methods", "origin"] {
        head.headers.remove(format!("access-control-allow-{name}"));
    }
    let content_type = head.headers.get(CONTENT_TYPE);
    let grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if http1 && grpc {
        head.headers
            .insert(TRAILER, HeaderValue::from_static(ANNOUNCED));
    }
    head.version = Version::default();
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}

/// A request body that tells, by dropping a sender, when it has been read or given up.
struct Watched {
    body: Incoming,
    _read: oneshot::Sender<()>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
