//! Answers: whole ones, and ones that are still on their way.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rest::problem::{Code, Outcome, Problem};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::ask::{Ask, Body, Protocol};
use super::pki::Io;
use super::soon;

/// An answer that ended as it should.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name}: {self}"));
        value.to_str().expect("text")
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Insists on that status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The problem that it is, whose parts agree with each other and with the answer.
    #[track_caller]
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self}"
        );
        let json = self.json();
        let problem: Problem =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"));
        assert_eq!(self.status, problem.code.status(), "{self}");
        assert_eq!(json["status"], self.status.as_u16(), "{self}");
        assert_eq!(
            json["blame"],
            serde_json::to_value(problem.code.blame()).expect("a word"),
            "{self}"
        );
        assert_eq!(
            problem.request_id.as_deref(),
            Some(self.header("x-request-id"))
        );
        problem
    }

    /// Insists on a problem of that code and outcome.
    #[track_caller]
    pub(crate) fn refused(&self, code: Code, outcome: Outcome) -> Problem {
        let problem = self.problem();
        assert_eq!((problem.code, problem.outcome), (code, outcome), "{self}");
        problem
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:.2000}", self.status, body)
    }
}

/// An answer whose head is there. Dropping it closes the connection, which was its alone.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    seen: BytesMut,
    _connection: Connection,
}

struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Opened {
    /// Sends a request on a connection of its own and waits for the head of the answer.
    pub(super) async fn of(ask: Ask, addr: std::net::SocketAddr) -> hyper::Result<Self> {
        let stream = TcpStream::connect(addr).await.expect("the edge listens");
        let stream: Box<dyn Io> = match &ask.secure {
            None => Box::new(stream),
            Some(secure) => {
                let secured = secure.connect(stream, ask.protocol).await;
                Box::new(secured.expect("TLS is agreed upon"))
            }
        };
        let io = TokioIo::new(stream);
        let (response, connection) = match ask.protocol {
            Protocol::H1 => {
                let (mut requests, connection) = http1::handshake(io).await?;
                let connection = Connection(tokio::spawn(connection).abort_handle());
                (requests.send_request(request(ask, addr)).await?, connection)
            }
            Protocol::H2 => {
                let (mut requests, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                let connection = Connection(tokio::spawn(connection).abort_handle());
                (requests.send_request(request(ask, addr)).await?, connection)
            }
        };
        let (head, body): (_, Incoming) = Response::into_parts(response);
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body,
            seen: BytesMut::new(),
            _connection: connection,
        })
    }

    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> hyper::Result<Option<Bytes>> {
        while let Some(frame) = soon(self.body.frame()).await {
            if let Ok(data) = frame?.into_data() {
                self.seen.extend_from_slice(&data);
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads on until what came so far, from the beginning, is as wanted.
    pub(crate) async fn reaches(&mut self, wanted: impl Fn(&str) -> bool) {
        while !wanted(self.seen()) {
            let next = self.next().await.expect("the answer goes on");
            assert!(next.is_some(), "the answer ends: {}", self.seen());
        }
    }

    /// What came so far.
    pub(crate) fn seen(&self) -> &str {
        std::str::from_utf8(&self.seen).expect("UTF-8")
    }

    /// Reads to the end, or to where it breaks.
    pub(crate) async fn rest(mut self) -> hyper::Result<Answer> {
        while self.next().await?.is_some() {}
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body: self.seen.freeze(),
        })
    }
}

fn request(ask: Ask, addr: std::net::SocketAddr) -> Request<Body> {
    let mut request = Request::new(ask.body);
    *request.method_mut() = ask.method;
    *request.headers_mut() = ask.headers;
    let uri = match ask.protocol {
        Protocol::H1 => ask.path,
        Protocol::H2 if ask.secure.is_some() => format!("https://{addr}{}", ask.path),
        Protocol::H2 => format!("http://{addr}{}", ask.path),
    };
    *request.uri_mut() = uri.parse().expect("a path");
    if ask.protocol == Protocol::H1 {
        let host = addr.to_string().parse().expect("an address is a host");
        request.headers_mut().entry("host").or_insert(host);
    }
    request
}
