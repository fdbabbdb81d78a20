//! The pooled connections to one APIServer.
//!
//! HTTP/2 where the server offers it, HTTP/1.1 otherwise. The APIServer allows 100 streams on a connection and hyper
//! opens one connection a client, so that the hundredth `--wait` install would block everything behind it; calls are
//! therefore spread over *lanes*, clients of their own, a new one when the others are nearly full.
//!
//! What may be sent again is decided here and only here, from proof: see [`SendError::is_unsent`].

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::connector::Connector;
use super::credentials::CredentialsError;
use crate::net::{Causes, Gauge, Held, Identity, Proxy, TlsError, TlsMaterial, TlsSource};

/// Below the APIServer's 100, so that a stream the server still counts does not make a new one wait.
const CALLS_PER_LANE: usize = 90;

/// What one answer may have under way unread. Larger is faster over long distances and costs as much memory a call.
const STREAM_WINDOW: u32 = 1 << 20;

/// Every stream's window: were it less, callers that read slowly could use it up and stop all the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * CALLS_PER_LANE as u32;

/// Tiller puts whole manifests into the text of an error, and native gRPC puts that into a trailer. hyper's own limit
/// is 16 KiB and turns such an error into a broken stream.
const HEADER_LIST: u32 = 16 << 20;

/// The same for HTTP/1.1, where it bounds a buffer as well.
const HTTP1_BUFFER: usize = 4 << 20;

/// While a call is under way, so that balancers see traffic and a dead connection is noticed.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Below the APIServer's 90 s and common balancers' 60 s: the edge closes first, so that no call meets a connection the
/// other side has just given up.
const IDLE: Duration = Duration::from_secs(50);

/// How long certificate files are trusted to be unchanged.
const REREAD: Duration = Duration::from_secs(60);

type HttpClient = Client<Connector, Full<Bytes>>;

/// The connections to one APIServer.
pub(super) struct Connection {
    tls: TlsSource,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    open: Gauge,
    live: Mutex<Option<Live>>,
    /// Something suggests that certificates have changed.
    suspect: AtomicBool,
}

struct Live {
    material: TlsMaterial,
    identity: Option<Arc<Identity>>,
    read: Instant,
    lanes: Vec<Lane>,
}

struct Lane {
    client: HttpClient,
    calls: Gauge,
}

impl Connection {
    pub(super) fn new(
        tls: TlsSource,
        proxy: Option<Proxy>,
        connect_timeout: Duration,
        open: Gauge,
    ) -> Self {
        Self {
            tls,
            proxy,
            connect_timeout,
            open,
            live: Mutex::new(None),
            suspect: AtomicBool::new(false),
        }
    }

