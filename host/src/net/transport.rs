//! The bytes below TLS: TCP, or a proxy's tunnel, counted while it is open.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::{BoxError, Proxy};

/// What dead peers and silent firewalls between are noticed by when HTTP/1.1 leaves a connection without pings.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);

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

/// Opens connections, by a proxy or straight.
#[derive(Clone)]
pub(crate) struct Transport {
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
    /// Connections through `proxy`, each counted by `open` until its socket is closed.
    pub(crate) fn new(proxy: Option<&Proxy>, open: Gauge) -> Self {
        let tcp = tuned(HttpConnector::new());
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
        Box::pin(async move { Ok(Counted::new(connecting.await?, &open)) })
    }
}

/// `tcp` for any scheme, without delays, noticing dead peers.
pub(crate) fn tuned<R>(mut tcp: HttpConnector<R>) -> HttpConnector<R> {
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
    tcp
}

/// A TCP connection that is counted while it is open.
pub(crate) struct Counted {
    io: TokioIo<TcpStream>,
    _held: Held,
}

impl Counted {
    pub(crate) fn new(io: TokioIo<TcpStream>, open: &Gauge) -> Self {
        Self {
            io,
            _held: open.hold(),
        }
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        // Deliberately not marked as proxied, even behind a proxy: the tunnel is transparent, and the mark would make
        // hyper write absolute-form requests.
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
