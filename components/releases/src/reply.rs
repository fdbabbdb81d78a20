//! Answers whose bytes are known.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use rest::{negotiate::JSON, precondition::entity_tag, view};
use serde::Serialize;

use crate::body::Body;

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("views have nothing that JSON has not");
    bytes(status, JSON, body.into())
}

/// An answer of that media type.
pub(crate) fn bytes(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

/// A release, tagged with its revision.
pub(crate) fn release(status: StatusCode, release: &view::Release) -> Response<Body> {
    let mut response = json(status, release);
    if let Some(revision) = release.revision {
        response
            .headers_mut()
            .insert(header::ETAG, entity_tag(revision));
    }
    response
}
