//! Questions to an APIServer that have JSON for an answer.

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use rest::problem::apiserver::{Answer, BODY_LIMIT};
use rest::problem::{Problem, from_apiserver};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::cluster::Outgoing;
use super::connection::{SendError, Upstream};

/// The longest answer, in bytes. The resources of the largest API groups in the field take one MiB.
const LONGEST: usize = 8 << 20;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tiller-edge/", env!("CARGO_PKG_VERSION")));

/// A question that is a GET.
pub(super) fn get(path: String) -> Outgoing {
    outgoing(Method::GET, path, Bytes::new())
}

/// A question that is an object to be filled in.
pub(super) fn post(path: &str, object: &impl Serialize) -> Outgoing {
    let body = serde_json::to_vec(object).expect("strings and lists always serialise");
    let mut outgoing = outgoing(Method::POST, path.to_owned(), body.into());
    outgoing.headers.insert(CONTENT_TYPE, JSON);
    outgoing
}

fn outgoing(method: Method, path: String, body: Bytes) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, JSON);
    headers.insert(USER_AGENT, AGENT);
    Outgoing {
        method,
        path,
        headers,
        body,
    }
}

/// What was answered, in full.
pub(super) async fn read<T: DeserializeOwned>(
    response: Response<Upstream>,
    deadline: Instant,
) -> Result<T, ApiError> {
    let (head, body) = response.into_parts();
    let is_success = head.status.is_success();
    let limit = if is_success { LONGEST } else { BODY_LIMIT };
    let text = timeout_at(deadline, collect(body, limit)).await;
    if !is_success {
        let text = text.ok().and_then(Result::ok).unwrap_or_default();
        return Err(ApiError::Refused {
            status: head.status,
            // What is asked changes nothing, as `GetVersion` does not.
            problem: Box::new(from_apiserver(
                tiller_api::Method::GetVersion,
                &Answer {
                    status: head.status,
                    headers: &head.headers,
                    body: &text,
                },
            )),
        });
    }
    let text = text.map_err(|_| SendError::Deadline { sent: true })??;
    serde_json::from_slice(&text).map_err(|_| ApiError::NotKubernetes)
}

/// A body up to `limit`; of an answer that is a success, more is an error.
async fn collect(mut body: Upstream, limit: usize) -> Result<Bytes, ApiError> {
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::Broken)?;
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > limit {
            return Err(ApiError::NotKubernetes);
        }
    }
    Ok(text.freeze())
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The answer broke off.
    #[error("the APIServer's answer broke off")]
    Broken,
    /// The edge has no credentials of its own at that cluster.
    #[error("this edge has no credentials of its own for the cluster")]
    NoLogin,
    /// What came is not what an APIServer answers.
    #[error("what answers is not a Kubernetes API server")]
    NotKubernetes,
    /// The APIServer does not answer that.
    #[error("{problem}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The APIServer did not take, or did not answer, the question.
    #[error("no answer")]
    Send(#[from] SendError),
}

impl ApiError {
    /// Whether the APIServer has nothing there to answer.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether whoever asked may not.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::FORBIDDEN)
    }

    /// Whether whoever asked is not known.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED)
    }
}
