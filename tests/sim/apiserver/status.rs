//! Refusals in Kubernetes' own words.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;

use super::access::{Attributes, User};
use super::{Answer, Kubernetes};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// An error of the API, which becomes a JSON `Status`.
#[derive(Debug)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Serialize)]
struct Details {
    name: String,
    kind: String,
}

#[derive(Serialize)]
struct Status<'a> {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    metadata: Metadata,
    status: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: &'a Option<Details>,
    code: u16,
}

#[derive(Serialize)]
struct Metadata {}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            details: None,
        }
    }

    pub(super) fn bad_request(message: String) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        let mut refusal = Self::new(404, "NotFound", format!("{resource} {name:?} not found"));
        refusal.details = Some(Details {
            name: name.to_owned(),
            kind: resource.to_owned(),
        });
        refusal
    }

    pub(super) fn unavailable(message: String) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    pub(super) fn forbidden(user: &User, wanted: &Attributes<'_>) -> Self {
        let Attributes {
            verb,
            group,
            resource,
            namespace,
            name,
        } = *wanted;
        let kind = resource.split('/').next().unwrap_or(resource);
        let full = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let subject = if name.is_empty() {
            full
        } else {
            format!("{full} {name:?}")
        };
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {namespace:?}")
        };
        let message = format!(
            "{subject} is forbidden: User {:?} cannot {verb} resource {resource:?} in API group {group:?} {place}",
            user.name
        );
        let mut refusal = Self::new(403, "Forbidden", message);
        refusal.details = Some(Details {
            name: name.to_owned(),
            kind: kind.to_owned(),
        });
        refusal
    }

    pub(super) fn forbidden_path(user: &User, verb: &str, path: &str) -> Self {
        let message = format!(
            "forbidden: User {:?} cannot {verb} path {path:?}",
            user.name
        );
        Self::new(403, "Forbidden", message)
    }

    pub(super) fn response(&self) -> Response<Body> {
        let status = Status {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {},
            status: "Failure",
            message: &self.message,
            reason: self.reason,
            details: &self.details,
            code: self.code,
        };
        json(self.code, &status)
    }
}

/// The answer to a request whose backend failed with this text of Go's.
pub(super) fn unreachable(version: Kubernetes, url: &str, error: &str) -> Response<Body> {
    match version {
        Kubernetes::V1_15 => {
            let text = format!("Error: '{error}'\nTrying to reach: '{url}'");
            let mut response = text_response(503, "", text);
            response.headers_mut().remove(CONTENT_TYPE);
            response
        }
        Kubernetes::V1_16 => {
            let text = format!("Error trying to reach service: '{error}'");
            text_response(503, "text/plain; charset=utf-8", text)
        }
        Kubernetes::V1_19 => {
            let message = format!("error trying to reach service: {error}");
            Refusal::new(500, "", message).response()
        }
        Kubernetes::V1_21 | Kubernetes::V1_35 => {
            Refusal::unavailable(format!("error trying to reach service: {error}")).response()
        }
    }
}

/// The answer that a test wants.
pub(super) fn arranged(version: Kubernetes, url: &str, answer: &Answer) -> Response<Body> {
    match answer {
        Answer::Balancer(status, content_type, body) => {
            text_response(*status, content_type, (*body).to_owned())
        }
        Answer::ShuttingDown => {
            let text = "The apiserver is shutting down, please try again later.\n";
            let mut response = text_response(429, "text/plain; charset=utf-8", text.to_owned());
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Answer::Unauthorized => Refusal::unauthorized().response(),
        Answer::Unreachable(error) => unreachable(version, url, error),
    }
}

pub(super) fn not_found_page() -> Response<Body> {
    text_response(
        404,
        "text/plain; charset=utf-8",
        "404 page not found\n".to_owned(),
    )
}

pub(super) fn moved(location: &str) -> Response<Body> {
    let mut response = text_response(301, "", String::new());
    response.headers_mut().remove(CONTENT_TYPE);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(super) fn method_not_allowed() -> Response<Body> {
    let message = "the server does not allow this method on the requested resource".to_owned();
    Refusal::new(405, "MethodNotAllowed", message).response()
}

pub(super) fn json(code: u16, value: &impl Serialize) -> Response<Body> {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text_response(code, "application/json", text)
}

pub(super) fn text_response(code: u16, content_type: &str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// What the APIServer adds to every answer, its own and a backend's.
pub(super) fn stamp(response: &mut Response<Body>, audit_id: Option<&HeaderValue>) {
    let headers = response.headers_mut();
    if let Some(audit_id) = audit_id {
        headers.insert("audit-id", audit_id.clone());
    }
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
}
