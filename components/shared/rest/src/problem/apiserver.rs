//! Answers that are not gRPC: who made them, and can the call have run?
//!
//! The service proxy passes a backend's 4xx and 5xx on unchanged and reports its own failures with the
//! same numbers, so the body decides. What proves that a call did not run is short: a refusal by the
//! APIServer itself, nothing ready to send it to, a failed dial, a failed TLS handshake, an answer in
//! HTTP/2 to a request in HTTP/1. Everything else may have run.
//!
//! The body of an answer that is not the APIServer's never becomes part of a problem: it may be a login
//! page with secrets in it. [`excerpt`] is for logs.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tiller_api::Method;

use super::{Code, Outcome, Problem};

/// How much of a body is worth reading, in bytes: 64 KiB.
pub const BODY_LIMIT: usize = 64 << 10;

/// How much of it goes into a log line, in bytes: 1 KiB.
const EXCERPT: usize = 1 << 10;

const UNREACHABLE: &str = "error trying to reach service: ";

/// An answer that is not gRPC.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its HTTP status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, no more than the first [`BODY_LIMIT`] bytes.
    pub body: &'a [u8],
}

/// Whether an answer is gRPC's, so that it is Tiller or the bridge who speaks.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.contains_key("grpc-status")
        || content_type(headers).is_some_and(|value| value.starts_with("application/grpc"))
}

/// The problem that such an answer to a call of `method` is.
pub fn from_apiserver(method: Method, answer: &Answer<'_>) -> Problem {
    let problem = if answer.is_bridge() {
        from_marked(method, answer)
    } else if let Some(status) = answer.kubernetes_status() {
        from_kubernetes(method, answer, status)
    } else if let Some(text) = answer.legacy_unreachable() {
        unreachable(method, text)
    } else {
        from_stranger(method, answer)
    };
    let retry_after = problem.retry_after.or_else(|| answer.retry_after());
    problem.with_retry_after(retry_after)
}

/// The start of a body for a log line, one line, without control characters.
pub fn excerpt(body: &[u8]) -> String {
    let head = &body[..body.len().min(EXCERPT)];
    String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl<'a> Answer<'a> {
    fn is_bridge(&self) -> bool {
        self.headers
            .get(crate::relay::ANSWERED_BY)
            .is_some_and(|value| value == crate::relay::BRIDGE)
    }

    /// The body as Kubernetes' `Status`, if it is one.
    fn kubernetes_status(&self) -> Option<KubernetesStatus> {
        if !content_type(self.headers)?.starts_with("application/json") {
            return None;
        }
        let status: KubernetesStatus = serde_json::from_slice(self.body).ok()?;
        (status.kind == "Status" && status.api_version == "v1").then_some(status)
    }

    /// The text with which Kubernetes before 1.19 says that a backend cannot be reached.
    fn legacy_unreachable(&self) -> Option<&'a str> {
        if self.status != StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let text = std::str::from_utf8(self.body).ok()?.trim_end();
        legacy_cause(text).map(|_| text)
    }

    fn text(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.body).ok()?.trim();
        let plain = content_type(self.headers).is_none_or(|kind| kind.starts_with("text/plain"));
        (plain && !text.is_empty()).then_some(text)
    }

    fn retry_after(&self) -> Option<u32> {
        self.headers
            .get(header::RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

#[derive(Deserialize)]
struct KubernetesStatus {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<KubernetesDetails>,
}

#[derive(Deserialize)]
struct KubernetesDetails {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "retryAfterSeconds")]
    retry_after_seconds: u32,
}

fn from_kubernetes(method: Method, answer: &Answer<'_>, status: KubernetesStatus) -> Problem {
    let message = status.message;
    if message.starts_with(UNREACHABLE) {
        return unreachable(method, &message);
    }
    let (kind, retry_after) = status.details.map_or_else(Default::default, |details| {
        (details.kind, details.retry_after_seconds)
    });
    let (code, outcome) = match answer.status.as_u16() {
        400 | 405 | 406 | 415 => (Code::ClusterError, Outcome::NotApplied),
        401 => (Code::ClusterCredentialsRefused, Outcome::NotApplied),
        403 => (Code::ClusterForbidden, Outcome::NotApplied),
        404 if matches!(
            kind.as_str(),
            "endpoints" | "namespaces" | "pods" | "services"
        ) =>
        {
            (Code::EndpointNotFound, Outcome::NotApplied)
        }
        404 => (Code::ClusterError, Outcome::NotApplied),
        429 => (Code::ClusterBusy, Outcome::NotApplied),
        503 if message.starts_with("no endpoints available for service") => {
            (Code::EndpointNotReady, Outcome::NotApplied)
        }
        503 if message.starts_with("no service port") => {
            (Code::EndpointNotFound, Outcome::NotApplied)
        }
        503 => (Code::ClusterBusy, Outcome::unproven(method)),
        _ => (Code::ClusterError, Outcome::unproven(method)),
    };
    Problem::new(code, message)
        .with_outcome(outcome)
        .with_retry_after((retry_after > 0).then_some(retry_after))
}

