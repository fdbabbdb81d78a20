//! The frames of an answer, one at a time, where they must be looked at before they go on.
//!
//! A message may have 32 MiB and many callers may wait for one, so each is given its place in a budget for all of them
//! before it is gathered, and gives it back when the next one is asked for.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use grpc_web::{Status, Trailers};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use rest::problem::{Code, Outcome, Problem, from_bridge, from_tiller};
use rest::relay::{ANSWERED_BY, BRIDGE, OUTCOME};
use tiller_api::{MAX_ANSWER, Method};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::{Body, BodyError, RelayError};

/// What all messages that are looked at may take together: eight of the largest.
const BUDGET: usize = 256 << 20;

/// The budget is counted in KiB.
const UNIT: usize = 1 << 10;

/// A frame's header: flags and length.
const HEADER: usize = 5;

const MESSAGE: u8 = 0;
const TRAILERS: u8 = 0x80;

/// The places for messages that are looked at.
pub(super) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BUDGET / UNIT))
}

/// The rest of an answer.
pub(super) struct Frames {
    method: Method,
    head: HeaderMap,
    body: Body,
    gathered: BytesMut,
    budget: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    deadline: Instant,
    /// The payload of the frame that ends it, once it has come.
    end: Option<Bytes>,
    /// Whether there is nothing more to tell.
    told: bool,
}

impl Frames {
    pub(super) fn new(
        answer: Response<Body>,
        method: Method,
        budget: &Arc<Semaphore>,
        deadline: Instant,
    ) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            method,
            head: head.headers,
            body,
            gathered: BytesMut::new(),
            budget: Arc::clone(budget),
            place: None,
            deadline,
            end: None,
            told: false,
        }
    }

    /// The next message, without its header; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.place = None;
        if self.end.is_some() {
            return Ok(None);
        }
        while self.gathered.len() < HEADER {
            if !self.gather().await? {
                return if self.gathered.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Truncated)
                };
            }
        }
        let mut header = self.gathered.split_to(HEADER);
        let flags = header[0];
        let length = header
            .split_off(1)
            .iter()
            .fold(0, |length, byte| (length << 8) | usize::from(*byte));
        if !matches!(flags, MESSAGE | TRAILERS) {
            return Err(FrameError::Flags(flags));
        }
        if length > MAX_ANSWER {
            return Err(FrameError::TooLarge(length));
        }
        self.reserve(length).await?;
        while self.gathered.len() < length {
            if !self.gather().await? {
                return Err(FrameError::Truncated);
            }
        }
        let payload = self.gathered.split_to(length).freeze();
        if flags == MESSAGE {
            return Ok(Some(payload));
        }
        self.end = Some(payload);
        // What comes after it belongs to nothing.
        if !self.gathered.is_empty() || self.gather().await? {
            return Err(FrameError::AfterTrailers);
        }
        Ok(None)
    }

    /// The one message of an answer that succeeded.
    ///
    /// # Errors
    ///
    /// The problem that the answer is.
    pub(super) async fn only(mut self) -> Result<Bytes, RelayError> {
        let message = self.next().await.map_err(|error| self.broken(&error))?;
        let second = self.next().await.map_err(|error| self.broken(&error))?;
        self.check()?;
        match (message, second) {
            (Some(message), None) => Ok(message),
            _ => Err(self.misbehaved("the call has not exactly one answer")),
        }
    }

    /// Fails with the problem that the status is, unless the call succeeded. At the end of the answer.
    pub(super) fn check(&self) -> Result<(), RelayError> {
        let trailers = self.end.as_ref().map(|payload| Trailers::parse(payload));
        match verdict(self.method, &self.head, trailers.as_ref()) {
            None => Ok(()),
            Some(problem) => Err(RelayError::Answered(Box::new(problem))),
        }
    }

    /// The head of the answer.
    pub(super) const fn head(&self) -> &HeaderMap {
        &self.head
    }

    /// The payload of the frame that ended it; none if it had none, the status being in its head.
    pub(super) const fn end(&self) -> Option<&Bytes> {
        self.end.as_ref()
    }

    /// The same, once: a body that is passed on ends with it.
    pub(super) fn tell_end(&mut self) -> Option<Bytes> {
        self.told = true;
        self.end.clone()
    }

    /// Whether [`Self::tell_end`] was asked.
    pub(super) const fn has_told_end(&self) -> bool {
        self.told
    }

    /// The problem that an answer is which cannot be read to its end.
    pub(super) fn broken(&self, error: &FrameError) -> RelayError {
        let code = match error {
            FrameError::Deadline => Code::DeadlineExceeded,
            _ => Code::AnswerInterrupted,
        };
        self.unproven(code, error.to_string())
    }

    /// The problem that an answer is which does not hold what it must.
    pub(super) fn misbehaved(&self, detail: &str) -> RelayError {
        self.unproven(Code::TillerMisbehaved, detail.to_owned())
    }

    fn unproven(&self, code: Code, detail: String) -> RelayError {
        let outcome = Outcome::unproven(self.method);
        RelayError::Answered(Box::new(Problem::new(code, detail).with_outcome(outcome)))
    }

    async fn reserve(&mut self, length: usize) -> Result<(), FrameError> {
        let units = u32::try_from(length.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.budget).acquire_many_owned(units);
        self.place = timeout_at(self.deadline, place)
            .await
            .ok()
            .and_then(Result::ok);
        self.place.as_ref().map(drop).ok_or(FrameError::Deadline)
    }

    /// Takes what comes next; false at the end.
    async fn gather(&mut self) -> Result<bool, FrameError> {
        match self.body.frame().await {
            None => Ok(false),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.gathered.extend_from_slice(&data);
                }
                Ok(true)
            }
            Some(Err(error)) => Err(FrameError::Broken(error)),
        }
    }
}

