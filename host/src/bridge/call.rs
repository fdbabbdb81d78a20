//! One call: what is taken, what is sent to Tiller, and under which deadline.
//!
//! Nothing here outlives its request: when the caller leaves, hyper drops the future or the body, and with it the stream
//! to Tiller. (Tiller carries on all the same; a cancelled mutation has an unknown outcome.)

use std::time::Duration;

use bytes::Bytes;
use grpc_web::Limits;
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, request};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Body, GRPC_STATUS, TillerAnswer};
use super::failure::Failure;
use super::record::Record;
use super::request as incoming;
use super::service::Service;

const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const HELM_CLIENT: HeaderName = HeaderName::from_static("x-helm-api-client");

/// Answers a request that is grpc-web.
pub(super) async fn answer(service: &Service, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let method = tiller_api::Method::from_path(head.uri.path());
    let record = Record::begin(service.counters.clone(), method, &head.headers);
    let Admitted { deadline, slot } = match admit(service, &head) {
        Ok(admitted) => admitted,
        Err(failure) => {
            incoming::discard(body, service.limits.request, service.times.read).await;
            return answer::failed(&failure, record);
        }
    };
    let response = match exchange(service, &head, body, deadline, &record).await {
        Ok(response) => response,
        Err(failure) => return answer::failed(&failure, record),
    };
    let (head, body) = response.into_parts();
    if head.headers.contains_key(GRPC_STATUS) {
        return answer::trailers_only(&head.headers, record);
    }
    let limits = Limits {
        message: service.limits.answer,
        // Of HTTP's trailers, which HTTP/2 limits; in Tiller's body there are none.
        trailers: 0,
    };
    answer::relayed(TillerAnswer::new(body, limits, deadline, record, slot))
}

/// Waits no longer than the deadline; `None` when it passed.
pub(super) async fn within<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

struct Admitted {
    deadline: Option<Instant>,
    slot: OwnedSemaphorePermit,
}

/// Everything that can be judged by the request's head alone.
fn admit(service: &Service, head: &request::Parts) -> Result<Admitted, Failure> {
    if !service.admits(&head.headers) {
        return Err(Failure::WrongKey);
    }
    let path = head.uri.path();
    if tiller_api::Method::from_path(path).is_none() && path != HEALTH_CHECK {
        return Err(Failure::UnknownMethod);
    }
    let deadline = deadline(&head.headers)?;
    let slot = service
        .slots
        .clone()
        .try_acquire_owned()
        .map_err(|_| Failure::Busy {
            calls: service.limits.calls,
        })?;
    Ok(Admitted { deadline, slot })
}

/// When the call must have ended; `None` without a `grpc-timeout`, or with one beyond all clocks.
fn deadline(headers: &HeaderMap) -> Result<Option<Instant>, Failure> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else {
        return Ok(None);
    };
    let timeout = value
        .to_str()
        .ok()
        .and_then(grpc_web::timeout::parse)
        .ok_or(Failure::Timeout)?;
    Ok(Instant::now().checked_add(timeout))
}

/// Reads the request, sends it, and waits for the head of Tiller's answer.
async fn exchange(
    service: &Service,
    head: &request::Parts,
    body: Incoming,
    deadline: Option<Instant>,
    record: &Record,
) -> Result<Response<Incoming>, Failure> {
    let reading = incoming::read(body, service.limits.request, service.times.read);
    let message = within(deadline, reading)
        .await
        .unwrap_or(Err(Failure::Deadline { sent: false }))?;
    let request = native(service, head, deadline, message)?;
    let response = send(service, request, deadline, record).await?;

    let content_type = response.headers().get(CONTENT_TYPE);
    let grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if grpc || response.headers().contains_key(GRPC_STATUS) {
        return Ok(response);
    }
    Err(Failure::NotTiller {
        status: response.status(),
        content_type: content_type
            .map(|value| {
                String::from_utf8_lossy(value.as_bytes())
                    .chars()
                    .take(100)
                    .collect()
            })
            .unwrap_or_default(),
    })
}

/// The same call in native gRPC. Of the caller's headers only those go on that Tiller reads: a name or a credential that
/// a caller sent must not look as if somebody here had verified it.
fn native(
    service: &Service,
    head: &request::Parts,
    deadline: Option<Instant>,
    message: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let uri = service.tiller.uri(head.uri.path()).map_err(Failure::Uri)?;
    let mut request = Request::new(Full::new(message));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    for name in [HELM_CLIENT, USER_AGENT] {
        if let Some(value) = head.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = grpc_web::timeout::encode(left.max(Duration::from_millis(1)));
        if let Ok(left) = HeaderValue::try_from(left) {
            headers.insert(GRPC_TIMEOUT, left);
        }
    }
    Ok(request)
}

/// Sends a request once; a second time only if the first met a connection that was ending and Tiller did not process it.
async fn send(
    service: &Service,
    request: Request<Full<Bytes>>,
    deadline: Option<Instant>,
    record: &Record,
) -> Result<Response<Incoming>, Failure> {
    let mut again = true;
    loop {
        let connection = within(deadline, service.tiller.connection())
            .await
            .ok_or(Failure::Deadline { sent: false })?
            .map_err(Failure::Unreachable)?;
        again &= connection.is_reused();
        record.count_sent();
        match within(deadline, connection.send(request.clone())).await {
            None => return Err(Failure::Deadline { sent: true }),
            Some(Ok(response)) => return Ok(response),
            Some(Err(error)) if !error.is_unprocessed() => return Err(Failure::Lost(error)),
            Some(Err(error)) if !again => return Err(Failure::Unsent(error)),
            Some(Err(_)) => again = false,
        }
    }
}
