//! Asking an APIServer and a Tiller whether they are there, as `?check=true` and `tiller-edge check` do.
//!
//! A probe of Tiller is a call like any other (`GetVersion`, which every Tiller answers and none refuses), so that what
//! it finds is what callers will find.

use bytes::Bytes;
use grpc_web::{Decoder, Event, Limits, Status, Trailers};
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use rest::problem::{Code, Outcome, Problem, from_bridge, from_tiller};
use rest::relay::{ANSWERED_BY, BRIDGE, OUTCOME};
use serde::Deserialize;
use tiller_api::Method;
use tiller_api::hapi::services::tiller::GetVersionResponse;
use tokio::time::{Instant, timeout_at};

use super::answer;
use super::exchange::{attribute, form, outgoing};
pub(crate) use super::exchange::{explain, text};
use super::{Caller, RelayError};
use crate::access::Principal;
use crate::clusters::{Cluster, Outgoing, SendError, Tiller};
use crate::net::Gauge;

/// Why a probe found nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// The APIServer did not take or did not answer the request.
    #[error("no answer")]
    Send(#[source] SendError),
    /// Something answered otherwise than it should.
    #[error("{0}")]
    Answered(Box<Problem>),
}

impl ProbeError {
    /// The problem that callers see.
    pub(crate) fn problem(self, cluster: &Cluster) -> Problem {
        let problem = match self {
            Self::Answered(problem) => *problem,
            Self::Send(error) => RelayError::Send(error).problem(Some(Method::GetVersion)),
        };
        attribute(problem, cluster)
    }
}

/// Who spoke, where gRPC was spoken at all.
#[derive(Debug)]
pub(crate) enum Spoken {
    /// The bridge, for want of Tiller.
    Bridge(Box<Problem>),
    /// Tiller, with its version or what keeps it from telling.
    Tiller(Result<String, Box<Problem>>),
}

/// The APIServer's version, for `caller`, who is `principal` there.
pub(crate) async fn apiserver(
    cluster: &Cluster,
    caller: &Caller,
    principal: &Principal,
    deadline: Instant,
) -> Result<String, ProbeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }

    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("tiller-edge"));
    headers.insert("audit-id", caller.request_id.to_header());
    let outgoing = Outgoing {
        method: http::Method::GET,
        path: "/version".to_owned(),
        headers,
        body: Bytes::new(),
    };
    let response = cluster
        .send(&caller.behalf(principal), &outgoing, deadline)
        .await
        .map_err(ProbeError::Send)?;
    if response.status() != StatusCode::OK {
        let problem = explain(Method::GetVersion, response, deadline).await;
        return Err(ProbeError::Answered(Box::new(problem)));
    }
    let body = text(response.into_body(), deadline).await;
    serde_json::from_slice(&body)
        .map(|version: Version| version.git_version)
        .map_err(|_| {
            let detail = "what answers is not a Kubernetes API server";
            ProbeError::Answered(Box::new(Problem::new(Code::IntermediaryError, detail)))
        })
}

/// Who answers a `GetVersion` to `tiller` for `caller`, who is `principal` there, and what.
pub(crate) async fn tiller(
    cluster: &Cluster,
    tiller: &Tiller,
    caller: &Caller,
    principal: &Principal,
    deadline: Instant,
) -> Result<Spoken, ProbeError> {
    let request = outgoing(
        caller,
        tiller,
        Method::GetVersion,
        grpc_web::encode_message(&[]),
    );
    let response = cluster
        .send(&caller.behalf(principal), &request, deadline)
        .await
        .map_err(ProbeError::Send)?;
    let Some(form) = form(tiller.transport(), response.headers()) else {
        let problem = explain(Method::GetVersion, response, deadline).await;
        return Err(ProbeError::Answered(Box::new(problem)));
    };
    let (head, body) = response.into_parts();
    let body = answer::body(body, form, deadline, Gauge::default().hold());
    let heard = hear(body, deadline).await.map_err(|detail| {
        let problem = Problem::new(Code::AnswerInterrupted, detail);
        ProbeError::Answered(Box::new(problem))
    })?;
    Ok(judge(&head.headers, heard))
}

#[derive(Default)]
struct Heard {
    message: Option<Bytes>,
    trailers: Option<Trailers>,
}

async fn hear(mut body: super::Body, deadline: Instant) -> Result<Heard, String> {
    let mut decoder = Decoder::new(Limits::default());
    let mut heard = Heard::default();
    loop {
        while let Some(event) = decoder.next().map_err(|error| error.to_string())? {
            match event {
                Event::Message(message) => heard.message = Some(message),
                Event::Trailers(trailers) => heard.trailers = Some(trailers),
            }
        }
        let frame = timeout_at(deadline, body.frame())
            .await
            .map_err(|_| "the answer did not end in time".to_owned())?;
        match frame {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    decoder.push(data);
                }
            }
            Some(Err(error)) => return Err(error.to_string()),
            None => {
                decoder.finish().map_err(|error| error.to_string())?;
                return Ok(heard);
            }
        }
    }
}

fn judge(head: &HeaderMap, heard: Heard) -> Spoken {
    let said = |name: &str| -> Option<Vec<u8>> {
        let trailer = heard.trailers.as_ref().and_then(|all| all.get(name));
        trailer
            .or_else(|| head.get(name).map(HeaderValue::as_bytes))
            .map(<[u8]>::to_vec)
    };
    let status = heard
        .trailers
        .as_ref()
        .and_then(Status::from_trailers)
        .or_else(|| Status::from_headers(|name| head.get(name).map(HeaderValue::as_bytes)));
    let Some(status) = status else {
        let problem = Problem::new(
            Code::AnswerInterrupted,
            "the answer ended without a gRPC status",
        );
        return Spoken::Tiller(Err(Box::new(problem)));
    };
    if said(ANSWERED_BY).as_deref() == Some(BRIDGE.as_bytes()) {
        let outcome =
            (said(OUTCOME).as_deref() == Some(b"not_applied")).then_some(Outcome::NotApplied);
        return Spoken::Bridge(Box::new(from_bridge(Method::GetVersion, &status, outcome)));
    }
    if !status.is_ok() {
        return Spoken::Tiller(Err(Box::new(from_tiller(Method::GetVersion, &status))));
    }
    let version = heard
        .message
        .and_then(|message| GetVersionResponse::decode(message).ok())
        .and_then(|answer| answer.version);
    Spoken::Tiller(version.map(|version| version.sem_ver).ok_or_else(|| {
        let detail = "GetVersion was answered without a version";
        Box::new(Problem::new(Code::TillerMisbehaved, detail))
    }))
}
