//! Taking in a call's request message.
//!
//! It is read whole before anything is sent: only then is it known to be one well-formed message, and only then can it
//! be sent again after a 401. So that callers together cannot fill the memory with what they are slow to send, every
//! message is first given its place in a budget for all of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use tiller_api::MAX_MESSAGE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::{Body, NotACall, RelayError};

/// What all request messages together may take: a dozen of the largest, thousands of usual ones.
const BUDGET: usize = 256 << 20;

/// The budget is counted in KiB.
const UNIT: usize = 1 << 10;

/// A frame's header.
const HEADER: usize = 5;

/// The longest body of a call, in bytes.
const LONGEST: usize = MAX_MESSAGE + HEADER;

/// Takes messages in.
pub(super) struct Intake {
    budget: Arc<Semaphore>,
    patience: Duration,
}

impl Intake {
    /// An intake where a message waits for its place no longer than `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            budget: Arc::new(Semaphore::new(BUDGET / UNIT)),
            patience,
        }
    }

    /// How many bytes are given away.
    pub(super) fn bytes(&self) -> usize {
        BUDGET - self.budget.available_permits() * UNIT
    }

    /// Reads the message of `request`.
    pub(super) async fn read(
        &self,
        request: Request<Body>,
        deadline: Instant,
    ) -> Result<Message, RelayError> {
        let length = length(&request).map_err(RelayError::NotACall)?;
        let units = length.unwrap_or(LONGEST).div_ceil(UNIT);
        let place =
            Arc::clone(&self.budget).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX));
        let patience = deadline.min(Instant::now() + self.patience);
        let place = timeout_at(patience, place)
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(RelayError::Busy {
                retry_after: self.patience,
            })?;
        let frame = timeout_at(deadline, collect(request.into_body(), length))
            .await
            .map_err(|_| RelayError::Deadline)?
            .map_err(RelayError::NotACall)?;
        grpc_web::unary_message(&frame, MAX_MESSAGE)
            .map_err(|error| RelayError::NotACall(NotACall::Message(error)))?;
        Ok(Message {
            frame,
            _place: place,
        })
    }
}

/// A message in its frame, and its place in the budget.
pub(super) struct Message {
    pub(super) frame: Bytes,
    _place: OwnedSemaphorePermit,
}

impl Message {
    /// The message itself.
    pub(super) fn bytes(&self) -> Bytes {
        self.frame.slice(HEADER..)
    }
}

/// Checks the request's form and gives its length where it is told.
fn length(request: &Request<Body>) -> Result<Option<usize>, NotACall> {
    if request.method() != http::Method::POST {
        return Err(NotACall::Method);
    }
    let headers = request.headers();
    let encoding = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(grpc_web::is_grpc_web);
    if encoding != Some(grpc_web::Encoding::Binary) || headers.contains_key(CONTENT_ENCODING) {
        return Err(NotACall::ContentType);
    }
    let told = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match told {
        Some(length) if length > LONGEST => Err(NotACall::TooLarge),
        told => Ok(told),
    }
}

async fn collect(mut body: Body, length: Option<usize>) -> Result<Bytes, NotACall> {
    let mut frame = BytesMut::with_capacity(length.unwrap_or_default());
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|_| NotACall::Body)?;
        let Ok(data) = piece.into_data() else {
            return Err(NotACall::Trailers);
        };
        if frame.len() + data.len() > length.unwrap_or(LONGEST) {
            return Err(NotACall::TooLarge);
        }
        frame.extend_from_slice(&data);
    }
    Ok(frame.freeze())
}
