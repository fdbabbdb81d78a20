//! Connections: HTTP/1.1 as the APIServer speaks it and h2c, told apart by their first bytes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Error;
use super::options::Times;
use super::service::Service;

/// The stages of a bridge's life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Takes calls.
    Serving,
    /// Says it is not ready, but still takes calls.
    Leaving,
}

/// Listens on `host:port`; without a host on every address, of both families where the machine has both.
pub(super) async fn bind(address: &str) -> Result<TcpListener, Error> {
    let listen = |source| Error::Listen {
        address: address.to_owned(),
        source,
    };
    let Some(port) = address.strip_prefix(':') else {
        return TcpListener::bind(address).await.map_err(listen);
    };
    let port: u16 = port.parse().map_err(|_| Error::Address {
        address: address.to_owned(),
    })?;
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            .await
            .map_err(listen),
    }
}

/// Takes connections until it is told to leave, then sees the open ones off. Dropping it breaks them all.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut phases: watch::Receiver<Phase>,
    times: Times,
) {
    let server = Arc::new(server(&times));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut leave_at = None;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(
                        stream, server.clone(), service.clone(), closing.clone(), times.idle,
                    );
                    connections.spawn(connection);
                }
                // Out of descriptors, most likely: they come back as calls end.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Ok(()) = phases.changed(), if leave_at.is_none() => {
                service.leave();
                leave_at = Some(Instant::now() + times.linger);
            }
            () = sleep_until(leave_at.unwrap_or_else(Instant::now)), if leave_at.is_some() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    close.send_replace(true);
    let ended = timeout(times.drain, async {
        while connections.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "calls still under way are broken off"
        );
    }
}

type Server = auto::Builder<TokioExecutor>;

fn server(times: &Times) -> Server {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        // Runs between requests too, which makes it the keep-alive time.
        .header_read_timeout(times.idle);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024);
    server
}

async fn connection(
    stream: TcpStream,
    server: Arc<Server>,
    service: Arc<Service>,
    mut closing: watch::Receiver<bool>,
    idle: Duration,
) {
    let _open = service.counters.connections.enter();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    // The builder waits for the first bytes without a limit, so the limit is here.
    let mut first = [0];
    tokio::select! {
        first = timeout(idle, stream.peek(&mut first)) => {
            if !matches!(first, Ok(Ok(1..))) {
                return;
            }
        }
        () = told(&mut closing) => return,
    }
    let calls = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), calls));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broke");
    }
}

/// Waits until connections are to close; dropping the sender tells it too.
async fn told(closing: &mut watch::Receiver<bool>) {
    // The result holds a lock, so it ends here.
    let _ = closing.wait_for(|closing| *closing).await;
}
