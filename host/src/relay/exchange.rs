//! What goes to an APIServer and comes back: the headers of a call, sending it, and telling whose an answer is.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use rest::problem::apiserver::{Answer, BODY_LIMIT, excerpt};
use rest::problem::{Code, Problem, from_apiserver};
use rest::relay::{ANSWERED_BY, OUTCOME};
use tiller_api::{CLIENT_VERSION, CLIENT_VERSION_HEADER, Method};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::answer::Form;
use super::{Caller, RelayError};
use crate::access::Principal;
use crate::clusters::{Cluster, Outgoing, SendError, Tiller, Upstream};
use crate::config::{CredentialSource, Transport};

/// What native gRPC is called.
const GRPC: &str = "application/grpc";

pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The APIServer takes it as the name of the request in its audit log.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The headers of an answer that a component gets, beside its content type.
const PASSED: [&str; 5] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    ANSWERED_BY,
    OUTCOME,
];

/// How long an answer that is not gRPC may take to say what it is.
const EXPLANATION: Duration = Duration::from_secs(10);

const AGENT: &str = concat!("tiller-edge/", env!("CARGO_PKG_VERSION"));

/// The request for a call, but for credentials. Everything in it is named here; nothing of a component's request
/// passes by itself.
pub(super) fn outgoing(caller: &Caller, tiller: &Tiller, method: Method, frame: Bytes) -> Outgoing {
    let mut headers = HeaderMap::new();
    match tiller.transport() {
        Transport::Grpc => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        }
        Transport::GrpcWeb => {
            let kind = HeaderValue::from_static(grpc_web::CONTENT_TYPE);
            headers.insert(CONTENT_TYPE, kind.clone());
            headers.insert(ACCEPT, kind);
            headers.insert("x-grpc-web", HeaderValue::from_static("1"));
        }
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
    // Without it the APIServer's own HTTP client asks for gzip on our behalf, and a balancer may.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(AUDIT_ID, caller.request_id.to_header());
    headers.insert(
        CLIENT_VERSION_HEADER,
        HeaderValue::from_static(CLIENT_VERSION),
    );
    Outgoing {
        method: http::Method::POST,
        path: tiller.path(method),
        headers,
        body: frame,
    }
}

/// Sends a call, and a read once more when its connection was lost before an answer. A mutation is sent once more only
/// when it is proven that nobody has looked at it; so is a read, that being no try: what is sent again may meet the same
/// dying connection.
pub(super) async fn send(
    caller: &Caller,
    principal: &Principal,
    cluster: &Cluster,
    method: Method,
    outgoing: &mut Outgoing,
    deadline: Instant,
) -> Result<Response<Upstream>, RelayError> {
    let (mut after_unsent, mut after_lost) = (true, !method.is_mutation());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Ok(left) = HeaderValue::try_from(grpc_web::timeout::encode(left)) {
            outgoing.headers.insert(GRPC_TIMEOUT, left);
        }
        match cluster
            .send(&caller.behalf(principal), outgoing, deadline)
            .await
        {
            Err(SendError::Unsent(_)) if after_unsent => after_unsent = false,
            Err(SendError::Lost(_)) if after_lost => after_lost = false,
            result => return result.map_err(RelayError::Send),
        }
    }
}

/// In which form the answer is gRPC; none if it is something else's.
pub(super) fn form(transport: Transport, headers: &HeaderMap) -> Option<Form> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value != "identity");
    if encoded {
        return None;
    }
    if headers.contains_key("grpc-status") {
        return Some(Form::Framed);
    }
    match transport {
        Transport::Grpc => is_native(kind).then_some(Form::Native),
        Transport::GrpcWeb => (grpc_web::is_grpc_web(kind) == Some(grpc_web::Encoding::Binary))
            .then_some(Form::Framed),
    }
}

fn is_native(kind: &str) -> bool {
    kind.strip_prefix(GRPC)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

/// What of an answer's head a component gets.
pub(super) fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in PASSED.map(HeaderName::from_static) {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(grpc_web::CONTENT_TYPE),
    );
    passed
}

/// Reads enough of an answer that is not gRPC to say whose it is.
pub(crate) async fn explain(
    method: Method,
    response: Response<Upstream>,
    deadline: Instant,
) -> Problem {
    let (head, body) = response.into_parts();
    let text = text(body, deadline).await;
    debug!(
        status = head.status.as_u16(),
        body = excerpt(&text),
        "an answer that is not gRPC"
    );
    from_apiserver(
        method,
        &Answer {
            status: head.status,
            headers: &head.headers,
            body: &text,
        },
    )
}

/// The first of a body: as much as says who made it, or as came in time.
pub(crate) async fn text(mut body: Upstream, deadline: Instant) -> Vec<u8> {
    let patience = deadline.min(Instant::now() + EXPLANATION);
    let mut text = Vec::new();
    while text.len() < BODY_LIMIT {
        let Ok(Some(Ok(frame))) = timeout_at(patience, body.frame()).await else {
            break;
        };
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
    }
    text.truncate(BODY_LIMIT);
    text
}

/// Where the APIServer sees the caller, by its own credentials or because the edge acts as it, it is the caller who may
/// not. That the edge may not act as it is for the operator to mend.
pub(super) fn attribute(mut problem: Problem, cluster: &Cluster) -> Problem {
    let source = cluster.credentials();
    problem.code = match (source, problem.code) {
        (CredentialSource::Caller, Code::ClusterCredentialsRefused) => {
            Code::CallerCredentialsRefused
        }
        (CredentialSource::Caller, Code::ClusterForbidden) => Code::CallerForbidden,
        (CredentialSource::Impersonate, Code::ClusterForbidden)
            if !problem.detail.contains(" cannot impersonate resource ") =>
        {
            Code::CallerForbidden
        }
        (_, code) => code,
    };
    problem
}
