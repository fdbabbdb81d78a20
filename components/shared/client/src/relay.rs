//! The only way out.

use std::{fmt, future::Future};

use bytes::Bytes;
use http::{Request, Response};

/// Sends requests to the relay.
///
/// An implementation sends each request once, as it is, and follows nothing.
pub trait Relay: Clone + 'static {
    /// The body of an answer, as it arrives. An error means that it broke off.
    type Body: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin + 'static;

    /// Sends a request and waits for the head of its answer.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Self::Body>, SendError>>;
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What happened, for people.
    pub message: String,
    /// Whether it is certain that the relay never had the request.
    pub unsent: bool,
}
