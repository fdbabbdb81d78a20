//! What was done, by whom, and what was refused: one JSON line each, never changed afterwards.
//!
//! A mutation has two lines with the same `id`. The first is written before its call leaves, and if that cannot be done
//! the call does not leave: what happened to a cluster is in the log, whatever happened to this process then. The second
//! says how it ended. A refusal has one line. Every line says everything, so that each can be read by itself.
//!
//! One thread writes; whoever has something to be written waits for it without blocking anybody else. What goes into a
//! line is bounded, and is never a value of a chart nor a credential: [`Entry`] has no place for one.

mod line;
mod sink;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::line::{Event, Record};
use self::writer::{FAREWELL, PLACES, Place, Writer};
use crate::access::Principal;
use crate::config::AuditConfig;

pub use self::writer::AuditError;

/// What one line says of an attempt. Never values, never a credential.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry {
    /// The request it serves; the APIServer has it as the `Audit-ID`.
    pub request_id: String,
    /// Who; none if nobody could be authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// What: an action of a grant, or the call's name where it is none.
    pub action: String,
    /// Whether it is only asked what the action would do.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// The operation that it is done for, or done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The delivery of a hook that the operation came from, in its provider's words where it names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The RPC, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// The cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The tiller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiller: Option<String>,
    /// The release's namespace, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The grant that allows it, or the refusal that forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The chart, as `name-version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Where the chart is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The SHA-256 of the chart in the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_digest: Option<String>,
    /// The SHA-256 of the values in the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_digest: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes what it skips by reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Tiller said that it is done.
    Applied,
    /// It was not done, which is certain.
    NotApplied,
    /// Nobody can say.
    Unknown,
}

/// The audit log.
#[derive(Debug)]
pub struct Audit {
    writer: Option<Arc<Writer>>,
}

impl Audit {
    /// Opens it, where `config` names a place for it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn open(config: &AuditConfig) -> Result<Self, AuditError> {
        let writer = if config.is_off() {
            None
        } else {
            Some(Arc::new(Writer::open(config, PLACES)?))
        };
        Ok(Self { writer })
    }

    /// One that keeps nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { writer: None }
    }

    /// Writes that `entry` was refused. The line is written when this returns; where that fails it is kept and written as
    /// soon as it can be.
    pub async fn refused(&self, entry: Entry) {
        let Some(writer) = &self.writer else {
            return;
        };
        let line = Record::new(entry).line(Event::Refused);
        writer.refused(line).await;
    }

    /// Writes that `entry` is about to be done. The line is written when this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then it must not be done.
    pub async fn begin(&self, entry: Entry) -> Result<Pending, AuditError> {
        let Some(writer) = &self.writer else {
            return Ok(Pending { open: None });
        };
        let place = writer.place().await?;
        let record = Record::new(entry);
        let line = record.line(Event::Begin);
        // From here on there is an end, even if nobody waits for this any more.
        let mut pending = Pending {
            open: Some(Open {
                record,
                writer: Arc::clone(writer),
                place,
                started: Instant::now(),
                begun: false,
            }),
        };
        writer.begin(line).await?;
        if let Some(open) = &mut pending.open {
            open.begun = true;
        }
        Ok(pending)
    }

    /// Waits until what was begun has ended and is written, for as long as the end of a process may be held up.
    pub async fn close(&self) {
        if !self.drain(FAREWELL).await {
            tracing::error!("the audit log lacks the ends of what is still under way");
        }
    }

    /// The same for `patience` at most. False if something is not.
    async fn drain(&self, patience: Duration) -> bool {
        match &self.writer {
            Some(writer) => writer.drain(patience).await,
            None => true,
        }
    }
}

/// Something under way. Dropped without an end, its outcome is unknown.
#[derive(Debug)]
#[must_use = "dropped at once, it is written that nobody knows how it ended"]
pub struct Pending {
    open: Option<Open>,
}

/// A mutation whose end is not written.
#[derive(Debug)]
struct Open {
    record: Record,
    writer: Arc<Writer>,
    /// Where its end will stand in the queue.
    place: Place,
    started: Instant,
    /// Whether its first line is written, without which nothing is done.
    begun: bool,
}

impl Pending {
    /// Writes how it ended; `code` is what the caller was told, if it was a problem.
    pub fn end(mut self, ended: Ended, code: Option<&str>) {
        if let Some(open) = self.open.take() {
            open.end(ended, code);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        match self.open.take() {
            Some(open) if open.begun => open.end(Ended::Unknown, None),
            Some(open) => {
                let code = rest::problem::Code::AuditUnavailable.as_str();
                open.end(Ended::NotApplied, Some(code));
            }
            None => {}
        }
    }
}

impl Open {
    fn end(self, ended: Ended, code: Option<&str>) {
        let event = Event::End {
            ended,
            code,
            duration: self.started.elapsed(),
        };
        self.writer.end(self.record.line(event), self.place);
    }
}

#[cfg(test)]
mod tests;
