//! Whoever calls the bridge, over HTTP/1.1 as the APIServer or over h2c.

use std::net::SocketAddr;

use bytes::Bytes;
use grpc_web::{Decoder, Event, Limits, Status, Trailers};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::soon;
use crate::bridge::Bridge;

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One connection to a bridge.
pub(super) enum Caller {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

impl Caller {
    pub(super) async fn h1(bridge: &Bridge) -> Self {
        let io = TokioIo::new(connect(bridge.addr()).await);
        let (requests, connection) = soon(http1::handshake(io)).await.unwrap();
        tokio::spawn(connection);
        Self::H1(requests)
    }

    pub(super) async fn h2(bridge: &Bridge) -> Self {
        let io = TokioIo::new(connect(bridge.addr()).await);
        let handshake = http2::handshake(TokioExecutor::new(), io);
        let (requests, connection) = soon(handshake).await.unwrap();
        tokio::spawn(connection);
        Self::H2(requests)
    }

    pub(super) async fn send(&mut self, mut request: Request<Body>) -> Response<Incoming> {
        soon(async {
            match self {
                Self::H1(requests) => {
                    requests.ready().await.unwrap();
                    requests.send_request(request).await.unwrap()
                }
                Self::H2(requests) => {
                    let uri = format!("http://bridge{}", request.uri().path());
                    *request.uri_mut() = uri.parse().unwrap();
                    requests.ready().await.unwrap();
                    requests.send_request(request).await.unwrap()
                }
            }
        })
        .await
    }

    /// A call with one message, and its whole answer.
    pub(super) async fn call(&mut self, path: &str, message: &[u8]) -> Answer {
        self.call_with(path, message, &[]).await
    }

    pub(super) async fn call_with(
        &mut self,
        path: &str,
        message: &[u8],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = request(path, grpc_web::encode_message(message));
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Answer::read(self.send(request).await).await
    }

    pub(super) async fn get(&mut self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path)
            .header("host", "bridge")
            .body(empty())
            .unwrap();
        let response = self.send(request).await;
        let status = response.status();
        let body = soon(response.into_body().collect()).await.unwrap();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        (status, text)
    }
}

async fn connect(addr: SocketAddr) -> TcpStream {
    soon(TcpStream::connect(addr)).await.unwrap()
}

pub(super) fn empty() -> Body {
    full(Bytes::new())
}

pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A grpc-web request with these bytes as its body.
pub(super) fn request(path: &str, body: Bytes) -> Request<Body> {
    Request::post(path)
        .header("host", "bridge")
        .header("content-type", "application/grpc-web+proto")
        .header("x-helm-api-client", "v2.0.0+unreleased")
        .body(full(body))
        .unwrap()
}

/// A whole grpc-web answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) http: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) messages: Vec<Bytes>,
    pub(super) trailers: Trailers,
}

impl Answer {
    /// Fails the test if the body breaks or has no trailer frame.
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let mut stream = Stream::new(body);
        let mut messages = Vec::new();
        loop {
            match stream.next().await.expect("a trailer frame") {
                Event::Message(message) => messages.push(message),
                Event::Trailers(trailers) => {
                    assert_eq!(stream.next().await, None);
                    return Self {
                        http: head.status,
                        headers: head.headers,
                        messages,
                        trailers,
                    };
                }
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        Status::from_trailers(&self.trailers).expect("a status")
    }

    pub(super) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers
            .get(name)
            .map(|value| std::str::from_utf8(value).unwrap())
    }

    /// `(grpc-status, reason, outcome)` of an answer by the bridge itself.
    pub(super) fn by_bridge(&self) -> (u32, &str, &str) {
        assert_eq!(self.http, StatusCode::OK);
        assert_eq!(self.trailer(rest::relay::ANSWERED_BY), Some("bridge"));
        (
            self.status().code.number(),
            self.trailer(crate::bridge::REASON).unwrap(),
            self.trailer(rest::relay::OUTCOME).unwrap(),
        )
    }
}

/// An answer's body, event by event.
pub(super) struct Stream {
    body: Incoming,
    decoder: Decoder,
}

impl Stream {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            decoder: Decoder::new(Limits::default()),
        }
    }

    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.decoder.next().expect("grpc-web") {
                return Some(event);
            }
            let Some(frame) = soon(self.body.frame()).await else {
                self.decoder.finish().expect("whole frames");
                return None;
            };
            let data = frame.expect("a whole body").into_data();
            self.decoder.push(data.expect("no HTTP trailers"));
        }
    }
}
