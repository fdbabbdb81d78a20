//! Whether Tiller answers, for `/readyz`.
//!
//! Asked with `GetVersion`, the one call that every Tiller answers to every client and that touches nothing. The verdict is
//! kept for a second, so that probes cost Tiller no more than one call a second however many there are.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::answer::GRPC_STATUS;
use super::failure::chain;
use super::tiller::Tiller;

const KEPT: Duration = Duration::from_secs(1);
const ANSWER: usize = 64 * 1024;

/// The last verdict.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), String>)>>);

impl Readiness {
    /// `Err` says why Tiller is not ready. Concurrent checks share one call.
    pub(super) async fn check(&self, tiller: &Tiller, patience: Duration) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((at, verdict)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return verdict.clone();
        }
        let verdict = timeout(patience, ask(tiller))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs_f32())))
            .map_err(|why| format!("Tiller at {tiller} is not ready: {why}"));
        *last = Some((Instant::now(), verdict.clone()));
        verdict
    }
}

async fn ask(tiller: &Tiller) -> Result<(), String> {
    let uri = tiller
        .uri(tiller_api::Method::GetVersion.path())
        .map_err(|error| chain(&error))?;
    let empty = Bytes::copy_from_slice(&grpc_web::frame_header(0));
    let mut request = Request::new(Full::new(empty));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));

    let connection = tiller.connection().await.map_err(|error| chain(&error))?;
    let response = connection
        .send(request)
        .await
        .map_err(|error| chain(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER).collect().await;
    let body = body.map_err(|error| error.to_string())?;
    let status = |headers: &HeaderMap| headers.get(GRPC_STATUS).cloned();
    match body
        .trailers()
        .and_then(status)
        .or_else(|| status(&head.headers))
    {
        Some(status) if status == "0" => Ok(()),
        Some(status) => Err(format!(
            "gRPC status {}",
            String::from_utf8_lossy(status.as_bytes())
        )),
        None => Err("what answers there is not Tiller".to_owned()),
    }
}
