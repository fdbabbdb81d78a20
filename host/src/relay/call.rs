//! One call: from a component's request to the head of the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use rest::problem::apiserver::{Answer, BODY_LIMIT, excerpt};
use rest::problem::{Code, Problem, from_apiserver};
use rest::relay::{ANSWERED_BY, OUTCOME, Target};
use tiller_api::{CLIENT_VERSION, CLIENT_VERSION_HEADER, Method};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::answer::{self, Form};
use super::{Body, Caller, Relay, RelayError};
use crate::clusters::{Cluster, Outgoing, SendError, Tiller, Upstream};
use crate::config::Transport;
use crate::net::Causes;

/// What native gRPC is called.
const GRPC: &str = "application/grpc";

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

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

impl Relay {
    pub(super) async fn call(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        request: Request<Body>,
    ) -> Response<Body> {
        let started = Instant::now();
        let result = self.attempt(caller, target, method, request).await;
        let outcome = match &result {
            Ok(_) => "answered",
            Err(problem) => problem.code.as_str(),
        };
        debug!(
            request_id = %caller.request_id,
            cluster = target.cluster,
            tiller = target.tiller,
            %method,
            outcome,
            elapsed = ?started.elapsed(),
            "relayed a call"
        );
        result.unwrap_or_else(|problem| self.problem(caller, &problem))
    }

    async fn attempt(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let cluster = self
            .cluster(&target.cluster)
            .map_err(|error| error.problem(Some(method)))?;
        let relayed = async {
            let tiller = cluster.tiller(target.tiller.as_deref()).ok_or_else(|| {
                RelayError::TillerNotFound {
                    cluster: target.cluster.clone(),
                    tiller: target.tiller.clone().unwrap_or_default(),
                }
            })?;
            self.relayed(caller, &cluster, tiller, method, request)
                .await
        };
        relayed.await.map_err(|error| {
            log(caller, &cluster, &error);
            let mut problem = error.problem(Some(method)).with_cluster(cluster.name());
            problem.tiller = target.tiller.as_deref().map(Into::into);
            attribute(problem, &cluster)
        })
    }

    /// The cluster of that name.
    pub(super) fn cluster(&self, name: &str) -> Result<Arc<Cluster>, RelayError> {
        self.clusters
            .get(name)
            .ok_or_else(|| match self.clusters.why_unusable(name) {
                Some(why) => RelayError::unusable(name, why),
                None => RelayError::ClusterNotFound(name.to_owned()),
            })
    }

    async fn relayed(
        &self,
        caller: &Caller,
        cluster: &Cluster,
        tiller: &Tiller,
        method: Method,
        request: Request<Body>,
    ) -> Result<Response<Body>, RelayError> {
        let call = self.calls.hold();
        let deadline = Instant::now() + self.time_limit(method, request.headers());
        let client_version = request.headers().get(CLIENT_VERSION_HEADER).cloned();
        let message = self.intake.read(request, deadline).await?;
        let mut outgoing = outgoing(caller, tiller, method, message.frame.clone());
        if let Some(version) = client_version {
            outgoing.headers.insert(CLIENT_VERSION_HEADER, version);
        }
        let response = send(caller, cluster, method, &mut outgoing, deadline).await?;
        // A 401 is behind us, so nothing is sent again.
        drop(outgoing);
        drop(message);
        let Some(form) = form(tiller.transport(), response.headers()) else {
            let problem = explain(method, response, deadline).await;
            return Err(RelayError::Answered(Box::new(problem)));
        };
        let (head, body) = response.into_parts();
        let mut answer = Response::new(answer::body(body, form, deadline, call));
        *answer.headers_mut() = passed(&head.headers);
        Ok(answer)
    }

    fn time_limit(&self, method: Method, headers: &HeaderMap) -> Duration {
        let longest = if method.is_mutation() {
            self.longest.mutation
        } else {
            self.longest.read
        };
        headers
            .get(GRPC_TIMEOUT)
            .and_then(|value| value.to_str().ok())
            .and_then(grpc_web::timeout::parse)
            .map_or(longest, |asked| asked.min(longest))
    }
}

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
async fn send(
    caller: &Caller,
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
            .send(caller.authorization.as_ref(), outgoing, deadline)
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

fn passed(headers: &HeaderMap) -> HeaderMap {
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

/// Where the APIServer sees the caller's own credentials, it is the caller who has to get better ones.
pub(super) fn attribute(mut problem: Problem, cluster: &Cluster) -> Problem {
    if cluster.is_callers() {
        problem.code = match problem.code {
            Code::ClusterCredentialsRefused => Code::CallerCredentialsRefused,
            Code::ClusterForbidden => Code::CallerForbidden,
            code => code,
        };
    }
    problem
}

/// What an operator must do something about is logged whole; the rest is the caller's, who is told.
fn log(caller: &Caller, cluster: &Cluster, error: &RelayError) {
    if let RelayError::Send(SendError::Credentials(_) | SendError::Tls(_)) = error {
        warn!(
            request_id = %caller.request_id,
            cluster = cluster.name(),
            error = %Causes(error),
            "the cluster cannot be called"
        );
    }
}
