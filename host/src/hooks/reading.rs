//! Having a delivery read by the component, which runs in a sandbox of its own and in the hook's name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Uri;
use http::{HeaderMap, Method, Request};
use jiff::Timestamp;
use rest::problem::{Code, Problem};
use rules::Outcome;
use tokio::time::timeout;

use super::payload::collect;
use super::{Hook, whole};
use crate::access::Identity;
use crate::ingress::RequestId;
use crate::operations::{DeliveryId, Serve};
use crate::relay::{Caller, Session};

/// How long a delivery may take to be read: nothing of it waits for a cluster.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer of the component, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// After how many seconds a delivery that could not be read in time should come again.
const RETRY_AFTER: u32 = 5;

/// A delivery that is the provider's.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) id: DeliveryId,
    pub(super) at: Timestamp,
    pub(super) request_id: RequestId,
    pub(super) peer: Option<SocketAddr>,
    /// Those that are kept.
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// What `received` comes to by the rules of `hook`.
///
/// # Errors
///
/// `invalid_delivery` if it is not what the provider sends; else that it cannot be read for now.
pub(super) async fn read(
    server: &dyn Serve,
    hook: &Hook,
    received: &Received,
) -> Result<Outcome, Problem> {
    let caller = Caller {
        request_id: received.request_id.clone(),
        identity: Identity::Known(Arc::clone(hook.principal())),
        peer: received.peer,
        authorization: None,
        session: Arc::new(Session::of_hook(hook.told().clone())),
        operation: None,
    };
    let mut request = Request::new(whole(received.payload.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(hook.name());
    *request.headers_mut() = received.headers.clone();
    let id = received.request_id.to_header();
    request
        .headers_mut()
        .insert(rest::relay::REQUEST_ID, id.clone());
    let answered = async {
        let (head, body) = server.serve(caller, request).await.into_parts();
        (head.status, collect(body, MAX_ANSWER).await)
    };
    let Ok((status, body)) = timeout(PATIENCE, answered).await else {
        return Err(
            Problem::new(Code::EdgeBusy, "the delivery could not be read in time")
                .with_retry_after(Some(RETRY_AFTER)),
        );
    };
    let failed = || Problem::new(Code::SandboxFailed, "the delivery could not be read");
    let body = body.ok_or_else(failed)?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| failed());
    }
    Err(serde_json::from_slice(&body).unwrap_or_else(|_| failed()))
}

/// A hook's name needs no escape. Guests see no host but that of the URI.
fn uri(hook: &str) -> Uri {
    Uri::builder()
        .scheme("http")
        .authority("localhost")
        .path_and_query(format!("/hooks/{hook}"))
        .build()
        .expect("a hook's name is of letters that a path may have")
}
