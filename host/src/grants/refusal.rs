//! What is forbidden whatever is granted: the refusals of the configuration, and those that clusters have as `read_only`
//! and `protected`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::rule::Who;
use super::scope::{Fit, Patterns, Scope, Selector};
use super::window::{End, Window};
use super::{Action, Actions, Attempt};
use crate::access::{Method, Principal};
use crate::config::{ClusterConfig, Config, RefusalConfig};

/// The refusals that a cluster with `protected` has.
pub const PROTECTED: &str = "protected";
/// The refusal that a cluster with `read_only` has.
pub const READ_ONLY: &str = "read-only";

/// Refusals, each with its place in the order of the file.
type List = Vec<(usize, Arc<Refusal>)>;

/// All refusals.
#[derive(Debug)]
pub(super) struct Refusals {
    all: List,
    /// Those of certain clusters, by name.
    clusters: HashMap<String, List>,
    others: List,
}

impl Refusals {
    pub(super) fn new(config: &Config) -> Self {
        let written = config.refusals.iter().enumerate();
        let of_clusters = config.clusters.iter().flat_map(Refusal::of_cluster);
        let mut refusals = Self {
            all: Vec::new(),
            clusters: HashMap::new(),
            others: Vec::new(),
        };
        let written = written.map(|(place, refusal)| Refusal::new(place, refusal));
        for refusal in written.chain(of_clusters) {
            refusals.add(Arc::new(refusal));
        }
        refusals
    }

    /// All of them, in the order of the file.
    pub(super) fn all(&self) -> impl Iterator<Item = &Refusal> {
        self.all.iter().map(|(_, refusal)| refusal.as_ref())
    }

    /// The first refusal that forbids it for certain with the reason, and whether any might.
    pub(super) fn check(
        &self,
        principal: &Principal,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> (Option<(&Refusal, String)>, bool) {
        let candidates = match attempt.place {
            None => [self.all.as_slice(), &[]],
            Some(place) => {
                let own = self.clusters.get(place.cluster);
                [self.others.as_slice(), own.map_or(&[], Vec::as_slice)]
            }
        };
        let mut first: Option<(usize, &Refusal, End)> = None;
        let mut maybe = false;
        for (order, refusal) in candidates.into_iter().flatten() {
            let fit = refusal.fit(principal, attempt);
            if !matches!(fit, Fit::Met | Fit::Open) {
                continue;
            }
            match (refusal.holds(now), fit) {
                (None, _) => {}
                (Some(_), Fit::Open) => maybe = true,
                (Some(end), _) => {
                    if first.is_none_or(|(first, ..)| *order < first) {
                        first = Some((*order, refusal, end));
                    }
                }
            }
        }
        (
            first.map(|(_, refusal, end)| (refusal, refusal.why(end))),
            maybe,
        )
    }

    fn add(&mut self, refusal: Arc<Refusal>) {
        let order = self.all.len();
        let clusters = refusal.scope.clusters.as_ref();
        match clusters.and_then(Patterns::exact) {
            None => self.others.push((order, Arc::clone(&refusal))),
            Some(names) => {
                for name in names {
                    self.clusters
                        .entry(name.clone())
                        .or_default()
                        .push((order, Arc::clone(&refusal)));
                }
            }
        }
        self.all.push((order, refusal));
    }
}

/// What is forbidden, and to whom.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) name: String,
    pub(super) reason: String,
    who: Who,
    except: Who,
    pub(super) actions: Actions,
    pub(super) scope: Scope,
    pub(super) windows: Vec<Window>,
}

impl Refusal {
    fn new(place: usize, config: &RefusalConfig) -> Self {
        Self {
            name: config.name(place),
            reason: config.reason.clone(),
            who: Who::new(&config.principals, &config.groups),
            except: Who::new(&config.except_principals, &config.except_groups),
            actions: config.actions,
            scope: config.selectors().scope(),
            windows: config.windows.clone(),
        }
    }

    fn of_cluster(config: &ClusterConfig) -> impl Iterator<Item = Self> {
        let refusal = |name: &str, reason: String, releases| Self {
            name: name.to_owned(),
            reason,
            who: Who::default(),
            except: Who::default(),
            actions: Actions::MUTATIONS,
            scope: Scope {
                clusters: Some(Patterns::new(std::slice::from_ref(&config.name))),
                releases,
                ..Scope::default()
            },
            windows: Vec::new(),
        };
        let read_only = config.read_only.then(|| {
            let reason = format!("cluster {} is read-only at this edge", config.name);
            refusal(READ_ONLY, reason, None)
        });
        let protected = (!config.protected.is_empty()).then(|| {
            let releases = Patterns::new(&config.protected);
            let reason = format!(
                "releases {releases} of cluster {} are protected",
                config.name
            );
            refusal(PROTECTED, reason, Some(releases))
        });
        read_only.into_iter().chain(protected)
    }

    /// Whether it is for `principal`. Callers of whom nothing is known may meet `*`, and are never an exception.
    pub(super) fn concerns(&self, principal: &Principal) -> bool {
        let excepted = principal.method != Method::Anonymous && self.except.names(principal);
        (self.who.is_empty() || self.who.names(principal)) && !excepted
    }

    /// Whether it forbids `attempt`, as far as that depends on no time: met, missed, or open.
    fn fit(&self, principal: &Principal, attempt: &Attempt<'_>) -> Fit {
        if !self.forbids(attempt) || !self.concerns(principal) {
            return Fit::Missed;
        }
        let mut fit = Fit::Met;
        for selector in Selector::ALL {
            match self.scope.fit(selector, attempt) {
                Fit::Foreign | Fit::Missed => return Fit::Missed,
                Fit::Met => {}
                Fit::Open => fit = Fit::Open,
            }
        }
        fit
    }

    /// Whether it is for what `attempt` is about, wherever that is. Who may not see a release may not see its values.
    pub(super) const fn forbids(&self, attempt: &Attempt<'_>) -> bool {
        if attempt.is_dry_run() {
            return self.actions.contains(Action::DryRun);
        }
        self.actions.contains(attempt.action)
            || matches!(attempt.action, Action::GetValues) && self.actions.contains(Action::Read)
    }

    /// If it holds at `now`: until when.
    pub(super) fn holds(&self, now: Timestamp) -> Option<End> {
        if self.windows.is_empty() {
            return Some(None);
        }
        // What does not end is later than what does.
        self.windows
            .iter()
            .filter_map(|window| window.holds(now))
            .max_by_key(|end| end.unwrap_or(Timestamp::MAX))
    }

    fn why(&self, end: End) -> String {
        match end {
            None => self.reason.clone(),
            Some(end) => format!("{} (until {end})", self.reason),
        }
    }
}
