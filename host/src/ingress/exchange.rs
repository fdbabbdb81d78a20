//! One request and its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rest::problem::{Code, Problem};

use crate::relay::{Body, Caller};

use super::activity::Activity;
use super::intake::admit;
use super::linger::Lingering;
use super::record::Record;
use super::request_id::RequestId;
use super::upload::{Arrival, Upload};
use super::{Handler, Phase, Shared};

/// Answers `request`. Never fails, and drops everything when it is dropped.
pub(super) async fn exchange<H: Handler>(
    shared: &Shared<H>,
    activity: &Arc<Activity>,
    request: Request<Incoming>,
) -> Response<Body> {
    shared.served.fetch_add(1, Ordering::Relaxed);
    let in_flight = activity.begin();
    let id = RequestId::of(request.headers());
    let arrival = Arc::<Arrival>::default();
    let record = Record::new(
        id.clone(),
        request.method().clone(),
        request.uri().path(),
        Arc::clone(&arrival),
    );
    let bodiless = request.method() == Method::HEAD;
    let mut answer = match health(shared, &request) {
        Some(answer) => answer,
        None => handle(shared, request, &id, arrival).await,
    };
    answer
        .headers_mut()
        .insert(rest::relay::REQUEST_ID, id.to_header());
    shared.answers.over(answer, record, in_flight, bodiless)
}

async fn handle<H: Handler>(
    shared: &Shared<H>,
    request: Request<Incoming>,
    id: &RequestId,
    arrival: Arc<Arrival>,
) -> Response<Body> {
    let version = request.version();
    let mut request = request.map(|body| Lingering::new(body, version));
    let authorization = match admit(&mut request, &shared.limits) {
        Ok(authorization) => authorization,
        Err(problem) => return refuse(problem, id),
    };
    request
        .headers_mut()
        .insert(rest::relay::REQUEST_ID, id.to_header());
    let caller = Caller {
        request_id: id.clone(),
        authorization,
    };
    let request =
        request.map(|body| Upload::new(body, &shared.limits, Arc::clone(&arrival)).boxed_unsync());
    let answer = shared.handler.handle(caller, request).await;
    match arrival.refused() {
        Some(refused) => refuse(refused.problem(&shared.limits), id),
        None => answer,
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
