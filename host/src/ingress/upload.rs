//! A request's body on its way in: not larger, later or slower than it may be.
//!
//! The component cannot tell a caller who sends too much from one whose connection broke, so the verdict is kept here and
//! speaks for the request as long as its answer has not begun.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rest::problem::{Code, Problem};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;
use crate::relay::BodyError;

/// What is wrong with a body that was not let in whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    /// It did not arrive in time.
    #[error("the request's body took too long to arrive")]
    Late,
    /// It has more bytes than it may.
    #[error("the request's body is too large")]
    Large,
}

impl Refused {
    pub(super) fn problem(self, limits: &Limits) -> Problem {
        match self {
            Self::Late => Problem::new(
                Code::InvalidRequest,
                format!(
                    "the request's body did not arrive in time: {:?} without a byte, or {:?} in all",
                    limits.stall, limits.body_timeout
                ),
            ),
            Self::Large => Problem::new(
                Code::BodyTooLarge,
                format!("the request's body is larger than {}", limits.body),
            ),
        }
    }
}

/// What is known of a body from outside.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    received: AtomicU64,
    refused: OnceLock<Refused>,
}

impl Arrival {
    /// Bytes so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused.get().copied()
    }
}

/// The body of a request under its limits.
pub(super) struct Upload<B> {
    body: B,
    arrival: Arc<Arrival>,
    limit: u64,
    stall: Duration,
    due: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Upload<B> {
    pub(super) fn new(body: B, limits: &Limits, arrival: Arc<Arrival>) -> Self {
        Self {
            body,
            arrival,
            limit: limits.body.bytes(),
            stall: limits.stall,
            due: Instant::now() + limits.body_timeout,
            timer: None,
        }
    }

    fn refuse(&self, refused: Refused) -> BodyError {
        // The first verdict stands.
        _ = self.arrival.refused.set(refused);
        refused.into()
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let (stall, due) = (self.stall, self.due);
        self.timer
            .get_or_insert_with(|| Box::pin(sleep_until(due.min(Instant::now() + stall))))
            .as_mut()
            .poll(cx)
            .is_ready()
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let before = this.arrival.received.fetch_add(length, Ordering::Relaxed);
                if before + length > this.limit {
                    return Poll::Ready(Some(Err(this.refuse(Refused::Large))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if this.is_late(cx) => Poll::Ready(Some(Err(this.refuse(Refused::Late)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::config::Size;

    fn limits() -> Limits {
        Limits {
            body: Size::new(10),
            stall: Duration::from_secs(5),
            body_timeout: Duration::from_secs(12),
            ..Limits::default()
        }
    }

    async fn read(
        frames: impl stream::Stream<Item = Bytes> + Send + Unpin,
    ) -> (Result<usize, String>, Arc<Arrival>) {
        let arrival = Arc::<Arrival>::default();
        let body = StreamBody::new(frames.map(|data| Ok::<_, Infallible>(Frame::data(data))));
        let body = Upload::new(body, &limits(), Arc::clone(&arrival));
        let read = body
            .collect()
            .await
            .map(|body| body.to_bytes().len())
            .map_err(|error| error.to_string());
        (read, arrival)
    }

    fn drip(every: Duration) -> impl stream::Stream<Item = Bytes> + Send + Unpin {
        Box::pin(stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Bytes::from_static(b"x"), ()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_exactly_the_limit_passes() {
        let (read, arrival) = read(stream::iter(["01234", "56789"].map(Bytes::from))).await;
        assert_eq!(read, Ok(10));
        assert_eq!((arrival.received(), arrival.refused()), (10, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_larger_body_is_refused() {
        let (read, arrival) = read(stream::iter(["01234", "567890"].map(Bytes::from))).await;
        assert!(read.is_err());
        assert_eq!(arrival.refused(), Some(Refused::Large));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_refused() {
        let started = Instant::now();
        let (read, arrival) = read(drip(Duration::from_secs(6))).await;
        assert!(read.is_err());
        assert_eq!(arrival.refused(), Some(Refused::Late));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_refused_when_its_time_is_over() {
        let started = Instant::now();
        let (read, arrival) = read(drip(Duration::from_secs(4))).await;
        assert!(read.is_err());
        assert_eq!(arrival.refused(), Some(Refused::Late));
        assert_eq!(started.elapsed(), Duration::from_secs(12));
    }
}
