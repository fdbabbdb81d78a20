//! Answers: grpc-web bodies that end in a trailer frame, whoever the status is from.
//!
//! The status is never put into the response's headers, and no answer has a length: the APIServer then passes each
//! message on as it comes, and a body without a trailer frame can only have been cut between the bridge and the caller.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use grpc_web::{DecodeError, Decoder, Event, Limits, Status, Trailers};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use rest::relay::{ANSWERED_BY, BRIDGE, OUTCOME};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::call::within;
use super::failure::Failure;
use super::record::Record;

/// The response header that every answer of a bridge carries; its value is the bridge's version.
pub const MARKER: &str = "x-tiller-edge-bridge";
/// The trailer that says in one word why the bridge answered, such as `tiller_unreachable`.
pub const REASON: &str = "x-tiller-edge-reason";

/// Where gRPC puts the status.
pub(super) const GRPC_STATUS: &str = "grpc-status";

const NOT_APPLIED: &str = "not_applied";
const UNKNOWN: &str = "unknown";
const OURS: &str = "x-tiller-edge-";
const HTTP_ONLY: [&str; 6] = [
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "server",
    "trailer",
];

/// The body of any answer. It never fails: what goes wrong is said in the trailer frame.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer that is no grpc-web: for probes, and for those who did not ask in grpc-web.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text = text.into();
    text.push('\n');
    let mut response = marked(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(ANSWERED_BY, HeaderValue::from_static(BRIDGE));
    headers.insert(OUTCOME, HeaderValue::from_static(NOT_APPLIED));
    response
}

/// An answer that is the bridge's own status and nothing else.
pub(super) fn failed(failure: &Failure, mut record: Record) -> Response<Body> {
    let trailers = own(failure, &mut record);
    ending_in(trailers)
}

/// Tiller's answer when its status came in the headers and there is no body.
pub(super) fn trailers_only(headers: &HeaderMap, mut record: Record) -> Response<Body> {
    let trailers = passed_on(headers, &mut record);
    ending_in(trailers)
}

/// Tiller's answer, passed on message by message as it comes.
pub(super) fn relayed(answer: TillerAnswer) -> Response<Body> {
    grpc_web(Frames {
        ready: VecDeque::new(),
        answer: Some(answer),
    })
}

/// The answer that Tiller is giving.
pub(super) struct TillerAnswer {
    body: Incoming,
    decoder: Decoder,
    deadline: Option<Instant>,
    record: Record,
    _slot: OwnedSemaphorePermit,
}

impl TillerAnswer {
    pub(super) fn new(
        body: Incoming,
        limits: Limits,
        deadline: Option<Instant>,
        record: Record,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            body,
            decoder: Decoder::new(limits),
            deadline,
            record,
            _slot: slot,
        }
    }

    /// Waits for one message, or for the end. A message is passed on only when it is here whole: were Tiller lost in the
    /// middle of one, the trailer frame would otherwise be read as a part of it.
    async fn next(&mut self) -> Progress {
        loop {
            match self.decoder.next() {
                Ok(Some(Event::Message(message))) => {
                    self.record.count_message(message.len());
                    return Progress::Message(message);
                }
                // Tiller speaks native gRPC, whose trailers are HTTP's.
                Ok(Some(Event::Trailers(_))) => {
                    let flags = DecodeError::UnknownFlags { flags: 0x80 };
                    return self.fail(&Failure::AnswerMisframed(flags));
                }
                Err(error) => return self.fail(&Failure::AnswerMisframed(error)),
                Ok(None) => {}
            }
            let frame = match within(self.deadline, self.body.frame()).await {
                None => return self.fail(&Failure::Deadline { sent: true }),
                Some(None) => return self.fail(&Failure::AnswerWithoutStatus),
                Some(Some(Err(error))) => return self.fail(&Failure::Lost(error.into())),
                Some(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.decoder.push(data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return self.end(&trailers);
                }
            }
        }
    }

    fn end(&mut self, trailers: &HeaderMap) -> Progress {
        if let Err(error) = self.decoder.finish() {
            return self.fail(&Failure::AnswerMisframed(error));
        }
        if !trailers.contains_key(GRPC_STATUS) {
            return self.fail(&Failure::AnswerWithoutStatus);
        }
        Progress::End(passed_on(trailers, &mut self.record))
    }

    fn fail(&mut self, failure: &Failure) -> Progress {
        Progress::End(own(failure, &mut self.record))
    }
}

enum Progress {
    Message(Bytes),
    End(Trailers),
}

/// What is left to send of an answer.
struct Frames {
    ready: VecDeque<Bytes>,
    answer: Option<TillerAnswer>,
}

impl Frames {
    async fn next(&mut self) -> Option<Bytes> {
        if let (None, Some(answer)) = (self.ready.front(), &mut self.answer) {
            match answer.next().await {
                Progress::Message(message) => {
                    let header = grpc_web::frame_header(message.len());
                    self.ready.push_back(Bytes::copy_from_slice(&header));
                    self.ready.push_back(message);
                }
                Progress::End(trailers) => {
                    self.ready.push_back(trailers.encode());
                    // Resets the stream to Tiller if it has not ended.
                    self.answer = None;
                }
            }
        }
        self.ready.pop_front()
    }
}

fn ending_in(trailers: Trailers) -> Response<Body> {
    grpc_web(Frames {
        ready: VecDeque::from([trailers.encode()]),
        answer: None,
    })
}

fn grpc_web(frames: Frames) -> Response<Body> {
    let frames = stream::unfold(frames, |mut frames| async move {
        let frame = frames.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(frame)), frames))
    });
    let mut response = marked(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(grpc_web::CONTENT_TYPE),
    );
    response
}

fn marked(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(MARKER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

/// The trailers of an answer whose status is the bridge's own.
fn own(failure: &Failure, record: &mut Record) -> Trailers {
    let status = failure.status();
    // Of a read too: who was lost, Tiller or the way to it, shows in this alone.
    let outcome = if failure.may_have_run() {
        UNKNOWN
    } else {
        NOT_APPLIED
    };
    let mut trailers = status.to_trailers();
    trailers.append(ANSWERED_BY, BRIDGE);
    trailers.append(OUTCOME, outcome);
    trailers.append(REASON, failure.reason());
    record.end_by_bridge(&status, outcome);
    trailers
}

/// Tiller's trailers as they came, without what only the bridge may say and what describes an HTTP body.
fn passed_on(headers: &HeaderMap, record: &mut Record) -> Trailers {
    let mut trailers = Trailers::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(OURS) && !HTTP_ONLY.contains(&name) {
            trailers.append(name, value.as_bytes().to_vec());
        }
    }
    record.end_by_tiller(Status::from_trailers(&trailers).as_ref());
    trailers
}
