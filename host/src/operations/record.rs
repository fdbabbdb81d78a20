//! An operation while it is carried out: what is known of it, written down as it happens.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::sleep;

use super::{Claim, Journal, Lane, Mark, New, Operation, Step, StepEnd, Store, StoreError};
use crate::net::Causes;

/// A claimed operation.
#[derive(Debug)]
pub(super) struct Record {
    store: Arc<dyn Store>,
    claim: Claim,
    mark: Mark,
    operation: Mutex<Operation>,
    /// One that is stored must not be overtaken by one that knows less.
    writing: tokio::sync::Mutex<()>,
}

impl Record {
    pub(super) fn new(store: Arc<dyn Store>, claim: Claim) -> Self {
        let operation = claim.operation.clone();
        let origin = operation.origin.as_ref();
        let delivery = origin.map(|origin| origin.delivery.clone());
        Self {
            store,
            mark: Mark {
                operation: operation.id.clone(),
                delivery: delivery.filter(|delivery| !delivery.is_empty()),
            },
            claim,
            operation: Mutex::new(operation),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// The operation as it was claimed.
    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The operation as it is now.
    pub(super) fn operation(&self) -> Operation {
        self.lock().clone()
    }

    /// Whether Tiller's history has to say what became of one of its calls.
    pub(super) fn is_undecided(&self) -> bool {
        self.lock().steps.iter().any(Step::is_undecided)
    }

    /// Whether it may not be begun any more.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.lock().expires_at <= now
    }

    /// Takes note of something, which is stored with what follows.
    pub(super) fn note(&self, change: impl FnOnce(&mut Operation)) {
        change(&mut self.lock());
    }

    /// Takes note of something and stores it.
    pub(super) async fn save(&self, change: impl FnOnce(&mut Operation)) -> Result<(), StoreError> {
        let _turn = self.writing.lock().await;
        self.note(change);
        let operation = self.operation();
        self.store.save(&self.claim, &operation).await
    }

    /// Keeps the claim; returns when it is lost.
    pub(super) async fn lost(&self) {
        loop {
            sleep(self.claim.lease / RENEWALS).await;
            match self.store.renew(&self.claim).await {
                Ok(()) => {}
                Err(StoreError::Lost) => return,
                // As long as nothing can be stored nobody else can claim it either, and no call can be begun.
                Err(error) => {
                    tracing::warn!(operation = %self.mark.operation, error = %Causes(&error), "a lease is not renewed");
                }
            }
        }
    }

    /// Takes note of something for the last time and gives the claim up. It is tried until it is stored or the claim lost.
    pub(super) async fn finish(&self, change: impl FnOnce(&mut Operation), children: Vec<New>) {
        let _turn = self.writing.lock().await;
        self.note(change);
        let mut pause = PAUSE;
        loop {
            let finished =
                self.store
                    .finish(self.claim.clone(), self.operation(), children.clone());
            let error = match finished.await {
                Ok(()) => return,
                Err(error) => error,
            };
            tracing::warn!(operation = %self.mark.operation, error = %Causes(&error), "what became of an operation is not stored");
            if matches!(error, StoreError::Lost | StoreError::Conflict) {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Operation> {
        self.operation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// So often a claim is renewed while it holds: two renewals may fail.
const RENEWALS: u32 = 3;

const PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Journal for Record {
    fn mark(&self) -> Mark {
        self.mark.clone()
    }

    fn lane(&self) -> &Lane {
        &self.claim.operation.lane
    }

    fn cluster(&self) -> Option<&str> {
        let plan = self.claim.operation.job.plan();
        plan.map(|plan| plan.cluster.as_str())
    }

    fn begin(&self, step: Step) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move {
            let _turn = self.writing.lock().await;
            let number = {
                let steps = &mut self.lock().steps;
                // Of attempts that came to nothing the first says since when it is tried; the others say no more.
                let mut is_first = true;
                steps.retain(|step| {
                    let counts = step.end != Some(StepEnd::NotApplied);
                    counts || mem::take(&mut is_first)
                });
                steps.push(step);
                steps.len() - 1
            };
            let operation = self.operation();
            let saved = self.store.save(&self.claim, &operation).await;
            if saved.is_err() {
                self.end(number, StepEnd::NotApplied);
            }
            saved.map(|()| number)
        })
    }

    fn end(&self, step: usize, end: StepEnd) {
        if let Some(step) = self.lock().steps.get_mut(step) {
            step.ended(end, Timestamp::now());
        }
    }
}