    /// Sends `request`, whose URI is absolute, with `identity` for a client certificate if there is one, and waits for
    /// the head of the answer until `deadline`.
    ///
    /// The request is sent at most once. hyper-util 0.1.21 sends again by itself only what a connection handed back
    /// (`TrySendError::Retryable`), and hyper 1.12 hands back only what its connection task has not taken from the
    /// queue yet: every error after that carries no message.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        identity: Option<&Arc<Identity>>,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        let (client, call) = timeout_at(deadline, self.lease(identity))
            .await
            .map_err(|_| SendError::Deadline { sent: false })??;
        let connection = capture_connection(&mut request);
        let answer = timeout_at(deadline, client.request(request)).await;
        let connected = connection.connection_metadata().is_some();
        match answer {
            Ok(Ok(response)) => Ok(response.map(|body| Upstream { body, _call: call })),
            Ok(Err(error)) => {
                let error = SendError::from_client(error, connected);
                if matches!(error, SendError::Unreachable(_)) {
                    self.suspect.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
            Err(_) => Err(SendError::Deadline { sent: connected }),
        }
    }

    /// Whether certificate files have changed since they were read, so that the next call will show others.
    pub(super) async fn has_new_certificates(&self) -> bool {
        if self.tls.is_fixed() {
            return false;
        }
        let live = self.live.lock().await;
        let changed = match (live.as_ref(), self.tls.load().await) {
            (Some(live), Ok(material)) => live.material != material,
            _ => false,
        };
        self.suspect.fetch_or(changed, Ordering::Relaxed);
        changed
    }

    async fn lease(
        &self,
        identity: Option<&Arc<Identity>>,
    ) -> Result<(HttpClient, Held), SendError> {
        let mut live = self.live.lock().await;
        let material = self.material(live.as_mut()).await?;
        let identity = identity.or(material.identity.as_ref()).cloned();
        let current = match live.take() {
            Some(current) if current.material == material && current.identity == identity => {
                current
            }
            previous => {
                if previous.is_some() {
                    debug!("TLS material has changed; opening new connections");
                }
                Live {
                    material,
                    identity,
                    read: Instant::now(),
                    lanes: Vec::new(),
                }
            }
        };
        self.lane(live.insert(current))
    }

    /// What the files hold: read again when that is due, the last good content when it cannot be read.
    async fn material(&self, live: Option<&mut Live>) -> Result<TlsMaterial, TlsError> {
        let Some(live) = live else {
            return self.tls.load().await;
        };
        let due = self.suspect.load(Ordering::Relaxed) || live.read.elapsed() >= REREAD;
        if !due || self.tls.is_fixed() {
            return Ok(live.material.clone());
        }
        let loaded = self.tls.load().await;
        self.suspect.store(false, Ordering::Relaxed);
        live.read = Instant::now();
        match loaded {
            Ok(material) => Ok(material),
            Err(error) => {
                warn!(error = %Causes(&error), "keeping the TLS material read before");
                Ok(live.material.clone())
            }
        }
    }

    fn lane(&self, live: &mut Live) -> Result<(HttpClient, Held), SendError> {
        // The first lane stays for its warm connection; the others go when their calls have ended.
        let mut first = true;
        live.lanes
            .retain(|lane| std::mem::take(&mut first) || lane.calls.count() > 0);
        if let Some(lane) = live
            .lanes
            .iter()
            .find(|lane| lane.calls.count() < CALLS_PER_LANE)
        {
            return Ok((lane.client.clone(), lane.calls.hold()));
        }
        let tls = self
            .tls
            .client_config(&live.material, live.identity.as_deref())?;
        let lane = Lane {
            client: client(Connector::new(
                tls,
                self.tls.server_name.clone(),
                self.proxy.as_ref(),
                self.connect_timeout,
                self.open.clone(),
            )),
            calls: Gauge::default(),
        };
        let leased = (lane.client.clone(), lane.calls.hold());
        live.lanes.push(lane);
        Ok(leased)
    }
}

fn client(connector: Connector) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(HTTP1_BUFFER)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(HEADER_LIST)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}

/// An answer's body. The call counts as under way until it is dropped.
pub(crate) struct Upstream {
    body: Incoming,
    _call: Held,
}

impl Body for Upstream {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why there is no answer from an APIServer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no credential to send.
    #[error("there is no credential for the cluster")]
    Credentials(#[from] CredentialsError),
    /// No answer came in time.
    #[error("the deadline passed before an answer came")]
    Deadline {
        /// Whether the request may have gone out.
        sent: bool,
    },
    /// The connection was lost, or the answer is not HTTP, after the request may have gone out.
    #[error("the connection to the APIServer was lost")]
    Lost(#[source] ClientError),
    /// The request cannot be written down.
    #[error("the request is not HTTP")]
    Request(#[source] http::Error),
    /// TLS cannot be set up.
    #[error("no TLS connection can be set up")]
    Tls(#[from] TlsError),
    /// No connection came up.
    #[error("the APIServer cannot be reached")]
    Unreachable(#[source] ClientError),
    /// The connection gave the request back unsent, or the APIServer refused it unread.
    #[error("the APIServer closed the connection before it took the request")]
    Unsent(#[source] ClientError),
}

impl SendError {
    /// Whether it is proven that nothing of the request was acted upon.
    ///
    /// A GOAWAY is no proof. It tells which streams the server has not looked at, but hyper 1.12 fails a request with the
    /// connection's GOAWAY also when that arrives just after the request has been queued, whichever streams it names.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::Deadline { sent } => !sent,
            Self::Lost(_) => false,
            Self::Credentials(_)
            | Self::Request(_)
            | Self::Tls(_)
            | Self::Unreachable(_)
            | Self::Unsent(_) => true,
        }
    }

    /// `connected` tells whether the request was ever given to a connection.
    fn from_client(error: ClientError, connected: bool) -> Self {
        if error.is_connect() || !connected {
            Self::Unreachable(error)
        } else if is_refused(&error) {
            Self::Unsent(error)
        } else {
            Self::Lost(error)
        }
    }
}

/// Whether the request came back unsent (hyper's `Canceled`, which it uses for nothing else on this side) or the server
/// refused its stream, which RFC 9113 § 8.7 allows only before any processing.
fn is_refused(error: &ClientError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_canceled()
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && error.is_reset()
                && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        cause = error.source();
    }
    false
}
