//! The host's client, `wasi:http`.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::MapErr};
use spin_sdk::{
    http::send,
    wasip3::{http::types::ErrorCode, http_compat::IncomingResponseBody},
};

use crate::{Relay, SendError};

/// The host's client.
#[derive(Clone, Debug)]
pub struct Host;

impl Relay for Host {
    type Body = MapErr<IncomingResponseBody, fn(ErrorCode) -> String>;

    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Self::Body>, SendError> {
        match send(request.map(Full::new)).await {
            Ok(response) => Ok(response.map(|body| body.map_err(describe as fn(_) -> _))),
            Err(error) => Err(SendError {
                unsent: is_unsent(&error),
                message: describe(error),
            }),
        }
    }
}

/// What the host says, or at least which of its errors it is.
fn describe(error: ErrorCode) -> String {
    match error {
        ErrorCode::InternalError(Some(text)) => text,
        error => error.to_string().replace("ErrorCode::", ""),
    }
}

/// Whether the request has certainly not been sent: no connection, or none allowed.
fn is_unsent(error: &ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::ConnectionRefused
            | ErrorCode::ConnectionTimeout
            | ErrorCode::DestinationIpProhibited
            | ErrorCode::DestinationIpUnroutable
            | ErrorCode::DestinationNotFound
            | ErrorCode::DestinationUnavailable
            | ErrorCode::DnsError(_)
            | ErrorCode::DnsTimeout
            | ErrorCode::HttpRequestDenied
            | ErrorCode::HttpRequestUriInvalid
    )
}
