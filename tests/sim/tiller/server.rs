//! gRPC over HTTP/2, plain or with TLS, answering as grpc-go 1.18 does.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::{HeaderMap, Method as HttpMethod, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{Answer, Code, Event, Status, Tiller, lock};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Largest message, both ways, in bytes.
const MAX_MESSAGE: usize = 20 << 20;
/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Bytes of headers Tiller accepts; grpc-go 1.18's own limit.
const MAX_HEADERS: u32 = 16 << 20;

/// A port of a [`Tiller`], open while that is alive; dropping it closes it for good.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Listens on a free loopback port: plain HTTP/2 with prior knowledge, or TLS where there is a
    /// configuration for it (whose ALPN must offer `h2`).
    ///
    /// # Errors
    ///
    /// Those of binding a port.
    pub async fn start(
        tiller: &Tiller,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Self> {
        let reserved = reusable_socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let addr = reserved.local_addr()?;
        let listener = reusable_socket(addr)?.listen(1024)?;
        let (listening, watcher) = watch::channel(true);
        lock(&tiller.0.listening).push(watcher);
        let port = Port {
            tiller: tiller.clone(),
            tls: tls.map(TlsAcceptor::from),
            listening,
            reserved,
            addr,
        };
        let task = tokio::spawn(port.run(listener)).abort_handle();
        Ok(Self { addr, task })
    }

    /// Where it listens; the same over all lives of its Tiller.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Port {
    tiller: Tiller,
    tls: Option<TlsAcceptor>,
    listening: watch::Sender<bool>,
    /// Bound but not listening: nobody else is given the port while Tiller is dead.
    reserved: TcpSocket,
    addr: SocketAddr,
}

impl Port {
    async fn run(self, mut listener: TcpListener) {
        let mut alive = self.tiller.0.alive.subscribe();
        loop {
            tokio::select! {
                // Dropping it closes the port and every connection.
                () = self.serve(listener) => return,
                died = alive.wait_for(|alive| !alive) => if died.is_err() { return },
            }
            self.listening.send_replace(false);
            if alive.wait_for(|alive| *alive).await.is_err() {
                return;
            }
            let addr = self.reserved.local_addr().unwrap_or(self.addr);
            listener = match reusable_socket(addr).and_then(|socket| socket.listen(1024)) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%addr, %error, "cannot listen again");
                    return;
                }
            };
            self.listening.send_replace(true);
        }
    }

    async fn serve(&self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(self.tiller.clone(), self.tls.clone(), stream));
                    }
                    Err(error) => tracing::debug!(%error, "a connection was not accepted"),
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Several sockets may share the address, so that one can keep it while none listens.
fn reusable_socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn connection(tiller: Tiller, tls: Option<TlsAcceptor>, stream: TcpStream) {
    _ = stream.set_nodelay(true);
    match tls {
        None => http2(tiller, stream).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => http2(tiller, stream).await,
            Err(error) => tracing::debug!(%error, "TLS handshake failed"),
        },
    }
}

async fn http2(tiller: Tiller, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let service = service_fn(move |request| {
        let tiller = tiller.clone();
        async move { Ok::<_, io::Error>(respond(&tiller, request).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .serve_connection(TokioIo::new(io), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

async fn respond(tiller: &Tiller, request: Request<Incoming>) -> Response<Body> {
    if request.method() != HttpMethod::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let (head, body) = request.into_parts();
    let message = match read_message(body, &head.headers).await {
        Ok(message) => message,
        Err(status) => return trailers_only(&status),
    };
    stream_answer(tiller.call(head.uri.path(), head.headers, message)).await
}

/// The one message of a request. What follows it is not looked at, as grpc-go does not.
async fn read_message(mut body: Incoming, headers: &HeaderMap) -> Result<Bytes, Status> {
    let mut read = BytesMut::new();
    let mut wanted = PREFIX;
    while read.len() < wanted {
        let Some(frame) = body.frame().await else {
            return Err(Status::new(Code::Internal, "unexpected EOF"));
        };
        let Ok(frame) = frame else {
            return Err(Status::new(Code::Unavailable, "transport is closing"));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        read.extend_from_slice(&data);
        if let (PREFIX, Some(&[_, a, b, c, d])) = (wanted, read.first_chunk()) {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > MAX_MESSAGE {
                return Err(too_large("received message", length));
            }
            wanted += length;
        }
    }
    if read.first() == Some(&1) {
        return Err(no_decompressor(headers));
    }
    read.advance(PREFIX);
    read.truncate(wanted - PREFIX);
    Ok(read.freeze())
}

fn no_decompressor(headers: &HeaderMap) -> Status {
    match headers
        .get("grpc-encoding")
        .and_then(|value| value.to_str().ok())
    {
        None | Some("" | "identity") => Status::new(
            Code::Internal,
            "grpc: compressed flag set with identity or empty encoding",
        ),
        Some(encoding) => Status::new(
            Code::Unimplemented,
            format!("grpc: Decompressor is not installed for grpc-encoding {encoding:?}"),
        ),
    }
}

fn too_large(what: &str, length: usize) -> Status {
    Status::new(
        Code::ResourceExhausted,
        format!("grpc: {what} larger than max ({length} vs. {MAX_MESSAGE})"),
    )
}

/// grpc-go sends headers with the first message, so an answer without one is headers only.
async fn stream_answer(mut answer: Answer) -> Response<Body> {
    let first = match answer.next().await {
        Some(Event::Message(message)) => message,
        Some(Event::Status(status)) => return trailers_only(&status),
        None => return broken(),
    };
    let frames = stream::once(async { Event::Message(first) })
        .chain(answer)
        .map(Some)
        .chain(stream::once(async { None }))
        .scan(false, |ended, event| {
            let frame = match event {
                _ if *ended => None,
                None => Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))),
                Some(Event::Status(status)) => {
                    *ended = true;
                    Some(Ok(Frame::trailers(status.trailers())))
                }
                Some(Event::Message(message)) if message.len() > MAX_MESSAGE => {
                    *ended = true;
                    let status = too_large("trying to send message", message.len());
                    Some(Ok(Frame::trailers(status.trailers())))
                }
                Some(Event::Message(message)) => Some(Ok(Frame::data(framed(&message)))),
            };
            async move { frame }
        });
    let mut response = grpc_response();
    *response.body_mut() = StreamBody::new(frames).boxed_unsync();
    response
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.extend_from_slice(&[0]);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed.freeze()
}

fn trailers_only(status: &Status) -> Response<Body> {
    let mut response = grpc_response();
    response.headers_mut().extend(status.trailers());
    response
}

/// Tiller died with the call under way: the stream is reset before the connection goes.
fn broken() -> Response<Body> {
    let mut response = grpc_response();
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    *response.body_mut() = StreamBody::new(stream::iter([Err(reset)])).boxed_unsync();
    response
}

fn grpc_response() -> Response<Body> {
    let mut response = plain(StatusCode::OK);
    let content_type = header::HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let empty = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(empty.boxed_unsync());
    debug_assert!(response.body().is_end_stream(), "headers end the stream");
    *response.status_mut() = status;
    response
}
