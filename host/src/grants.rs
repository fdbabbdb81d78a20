//! Who may do what: the decision, pure and in one place.
//!
//! A [`Policy`] is compiled once from the grants and refusals of the configuration. It is asked about an [`Attempt`]:
//! who wants to do what, where. Nothing is allowed that no grant allows; a refusal wins over every grant. What of an
//! attempt is not known yet may be left open: then the answer is certain only if it is the same whatever turns out, and
//! [`Decision::Depends`] otherwise.
//!
//! A decision must cost the same whoever else has grants, so rules are found by the principal's name and groups; only
//! those with a `*` in a name are tried for everybody.

mod action;
mod explain;
mod index;
mod refusal;
mod rule;
mod scope;
mod window;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::action::{Action, Actions, UnknownAction};
pub use self::explain::{
    Access, Applies, Considered, Explanation, GrantView, Outcome, RefusalView,
};
use self::index::Index;
use self::refusal::Refusals;
pub use self::refusal::{PROTECTED, READ_ONLY};
use self::rule::Grant;
use self::scope::Fit;
pub use self::scope::{Patterns, Scope, Selector};
pub use self::window::{Weekday, Window, WindowError};
use crate::access::{Method, Principal};
use crate::config::Config;

/// The grant of callers of whom nothing is known, in audit lines and explanations.
pub const ANONYMOUS: &str = "anonymous";
/// The grant of whoever is on this host, where no method of authentication is configured.
pub const LOCAL: &str = "local";

/// What somebody wants to do. What is `None` is not known yet, or is no one thing.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What. Of a dry run, the mutation.
    pub action: Action,
    /// Whether it is only asked what the mutation would do.
    pub dry_run: bool,
    /// Where; none for what concerns no cluster.
    pub place: Option<Place<'a>>,
    /// The release's namespace.
    pub namespace: Option<&'a str>,
    /// The release's name.
    pub release: Option<&'a str>,
    /// Where the chart is from: `repository/name`, a URL, or `upload`.
    pub chart: Option<&'a str>,
}

impl Attempt<'_> {
    /// Whether it is only asked what a mutation would do. What Tiller has no dry run of is never one.
    const fn is_dry_run(&self) -> bool {
        self.dry_run && self.action.has_dry_run()
    }
}

/// A tiller in a cluster, as grants name it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Its region.
    pub region: Option<&'a str>,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The tiller's name; none where any of them will do.
    pub tiller: Option<&'a str>,
}

/// What comes of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision<'p> {
    /// The grant of that name allows it, and nothing forbids it.
    Allowed {
        /// The grant's name.
        grant: &'p str,
    },
    /// It depends on what is not known: some grant allows it for some of it, or some refusal forbids it for some.
    Depends,
    /// It is not allowed, whatever is not known.
    Refused {
        /// The refusal that forbids it; none if no grant allows it.
        refusal: Option<&'p str>,
        /// Why, for the caller: what it is that it may not, or the refusal's reason.
        why: String,
    },
}

/// All grants and refusals of an edge.
#[derive(Debug)]
pub struct Policy {
    grants: Index,
    anonymous: Option<Grant>,
    local: Grant,
    refusals: Refusals,
}

impl Policy {
    /// Those of `config`, which was checked.
    #[must_use]
    pub fn compile(config: &Config) -> Self {
        let grants = config.grants.iter().enumerate();
        Self {
            grants: grants
                .map(|(order, grant)| Grant::new(order, grant))
                .collect(),
            anonymous: config.anonymous.as_ref().map(Grant::anonymous),
            local: Grant::local(),
            refusals: Refusals::new(config),
        }
    }

    /// What comes of `attempt` by `principal` at the time `now`.
    ///
    /// Of several grants the first in the file is named, of several refusals likewise. Nobody hears of a refusal who has
    /// no grant that it takes from.
    #[must_use]
    pub fn decide(
        &self,
        principal: &Principal,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Decision<'_> {
        let (allowed, maybe) = self.granted(principal, attempt);
        if allowed.is_none() && !maybe {
            return Decision::Refused {
                refusal: None,
                why: self.lacking(principal, attempt),
            };
        }
        let (refused, maybe) = self.refusals.check(principal, attempt, now);
        match (refused, allowed) {
            (Some((refusal, why)), _) => Decision::Refused {
                refusal: Some(&refusal.name),
                why,
            },
            (None, Some(grant)) if !maybe => Decision::Allowed { grant: &grant.name },
            (None, _) => Decision::Depends,
        }
    }

    /// Whether `principal` has any grant at all in that place, whatever for: who has none is not told that it exists.
    #[must_use]
    pub fn sees(&self, principal: &Principal, place: &Place<'_>) -> bool {
        self.grants_of(principal)
            .any(|grant| grant.scope.covers(place))
    }

    /// Whether `principal` has any grant for a chart of that repository: who has none is not told that it exists.
    #[must_use]
    pub fn sees_repository(&self, principal: &Principal, repository: &str) -> bool {
        let start = format!("{repository}/");
        self.grants_of(principal)
            .any(|grant| grant.fetches_below(&start))
    }

    /// Whether it matters for `principal` where a chart is from.
    #[must_use]
    pub fn minds_charts(&self, principal: &Principal) -> bool {
        self.grants_of(principal)
            .any(|grant| grant.scope.charts.is_some())
            || self
                .refusals
                .all()
                .any(|refusal| refusal.scope.charts.is_some())
    }

    /// The first grant that allows it for certain, and whether any might.
    fn granted(&self, principal: &Principal, attempt: &Attempt<'_>) -> (Option<&Grant>, bool) {
        let mut allowed: Option<&Grant> = None;
        let mut maybe = false;
        for grant in self.grants_of(principal) {
            if allowed.is_some_and(|first| first.order <= grant.order) {
                continue;
            }
            match grant.fit(attempt) {
                Fit::Met => allowed = Some(grant),
                Fit::Open => maybe = true,
                Fit::Foreign | Fit::Missed => {}
            }
        }
        (allowed, maybe)
    }

    /// The grants that are for `principal`, in no order; one may come more than once.
    fn grants_of<'a>(&'a self, principal: &Principal) -> impl Iterator<Item = &'a Grant> {
        let (own, written) = match principal.method {
            Method::Anonymous => (self.anonymous.as_ref(), None),
            Method::Local => (Some(&self.local), None),
            Method::Hook if *principal == Principal::unverified() => (None, None),
            Method::Certificate
            | Method::Hook
            | Method::Kubernetes
            | Method::Oidc
            | Method::Token => (None, Some(self.grants.of(principal))),
        };
        own.into_iter().chain(written.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests;
