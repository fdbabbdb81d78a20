//! The way to Tiller: one HTTP/2 connection, shared by all calls and made anew when it is gone.
//!
//! Tiller ends connections that were idle for ten minutes with GOAWAY and punishes pings that come more often than every
//! 20 s or while no call is under way, so the connection is pinged every 30 s during calls only. Whether an idle one still
//! leads anywhere is therefore unknown, and one that was not used for a while is replaced rather than trusted: a call
//! lost on it would have an unknown outcome. A call that meets a connection on its way out is sent again only if Tiller
//! certainly did not process it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Error;
use super::options::Options;
use super::stats::Counters;
use super::tls::TlsClient;

const PING: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// Tiller as the bridge is set up to reach it.
pub(super) struct Tiller {
    host: String,
    port: u16,
    tls: Option<TlsClient>,
    connect_timeout: Duration,
    reuse: Duration,
    header_list: u32,
    shared: Mutex<State>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    connection: Option<Shared>,
    failure: Option<(Instant, Arc<ConnectError>)>,
    made: u64,
}

#[derive(Clone)]
struct Shared {
    number: u64,
    used: Instant,
    requests: SendRequest<Full<Bytes>>,
}

impl Tiller {
    pub(super) fn new(options: &Options, counters: Arc<Counters>) -> Result<Self, Error> {
        let (host, port) = split(&options.tiller)?;
        let tls = match &options.tls {
            Some(tls) => Some(TlsClient::new(tls, &host)?),
            None => None,
        };
        Ok(Self {
            host,
            port,
            tls,
            connect_timeout: options.times.connect,
            reuse: options.times.reuse,
            header_list: options.limits.headers,
            shared: Mutex::default(),
            counters,
        })
    }

    /// What requests on a connection of [`Self::connection`] must name.
    pub(super) fn uri(&self, path: &str) -> Result<http::Uri, http::Error> {
        let scheme = if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        http::Uri::builder()
            .scheme(scheme)
            .authority(self.to_string())
            .path_and_query(path)
            .build()
    }

    /// The shared connection, made now if there is none. Callers that come meanwhile wait for the same attempt and share
    /// its failure, so that a Tiller that swallows packets costs each of them one timeout.
    pub(super) async fn connection(&self) -> Result<Connection<'_>, Arc<ConnectError>> {
        let asked = Instant::now();
        let mut state = self.shared.lock().await;
        let usable = state
            .connection
            .as_mut()
            .filter(|shared| !shared.requests.is_closed() && shared.used.elapsed() < self.reuse);
        if let Some(shared) = usable {
            shared.used = asked;
            return Ok(Connection {
                tiller: self,
                shared: shared.clone(),
                reused: true,
            });
        }
        if let Some((_, failure)) = state.failure.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(failure.clone());
        }
        let attempt = timeout(self.connect_timeout, self.connect()).await;
        let requests = attempt
            .unwrap_or(Err(ConnectError::TimedOut {
                after: self.connect_timeout,
            }))
            .map_err(|failure| {
                let failure = Arc::new(failure);
                state.failure = Some((Instant::now(), failure.clone()));
                failure
            })?;
        state.made += 1;
        let shared = Shared {
            number: state.made,
            used: Instant::now(),
            requests,
        };
        state.connection = Some(shared.clone());
        Ok(Connection {
            tiller: self,
            shared,
            reused: false,
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ConnectError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|source| ConnectError::Tcp {
                address: self.to_string(),
                source,
            })?;
        stream
            .set_nodelay(true)
            .map_err(|source| ConnectError::Tcp {
                address: self.to_string(),
                source,
            })?;
        match &self.tls {
            None => self.handshake(TokioIo::new(stream)).await,
            Some(tls) => {
                let stream = tls.connect(stream).await.map_err(ConnectError::Tls)?;
                self.handshake(TokioIo::new(stream)).await
            }
        }
    }

    async fn handshake<T>(&self, io: T) -> Result<SendRequest<Full<Bytes>>, ConnectError>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let (requests, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING_ANSWER)
            .keep_alive_while_idle(false)
            .max_header_list_size(self.header_list)
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .handshake(io)
            .await
            .map_err(ConnectError::Http)?;
        let open = self.counters.tiller_connections.enter();
        tokio::spawn(async move {
            let _open = open;
            match connection.await {
                Ok(()) => tracing::debug!("connection to Tiller ended"),
                Err(error) => tracing::info!(%error, "connection to Tiller broke"),
            }
        });
        Ok(requests)
    }
}

/// `host:port`, as in the authority of requests.
impl fmt::Display for Tiller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A connection to Tiller to send one request on.
pub(super) struct Connection<'a> {
    tiller: &'a Tiller,
    shared: Shared,
    /// Whether others used it before, so that it may be on its way out.
    reused: bool,
}

impl Connection<'_> {
    /// Whether a request that was not processed is worth sending on another connection.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends one request. Dropping the future, or the answer's body, resets the stream.
    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        match self.shared.requests.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let error = SendError {
                    unprocessed: unsent || is_unprocessed(error.error()),
                    source: error.into_error(),
                };
                if error.unprocessed {
                    self.forget().await;
                }
                Err(error)
            }
        }
    }

    /// Lets the next call make a connection of its own, unless one did already.
    async fn forget(&self) {
        let mut state = self.tiller.shared.lock().await;
        if state
            .connection
            .as_ref()
            .is_some_and(|now| now.number == self.shared.number)
        {
            state.connection = None;
        }
    }
}

/// Why there is no connection to Tiller. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("HTTP/2 cannot begin")]
    Http(#[source] hyper::Error),
    #[error("connecting to {address} failed")]
    Tcp { address: String, source: io::Error },
    #[error("no connection within {} s", .after.as_secs_f32())]
    TimedOut { after: Duration },
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
}

/// Why a request got no answer, or an answer did not end.
#[derive(Debug, thiserror::Error)]
#[error("HTTP/2 to Tiller failed")]
pub(super) struct SendError {
    unprocessed: bool,
    source: hyper::Error,
}

impl SendError {
    /// Whether Tiller certainly did nothing about it.
    pub(super) fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }
}

/// The answer broke off.
impl From<hyper::Error> for SendError {
    fn from(source: hyper::Error) -> Self {
        Self {
            unprocessed: false,
            source,
        }
    }
}

/// RFC 9113 promises for two errors that a stream was not processed: REFUSED_STREAM, and GOAWAY for a stream beyond the
/// last one it names. (h2 gives streams below that number another error, if any.)
fn is_unprocessed(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && (error.is_go_away()
                    || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM));
        }
        cause = error.source();
    }
    false
}

fn split(address: &str) -> Result<(String, u16), Error> {
    let malformed = || Error::Address {
        address: address.to_owned(),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').ok_or_else(malformed)?,
        None if host.contains(':') => return Err(malformed()),
        None => host,
    };
    if host.is_empty() {
        return Err(malformed());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (address, host, port) in [
            ("127.0.0.1:44134", "127.0.0.1", 44134),
            (
                "tiller-deploy.kube-system:44134",
                "tiller-deploy.kube-system",
                44134,
            ),
            ("[::1]:1", "::1", 1),
        ] {
            let (split_host, split_port) = split(address).unwrap();
            assert_eq!((split_host.as_str(), split_port), (host, port));
        }
        for address in [
            "",
            "tiller",
            ":44134",
            "tiller:",
            "tiller:x",
            "::1:44134",
            "[::1:1",
        ] {
            assert!(
                matches!(split(address), Err(Error::Address { .. })),
                "{address}"
            );
        }
    }
}
