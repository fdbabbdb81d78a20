//! Taking a payload in.
//!
//! Whoever knows the address may send one, and with most providers it takes the whole of it to tell who did. So all of
//! them together may use so much memory and no more, each for as much as has arrived: what is announced takes no room.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use rest::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::relay::Body;

/// What all payloads together may take until their operations are stored.
const BUDGET: usize = 256 << 20;

/// The budget is counted in KiB.
const UNIT: usize = 1 << 10;

/// After how many seconds a delivery for which there was no room should come again.
const RETRY_AFTER: u32 = 5;

/// Takes payloads in.
pub(super) struct Payloads {
    budget: Arc<Semaphore>,
    patience: Duration,
}

/// A payload and its place in the budget.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl Payloads {
    /// Where a payload waits for room no longer than `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            budget: Arc::new(Semaphore::new(BUDGET / UNIT)),
            patience,
        }
    }

    /// Reads the body of `request`, of at most `limit` bytes.
    pub(super) async fn read(
        &self,
        request: Request<Body>,
        limit: usize,
    ) -> Result<Payload, Problem> {
        check(request.headers(), limit)?;
        let mut body = request.into_body();
        let mut bytes = BytesMut::new();
        let mut place: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Problem::new(Code::InvalidRequest, "the body broke off"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            let room = self.room(data.len()).await?;
            match &mut place {
                Some(place) => place.merge(room),
                None => place = Some(room),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Payload {
            bytes: bytes.freeze(),
            _place: place,
        })
    }

    async fn room(&self, length: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = u32::try_from(length.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.budget).acquire_many_owned(units);
        match timeout(self.patience, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Problem::new(
                Code::EdgeBusy,
                "there are more deliveries under way than this edge has memory for",
            )
            .with_retry_after(Some(RETRY_AFTER))),
        }
    }
}

/// The whole of a component's answer; none if it breaks off or is longer than `limit`.
pub(super) async fn collect(mut body: Body, limit: usize) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some(bytes.freeze())
}

fn check(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let is_plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "a delivery is taken as it is, without Content-Encoding",
        ));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(length) if length > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("this hook takes payloads of at most {limit} bytes"),
    )
    .with_hint("the operator raises `max_body` of the hook")
}
