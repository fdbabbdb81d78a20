//! A provider's keys, kept between requests.
//!
//! Keys are asked for when a token needs them, never by a clock: an edge that nobody calls asks nobody. Before they get
//! too old they are renewed while the old ones are still used; once they are, callers wait for new ones. A provider that
//! is down is bridged with the last keys for a while, since its users cannot get new tokens then anyway. A token of an
//! unknown key may be the first after the provider changed its keys, or forged: it leads to one question, and then to
//! none for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::discovery::ProviderError;
use super::key::Keys;
use crate::net::Causes;

/// How long after one question the next one waits, whatever came of it. Forged tokens must not turn this edge against
/// the provider.
const PAUSE: Duration = Duration::from_secs(10);

/// How long keys that should have been renewed are used while the provider is down.
const STALE: Duration = Duration::from_secs(86_400);

/// Asks a provider for its keys.
pub(super) trait Ask: Send + Sync + 'static {
    /// One question, with an end of its own.
    fn ask(&self) -> BoxFuture<'_, Result<Answer, ProviderError>>;
}

/// What a provider answers.
pub(super) struct Answer {
    pub(super) keys: Keys,
    /// How long they are to be used.
    pub(super) lifetime: Duration,
}

/// The keys of one provider.
pub(super) struct Cache<A> {
    issuer: String,
    provider: A,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When the provider was asked last, and what came of it.
    asked: Option<Instant>,
    failed: Option<Arc<ProviderError>>,
    asking: Option<Question>,
}

/// A question that is or was under way.
struct Question {
    task: AbortHandle,
    over: Shared<BoxFuture<'static, ()>>,
}

struct Held {
    keys: Arc<Keys>,
    since: Instant,
    lifetime: Duration,
}

impl<A: Ask> Cache<A> {
    /// An empty one, for the log under the name of `issuer`.
    pub(super) fn new(issuer: String, provider: A) -> Self {
        Self {
            issuer,
            provider,
            state: Mutex::default(),
        }
    }

    /// The keys as they are known.
    ///
    /// # Errors
    ///
    /// When there are none, or too old ones only.
    pub(super) async fn keys(self: &Arc<Self>) -> Result<Arc<Keys>, Arc<ProviderError>> {
        let (age, is_down) = {
            let state = self.state();
            (state.held.as_ref().map(Held::age), state.failed.is_some())
        };
        match age {
            Some(Age::Fresh) => (),
            Some(Age::Due) => drop(self.question()),
            // Not everybody has to wait for a provider that does not answer.
            Some(Age::Stale) if is_down => drop(self.question()),
            None | Some(Age::Stale | Age::TooOld) => self.renew().await,
        }
        let state = self.state();
        match (&state.held, &state.failed) {
            (Some(held), failed) if failed.is_none() || held.age() != Age::TooOld => {
                Ok(Arc::clone(&held.keys))
            }
            (_, Some(failed)) => Err(Arc::clone(failed)),
            // Nothing is held and nothing has failed: the question was cut off with the process.
            _ => Ok(Arc::default()),
        }
    }

    /// Keys among which there may be one that is not among `known`; none if the provider was asked just now.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub(super) async fn newer(
        self: &Arc<Self>,
        known: &Arc<Keys>,
    ) -> Result<Option<Arc<Keys>>, Arc<ProviderError>> {
        if let Some(newer) = self.state().newer(known) {
            return Ok(Some(newer));
        }
        self.renew().await;
        let state = self.state();
        match (state.newer(known), &state.failed) {
            (None, Some(failed)) => Err(Arc::clone(failed)),
            (newer, _) => Ok(newer),
        }
    }

    /// Waits until the provider has answered, unless it is too early to ask again.
    async fn renew(self: &Arc<Self>) {
        if let Some(question) = self.question() {
            question.await;
        }
    }

    /// The question that is under way, or a new one if it is time. It goes on when whoever asked goes away.
    fn question(self: &Arc<Self>) -> Option<Shared<BoxFuture<'static, ()>>> {
        let mut state = self.state();
        if let Some(asking) = &state.asking
            && !asking.task.is_finished()
        {
            return Some(asking.over.clone());
        }
        if state.asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return None;
        }
        state.asked = Some(Instant::now());
        let this = Arc::clone(self);
        let task = tokio::spawn(async move { this.ask().await });
        let handle = task.abort_handle();
        let over = task.map(drop).boxed().shared();
        state.asking = Some(Question {
            task: handle,
            over: over.clone(),
        });
        Some(over)
    }

    async fn ask(&self) {
        let answer = self.provider.ask().await;
        let mut state = self.state();
        match answer {
            Ok(answer) => {
                info!(
                    issuer = self.issuer,
                    keys = answer.keys.count(),
                    lifetime = ?answer.lifetime,
                    "has the identity provider's keys"
                );
                state.failed = None;
                state.held = Some(Held {
                    keys: Arc::new(answer.keys),
                    since: Instant::now(),
                    lifetime: answer.lifetime,
                });
            }
            Err(error) => {
                warn!(
                    issuer = self.issuer,
                    error = %Causes(&error),
                    holds_keys = state.held.is_some(),
                    "cannot ask the identity provider for its keys"
                );
                state.failed = Some(Arc::new(error));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn newer(&self, known: &Arc<Keys>) -> Option<Arc<Keys>> {
        let held = self.held.as_ref()?;
        (!Arc::ptr_eq(&held.keys, known)).then(|| Arc::clone(&held.keys))
    }
}

/// How far keys are in their life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Age {
    Fresh,
    /// In the last fifth: good, and to be renewed.
    Due,
    /// Good as long as the provider is down.
    Stale,
    TooOld,
}

impl Held {
    fn age(&self) -> Age {
        let age = self.since.elapsed();
        if age < self.lifetime / 5 * 4 {
            Age::Fresh
        } else if age < self.lifetime {
            Age::Due
        } else if age < self.lifetime + STALE {
            Age::Stale
        } else {
            Age::TooOld
        }
    }
}

#[cfg(test)]
mod tests;
