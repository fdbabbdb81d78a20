//! The changing calls of an operation, with what their traces in Tiller's history are known by.

use jiff::Timestamp;
use rest::plan::Undo;
use serde::{Deserialize, Serialize};

/// A changing call of an operation. All of it but its end is written before it leaves.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Step {
    /// The method's name.
    pub rpc: String,
    /// The release; none if Tiller was to make up a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// When the call was about to leave.
    pub sent_at: Timestamp,
    /// The newest revision before; 0 if there was none.
    pub revision: i32,
    /// Its status, as the REST interface names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When its tests began to run last, in nanoseconds since 1970 by Tiller's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<i64>,
    /// The chart that is sent, as `name-version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// The SHA-256 of the values that the new revision will have, where what is sent says so by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// The revision whose chart and values a rollback takes; 0 if Tiller is to choose.
    pub target: i32,
    /// Whether all records of the release go.
    pub purge: bool,
    /// Whether the operation's name is in what is sent as description.
    pub marked: bool,
    /// Whether hooks may run before anything is in Tiller's history.
    pub hooks: bool,
    /// How long Tiller may wait for its hooks, once it has the call, before anything is in its history, in seconds.
    pub silent: u64,
    /// How long Tiller may wait for hooks and resources until it is done, in seconds.
    pub longest: u64,
    /// How long Tiller may wait for each hook and for the resources, in seconds.
    pub timeout: u64,
    /// What undoes the call should it fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// How it ended; none while it is under way, or if nobody was there to see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<StepEnd>,
    /// When it ended or, where nobody saw that, when it was certain that nobody was sending it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Step {
    /// Whether Tiller's history has to say what became of it.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.end, None | Some(StepEnd::Lost))
    }

    /// Takes note of its end.
    pub fn ended(&mut self, end: StepEnd, now: Timestamp) {
        self.end = Some(end);
        self.ended_at = Some(now);
    }

    /// Takes note that nobody sends it any more, which whoever takes over the operation does before it asks what became
    /// of it. An end that lies ahead is one of a clock that was set back, and counts from now on.
    pub fn orphaned(&mut self, now: Timestamp) {
        if self.is_undecided() && self.ended_at.is_none_or(|ended| ended > now) {
            self.ended(StepEnd::Lost, now);
        }
    }
}

/// How a changing call ended, as the relay saw it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEnd {
    /// Tiller said that it is done.
    Applied,
    /// Tiller said that it failed at it. What it did until then is in its history.
    Failed,
    /// The answer was lost: nobody can say.
    Lost,
    /// It was not done, which is certain.
    NotApplied,
}
