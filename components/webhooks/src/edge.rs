//! The way to the relay for one request.

use std::time::Duration;

use bytes::Bytes;
use grpc_web::{Decoder, Event, Limits, Status, timeout};
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, StatusCode, header};
use http_body_util::BodyExt;
use prost::Message;
use rest::{
    problem::{Code, MEDIA_TYPE, Outcome, Problem, apiserver::is_grpc, from_bridge, from_tiller},
    relay::{self, REQUEST_ID, Target},
};
use serde::de::DeserializeOwned;
use tiller_api::{CLIENT_VERSION, CLIENT_VERSION_HEADER, MAX_ANSWER, Method};

use crate::{
    answer::read,
    relay::{Relay, SendError},
};

/// Longest answer of the relay that is not a call's, in bytes: 8 MiB.
const MAX_DOCUMENT: usize = 8 << 20;

/// The way to the relay for one request.
pub(crate) struct Edge<R> {
    pub(crate) relay: R,
    /// The relay's base URL.
    pub(crate) base: String,
    pub(crate) request_id: Option<HeaderValue>,
}

impl<R: Relay> Edge<R> {
    /// Asks the relay for a document.
    pub(crate) async fn document<D: DeserializeOwned>(&self, path: &str) -> Result<D, Problem> {
        let request = self.request(HttpMethod::GET, path, HeaderMap::new(), Bytes::new())?;
        let response = self
            .relay
            .send(request)
            .await
            .map_err(|error| unsent(&error))?;
        let is_document = response.status() == StatusCode::OK;
        let (head, body) = response.into_parts();
        let body = read(body, MAX_DOCUMENT)
            .await
            .map_err(|why| not_relayed(format!("the relay's answer {why}")))?;
        if !is_document {
            return Err(refused(head.status, &head.headers, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|error| not_relayed(format!("the relay's answer cannot be read: {error}")))
    }

    /// Makes a call that changes nothing, with any number of answers.
    pub(crate) async fn stream(
        &self,
        target: &Target,
        method: Method,
        message: &impl Message,
        deadline: Duration,
    ) -> Result<Messages<R::Body>, Problem> {
        let body = grpc_web::encode_message(&message.encode_to_vec());
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(grpc_web::CONTENT_TYPE),
        );
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(
            CLIENT_VERSION_HEADER,
            HeaderValue::from_static(CLIENT_VERSION),
        );
        if let Ok(timeout) = HeaderValue::from_str(&timeout::encode(deadline)) {
            headers.insert("grpc-timeout", timeout);
        }
        let request = self.request(HttpMethod::POST, &target.path(method), headers, body)?;
        let response = self
            .relay
            .send(request)
            .await
            .map_err(|error| unsent(&error))?;
        let (head, body) = response.into_parts();
        if is_grpc(&head.headers) {
            return Ok(Messages::new(method, head.headers, body));
        }
        let body = read(body, MAX_DOCUMENT)
            .await
            .map_err(|why| not_relayed(format!("the relay's answer {why}")))?;
        Err(refused(head.status, &head.headers, &body))
    }

    fn request(
        &self,
        method: HttpMethod,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Bytes>, Problem> {
        if let Some(id) = &self.request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.trim_end_matches('/')))
            .body(body)
            .map_err(|error| not_relayed(format!("the relay's address is wrong: {error}")))?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The messages of an answer as they arrive, and at the end a status.
pub(crate) struct Messages<B> {
    method: Method,
    headers: HeaderMap,
    body: B,
    decoder: Decoder,
    ended: bool,
}

impl<B> Messages<B>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    fn new(method: Method, headers: HeaderMap, body: B) -> Self {
        Self {
            method,
            headers,
            body,
            decoder: Decoder::new(Limits {
                message: MAX_ANSWER,
                trailers: MAX_DOCUMENT,
            }),
            ended: false,
        }
    }

    /// The next message; `None` once Tiller has said that the call succeeded, and at no other end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while !self.ended {
            match self.decoder.next().map_err(|error| broken(&error))? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(Event::Trailers(trailers)) => {
                    self.ended = true;
                    self.end(Status::from_trailers(&trailers), |name| trailers.get(name))?;
                }
                None => self.more().await?,
            }
        }
        Ok(None)
    }

    async fn more(&mut self) -> Result<(), Problem> {
        match self.body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.decoder.push(data),
                Err(frame) => self
                    .headers
                    .extend(frame.into_trailers().unwrap_or_default()),
            },
            Some(Err(error)) => {
                return Err(interrupted(format!("the answer broke off: {error}")));
            }
            None => {
                self.ended = true;
                self.decoder.finish().map_err(|error| broken(&error))?;
                let get = |name: &str| self.headers.get(name).map(HeaderValue::as_bytes);
                self.end(Status::from_headers(get), get)?;
            }
        }
        Ok(())
    }

    /// Judges the status the call ended with; `get` finds what came with it.
    fn end<'a>(
        &self,
        status: Option<Status>,
        get: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<(), Problem> {
        let status =
            status.ok_or_else(|| interrupted("the answer ended without a status".into()))?;
        if status.is_ok() {
            return Ok(());
        }
        let problem = if get(relay::ANSWERED_BY) == Some(relay::BRIDGE.as_bytes()) {
            from_bridge(self.method, &status, Some(Outcome::NotApplied))
        } else {
            from_tiller(self.method, &status)
        };
        Err(problem.with_outcome(Outcome::NotApplied))
    }
}

/// An answer of the relay that is none of what was asked for.
fn refused(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Problem {
    let is_problem = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(MEDIA_TYPE));
    let problem = is_problem.then(|| serde_json::from_slice::<Problem>(body).ok());
    problem.flatten().unwrap_or_else(|| {
        not_relayed(format!(
            "what answers at the relay's address is no relay: HTTP {status}"
        ))
    })
}

fn unsent(error: &SendError) -> Problem {
    not_relayed(format!("the relay cannot be reached: {error}"))
}

fn broken(error: &grpc_web::DecodeError) -> Problem {
    problem(
        Code::BridgeError,
        format!("the answer is not grpc-web: {error}"),
    )
}

fn interrupted(detail: String) -> Problem {
    problem(Code::AnswerInterrupted, detail)
}

fn not_relayed(detail: String) -> Problem {
    problem(Code::NotRelayed, detail)
}

/// Nothing that is asked here changes anything.
pub(crate) fn problem(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code, detail).with_outcome(Outcome::NotApplied)
}