/// The problem that an answer is, by the status in its trailers or its head; none if the call succeeded.
pub(super) fn verdict(
    method: Method,
    head: &HeaderMap,
    trailers: Option<&Trailers>,
) -> Option<Problem> {
    let said = |name: &str| said(head, trailers, name);
    let Some(status) = Status::from_headers(said) else {
        let detail = "the answer ended without a gRPC status";
        return Some(
            Problem::new(Code::AnswerInterrupted, detail).with_outcome(Outcome::unproven(method)),
        );
    };
    if status.is_ok() {
        return None;
    }
    if said(ANSWERED_BY) == Some(BRIDGE.as_bytes()) {
        let outcome = said(OUTCOME).map(|outcome| match outcome {
            b"not_applied" => Outcome::NotApplied,
            _ => Outcome::Unknown,
        });
        return Some(from_bridge(method, &status, outcome));
    }
    Some(from_tiller(method, &status))
}

/// Whether an answer is what one of Tiller's handlers says that failed: their errors have no code of their own, while
/// what the gRPC library or somebody on the way says has.
pub(super) fn is_handlers(head: &HeaderMap, trailers: Option<&Trailers>) -> bool {
    let said = |name: &str| said(head, trailers, name);
    let status = Status::from_headers(said);
    status.is_some_and(|status| status.code == grpc_web::Code::Unknown)
        && said(ANSWERED_BY) != Some(BRIDGE.as_bytes())
}

/// What the trailers or else the head of an answer say.
fn said<'a>(head: &'a HeaderMap, trailers: Option<&'a Trailers>, name: &str) -> Option<&'a [u8]> {
    trailers
        .and_then(|trailers| trailers.get(name))
        .or_else(|| head.get(name).map(HeaderValue::as_bytes))
}

/// Why the frames of an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("data after the end of the answer")]
    AfterTrailers,
    #[error("{0}")]
    Broken(BodyError),
    #[error("the deadline passed in the middle of the answer")]
    Deadline,
    #[error("the answer has a frame with flags {0:#04x}")]
    Flags(u8),
    #[error("the answer has a message of {0} bytes")]
    TooLarge(usize),
    #[error("the answer ended inside a message")]
    Truncated,
}
