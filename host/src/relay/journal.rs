//! What an operation has written down of a change before it leaves, and how the change ended.
//!
//! A change leaves only when its step is on disk and the operation is still this edge's to carry out. Between the two and
//! the first byte that is sent nothing may take long: whoever takes the operation over counts on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use rest::plan::{UNDO, Undo};
use tiller_api::Method;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::facts::{Facts, LARGE};
use super::{Caller, NotACall, Relay, RelayError, step};
use crate::operations::{Journal, Lane, Step, StepEnd, StoreError};

/// How long writing a step down may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A step that is written down, and not yet how it ended. Given up before that, nobody knows how it ended.
#[derive(Debug)]
pub(super) struct Journaled {
    open: Option<(Arc<dyn Journal>, usize)>,
}

impl Journaled {
    /// Takes note of the end.
    pub(super) fn end(mut self, end: StepEnd) {
        self.take(end);
    }

    fn take(&mut self, end: StepEnd) {
        if let Some((journal, number)) = self.open.take() {
            journal.end(number, end);
        }
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        self.take(StepEnd::Lost);
    }
}

/// A change that is about to be made for an operation.
pub(super) struct Change<'a> {
    /// What it asks for.
    pub(super) facts: &'a Facts,
    /// The message that was judged.
    pub(super) message: Bytes,
    /// What undoes it.
    pub(super) undo: Option<Undo>,
}

impl Change<'_> {
    /// What the component says undoes the call with these headers.
    pub(super) fn undo(headers: &HeaderMap) -> Option<Undo> {
        Undo::from_header(headers.get(UNDO)?.as_bytes())
    }
}

/// Refuses what does not belong into the lane of the caller's operation: nobody sees to it that it is alone.
pub(super) fn check_lane(
    caller: &Caller,
    call: &Call<'_>,
    facts: &Facts,
) -> Result<(), RelayError> {
    let Some(operation) = &caller.operation else {
        return Ok(());
    };
    let is_own = match &facts.release {
        Some(release) => *operation.lane() == lane(call, release),
        None => call.method == Method::InstallRelease && !operation.lane().is_release(),
    };
    if is_own {
        Ok(())
    } else {
        Err(RelayError::NotACall(NotACall::OtherRelease))
    }
}

/// The lane of a release.
pub(super) fn lane(call: &Call<'_>, release: &str) -> Lane {
    Lane::release(call.cluster.name(), Some(call.tiller.name()), release)
}

impl Relay {
    /// Writes down that `change` is about to leave, if it is an operation's. `is_marked` says whether the operation's name
    /// is in it.
    ///
    /// # Errors
    ///
    /// When it must not leave.
    pub(super) async fn journal(
        &self,
        call: &Call<'_>,
        change: &Change<'_>,
        is_marked: bool,
    ) -> Result<Option<Journaled>, RelayError> {
        let Some(journal) = &call.caller.operation else {
            return Ok(None);
        };
        let newest = match &change.facts.release {
            Some(release) => self.recorded(call, release, 0).await?,
            None => None,
        };
        let (method, facts, message) = (call.method, change.facts.clone(), change.message.clone());
        let undo = change.undo.clone();
        let describe = move || step::of(method, &facts, &message, newest.as_ref(), undo);
        let described = if change.message.len() < LARGE {
            describe()
        } else {
            let described = spawn_blocking(describe).await;
            described.map_err(|_| RelayError::Ending)?
        };
        let sent_at = Timestamp::now();
        let step = Step {
            marked: is_marked,
            sent_at,
            ..described
        };
        let patience = call.deadline.min(Instant::now() + PATIENCE);
        let number = timeout_at(patience, journal.begin(step))
            .await
            .map_err(|_| slow())?
            .map_err(RelayError::Operations)?;
        let journaled = Journaled {
            open: Some((Arc::clone(journal), number)),
        };
        // A process may have been stopped meanwhile, and another may have taken over.
        if Timestamp::now().duration_since(sent_at).unsigned_abs() > PATIENCE {
            journaled.end(StepEnd::NotApplied);
            return Err(slow());
        }
        Ok(Some(journaled))
    }
}

fn slow() -> RelayError {
    RelayError::Operations(StoreError::Unavailable {
        what: "it took too long to write down what is about to be done".to_owned(),
        source: None,
    })
}
