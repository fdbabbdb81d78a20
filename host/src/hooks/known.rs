//! By what an event is known again, and whether what came of it the first time may be asked for again.
//!
//! A sender that did not hear the acknowledgement delivers again, and so does a person who presses a button. The first must
//! not lead to anything twice; the second wants what failed to be tried anew. Both are the same delivery to us, so what
//! decides is what became of it.

use std::time::Duration;

use futures::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::intake::hex;
use crate::operations::{Job, Key, OperationId, State, Store, StoreError};

/// For how long an event with an id of its own is known: longer than any provider delivers again.
pub(super) const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The longest id that goes into a key as it is.
const MAX_ID: usize = 200;

/// How deep what came of an event is looked into: a search, and the upgrades it led to.
const DEPTH: u32 = 2;

/// When an event that is known already leads to something again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Again {
    /// Whatever became of it.
    Always,
    /// If all that came of it failed.
    Failed,
}

/// What is known of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// It led to something already.
    Known(Key),
    /// It has not, or may do so again.
    New {
        /// The name of its key.
        name: String,
        /// What it led to, which is to be replaced.
        replaces: Option<Vec<OperationId>>,
    },
}

/// Names the keys of one delivery's events.
#[derive(Debug)]
pub(super) struct Names<'a> {
    hook: &'a str,
    digest: String,
}

impl<'a> Names<'a> {
    pub(super) fn new(hook: &'a str, payload: &[u8]) -> Self {
        Self {
            hook,
            digest: hex(&Sha256::digest(payload)),
        }
    }

    /// The name of the key of the event at `place`, which calls itself `id`.
    pub(super) fn of(&self, id: Option<&str>, place: usize) -> String {
        match id {
            Some(id) if id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic()) => {
                format!("hook/{}/id/{id}", self.hook)
            }
            Some(id) => format!("hook/{}/digest/{}", self.hook, hex(&Sha256::digest(id))),
            None => format!("hook/{}/payload/{}/{place}", self.hook, self.digest),
        }
    }
}

/// What is known of the event whose key has that `name`.
pub(super) async fn standing(
    store: &dyn Store,
    name: String,
    again: Again,
) -> Result<Standing, StoreError> {
    let Some(known) = store.key(&name).await? else {
        return Ok(Standing::New {
            name,
            replaces: None,
        });
    };
    let replace =
        again == Again::Always || all_failed(store, known.operations.clone(), DEPTH).await?;
    Ok(if replace {
        Standing::New {
            name,
            replaces: Some(known.operations),
        }
    } else {
        Standing::Known(known)
    })
}

/// Whether nothing of `operations` was done, or will be.
fn all_failed(
    store: &dyn Store,
    operations: Vec<OperationId>,
    depth: u32,
) -> BoxFuture<'_, Result<bool, StoreError>> {
    Box::pin(async move {
        for id in &operations {
            let Some(stored) = store.operation(id).await? else {
                // It was forgotten, so it was settled long ago; better once too few than once too often.
                return Ok(false);
            };
            let operation = stored.operation;
            let failed = match operation.state {
                State::Cancelled | State::Dead | State::Failed => true,
                State::Succeeded if depth > 1 => {
                    matches!(operation.job, Job::Discovery { .. })
                        && !operation.children.is_empty()
                        && all_failed(store, operation.children, depth - 1).await?
                }
                _ => false,
            };
            if !failed {
                return Ok(false);
            }
        }
        Ok(!operations.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_events_share_a_key() {
        let one = Names::new("ci", b"one");
        let other = Names::new("ci", b"other");
        let elsewhere = Names::new("cd", b"one");
        let long = "x".repeat(MAX_ID + 1);
        let names = [
            one.of(Some("a"), 0),
            one.of(Some("b"), 0),
            one.of(Some("a b"), 0),
            one.of(Some(&long), 0),
            one.of(None, 0),
            one.of(None, 1),
            other.of(None, 0),
            elsewhere.of(None, 0),
            elsewhere.of(Some("a"), 0),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        // What names itself is the same whatever else is delivered with it.
        assert_eq!(one.of(Some("a"), 0), other.of(Some("a"), 3));
    }
}
