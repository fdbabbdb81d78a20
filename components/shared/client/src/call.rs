//! Calls: from a message to the relay and back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use grpc_web::timeout;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header};
use prost::{DecodeError, Message};
use rest::{
    plan::{UNDO, Undo},
    problem::{Code, MEDIA_TYPE, Outcome, Problem, apiserver::is_grpc},
    relay::{BASE_VARIABLE, ClusterView, REQUEST_ID, Target, cluster_path},
};
use serde::de::DeserializeOwned;
use tiller_api::{CLIENT_VERSION, CLIENT_VERSION_HEADER, MAX_MESSAGE, Method};

use crate::{
    collect::{CollectError, collect},
    events::Events,
    failure::{Failure, Relayed},
    relay::{Relay, SendError},
};

/// How long a read may take.
pub const READ: Duration = Duration::from_secs(60);

/// How long a stream may take.
pub const STREAM: Duration = Duration::from_secs(15 * 60);

/// How often Tiller may wait for its timeout in one operation: for CRDs, for hooks before, for resources,
/// for hooks after.
const PHASES: u32 = 4;

/// How much longer than all of Tiller's waiting a mutation may take.
const GRACE: Duration = Duration::from_secs(30);

/// Longest answer of the relay that is not a call's, in bytes: 8 MiB.
const MAX_DOCUMENT: usize = 8 << 20;

/// The way to the relay for one request.
#[derive(Clone)]
pub struct Edge<R> {
    /// What sends.
    pub relay: R,
    /// The relay's base URL, without a slash at its end.
    pub base: String,
    /// The name of the request that is served.
    pub request_id: Option<HeaderValue>,
    /// The caller's own, present only where no host of ours keeps it.
    pub authorization: Option<HeaderValue>,
}

/// The way to one Tiller for one request.
#[derive(Clone)]
pub struct Tiller<R> {
    /// The way to the relay.
    pub edge: Edge<R>,
    /// Which Tiller.
    pub target: Target,
}

/// An answer of one message.
pub struct Answer {
    /// Still encoded.
    pub message: Bytes,
    /// Whether the relay has left out values, and what shows them, since the caller may not see them.
    pub withheld: bool,
}

impl Answer {
    /// The message, which is one of `method`.
    pub fn decode<A: Message + Default>(&self, method: Method) -> Result<A, Failure> {
        A::decode(self.message.clone()).map_err(|error| undecodable(method, &error))
    }
}

/// How long to wait for a mutation with that timeout, which Tiller applies to each phase by itself.
pub fn mutation(timeout: Duration) -> Duration {
    timeout.saturating_mul(PHASES).saturating_add(GRACE)
}

/// The relay's base URL, as [`BASE_VARIABLE`] has it, without a slash at its end.
///
/// # Errors
///
/// When there is none.
pub fn base(variable: Option<String>) -> Result<String, Problem> {
    let base = variable.filter(|base| !base.is_empty()).ok_or_else(|| {
        Problem::new(
            Code::NotRelayed,
            format!("{BASE_VARIABLE} is not set: there is no relay to send to"),
        )
    })?;
    Ok(base.trim_end_matches('/').to_owned())
}

impl<R: Relay> Edge<R> {
    /// Asks the relay for a document.
    pub async fn document(&self, path: &str) -> Result<Bytes, Failure> {
        let response = self.ask(path).await?;
        let (_, body) = read(response)
            .await
            .map_err(|error| unreadable(&error, Outcome::NotApplied))?;
        Ok(body)
    }

    /// Asks the relay for a document in JSON.
    ///
    /// # Errors
    ///
    /// When the relay refuses it, or its answer cannot be read.
    pub async fn read<D: DeserializeOwned>(&self, path: &str) -> Result<D, Failure> {
        let document = self.document(path).await?;
        serde_json::from_slice(&document).map_err(|error| {
            not_relayed(
                format!("the relay's answer cannot be read: {error}"),
                Outcome::NotApplied,
            )
        })
    }

    /// Asks the relay for something and leaves the body of its answer, a success, unread.
    pub async fn ask(&self, path: &str) -> Result<Response<R::Body>, Failure> {
        let outcome = Outcome::NotApplied;
        let request = self.request(HttpMethod::GET, path, HeaderMap::new(), Bytes::new())?;
        let response = self.relay.send(request).await;
        let response = response.map_err(|error| not_sent(&error, outcome))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let (headers, body) = read(response)
            .await
            .map_err(|error| unreadable(&error, outcome))?;
        Err(refused(status, &headers, body, outcome))
    }

