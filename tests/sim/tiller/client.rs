//! A gRPC client for the tests of this module: plain HTTP/2 and what came back, nothing hidden.

use std::{net::SocketAddr, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tiller_api::Method;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// No call of these tests takes longer, whatever it waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Client {
    sender: http2::SendRequest<Full<Bytes>>,
    pub(super) version: &'static str,
}

/// The messages of an answer and how it ended: the status, or none if the stream broke.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) messages: Vec<Bytes>,
    pub(super) status: Option<(u32, String)>,
    /// Whether the status came in the headers.
    pub(super) trailers_only: bool,
}

impl Client {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.expect("tiller listens")).await
    }

    pub(super) async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(4 << 20)
            .initial_connection_window_size(1 << 30)
            .initial_stream_window_size(1 << 30)
            .handshake(TokioIo::new(stream))
            .await
            .expect("it speaks HTTP/2");
        tokio::spawn(connection);
        Self {
            sender,
            version: "v2.17.0",
        }
    }

    pub(super) async fn call(&mut self, method: Method, request: &impl Message) -> Reply {
        self.send(
            method.path(),
            framed(&request.encode_to_vec()),
            HeaderMap::new(),
        )
        .await
    }

    /// Sends any bytes with any headers beside gRPC's own.
    pub(super) async fn send(&mut self, path: &str, body: Bytes, headers: HeaderMap) -> Reply {
        let mut request = Request::post(format!("http://tiller{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header("x-helm-api-client", self.version)
            .body(Full::new(body))
            .expect("valid parts");
        request.headers_mut().extend(headers);
        timeout(PATIENCE, self.exchange(request))
            .await
            .expect("an answer in time")
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let broken = Reply {
            messages: Vec::new(),
            status: None,
            trailers_only: false,
        };
        let Ok(response) = self.sender.send_request(request).await else {
            return broken;
        };
        assert_eq!(response.status(), 200);
        let in_headers = status(response.headers());
        let trailers_only = in_headers.is_some();
        let Ok(body) = response.into_body().collect().await else {
            return broken;
        };
        let status = body.trailers().and_then(status).or(in_headers);
        let messages = unframed(body.to_bytes());
        Reply {
            messages,
            status,
            trailers_only,
        }
    }
}

pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("not that long"));
    frame.put_slice(message);
    frame.freeze()
}

fn unframed(mut body: Bytes) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let prefix = body.split_to(5);
        assert_eq!(prefix[0], 0, "nothing is compressed");
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
        messages.push(body.split_to(length as usize));
    }
    messages
}

fn status(headers: &HeaderMap) -> Option<(u32, String)> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let mut message = Vec::new();
    let mut encoded = headers
        .get("grpc-message")
        .map_or(&b""[..], |value| value.as_bytes());
    while let Some((first, rest)) = encoded.split_first() {
        let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                message.push(byte);
                encoded = &rest[2..];
            }
            _ => {
                message.push(*first);
                encoded = rest;
            }
        }
    }
    Some((code, String::from_utf8(message).expect("UTF-8")))
}
