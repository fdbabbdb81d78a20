//! A relay made of memory: it answers what a test tells it to and remembers what it was asked.

mod tiller;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use client::{Relay, SendError};
use futures::{
    StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
};
use grpc_web::{Code, Status};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use prost::Message;
use releases::{Body, serve};
use rest::{
    problem::Problem,
    repositories::{SOURCE, Source},
};
use serde_json::Value;
use tiller_api::Method;

pub(crate) use self::tiller::*;

/// What a call gets.
pub(crate) enum Reply {
    /// A whole response.
    Response(Response<Vec<Piece>>),
    /// A response whose body the test writes as it goes.
    Live(UnboundedReceiver<Piece>),
    /// No response.
    Unsent(SendError),
}

/// A piece of a body, or its breaking off.
pub(crate) type Piece = Result<Bytes, String>;

/// What the relay was asked.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Option<Method>,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// The one message in the body.
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.payload()).expect("the message is of that type")
    }

    /// Its bytes.
    pub(crate) fn payload(&self) -> &[u8] {
        grpc_web::unary_message(&self.body, usize::MAX).expect("exactly one message")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct State {
    replies: HashMap<Method, VecDeque<Reply>>,
    documents: HashMap<String, VecDeque<Response<Vec<Piece>>>>,
    calls: Vec<Call>,
}

/// The relay and everything behind it.
#[derive(Clone, Default)]
pub(crate) struct Edge(Rc<RefCell<State>>);

/// An edge in front of a relay that knows nothing yet.
pub(crate) fn edge() -> Edge {
    Edge::default()
}

impl Edge {
    /// The next call of that method gets this reply.
    pub(crate) fn on(self, method: Method, reply: Reply) -> Self {
        self.0
            .borrow_mut()
            .replies
            .entry(method)
            .or_default()
            .push_back(reply);
        self
    }

    /// The next call of that method succeeds with this message.
    pub(crate) fn answers(self, method: Method, message: &impl Message) -> Self {
        self.on(method, messages(&[message.encode_to_vec()]))
    }

    /// The next call of that method fails with these words of Tiller.
    pub(crate) fn fails(self, method: Method, text: &str) -> Self {
        self.on(method, status(Code::Unknown, text))
    }

    /// The relay has this document.
    pub(crate) fn document(self, path: &str, status: u16, body: &str) -> Self {
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(vec![Ok(Bytes::copy_from_slice(body.as_bytes()))])
            .unwrap();
        self.has(path, response)
    }

    /// The relay has this archive, and says so of it.
    pub(crate) fn archive(self, path: &str, archive: Vec<u8>, source: &Source) -> Self {
        let response = Response::builder()
            .header("content-type", "application/gzip")
            .header("content-length", archive.len())
            .header(SOURCE, source.to_header())
            .body(vec![Ok(archive.into())])
            .unwrap();
        self.has(path, response)
    }

    /// The relay answers a question for that path so.
    pub(crate) fn has(self, path: &str, response: Response<Vec<Piece>>) -> Self {
        self.0
            .borrow_mut()
            .documents
            .entry(path.into())
            .or_default()
            .push_back(response);
        self
    }

    /// The cluster's default namespace is this.
    pub(crate) fn with_namespace(self, namespace: &str) -> Self {
        let view = serde_json::json!({"name": "prod", "server": "https://10.0.0.1", "namespace": namespace});
        self.document("/clusters/prod", 200, &view.to_string())
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.borrow().calls.clone()
    }

    /// The methods called, in order.
    pub(crate) fn methods(&self) -> Vec<Method> {
        self.calls().iter().filter_map(|call| call.method).collect()
    }

    /// The paths asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.path).collect()
    }

    /// The only call of that method.
    pub(crate) fn call(&self, method: Method) -> Call {
        let mut calls: Vec<_> = self
            .calls()
            .into_iter()
            .filter(|call| call.method == Some(method))
            .collect();
        assert_eq!(calls.len(), 1, "calls of {method}");
        calls.remove(0)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], &body.to_string()).await
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let response = self
            .open(method, path, headers, body.to_owned().into())
            .await;
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// Sends a request and leaves the body of the answer unread.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        soon(serve(
            self.clone(),
            Some("http://relay.internal".into()),
            request,
        ))
        .await
    }
}

impl Relay for Edge {
    type Body = FakeBody;

    async fn send(&self, request: Request<Bytes>) -> Result<Response<FakeBody>, SendError> {
        let uri = request.uri().to_string();
        let path = uri
            .strip_prefix("http://relay.internal")
            .expect("calls go to the relay")
            .to_owned();
        let method = rest::relay::parse(&path).map(|(_, method)| method);
        let mut state = self.0.borrow_mut();
        state.calls.push(Call {
            method,
            path: path.clone(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        });
        let reply = match method {
            Some(method) => state
                .replies
                .get_mut(&method)
                .and_then(VecDeque::pop_front)
                .unwrap_or_else(|| panic!("nothing is said about {method}")),
            None => Reply::Response(
                state
                    .documents
                    .get_mut(&path)
                    .and_then(VecDeque::pop_front)
                    .unwrap_or_else(|| panic!("there is no document {path}")),
            ),
        };
        match reply {
            Reply::Response(response) => Ok(response.map(|pieces| {
                let (sender, receiver) = unbounded();
                for piece in pieces {
                    sender.unbounded_send(piece).unwrap();
                }
                FakeBody(receiver)
            })),
            Reply::Live(pieces) => Ok(grpc(FakeBody(pieces))),
            Reply::Unsent(error) => Err(error),
        }
    }
}

/// A body made of pieces.
pub(crate) struct FakeBody(UnboundedReceiver<Piece>);

impl http_body::Body for FakeBody {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.0
            .poll_next_unpin(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON values of an answer of lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem, whose status and media type the answer has.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status().as_u16(), self.status);
        problem
    }
}

/// Waits, but not forever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}

fn grpc<B>(body: B) -> Response<B> {
    Response::builder()
        .header("content-type", grpc_web::CONTENT_TYPE)
        .body(body)
        .unwrap()
}

/// Success with these messages.
pub(crate) fn messages(messages: &[Vec<u8>]) -> Reply {
    let mut pieces: Vec<Piece> = messages
        .iter()
        .map(|message| Ok(grpc_web::encode_message(message)))
        .collect();
    pieces.push(Ok(trailers(Code::Ok, "")));
    Reply::Response(grpc(pieces))
}

/// These messages, and then an error.
pub(crate) fn messages_then(messages: &[Vec<u8>], code: Code, text: &str) -> Reply {
    let mut pieces: Vec<Piece> = messages
        .iter()
        .map(|message| Ok(grpc_web::encode_message(message)))
        .collect();
    pieces.push(Ok(trailers(code, text)));
    Reply::Response(grpc(pieces))
}

/// These pieces of a body, as they are.
pub(crate) fn pieces(pieces: Vec<Piece>) -> Reply {
    Reply::Response(grpc(pieces))
}

/// A status and no message.
pub(crate) fn status(code: Code, text: &str) -> Reply {
    pieces(vec![Ok(trailers(code, text))])
}

/// The trailer frame.
pub(crate) fn trailers(code: Code, text: &str) -> Bytes {
    Status::new(code, text).to_trailers().encode()
}

/// An answer of the relay that is a problem.
pub(crate) fn relayed(problem: &Problem) -> Reply {
    Reply::Response(problem.to_response().map(|body| vec![Ok(body)]))
}

/// A body for the test to write.
pub(crate) fn live() -> (UnboundedSender<Piece>, Reply) {
    let (sender, receiver) = unbounded();
    (sender, Reply::Live(receiver))
}
