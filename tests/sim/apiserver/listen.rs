//! TLS connections, HTTP/2 or HTTP/1.1 as agreed by ALPN.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{State, route};

/// What a request's connection tells about it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    /// The client's certificate, in DER.
    pub(super) certificate: Option<Vec<u8>>,
    /// Ends the connection in order.
    pub(super) go_away: Notify,
}

pub(super) async fn start(
    state: Arc<State>,
    tls: Arc<ServerConfig>,
) -> io::Result<(SocketAddr, AbortHandle)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let mut tls = (*tls).clone();
    tls.alpn_protocols = if state.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(serve(state.clone(), acceptor.clone(), stream, peer));
                    }
                    Err(error) => tracing::debug!(%error, "a connection was not accepted"),
                },
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok((addr, task.abort_handle()))
}

async fn serve(state: Arc<State>, acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
    let mut away = state.away.subscribe();
    _ = stream.set_nodelay(true);
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|chain| chain.first());
    let connection = Arc::new(Connection {
        peer,
        certificate: certificate.map(|certificate| certificate.to_vec()),
        go_away: Notify::new(),
    });
    let service = service_fn({
        let connection = connection.clone();
        move |request| {
            let (state, connection) = (state.clone(), connection.clone());
            async move { Ok::<_, Infallible>(route::answer(&state, &connection, request).await) }
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    // As kube-apiserver sets them.
    server
        .http2()
        .max_concurrent_streams(100)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(25 * 1024 * 1024)
        .max_frame_size(256 * 1024)
        .max_header_list_size(1024 * 1024);
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = async {
            tokio::select! {
                () = connection.go_away.notified() => {}
                _ = away.changed() => {}
            }
        } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
