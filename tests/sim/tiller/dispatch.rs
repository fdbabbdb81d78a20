//! From a path and bytes to a method and back, in the order grpc-go and Tiller's interceptors do it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use prost::Message;
use tiller_api::{Method, hapi::services::tiller::GetVersionRequest};
use tokio::sync::mpsc;

use super::{Call, Code, Point, Status, Tiller, lock, version};

/// What an answer consists of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A protobuf message.
    Message(Bytes),
    /// How the call ended; nothing follows. An answer that ends without one broke off.
    Status(Status),
}

/// The answer to a call, as it comes. Dropping it cancels nothing, as with the real one.
#[derive(Debug)]
pub struct Answer(mpsc::Receiver<Event>);

impl Stream for Answer {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

/// Why a method did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// A request that panics Tiller.
    #[error("this request kills Tiller: {0}")]
    Crash(&'static str),
    /// The caller of a stream is gone.
    #[error("the caller left")]
    Left,
    /// An error of Tiller's handlers; they all have the same code.
    #[error("{0}")]
    Refused(String),
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Refused(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Self::Refused(text.to_owned())
    }
}

/// Where the messages of a stream go.
pub(super) struct Sink<'a> {
    tiller: &'a Tiller,
    method: Method,
    events: mpsc::Sender<Event>,
    sent: usize,
}

impl Sink<'_> {
    pub(super) async fn send(&mut self, message: Bytes) -> Result<(), Fault> {
        let sent = self.events.send(Event::Message(message)).await;
        sent.map_err(|_| Fault::Left)?;
        self.sent += 1;
        let point = Point::Message(self.sent);
        self.tiller.0.holds.pass(self.method, point).await;
        Ok(())
    }
}

impl Tiller {
    /// Calls a method by its path, without a connection.
    pub fn call(&self, path: &str, metadata: HeaderMap, message: Bytes) -> Answer {
        let (events, answer) = mpsc::channel(1);
        lock(&self.0.calls).push(Call {
            path: path.to_owned(),
            metadata: metadata.clone(),
            message: message.clone(),
        });
        let work = run(self.clone(), path.to_owned(), metadata, message, events);
        let mut running = lock(&self.0.work);
        while running.try_join_next().is_some() {}
        if self.is_alive() {
            running.spawn(work);
        }
        Answer(answer)
    }
}

async fn run(
    tiller: Tiller,
    path: String,
    metadata: HeaderMap,
    message: Bytes,
    events: mpsc::Sender<Event>,
) {
    let outcome = match Method::from_path(&path) {
        Some(method) => {
            let holds = &tiller.0.holds;
            holds.pass(method, Point::Arrival).await;
            let client = version::of_client(&metadata);
            let sink = Sink {
                tiller: &tiller,
                method,
                events: events.clone(),
                sent: 0,
            };
            let outcome = perform(&tiller, method, client, message, sink).await;
            holds.pass(method, Point::Answer).await;
            outcome
        }
        None if path == "/grpc.health.v1.Health/Check" => health(&tiller, &metadata, message),
        None => Err(Failure::Grpc(unimplemented(&path))),
    };
    let status = match outcome {
        Ok(answer) => {
            if let Some(answer) = answer {
                // A caller who left learns nothing; the work is done all the same.
                _ = events.send(Event::Message(answer)).await;
            }
            Status::ok()
        }
        Err(Failure::Grpc(status)) => status,
        Err(Failure::Tiller(Fault::Refused(text))) => Status::new(Code::Unknown, text),
        Err(Failure::Tiller(Fault::Left)) => return,
        Err(Failure::Tiller(Fault::Crash(hazard))) => {
            tracing::info!(hazard, path, "tiller panics");
            tiller.stop();
            return;
        }
    };
    // As above.
    _ = events.send(Event::Status(status)).await;
}

enum Failure {
    Grpc(Status),
    Tiller(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Tiller(fault)
    }
}

/// The message of a unary answer; a stream's have gone through the sink.
async fn perform(
    tiller: &Tiller,
    method: Method,
    client: &str,
    message: Bytes,
    mut sink: Sink<'_>,
) -> Result<Option<Bytes>, Failure> {
    let compatible = version::check(client, &tiller.0.options.version);
    // Streams are checked before their message is read, unary calls after it.
    macro_rules! unary {
        ($handler:ident) => {{
            let request = decode(message)?;
            compatible?;
            tiller.$handler(request).await?.encode_to_vec()
        }};
    }
    let answer = match method {
        Method::GetHistory => unary!(history),
        Method::GetReleaseContent => unary!(content),
        Method::GetReleaseStatus => unary!(status),
        Method::GetVersion => {
            let GetVersionRequest {} = decode(message)?;
            tiller.version().encode_to_vec()
        }
        Method::InstallRelease => unary!(install),
        Method::ListReleases => {
            compatible?;
            tiller.list(decode(message)?, &mut sink).await?;
            return Ok(None);
        }
        Method::RollbackRelease => unary!(rollback),
        Method::RunReleaseTest => {
            compatible?;
            tiller.run_tests(decode(message)?, &mut sink).await?;
            return Ok(None);
        }
        Method::UninstallRelease => unary!(uninstall),
        Method::UpdateRelease => unary!(upgrade),
    };
    Ok(Some(answer.into()))
}

fn decode<M: Message + Default>(message: Bytes) -> Result<M, Failure> {
    M::decode(message).map_err(|error| {
        let text = format!("grpc: error unmarshalling request: proto: {error}");
        Failure::Grpc(Status::new(Code::Internal, text))
    })
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Message)]
struct HealthCheck {
    #[prost(string, tag = "1")]
    service: String,
}

fn health(tiller: &Tiller, metadata: &HeaderMap, message: Bytes) -> Result<Option<Bytes>, Failure> {
    // Its field 1, 1: serving.
    const SERVING: Bytes = Bytes::from_static(&[0x08, 0x01]);
    let request: HealthCheck = decode(message)?;
    version::check(version::of_client(metadata), &tiller.0.options.version)?;
    match request.service.as_str() {
        "" | "Tiller" => Ok(Some(SERVING)),
        _ => Err(Failure::Grpc(Status::new(
            Code::NotFound,
            "unknown service",
        ))),
    }
}

fn unimplemented(path: &str) -> Status {
    let (code, text) = match path.trim_start_matches('/').rsplit_once('/') {
        // grpc-go 1.18 has no word of its own for a method that a known service lacks.
        Some((service, _)) => (Code::Unimplemented, format!("unknown service {service}")),
        None => (
            Code::ResourceExhausted,
            format!("malformed method name: {path:?}"),
        ),
    };
    Status::new(code, text)
}
