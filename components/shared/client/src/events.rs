//! The answer to a call as it arrives: messages, and at the end a status.

use bytes::Bytes;
use grpc_web::{DecodeError, Decoder, Event, Limits, Status};
use http::HeaderMap;
use http_body_util::BodyExt;
use rest::{
    problem::{Code, Outcome, Problem, from_bridge, from_tiller},
    relay,
};
use tiller_api::{MAX_ANSWER, Method};

use crate::failure::Failure;

/// Longest trailers to accept, in bytes. The error of a dry run has the rendered manifests in it, and
/// percent-encoding makes three bytes of one.
const MAX_TRAILERS: usize = MAX_ANSWER;

/// The messages of an answer.
pub struct Events<B> {
    method: Method,
    /// How long the request's message was.
    sent: usize,
    headers: HeaderMap,
    body: B,
    decoder: Decoder,
    ended: bool,
}

impl<B> Events<B>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    /// Those of an answer to a message of `method` with `sent` bytes.
    pub fn new(method: Method, sent: usize, headers: HeaderMap, body: B) -> Self {
        Self {
            method,
            sent,
            headers,
            body,
            decoder: Decoder::new(Limits {
                message: MAX_ANSWER,
                trailers: MAX_TRAILERS,
            }),
            ended: false,
        }
    }

    /// The next message; `None` once Tiller has said that the call succeeded, and at no other end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while !self.ended {
            match self.decoder.next().map_err(|error| self.broken(&error))? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(Event::Trailers(trailers)) => {
                    self.ended = true;
                    let status = Status::from_trailers(&trailers);
                    return self.end(status, |name| trailers.get(name));
                }
                None => self.read().await?,
            }
        }
        Ok(None)
    }

    /// Whether the relay has left out of the answer what the caller may not see.
    pub fn is_withheld(&self) -> bool {
        self.headers
            .get(relay::WITHHELD)
            .is_some_and(|what| what == relay::VALUES)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.decoder.push(data),
                // What a proxy left as HTTP trailers counts where the body has none.
                Err(frame) => self
                    .headers
                    .extend(frame.into_trailers().unwrap_or_default()),
            },
            Some(Err(error)) => {
                return Err(self.interrupted(format!("the answer broke off: {error}")));
            }
            None => {
                self.ended = true;
                self.decoder.finish().map_err(|error| self.broken(&error))?;
                let get = |name: &str| self.headers.get(name).map(http::HeaderValue::as_bytes);
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
    ) -> Result<Option<Bytes>, Failure> {
        let Some(status) = status else {
            return Err(self.interrupted("the answer ended without a status"));
        };
        if status.is_ok() {
            return Ok(None);
        }
        if get(relay::ANSWERED_BY) == Some(relay::BRIDGE.as_bytes()) {
            let outcome = match get(relay::OUTCOME) {
                Some(b"not_applied") => Some(Outcome::NotApplied),
                Some(_) => Some(Outcome::Unknown),
                None => None,
            };
            return Err(from_bridge(self.method, &status, outcome).into());
        }
        let mut problem = from_tiller(self.method, &status);
        let of_request = format!("({} vs. ", self.sent);
        if problem.code == Code::MessageTooLarge && !status.message.contains(&of_request) {
            // Somebody between here and Tiller has the same library and found the answer too large.
            problem.code = Code::BridgeError;
            problem.outcome = Outcome::unproven(self.method);
        }
        Err(if status.code == grpc_web::Code::Unknown {
            Failure::Tiller(Box::new(problem))
        } else {
            problem.into()
        })
    }

    fn broken(&self, error: &DecodeError) -> Failure {
        match error {
            DecodeError::Truncated => self.interrupted("the answer ended inside a message"),
            error => self.unproven(
                Code::BridgeError,
                format!("the answer is not grpc-web: {error}"),
            ),
        }
    }

    fn interrupted(&self, detail: impl Into<String>) -> Failure {
        self.unproven(Code::AnswerInterrupted, detail)
    }

    fn unproven(&self, code: Code, detail: impl Into<String>) -> Failure {
        Problem::new(code, detail)
            .with_outcome(Outcome::unproven(self.method))
            .into()
    }
}
