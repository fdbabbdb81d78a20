//! The port of a store, or of whatever else answers requests by itself.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answer::Body;

/// What is answered.
pub(crate) trait Answers:
    Fn(&Request<Incoming>) -> Response<Body> + Send + Sync + 'static
{
}

impl<F: Fn(&Request<Incoming>) -> Response<Body> + Send + Sync + 'static> Answers for F {}

pub(crate) async fn bind() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await
}

/// Serves until it is aborted, and its connections with it.
pub(crate) async fn serve(
    answers: Arc<impl Answers>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(answers.clone(), acceptor.clone(), stream));
                }
                Err(error) => tracing::debug!(%error, "a connection was not accepted"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(answers: Arc<impl Answers>, acceptor: Option<TlsAcceptor>, stream: TcpStream) {
    _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return exchange(answers, stream).await;
    };
    match acceptor.accept(stream).await {
        Ok(stream) => exchange(answers, stream).await,
        Err(error) => tracing::debug!(%error, "TLS handshake failed"),
    }
}

async fn exchange(
    answers: Arc<impl Answers>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) {
    let service = service_fn(move |request| {
        let response = answers(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let ended = server.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
