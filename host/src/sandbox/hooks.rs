//! The only way out of a sandbox.
//!
//! A guest's outgoing requests all come here. Those to the relay are handed to it in process, in the name of the caller
//! whose request this sandbox serves; the guest has no say in who that is, since it neither sees nor sets
//! `Authorization`. Every other destination is refused.

use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use rest::problem::Outcome;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody,
    WasiHttpHooks,
};

use crate::relay::{Body, Caller, Relay};

use super::state::Witness;

/// The base URL of the relay as guests know it.
pub(super) const RELAY: &str = "http://relay.internal";

const RELAY_AUTHORITY: &str = "relay.internal";

/// Calls that one sandbox may have under way at once, answers included that it has not read to their end. A request of a
/// caller needs few, and a component out of control must not use up what all share behind the relay.
const CALLS: usize = 16;

/// How long a further call waits. Not for ever: a guest that holds on to its answers would wait for itself.
const CALL_PATIENCE: Duration = Duration::from_secs(5);

/// A call ends this part of its sandbox's time earlier than the sandbox, but no more than [`LONGEST_MARGIN`].
const MARGIN: u32 = 8;

const LONGEST_MARGIN: Duration = Duration::from_secs(1);

/// How many headers that a guest may not set are taken note of.
const NOTES: usize = 64;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Where requests of guests go. There is one outside of tests: the [`Relay`].
pub trait Outlet: Send + Sync {
    /// Answers `request` in the name of `caller`; every failure is an answer too.
    fn send(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>>;

    /// Takes note of what a guest of `caller` wanted and was not let.
    fn refused(self: Arc<Self>, caller: Arc<Caller>, what: Refused) -> BoxFuture<'static, ()>;
}

/// What a guest is not let.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// To call something else than the relay.
    Destination(Uri),
    /// To send a header that is the host's to send.
    Header(HeaderName),
}

impl Outlet for Relay {
    fn send(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { self.handle(&caller, request).await })
    }

    fn refused(self: Arc<Self>, caller: Arc<Caller>, what: Refused) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            match what {
                Refused::Destination(destination) => self.elsewhere(&caller, &destination).await,
                Refused::Header(name) => self.forged(&caller, &name).await,
            }
        })
    }
}

/// What wasi:http asks of its host, for one sandbox.
pub(super) struct Hooks {
    outlet: Arc<dyn Outlet>,
    caller: Arc<Caller>,
    witness: Arc<Witness>,
    calls: Arc<Semaphore>,
    filter: Arc<Filter>,
    /// When every call must have ended.
    deadline: Instant,
}

impl Hooks {
    /// For a sandbox that is given `wall` from now.
    pub(super) fn new(
        outlet: Arc<dyn Outlet>,
        caller: Arc<Caller>,
        witness: Arc<Witness>,
        wall: Duration,
    ) -> Self {
        let margin = (wall / MARGIN).min(LONGEST_MARGIN);
        let filter = Filter {
            outlet: Arc::clone(&outlet),
            caller: Arc::clone(&caller),
            notes: AtomicUsize::new(NOTES),
        };
        Self {
            filter: Arc::new(filter),
            outlet,
            caller,
            witness,
            calls: Arc::new(Semaphore::new(CALLS)),
            deadline: Instant::now() + (wall - margin),
        }
    }

    fn relayed(&self, mut request: Request<WasiBody>) -> Request<Body> {
        if let Some((_, method)) = rest::relay::parse(request.uri().path())
            && Outcome::unproven(method) == Outcome::Unknown
        {
            self.witness.note_mutation();
        }
        let headers = request.headers_mut();
        headers.remove(HOST);
        if let Ok(id) = HeaderValue::from_str(self.caller.request_id.as_str()) {
            headers.insert(rest::relay::REQUEST_ID, id);
        }
        self.limit_time(headers);
        request.map(|body| body.map_err(|error| Box::new(error) as _).boxed_unsync())
    }

    /// A component that is ended with its call under way can tell its caller nothing, so the call is ended first.
    fn limit_time(&self, headers: &mut HeaderMap) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let asked = headers
            .get(GRPC_TIMEOUT)
            .and_then(|value| value.to_str().ok())
            .and_then(grpc_web::timeout::parse);
        let granted = asked.map_or(left, |asked| asked.min(left));
        if let Ok(granted) = HeaderValue::try_from(grpc_web::timeout::encode(granted)) {
            headers.insert(GRPC_TIMEOUT, granted);
        }
    }
}

