//! Charts that a release has already, and keeps.
//!
//! An upgrade that changes values alone sends the chart that Tiller has: a component reads it and sends it back. A grant
//! may say where charts come from, and such a chart is `deployed`: it is the very one that was read for this request from
//! the release that it goes to. Where no rule for the caller minds, that the release was read is enough, which is for the
//! audit log alone; where one does, the answer is looked at, and the two charts must be equal.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::Response;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tiller_api::Method;
use tiller_api::hapi::chart::Chart;
use tiller_api::wire::fields;
use tokio::task::spawn_blocking;

use super::call::Call;
use super::facts::Facts;
use super::filter::put_frame;
use super::frames::Frames;
use super::session::sent;
use super::{Body, Relay, RelayError, whole};

/// How many charts are remembered of one request.
const MOST: usize = 8;

/// What was read of releases while a request is served.
#[derive(Debug, Default)]
pub(super) struct Kept {
    charts: Mutex<Vec<Deployed>>,
}

/// A release that was read.
#[derive(Debug)]
struct Deployed {
    cluster: String,
    tiller: String,
    release: String,
    /// The digest of its chart; none if nobody minds.
    chart: Option<[u8; 32]>,
}

impl Deployed {
    fn is_of(&self, call: &Call<'_>, release: &str) -> bool {
        self.cluster == call.cluster.name()
            && self.tiller == call.tiller.name()
            && self.release == release
    }
}

impl Kept {
    /// Whether the chart in `message`, which is its field `field`, is the one that was read of `release`.
    pub(super) async fn has(
        &self,
        call: &Call<'_>,
        release: &str,
        field: u32,
        message: &Bytes,
    ) -> bool {
        let read: Vec<_> = self
            .lock()
            .iter()
            .filter(|deployed| deployed.is_of(call, release))
            .map(|deployed| deployed.chart)
            .collect();
        if read.contains(&None) {
            return true;
        }
        if read.is_empty() {
            return false;
        }
        let message = message.clone();
        let digest = spawn_blocking(move || Some(digest(&sent(field, &message)?))).await;
        digest.is_ok_and(|digest| digest.is_some() && read.contains(&digest))
    }

    fn remember(&self, call: &Call<'_>, release: &str, chart: Option<[u8; 32]>) {
        let mut charts = self.lock();
        if charts.len() >= MOST {
            charts.remove(0);
        }
        charts.push(Deployed {
            cluster: call.cluster.name().to_owned(),
            tiller: call.tiller.name().to_owned(),
            release: release.to_owned(),
            chart,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Deployed>> {
        self.charts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// Passes on `answer`, which is one to `call`, and remembers the chart in it.
    ///
    /// # Errors
    ///
    /// When it had to be looked at and is not what it should be.
    pub(super) async fn remember(
        &self,
        call: &Call<'_>,
        facts: &Facts,
        answer: Response<Body>,
    ) -> Result<Response<Body>, RelayError> {
        let (Method::GetReleaseContent, Some(release)) = (call.method, &facts.release) else {
            return Ok(answer);
        };
        let kept = &call.caller.session.kept;
        if !self.policy.minds_charts(&call.principal) {
            kept.remember(call, release, None);
            return Ok(answer);
        }
        let mut frames = Frames::new(answer, call.method, &self.answers, call.deadline);
        let mut passed = BytesMut::new();
        while let Some(message) = frames.next().await.map_err(|error| frames.broken(&error))? {
            put_frame(&mut passed, MESSAGE, &message);
            if let Ok(Some(chart)) = spawn_blocking(move || chart_in(&message)).await {
                kept.remember(call, release, Some(chart));
            }
        }
        if let Some(end) = frames.end() {
            put_frame(&mut passed, TRAILERS, end);
        }
        let mut response = Response::new(whole(passed.freeze()));
        *response.headers_mut() = frames.head().clone();
        Ok(response)
    }
}

/// The digest of the chart in an answer; none if it has none, or is no such answer.
fn chart_in(message: &[u8]) -> Option<[u8; 32]> {
    let release = delimited(message, RELEASE)?;
    Some(digest(&Chart::decode(delimited(release, CHART)?).ok()?))
}

/// The field with that number, which Tiller writes once.
fn delimited(message: &[u8], number: u32) -> Option<&[u8]> {
    fields(message)
        .filter_map(Result::ok)
        .find_map(|field| field.is_delimited(number).then_some(field.value))
}

/// The same for equal charts, whoever encoded them: maps are in the order of their keys.
fn digest(chart: &Chart) -> [u8; 32] {
    Sha256::digest(chart.encode_to_vec()).into()
}

/// The field of `GetReleaseContentResponse` with the release.
const RELEASE: u32 = 1;

/// The field of `Release` with the chart.
const CHART: u32 = 3;

const MESSAGE: u8 = 0;
const TRAILERS: u8 = 0x80;
