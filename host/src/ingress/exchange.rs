//! One request and its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rest::problem::{Code, Problem};
use secrecy::{ExposeSecret, SecretString};

use crate::access::{Evidence, Identity, Principal, TokenHash, Unauthenticated};
use crate::audit::Entry;
use crate::net::Causes;
use crate::rate::too_many;
use crate::relay::{Body, Caller};

use super::activity::Activity;
use super::cors;
use super::intake::admit;
use super::linger::Lingering;
use super::peer::{Certificate, Peer};
use super::record::Record;
use super::request_id::RequestId;
use super::upload::{Arrival, Upload};
use super::{Handler, Phase, Shared};

/// Answers `request`. Never fails, and drops everything when it is dropped.
pub(super) async fn exchange<H: Handler>(
    shared: &Shared<H>,
    activity: &Arc<Activity>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<Body> {
    shared.served.fetch_add(1, Ordering::Relaxed);
    let in_flight = activity.begin();
    let id = RequestId::of(request.headers());
    let arrival = Arc::<Arrival>::default();
    let mut record = Record::new(
        id.clone(),
        request.method().clone(),
        request.uri().path(),
        Arc::clone(&arrival),
    );
    let bodiless = request.method() == Method::HEAD;
    let origin = request.headers().get(ORIGIN).cloned();
    let mut answer = match health(shared, &request) {
        Some(answer) => answer,
        None => handle(shared, peer, request, &id, arrival, &mut record).await,
    };
    let headers = answer.headers_mut();
    headers.insert(rest::relay::REQUEST_ID, id.to_header());
    shared.cors.mark(origin.as_ref(), headers);
    if let Some(hsts) = shared.hsts() {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    shared.answers.over(answer, record, in_flight, bodiless)
}

async fn handle<H: Handler>(
    shared: &Shared<H>,
    peer: &Peer,
    request: Request<Incoming>,
    id: &RequestId,
    arrival: Arc<Arrival>,
    record: &mut Record,
) -> Response<Body> {
    let version = request.version();
    let mut request = request.map(|body| Lingering::new(body, version));
    let authorization = match admit(&mut request, &shared.limits, &shared.cors) {
        Ok(authorization) => authorization,
        Err(problem) => return refuse(problem, id),
    };
    request
        .headers_mut()
        .insert(rest::relay::REQUEST_ID, id.to_header());
    if let Some(answer) = shared.cors.preflight(&request) {
        return answer.map(|()| whole(Bytes::new()));
    }
    if peer.has_lapsed() {
        return turn_away(shared, peer, id, &Unauthenticated::Lapsed).await;
    }
    if shared.handler.opens(request.uri().path()) {
        let caller = Caller {
            request_id: id.clone(),
            identity: Identity::Known(Arc::new(Principal::unverified())),
            peer: Some(peer.address),
            authorization,
            session: Arc::default(),
            operation: None,
        };
        if let Some(certificate) = peer.certificate.clone() {
            request.extensions_mut().insert(Certificate(certificate));
        }
        return answer(shared, caller, request, id, arrival).await;
    }
    let evidence = Evidence {
        authorization: authorization.as_ref(),
        certificate: peer.certificate.as_ref(),
    };
    let admitted = match shared.access.authenticate(evidence).await {
        Ok(admitted) => admitted,
        Err(error) => return turn_away(shared, peer, id, &error).await,
    };
    record.authenticated(admitted.identity.clone());
    if let Err(wait) = pace(shared, &admitted.identity, authorization.as_ref()) {
        return refuse(too_many(wait), id);
    }
    let caller = Caller {
        request_id: id.clone(),
        identity: admitted.identity,
        peer: Some(peer.address),
        authorization: authorization.filter(|_| admitted.passes_on),
        session: Arc::default(),
        operation: None,
    };
    answer(shared, caller, request, id, arrival).await
}

/// What the handler answers, unless the body is too large or too late.
async fn answer<H: Handler>(
    shared: &Shared<H>,
    caller: Caller,
    request: Request<Lingering>,
    id: &RequestId,
    arrival: Arc<Arrival>,
) -> Response<Body> {
    let request =
        request.map(|body| Upload::new(body, &shared.limits, Arc::clone(&arrival)).boxed_unsync());
    let mut answer = shared.handler.handle(caller, request).await;
    cors::strip(answer.headers_mut());
    match arrival.refused() {
        Some(refused) => refuse(refused.problem(&shared.limits), id),
        None => answer,
    }
}

/// Answers a caller that nobody knows, and writes down that it called.
async fn turn_away<H>(
    shared: &Shared<H>,
    peer: &Peer,
    id: &RequestId,
    error: &Unauthenticated,
) -> Response<Body> {
    tracing::info!(
        request_id = id.as_str(),
        peer = %peer.address,
        error = %Causes(error),
        "a caller is not authenticated"
    );
    let entry = Entry {
        request_id: id.to_string(),
        peer: Some(peer.address),
        action: "authenticate".to_owned(),
        why: Some(error.to_string()),
        ..Entry::default()
    };
    shared.audit.refused(entry).await;
    let mut answer = refuse(error.problem(), id);
    if let Some(challenge) = error.challenge() {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// Counts a request; where only clusters can say whose it is, by its token.
fn pace<H>(
    shared: &Shared<H>,
    identity: &Identity,
    authorization: Option<&SecretString>,
) -> Result<(), Duration> {
    match identity {
        Identity::Known(principal) => shared.rate.check_principal(principal),
        Identity::PerCluster => {
            let authorization = authorization.map_or("", |secret| secret.expose_secret());
            shared.rate.check_bearer(TokenHash::of(authorization))
        }
    }
}

/// Whether the process lives, and whether it wants requests.
fn health<H, B>(shared: &Shared<H>, request: &Request<B>) -> Option<Response<Body>> {
    let safe = [Method::GET, Method::HEAD].contains(request.method());
    match request.uri().path() {
        "/healthz" if safe => Some(text("ok\n")),
        "/readyz" if safe && *shared.phase.borrow() == Phase::Serving => Some(text("ready\n")),
        "/readyz" if safe => Some(problem(&Problem::new(
            Code::EdgeDraining,
            "this edge is about to end and takes no new requests",
        ))),
        _ => None,
    }
}

fn refuse(refused: Problem, id: &RequestId) -> Response<Body> {
    problem(&refused.with_request_id(id.as_str()))
}

fn problem(problem: &Problem) -> Response<Body> {
    problem.to_response().map(whole)
}

fn text(text: &'static str) -> Response<Body> {
    let mut answer = Response::new(whole(Bytes::from_static(text.as_bytes())));
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    answer
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
