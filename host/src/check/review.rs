//! Asking the APIServer whether the edge may do what it needs to do, without doing it.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use rest::problem::{Code, Problem};
use serde::Deserialize;
use serde_json::json;
use tiller_api::Method;
use tokio::time::Instant;

use crate::clusters::{Cluster, Outgoing, Tiller};
use crate::relay::Caller;
use crate::relay::probe::{self, ProbeError};

/// The APIServer's answer.
#[derive(Debug)]
pub(super) enum Review {
    Allowed,
    Denied { reason: Option<String> },
}

/// Whether the edge may send calls to `tiller`: `create` on exactly that `services/proxy`.
pub(super) async fn permission(
    cluster: &Cluster,
    tiller: &Tiller,
    caller: &Caller,
    deadline: Instant,
) -> Result<Review, ProbeError> {
    #[derive(Deserialize)]
    struct Answer {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        allowed: bool,
        #[serde(default)]
        reason: Option<String>,
    }

    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "namespace": tiller.namespace(),
            "verb": "create",
            "resource": "services",
            "subresource": "proxy",
            "name": tiller.resource_name(),
        }},
    });
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, kind.clone());
    headers.insert(ACCEPT, kind);
    let outgoing = Outgoing {
        method: http::Method::POST,
        path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
        headers,
        body: Bytes::from(review.to_string()),
    };
    let response = cluster
        .send(caller.authorization.as_ref(), &outgoing, deadline)
        .await
        .map_err(ProbeError::Send)?;
    if !response.status().is_success() {
        let problem = probe::explain(Method::GetVersion, response, deadline).await;
        return Err(ProbeError::Answered(Box::new(problem)));
    }
    let body = probe::text(response.into_body(), deadline).await;
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
        let detail = "what answers an access review is not a Kubernetes API server";
        ProbeError::Answered(Box::new(Problem::new(Code::IntermediaryError, detail)))
    })?;
    Ok(if answer.status.allowed {
        Review::Allowed
    } else {
        Review::Denied {
            reason: answer.status.reason.filter(|reason| !reason.is_empty()),
        }
    })
}