    fn request(
        &self,
        method: HttpMethod,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Bytes>, Failure> {
        if let Some(id) = &self.request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .body(body)
            .map_err(|error| {
                not_relayed(
                    format!("the relay's address is wrong: {error}"),
                    Outcome::NotApplied,
                )
            })?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl<R: Relay> Tiller<R> {
    /// Makes a call with one answer.
    pub async fn unary<A: Message + Default>(
        &self,
        method: Method,
        message: &impl Message,
        deadline: Duration,
    ) -> Result<A, Failure> {
        let answer = self.unary_bytes(method, message, deadline).await?;
        answer.decode(method)
    }

    /// Makes a call with one answer and leaves it encoded.
    pub async fn unary_bytes(
        &self,
        method: Method,
        message: &impl Message,
        deadline: Duration,
    ) -> Result<Answer, Failure> {
        self.change(method, message, deadline, None).await
    }

    /// The same for a change; `undo` says what undoes it should it fail, to whoever has to know.
    pub async fn change(
        &self,
        method: Method,
        message: &impl Message,
        deadline: Duration,
        undo: Option<&Undo>,
    ) -> Result<Answer, Failure> {
        let mut events = self.begin(method, message, deadline, undo).await?;
        let answer = events.next().await?;
        match (answer, events.next().await?) {
            (Some(message), None) => Ok(Answer {
                message,
                withheld: events.is_withheld(),
            }),
            (None, _) => Err(misbehaved(method, "the call succeeded without an answer")),
            (Some(_), Some(_)) => Err(misbehaved(method, "the call has more than one answer")),
        }
    }

    /// Makes a call with any number of answers.
    pub async fn stream(
        &self,
        method: Method,
        message: &impl Message,
        deadline: Duration,
    ) -> Result<Events<R::Body>, Failure> {
        self.begin(method, message, deadline, None).await
    }

    async fn begin(
        &self,
        method: Method,
        message: &impl Message,
        deadline: Duration,
        undo: Option<&Undo>,
    ) -> Result<Events<R::Body>, Failure> {
        let body = frame(message)?;
        let sent = message.encoded_len();
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
        if let Some(undo) = undo.and_then(|undo| HeaderValue::from_str(&undo.to_header()).ok()) {
            headers.insert(UNDO, undo);
        }
        let outcome = Outcome::unproven(method);
        let path = self.target.path(method);
        let request = self.edge.request(HttpMethod::POST, &path, headers, body)?;
        let response = self.edge.relay.send(request).await;
        let response = response.map_err(|error| not_sent(&error, outcome))?;
        if is_grpc(response.headers()) {
            let (head, body) = response.into_parts();
            return Ok(Events::new(method, sent, head.headers, body));
        }
        let status = response.status();
        let (headers, body) = read(response)
            .await
            .map_err(|error| unreadable(&error, outcome))?;
        Err(refused(status, &headers, body, outcome))
    }

    /// The cluster as the relay sees it.
    pub async fn cluster(&self) -> Result<ClusterView, Failure> {
        let path = cluster_path(&self.target.cluster, false);
        self.edge.read(&path).await
    }
}

/// A body of one message. What Tiller would refuse for its size is not sent.
fn frame(message: &impl Message) -> Result<Bytes, Failure> {
    let len = message.encoded_len();
    if len > MAX_MESSAGE {
        return Err(Problem::new(
            Code::MessageTooLarge,
            format!(
                "chart and values make a message of {len} bytes, and Tiller takes {MAX_MESSAGE}"
            ),
        )
        .with_hint(
            "leave files out of the chart that no template needs, for instance with .helmignore",
        )
        .into());
    }
    let mut body = BytesMut::with_capacity(5 + len);
    body.extend_from_slice(&grpc_web::frame_header(len));
    message
        .encode(&mut body)
        .expect("the buffer grows as needed");
    Ok(body.freeze())
}

async fn read<B>(response: Response<B>) -> Result<(HeaderMap, Bytes), CollectError>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let (head, body) = response.into_parts();
    Ok((head.headers, collect(body, MAX_DOCUMENT).await?))
}

/// An answer of the relay that is none of what was asked for.
fn refused(status: StatusCode, headers: &HeaderMap, body: Bytes, outcome: Outcome) -> Failure {
    let is_problem = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(MEDIA_TYPE));
    if is_problem {
        return Failure::Relayed(Box::new(Relayed::new(status, headers, body)));
    }
    not_relayed(
        format!("what answers at the relay's address is no relay: HTTP {status}"),
        outcome,
    )
}

fn not_sent(error: &SendError, outcome: Outcome) -> Failure {
    let outcome = if error.unsent {
        Outcome::NotApplied
    } else {
        outcome
    };
    not_relayed(format!("the relay cannot be reached: {error}"), outcome)
}

/// The failure that an answer of the relay is which breaks off or does not end.
pub fn unreadable(error: &CollectError, outcome: Outcome) -> Failure {
    not_relayed(
        format!("the relay's answer cannot be read: {error}"),
        outcome,
    )
}

/// The failure that something on the way to the relay is, not the relay's own.
pub fn not_relayed(detail: String, outcome: Outcome) -> Failure {
    Problem::new(Code::NotRelayed, detail)
        .with_outcome(outcome)
        .into()
}

/// The failure that an answer of `method` is which is none.
pub fn undecodable(method: Method, error: &DecodeError) -> Failure {
    misbehaved(
        method,
        &format!("Tiller's answer cannot be decoded: {error}"),
    )
}

fn misbehaved(method: Method, detail: &str) -> Failure {
    Problem::new(Code::TillerMisbehaved, detail)
        .with_outcome(Outcome::unproven(method))
        .into()
}
