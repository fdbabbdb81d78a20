//! One line in the log for every request, written when it is over however it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode};

use crate::access::Identity;

use super::request_id::RequestId;
use super::upload::Arrival;

/// The longest path that is logged whole.
const MAX_PATH: usize = 512;

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The caller left, or the edge was ended.
    Abandoned,
    /// The answer broke off.
    Broken,
    /// The answer was sent whole.
    Complete,
    /// The caller took nothing of the answer for too long.
    Stalled,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abandoned => "abandoned",
            Self::Broken => "broken",
            Self::Complete => "complete",
            Self::Stalled => "stalled",
        })
    }
}

/// What the line says. Never a header but the request's id, never a query or a body: they may hold secrets.
pub(super) struct Record {
    started: Instant,
    request_id: RequestId,
    method: Method,
    path: String,
    arrival: Arc<Arrival>,
    caller: Option<Identity>,
    status: Option<StatusCode>,
    sent: u64,
    /// None while nobody knows better than that it is being dropped.
    ending: Option<Ending>,
}

impl Record {
    pub(super) fn new(
        request_id: RequestId,
        method: Method,
        path: &str,
        arrival: Arc<Arrival>,
    ) -> Self {
        Self {
            started: Instant::now(),
            request_id,
            method,
            path: path.chars().take(MAX_PATH).collect(),
            arrival,
            caller: None,
            status: None,
            sent: 0,
            ending: None,
        }
    }

    pub(super) fn authenticated(&mut self, caller: Identity) {
        self.caller = Some(caller);
    }

    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    pub(super) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.sent
    }

    /// The first verdict stands.
    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let milliseconds = self.started.elapsed().as_secs_f64() * 1000.0;
        let (principal, authentication) = match &self.caller {
            None => (None, None),
            Some(Identity::Known(principal)) => (
                Some(principal.name.as_str()),
                Some(principal.method.as_str()),
            ),
            // Each cluster says for itself who that is, in the audit log.
            Some(Identity::PerCluster) => (None, Some("kubernetes")),
        };
        tracing::info!(
            request_id = self.request_id.as_str(),
            method = self.method.as_str(),
            path = self.path,
            principal,
            authentication,
            status = self.status.map(|status| status.as_u16()),
            ending = %self.ending.unwrap_or(Ending::Abandoned),
            received = self.arrival.received(),
            sent = self.sent,
            milliseconds = (milliseconds * 10.0).round() / 10.0,
            "request"
        );
    }
}
