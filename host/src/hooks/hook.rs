//! One hook: who it is, what it knows its sender by, what its events lead to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use rules::{Provider, Rule};
use serde::Serialize;

use super::HooksError;
use super::verify::{Parcel, Refused, Verifier};
use crate::access::Principal;
use crate::config::{HookConfig, Pace, RateConfig};
use crate::rate::Rate;

/// A webhook endpoint.
#[derive(Debug)]
pub struct Hook {
    name: String,
    provider: Provider,
    rules: Vec<Rule>,
    told: Bytes,
    principal: Arc<Principal>,
    verifier: Verifier,
    window: Duration,
    max_body: usize,
    pace: Option<Pace>,
    rate: Rate,
    counts: Counts,
}

/// What a hook was sent since the edge started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Deliveries that led to operations.
    pub accepted: u64,
    /// Deliveries that were known already.
    pub duplicate: u64,
    /// Deliveries that led to nothing.
    pub ignored: u64,
    /// Deliveries that did not prove who sent them.
    pub refused: u64,
    /// Deliveries that could not be read or taken in.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    ignored: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Accepted,
    Duplicate,
    Failed,
    Ignored,
    Refused,
}

impl Hook {
    /// That of `config`, which was checked.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read.
    pub(super) fn load(config: &HookConfig) -> Result<Self, HooksError> {
        let told = rules::Hook {
            provider: config.provider,
            rules: config.rules.clone(),
        };
        let json = serde_json::to_vec(&told).expect("texts and tables of texts always serialise");
        Ok(Self {
            name: config.name.clone(),
            provider: config.provider,
            told: json.into(),
            rules: told.rules,
            principal: Arc::new(Principal::hook(&config.name)),
            verifier: Verifier::load(config)?,
            window: config.window(),
            max_body: config.max_body.length(),
            pace: config.rate,
            rate: Rate::new(&RateConfig {
                principal: config.rate,
                cluster: None,
            }),
            counts: Counts::default(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who sends its deliveries.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// What its events lead to.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whom its operations are carried out for.
    #[must_use]
    pub const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// What it was sent since the edge started.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            accepted: count(&self.counts.accepted),
            duplicate: count(&self.counts.duplicate),
            ignored: count(&self.counts.ignored),
            refused: count(&self.counts.refused),
            failed: count(&self.counts.failed),
        }
    }

    /// What the component is told that reads its deliveries: a [`rules::Hook`], in JSON.
    pub(crate) const fn told(&self) -> &Bytes {
        &self.told
    }

    /// For how long a delivery without an id is known again by its content.
    pub(super) const fn window(&self) -> Duration {
        self.window
    }

    /// The largest payload, in bytes.
    pub(super) const fn max_body(&self) -> usize {
        self.max_body
    }

    /// How many deliveries it takes.
    pub(super) const fn pace(&self) -> Option<Pace> {
        self.pace
    }

    /// Whether its sender is known by the head of a delivery alone.
    pub(super) const fn knows_by_head(&self) -> bool {
        !self.verifier.reads_body()
    }

    /// The header in which its secret or signature stands, where the configuration names it.
    pub(super) const fn secret_header(&self) -> Option<&HeaderName> {
        self.verifier.header()
    }

    /// Whether `parcel` is its provider's.
    pub(super) async fn verify(&self, parcel: &Parcel<'_>) -> Result<(), Refused> {
        self.verifier.verify(parcel).await
    }

    /// Counts a delivery that was verified; how long to wait if it is one too many.
    pub(super) fn check_rate(&self) -> Result<(), Duration> {
        self.rate.check_principal(&self.principal)
    }

    pub(super) fn count(&self, ending: Ending) {
        let count = match ending {
            Ending::Accepted => &self.counts.accepted,
            Ending::Duplicate => &self.counts.duplicate,
            Ending::Failed => &self.counts.failed,
            Ending::Ignored => &self.counts.ignored,
            Ending::Refused => &self.counts.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