/// The APIServer's leg to the backend failed; `text` is what it says about it, in any version's form.
fn unreachable(method: Method, text: &str) -> Problem {
    let cause = text
        .strip_prefix(UNREACHABLE)
        .or_else(|| legacy_cause(text))
        .unwrap_or(text);
    let problem = Problem::new(Code::EndpointUnreachable, text);
    if is_plain_grpc(cause) {
        return problem.with_hint(
            "a gRPC server without TLS answered: this is Tiller's own port and no bridge; the APIServer cannot speak \
             to it, so name the bridge's service and port",
        );
    }
    if is_dial(cause) || is_handshake(cause) {
        return problem;
    }
    problem.with_outcome(Outcome::unproven(method))
}

/// The error that Kubernetes before 1.19 quotes: up to 1.15 in two lines, up to 1.18 in one.
fn legacy_cause(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("Error trying to reach service: '") {
        return rest.strip_suffix('\'');
    }
    let (cause, _) = text
        .strip_prefix("Error: '")?
        .split_once("'\nTrying to reach: '")?;
    Some(cause)
}

fn is_dial(cause: &str) -> bool {
    cause.starts_with("dial ") || cause.starts_with("proxyconnect tcp: dial ")
}

fn is_handshake(cause: &str) -> bool {
    [
        "tls: ",
        "x509: ",
        "local error: tls: ",
        "remote error: tls: ",
        "net/http: TLS handshake timeout",
    ]
    .iter()
    .any(|prefix| cause.starts_with(prefix))
}

/// A backend that answers a request in HTTP/1 with HTTP/2's SETTINGS frame has not understood it.
fn is_plain_grpc(cause: &str) -> bool {
    cause.contains(r#"malformed HTTP response "\x00\x00"#)
}

/// The bridge's own answer in plain HTTP.
fn from_marked(method: Method, answer: &Answer<'_>) -> Problem {
    let detail = answer.text().map_or_else(
        || format!("the bridge answered HTTP {}", answer.status.as_u16()),
        |text| text.chars().take(EXCERPT).collect(),
    );
    Problem::new(Code::BridgeError, detail).with_outcome(outcome_of(method, answer.status))
}

/// Neither APIServer nor gRPC: a balancer, a login page, a wrong backend.
fn from_stranger(method: Method, answer: &Answer<'_>) -> Problem {
    let status = answer.status.as_u16();
    let text = answer.text().unwrap_or_default();
    match status {
        429 => {
            let detail = if text.starts_with("The apiserver is shutting down") {
                text.to_owned()
            } else {
                "too many requests, says something between the edge and the cluster".to_owned()
            };
            Problem::new(Code::ClusterBusy, detail)
        }
        500 if text.starts_with("Internal Server Error: ")
            || text.starts_with("This request caused apiserver to panic") =>
        {
            Problem::new(Code::ClusterError, "the APIServer failed at the request")
                .with_outcome(Outcome::unproven(method))
        }
        400 if text == "Client sent an HTTP request to an HTTPS server." => {
            Problem::new(Code::IntermediaryError, text).with_hint(
                "the port behind Tiller's service speaks TLS: set the tiller's transport to `grpc`",
            )
        }
        413 => Problem::new(
            Code::IntermediaryError,
            "something between the edge and the cluster refuses a body of this size (HTTP 413)",
        )
        .with_hint("raise the body limit of the balancer or ingress in front of the APIServer"),
        _ => Problem::new(
            Code::IntermediaryError,
            format!(
                "HTTP {status} from something that is neither the APIServer nor the bridge nor Tiller"
            ),
        )
        .with_outcome(outcome_of(method, answer.status)),
    }
}

/// Whoever runs a call answers it in gRPC, so a refusal in plain HTTP comes before; an error or a success does
/// not say, nor do the two refusals that a balancer sends when it tires of waiting.
fn outcome_of(method: Method, status: StatusCode) -> Outcome {
    let refused = status.is_redirection() || status.is_client_error();
    if refused && !matches!(status.as_u16(), 408 | 499) {
        Outcome::NotApplied
    } else {
        Outcome::unproven(method)
    }
}

#[cfg(test)]
mod tests;
