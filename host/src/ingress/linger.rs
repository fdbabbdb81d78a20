//! The rest of a request whose answer did not wait for it.
//!
//! Over HTTP/1.1 an answer that is given while the request is still coming is easily lost: a connection that is closed
//! with bytes unread is reset, and the reset overtakes the answer. So what nobody wants any more is read on for a while
//! and thrown away. HTTP/2 has its own way to say so.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Long enough for an answer to arrive, too short to be of use to anybody who only sends.
const LINGER: Duration = Duration::from_secs(2);

/// A request's body that may be dropped before its end.
pub(super) struct Lingering {
    /// None: there is no reason to read it on.
    body: Option<Incoming>,
    version: Version,
}

impl Lingering {
    pub(super) fn new(body: Incoming, version: Version) -> Self {
        Self {
            body: Some(body),
            version,
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else {
            return;
        };
        if self.version >= Version::HTTP_2 || body.is_end_stream() {
            return;
        }
        let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(LINGER, rest));
        }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