type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        self.filter.is_forbidden(name)
    }

    // Trailers are filtered through this one alone, so both are overridden.
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        let filter = Arc::clone(&self.filter);
        Arc::new(move |name| filter.is_forbidden(name))
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _received: Transfer,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Transfer), Error>> + Send> {
        if !is_relay(request.uri()) {
            let outlet = Arc::clone(&self.outlet);
            let what = Refused::Destination(request.into_parts().0.uri);
            let noted = outlet.refused(Arc::clone(&self.caller), what);
            return Box::new(async move {
                noted.await;
                Err(Error::HttpRequestDenied)
            });
        }
        let options = options.unwrap_or_default();
        let calls = Arc::clone(&self.calls);
        let answer = Arc::clone(&self.outlet).send(Arc::clone(&self.caller), self.relayed(request));
        Box::new(async move {
            let Ok(Ok(permit)) = timeout(CALL_PATIENCE, calls.acquire_owned()).await else {
                return Err(Error::ConnectionLimitReached);
            };
            let answer = match options.first_byte_timeout {
                Some(limit) => timeout(limit, answer)
                    .await
                    .map_err(|_| Error::ConnectionReadTimeout)?,
                None => answer.await,
            };
            let answer = answer.map(|body| Received::new(body, &options, permit).boxed_unsync());
            Ok((answer, Box::new(future::ready(Ok(()))) as Transfer))
        })
    }
}

/// Keeps back the headers that are the host's, and takes note of a guest that tries them. What comes from outside has
/// none of them: ingress and relay have taken them out.
struct Filter {
    outlet: Arc<dyn Outlet>,
    caller: Arc<Caller>,
    /// How many more tries are taken note of.
    notes: AtomicUsize,
}

impl Filter {
    fn is_forbidden(&self, name: &HeaderName) -> bool {
        let forbidden = is_forbidden(name);
        let less = |notes: usize| notes.checked_sub(1);
        if forbidden
            && self
                .notes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
        {
            let what = Refused::Header(name.clone());
            let outlet = Arc::clone(&self.outlet);
            // A guest that sets a header waits for nothing.
            tokio::spawn(outlet.refused(Arc::clone(&self.caller), what));
        }
        forbidden
    }
}

/// What neither a guest may set nor is ever shown to it.
fn is_forbidden(name: &HeaderName) -> bool {
    *name == AUTHORIZATION || DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

fn is_relay(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP)
        && uri
            .authority()
            .is_some_and(|authority| authority == RELAY_AUTHORITY)
}

/// The body of an answer on its way into a sandbox, with the patience the guest asked for.
struct Received {
    body: Body,
    patience: Option<Patience>,
    _permit: OwnedSemaphorePermit,
}

struct Patience {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Received {
    fn new(body: Body, options: &RequestOptions, permit: OwnedSemaphorePermit) -> Self {
        let patience = options.between_bytes_timeout.map(|limit| Patience {
            limit,
            timer: Box::pin(sleep(limit)),
            waiting: false,
        });
        Self {
            body,
            patience,
            _permit: permit,
        }
    }
}

impl Patience {
    /// Time runs only while the guest waits: a guest that does not read is not kept waiting by anybody.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(patience) = &mut this.patience {
                    patience.waiting = false;
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|_| Error::HttpResponseIncomplete)))
            }
            Poll::Pending => {
                let over = this
                    .patience
                    .as_mut()
                    .is_some_and(|patience| patience.is_over(cx));
                if over {
                    Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
                } else {
                    Poll::Pending
                }
            }
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
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;

    #[test]
    fn only_the_relay_itself_is_the_relay() {
        for uri in ["http://relay.internal/clusters", "http://RELAY.internal/"] {
            assert!(is_relay(&uri.parse().expect("a URI")), "{uri}");
        }
        for uri in [
            "/clusters",
            "https://relay.internal/",
            "http://relay.internal:80/",
            "http://relay.internal.evil.example/",
            "http://user@relay.internal/",
            "http://127.0.0.1/",
        ] {
            assert!(!is_relay(&uri.parse().expect("a URI")), "{uri}");
        }
    }

    #[test]
    fn neither_credentials_nor_headers_of_the_connection_pass() {
        for name in ["authorization", "proxy-authorization", "host", "connection"] {
            assert!(is_forbidden(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["content-type", "grpc-timeout", "te", "x-request-id"] {
            assert!(!is_forbidden(&HeaderName::from_static(name)), "{name}");
        }
    }

    fn received(options: &RequestOptions, body: Body) -> Received {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned();
        Received::new(body, options, permit.expect("free"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_waits_for_the_next_byte_as_long_as_it_asked_to() {
        let options = RequestOptions {
            between_bytes_timeout: Some(Duration::from_secs(3)),
            ..RequestOptions::default()
        };
        let silent = Body::new(StreamBody::new(stream::pending()));
        let started = Instant::now();
        let frame = received(&options, silent).frame().await;
        assert!(matches!(frame, Some(Err(Error::ConnectionReadTimeout))));
        assert_eq!(started.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_a_guest_does_not_read_is_not_counted() {
        let options = RequestOptions {
            between_bytes_timeout: Some(Duration::from_secs(3)),
            ..RequestOptions::default()
        };
        let frames = ["a", "b"].map(|data| Ok(Frame::data(Bytes::from(data))));
        let body = Body::new(StreamBody::new(stream::iter(frames)));
        let mut body = received(&options, body);
        for _ in 0..2 {
            assert!(matches!(body.frame().await, Some(Ok(_))));
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert!(body.frame().await.is_none());
    }
}
