//! Opening one connection to an APIServer: TCP or a proxy, then TLS with ALPN.
//!
//! Every connection is counted from the moment TCP is up until its socket is closed, so that a leak shows in the
//! relay's statistics. The whole of it (name resolution, TCP, proxy, TLS) has one time limit: a host that accepts and
//! then says nothing must not hold a call until the call's own deadline.

use std::error::Error;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder,
    MaybeHttpsStream,
};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tower::Service;

use super::proxy::Proxy;

/// What dead peers and silent firewalls between are noticed by when HTTP/1.1 leaves a connection without pings.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);

type BoxError = Box<dyn Error + Send + Sync>;

/// How many of something exist at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Counts one more until the answer is dropped.
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }

    /// The present count.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of what a [`Gauge`] counts.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens connections to one cluster.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Transport>,
    timeout: Duration,
}

impl Connector {
    /// A connector for the one cluster that `tls`, `server_name` and `proxy` belong to. `server_name` replaces the
    /// host of the URL in the handshake; `timeout` bounds everything up to the end of the TLS handshake.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        server_name: Option<ServerName<'static>>,
        proxy: Option<&Proxy>,
        timeout: Duration,
        open: Gauge,
    ) -> Self {
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        let builder = match server_name {
            Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
            None => builder.with_server_name_resolver(DefaultServerNameResolver::default()),
        };
        Self {
            https: builder
                .enable_all_versions()
                .wrap_connector(Transport::new(proxy, open)),
            timeout,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Counted>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.https.call(server);
        let timeout = self.timeout;
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting)
                .await
                .map_err(|_| ConnectTimeout { after: timeout })?
        })
    }
}

/// The connection did not come up in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {after:?}")]
struct ConnectTimeout {
    after: Duration,
}

/// The bytes below TLS.
#[derive(Clone)]
struct Transport {
    route: Route,
    open: Gauge,
}

#[derive(Clone)]
enum Route {
    Direct(HttpConnector),
    Socks(SocksV5<HttpConnector>),
    Tunnel(Tunnel<HttpConnector>),
}

impl Transport {
    fn new(proxy: Option<&Proxy>, open: Gauge) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
        let route = match proxy {
            None => Route::Direct(tcp),
            Some(Proxy::Socks { server, login }) => {
                let socks = SocksV5::new(server.clone(), tcp);
                Route::Socks(match login {
                    Some(login) => {
                        socks.with_auth(login.user().to_owned(), login.password().to_owned())
                    }
                    None => socks,
                })
            }
            Some(Proxy::Tunnel {
                server,
                authorization,
            }) => {
                let tunnel = Tunnel::new(server.clone(), tcp);
                Route::Tunnel(match authorization {
                    Some(authorization) => tunnel.with_auth(authorization.clone()),
                    None => tunnel,
                })
            }
        };
        Self { route, open }
    }
}

impl Service<Uri> for Transport {
    type Response = Counted;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Counted, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.route {
            Route::Direct(tcp) => tcp.poll_ready(cx).map_err(Into::into),
            Route::Socks(socks) => socks.poll_ready(cx).map_err(Into::into),
            Route::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting: BoxFuture<'static, Result<TokioIo<TcpStream>, BoxError>> =
            match &mut self.route {
                Route::Direct(tcp) => {
                    let connecting = tcp.call(server);
                    Box::pin(async { connecting.await.map_err(Into::into) })
                }
                Route::Socks(socks) => {
                    let connecting = socks.call(server);
                    Box::pin(async { connecting.await.map_err(Into::into) })
                }
                Route::Tunnel(tunnel) => {
                    let connecting = tunnel.call(server);
                    Box::pin(async { connecting.await.map_err(Into::into) })
                }
            };
        let open = self.open.clone();
        Box::pin(async move {
            Ok(Counted {
                io: connecting.await?,
                _held: open.hold(),
            })
        })
    }
}

/// A TCP connection that is counted while it is open.
pub(crate) struct Counted {
    io: TokioIo<TcpStream>,
    _held: Held,
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        // Deliberately not marked as proxied, even behind a proxy: the tunnel is transparent, and the mark would make
        // hyper write absolute-form requests to the APIServer.
        Connected::new()
    }
}

impl Read for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
