//! A grant, and whom rules are for.

use super::scope::{Fit, Patterns, Scope, Selector};
use super::{ANONYMOUS, Action, Actions, Attempt, LOCAL};
use crate::access::Principal;
use crate::config::{AnonymousConfig, GrantConfig};

/// What some principals may do.
#[derive(Debug)]
pub(super) struct Grant {
    /// Where it stands in the file.
    pub(super) order: usize,
    pub(super) name: String,
    pub(super) who: Who,
    /// As the operator wrote them.
    pub(super) actions: Actions,
    /// With what they imply.
    allowed: Actions,
    pub(super) scope: Scope,
}

impl Grant {
    pub(super) fn new(order: usize, config: &GrantConfig) -> Self {
        Self {
            order,
            name: config.name(order),
            who: Who::new(&config.principals, &config.groups),
            actions: config.actions,
            allowed: config.actions.with_implied(),
            scope: config.selectors().scope(),
        }
    }

    /// What callers may do of whom nothing is known.
    pub(super) fn anonymous(config: &AnonymousConfig) -> Self {
        let actions: Actions = config.actions.iter().copied().collect();
        let clusters = &config.clusters;
        Self {
            order: 0,
            name: ANONYMOUS.to_owned(),
            who: Who::default(),
            actions,
            allowed: actions.with_implied(),
            scope: Scope {
                clusters: (!clusters.is_empty()).then(|| Patterns::new(clusters)),
                ..Scope::default()
            },
        }
    }

    /// What whoever is on this host may do, where nobody is authenticated.
    pub(super) fn local() -> Self {
        Self {
            order: 0,
            name: LOCAL.to_owned(),
            who: Who::default(),
            actions: Actions::ALL,
            allowed: Actions::ALL,
            scope: Scope::default(),
        }
    }

    /// Whether it allows to fetch any chart whose source begins with `start`.
    pub(super) fn fetches_below(&self, start: &str) -> bool {
        let charts = self.scope.charts.as_ref();
        self.allowed.contains(Action::ReadCharts)
            && charts.is_none_or(|charts| charts.meet_below(start))
    }

    /// Whether it allows `attempt`: met, missed, or open.
    pub(super) fn fit(&self, attempt: &Attempt<'_>) -> Fit {
        if !self.allows(attempt) {
            return Fit::Missed;
        }
        let mut fit = Fit::Met;
        for selector in Selector::ALL {
            match self.scope.fit(selector, attempt) {
                Fit::Missed => return Fit::Missed,
                Fit::Open => fit = Fit::Open,
                Fit::Foreign | Fit::Met => {}
            }
        }
        fit
    }

    /// Whether it is for what `attempt` is about, wherever that is.
    pub(super) const fn allows(&self, attempt: &Attempt<'_>) -> bool {
        self.allowed.contains(attempt.action)
            || attempt.is_dry_run() && self.allowed.contains(Action::DryRun)
    }
}

/// Names of principals and groups.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) principals: Vec<String>,
    pub(super) groups: Vec<String>,
    named: Patterns,
    grouped: Patterns,
}

impl Who {
    pub(super) fn new(principals: &[String], groups: &[String]) -> Self {
        Self {
            principals: principals.to_vec(),
            groups: groups.to_vec(),
            named: Patterns::new(principals),
            grouped: Patterns::new(groups),
        }
    }

    /// Whether it names nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.principals.is_empty() && self.groups.is_empty()
    }

    /// Whether it names `principal` or one of its groups.
    pub(super) fn names(&self, principal: &Principal) -> bool {
        self.names_itself(principal) || self.group_of(principal).is_some()
    }

    /// Whether it names `principal` itself.
    pub(super) fn names_itself(&self, principal: &Principal) -> bool {
        self.named.meet(&principal.name)
    }

    /// The group of `principal` that it names.
    pub(super) fn group_of<'p>(&self, principal: &'p Principal) -> Option<&'p str> {
        principal
            .groups
            .iter()
            .find(|group| self.grouped.meet(group))
            .map(String::as_str)
    }
}
