//! An answer's body on its way to the component.
//!
//! Frames pass as they come, one at a time and only when the component asks, so that a slow reader slows the cluster
//! down and nothing is held here. Two things are added: the end of a native gRPC answer is put into grpc-web's form, and
//! the deadline, which covers the answer to its last byte. An answer that does not end as gRPC ends breaks the body:
//! the relay never makes up a status.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use grpc_web::Trailers;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Body, BodyError};
use crate::clusters::Upstream;
use crate::net::Held;

/// How an answer says its status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// In the head, or in a trailer frame that the component reads itself.
    Framed,
    /// In HTTP trailers.
    Native,
}

/// The body for a component. `call` counts it until it is over.
pub(super) fn body(upstream: Upstream, form: Form, deadline: Instant, call: Held) -> Body {
    Answer {
        deadline: Box::pin(sleep_until(deadline)),
        form,
        open: Some((upstream, call)),
    }
    .boxed_unsync()
}

struct Answer {
    deadline: Pin<Box<Sleep>>,
    form: Form,
    /// None once the answer is over: the stream's place on its connection is free as early as can be.
    open: Option<(Upstream, Held)>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some((upstream, _)) = &mut this.open else {
            return Poll::Ready(None);
        };
        // First, or an answer that never pauses would never be stopped.
        if this.deadline.as_mut().poll(cx).is_ready() {
            this.open = None;
            return Poll::Ready(Some(Err(AnswerError::Deadline.into())));
        }
        let last = loop {
            match ready!(Pin::new(&mut *upstream).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    // HTTP/2 ends many an answer with one; it says nothing.
                    Ok(data) if data.is_empty() => (),
                    Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(frame) => break this.form.end(frame.into_trailers().ok()),
                },
                Some(Err(error)) => break Some(Err(AnswerError::Broken(error))),
                None => break this.form.end(None),
            }
        };
        this.open = None;
        Poll::Ready(last.map(|last| last.map(Frame::data).map_err(Into::into)))
    }
}

impl Form {
    /// What the component is still to be given when an answer has ended with `trailers`.
    fn end(self, trailers: Option<HeaderMap>) -> Option<Result<Bytes, AnswerError>> {
        match self {
            // Its status is in the head or in a frame that has passed: no trailer may add a second one.
            Self::Framed => None,
            Self::Native => Some(
                trailers
                    .filter(|trailers| trailers.contains_key("grpc-status"))
                    .map(|trailers| last_frame(&trailers))
                    .ok_or(AnswerError::NoStatus),
            ),
        }
    }
}

/// gRPC's trailers as a grpc-web frame.
fn last_frame(trailers: &HeaderMap) -> Bytes {
    let mut frame = Trailers::new();
    for (name, value) in trailers {
        frame.append(name.as_str(), Bytes::copy_from_slice(value.as_bytes()));
    }
    frame.encode()
}

/// Why an answer is not whole.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error("the answer broke off")]
    Broken(#[source] hyper::Error),
    #[error("the deadline passed in the middle of the answer")]
    Deadline,
    #[error("the answer ended without a gRPC status")]
    NoStatus,
}
