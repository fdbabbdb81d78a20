//! Who gets which kind of answer: calls in grpc-web, probes in plain text, everything else a refusal.
//!
//! Refusals of requests that are not grpc-web are plain text: HTML would be rewritten by the APIServer, and a JSON `Status`
//! would be taken for its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grpc_web::Encoding;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::Error;
use super::answer::{self, Body};
use super::call;
use super::key::Keys;
use super::options::{Limits, Options, Times};
use super::ready::Readiness;
use super::request as incoming;
use super::stats::Counters;
use super::tiller::Tiller;

/// Everything the connections share.
pub(super) struct Service {
    pub(super) tiller: Tiller,
    pub(super) limits: Limits,
    pub(super) times: Times,
    pub(super) slots: Arc<Semaphore>,
    pub(super) counters: Arc<Counters>,
    keys: Option<Keys>,
    readiness: Readiness,
    leaving: AtomicBool,
}

impl Service {
    pub(super) fn new(options: Options) -> Result<Self, Error> {
        let counters = Arc::<Counters>::default();
        let keys = match &options.shared_key_file {
            Some(path) => Some(Keys::load(path)?),
            None => None,
        };
        Ok(Self {
            tiller: Tiller::new(&options, counters.clone())?,
            slots: Arc::new(Semaphore::new(options.limits.calls)),
            limits: options.limits,
            times: options.times,
            counters,
            keys,
            readiness: Readiness::default(),
            leaving: AtomicBool::new(false),
        })
    }

    /// Makes `/readyz` fail from now on.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the request carries a shared key, if there are any.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.admit(headers))
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let probe = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/healthz" if probe => answer::text(StatusCode::OK, "ok"),
            "/readyz" if probe => self.readyz().await,
            _ if is_grpc_web(&request) => call::answer(self, request).await,
            _ => self.refuse(request).await,
        }
    }

    async fn readyz(&self) -> Response<Body> {
        if self.leaving.load(Ordering::Relaxed) {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "the bridge is leaving");
        }
        match self.readiness.check(&self.tiller, self.times.ready).await {
            Ok(()) => answer::text(StatusCode::OK, "ok"),
            Err(why) => answer::text(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    async fn refuse(&self, request: Request<Incoming>) -> Response<Body> {
        let method = tiller_api::Method::from_path(request.uri().path());
        let post = request.method() == Method::POST;
        incoming::discard(request.into_body(), self.limits.request, self.times.read).await;
        if method.is_none() {
            return answer::text(StatusCode::NOT_FOUND, "not a path of the bridge");
        }
        if post {
            let expected = format!("the content type must be {}", grpc_web::CONTENT_TYPE);
            return answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected);
        }
        let mut response = answer::text(StatusCode::METHOD_NOT_ALLOWED, "the method must be POST");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        response
    }
}

/// The text encoding is for browsers, which do not come here.
fn is_grpc_web(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    let encoding = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(grpc_web::is_grpc_web);
    request.method() == Method::POST && matches!(encoding, Some(Encoding::Binary))
}
