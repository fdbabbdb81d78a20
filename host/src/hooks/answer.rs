//! What the sender of a delivery is told, and what is kept of it.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use rules::{Kind, Seen, Verdict};
use serde::{Deserialize, Serialize};

use super::whole;
use crate::operations::OperationId;
use crate::relay::Body;

/// With more verdicts than this, those of rules that do not fit are not told: a registry may send a thousand events at once.
const MAX_VERDICTS: usize = 1000;

/// The answer to a delivery.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Acknowledgement {
    /// The delivery's name at this edge.
    pub(super) delivery: String,
    /// Whether all of it was known already, so that this is what came of it the first time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) duplicate: bool,
    /// Why nothing happens, where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// The operations that came of it.
    pub(super) operations: Vec<OperationId>,
    /// What it says happened.
    pub(super) events: Vec<Told>,
}

/// An event, and what came of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Told {
    /// What happened.
    pub(super) kind: Kind,
    /// The same for people.
    pub(super) summary: String,
    /// Whether the event was known already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) duplicate: bool,
    /// What the rules say to it.
    pub(super) verdicts: Vec<Verdict>,
    /// The operations that came of it.
    pub(super) operations: Vec<OperationId>,
}

impl Acknowledgement {
    /// That of a delivery with these events, of which nothing has come so far.
    pub(super) fn new(delivery: &str, reason: Option<String>, events: &mut [Seen]) -> Self {
        let count: usize = events.iter().map(|event| event.verdicts.len()).sum();
        let told = events.iter_mut().map(|event| {
            let mut verdicts = std::mem::take(&mut event.verdicts);
            if count > MAX_VERDICTS {
                verdicts.retain(|verdict| verdict.fits);
            }
            Told {
                kind: event.kind,
                summary: std::mem::take(&mut event.summary),
                duplicate: false,
                verdicts,
                operations: Vec::new(),
            }
        });
        Self {
            delivery: delivery.to_owned(),
            duplicate: false,
            reason,
            operations: Vec::new(),
            events: told.collect(),
        }
    }

    /// Gathers what came of the events.
    pub(super) fn sum_up(&mut self) {
        let of_events = self.events.iter().flat_map(|event| &event.operations);
        self.operations = of_events.cloned().collect();
        let mut leading = self
            .events
            .iter()
            .filter(|event| !event.operations.is_empty())
            .peekable();
        self.duplicate = leading.peek().is_some() && leading.all(|event| event.duplicate);
    }

    /// 202 where something is to be done, else 200.
    pub(super) fn status(&self) -> StatusCode {
        if self.operations.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        }
    }

    /// The answer.
    pub(super) fn to_response(&self) -> Response<Body> {
        let mut response = json(self);
        *response.status_mut() = self.status();
        response
    }
}

/// 200 with `view`.
pub(super) fn json(view: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(view).expect("texts, numbers and values always serialise");
    let mut response = Response::new(whole(text.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
