//! Bodies of answers: known bytes, or bytes that are still being made.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    Stream,
    channel::mpsc::{self, Receiver, Sender},
    future::{FutureExt, LocalBoxFuture},
};
use http_body::{Frame, SizeHint};

/// The body of an answer.
///
/// It never fails: what goes wrong after the first byte is part of it. Dropping it ends the work that makes
/// it, and with it the call to Tiller.
pub struct Body(Kind);

enum Kind {
    Bytes(Bytes),
    Work(Work),
}

/// A future that makes bytes, and the way they come.
struct Work {
    making: Option<LocalBoxFuture<'static, ()>>,
    made: Receiver<Bytes>,
}

impl Body {
    /// A body that `work` makes. It runs while the body is read, one piece ahead at most.
    pub(crate) fn made_by<F>(work: impl FnOnce(Sender<Bytes>) -> F) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let (sender, made) = mpsc::channel(0);
        Self(Kind::Work(Work {
            making: Some(work(sender).boxed_local()),
            made,
        }))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.get_mut().0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(std::mem::take(bytes))),
            Kind::Work(work) => work.poll_next(cx),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Bytes(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Work(_) => SizeHint::default(),
        }
    }
}

impl Work {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.made).poll_next(cx) {
            return Poll::Ready(piece);
        }
        if let Some(making) = &mut self.making
            && making.poll_unpin(cx).is_ready()
        {
            // The sender is gone with the work, so that the receiver ends after what is left in it.
            self.making = None;
        }
        Pin::new(&mut self.made).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::SinkExt;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn work_is_read_to_its_end() {
        let body = Body::made_by(|mut pieces| async move {
            for piece in ["a", "b", "c"] {
                let _ = pieces.send(Bytes::from_static(piece.as_bytes())).await;
                tokio::task::yield_now().await;
            }
        });
        let read = body.collect().await.unwrap().to_bytes();
        assert_eq!(read, "abc");
    }

    #[tokio::test]
    async fn work_waits_for_its_reader() {
        let (progress, seen) = std::sync::mpsc::channel();
        let mut body = Body::made_by(|mut pieces| async move {
            for piece in 0..10_u8 {
                let _ = pieces.send(Bytes::copy_from_slice(&[piece])).await;
                progress.send(piece).unwrap();
            }
        });
        for piece in 0..10_u8 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap()[0], piece);
            assert!(seen.try_iter().all(|made| made <= piece));
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn known_bytes_have_a_size() {
        let body = Body::from(Bytes::from_static(b"abc"));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }
}
