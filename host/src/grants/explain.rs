//! Decisions in words: why one came out as it did, and what a caller may do at all.
//!
//! What is said is for the caller as well as for the operator, so of rules that are for others nothing is said, not even
//! that they are there; nor is anything of an attempt repeated, since the caller may not know all of it.

use jiff::Timestamp;
use serde::Serialize;

use super::refusal::Refusal;
use super::rule::Grant;
use super::scope::{Fit, Scope, Selector};
use super::{Actions, Attempt, Decision, Policy, Window};
use crate::access::Principal;

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What was decided.
    pub decision: Outcome,
    /// The grant or refusal that decides; none if no grant allows it, or if it depends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in words.
    pub why: String,
    /// Every grant that is for the caller.
    pub grants: Vec<Considered>,
    /// Every refusal that concerns the caller in that place.
    pub refusals: Vec<Considered>,
}

/// What a decision is, without what led to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is allowed.
    Allowed,
    /// It depends on what is not known.
    Depends,
    /// It is not allowed.
    Refused,
}

/// A rule that was held against an attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Considered {
    /// The rule's name.
    pub name: String,
    /// Whether it applies.
    pub applies: Applies,
    /// The first key of the rule that was not met, or on which it depends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// What that key asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wants: Option<String>,
}

/// Whether a rule applies to an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applies {
    /// That depends on what is not known.
    Depends,
    /// It does not.
    No,
    /// It does.
    Yes,
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Access {
    /// The grants that are for the caller, in the order of the file.
    pub grants: Vec<GrantView>,
    /// The refusals that concern the caller where it has grants.
    pub refusals: Vec<RefusalView>,
}

/// A grant, as those may see it whom it is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrantView {
    /// Its name.
    pub name: String,
    /// The caller's group that it is for, if it does not name the caller itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it allows, without what that implies.
    pub actions: Actions,
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
}

/// A refusal, as those may see it whom it concerns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusalView {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What it forbids.
    pub actions: Actions,
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
    /// When; empty: always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Whether it holds now.
    pub holds: bool,
}

impl Policy {
    /// What `principal` may do, by its grants and the refusals that concern it at the time `now`.
    #[must_use]
    pub fn of(&self, principal: &Principal, now: Timestamp) -> Access {
        let grants = self.sorted(principal);
        let shares_clusters = |refusal: &Refusal| {
            let clusters = refusal.scope.clusters.as_ref();
            grants
                .iter()
                .any(|grant| match (&grant.scope.clusters, clusters) {
                    (Some(own), Some(clusters)) => own.overlaps(clusters),
                    _ => true,
                })
        };
        let refusals = self
            .refusals
            .all()
            .filter(|refusal| refusal.concerns(principal) && shares_clusters(refusal));
        Access {
            refusals: refusals
                .map(|refusal| RefusalView {
                    name: refusal.name.clone(),
                    reason: refusal.reason.clone(),
                    actions: refusal.actions,
                    scope: refusal.scope.clone(),
                    windows: refusal.windows.clone(),
                    holds: refusal.holds(now).is_some(),
                })
                .collect(),
            grants: grants
                .iter()
                .map(|grant| GrantView {
                    name: grant.name.clone(),
                    group: match grant.who.names_itself(principal) {
                        true => None,
                        false => grant.who.group_of(principal).map(str::to_owned),
                    },
                    actions: grant.actions,
                    scope: grant.scope.clone(),
                })
                .collect(),
        }
    }

    /// What comes of `attempt` by `principal` at the time `now`, as [`Policy::decide`] has it, and why.
    #[must_use]
    pub fn explain(
        &self,
        principal: &Principal,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Explanation {
        let grants = self.sorted(principal);
        let refusals: Vec<&Refusal> = self
            .refusals
            .all()
            .filter(|refusal| refusal.concerns(principal) && refusal.scope.reaches(attempt))
            .collect();
        let (decision, rule, why) = match self.decide(principal, attempt, now) {
            Decision::Allowed { grant } => {
                let why = format!("grant `{grant}` allows it");
                (Outcome::Allowed, Some(grant.to_owned()), why)
            }
            Decision::Depends => {
                let why = depending(&grants, &refusals, attempt, now);
                (Outcome::Depends, None, why)
            }
            Decision::Refused { refusal, why } => {
                (Outcome::Refused, refusal.map(str::to_owned), why)
            }
        };
        Explanation {
            decision,
            rule,
            why,
            grants: grants
                .iter()
                .map(|grant| Considered::grant(grant, attempt))
                .collect(),
            refusals: refusals
                .iter()
                .map(|refusal| Considered::refusal(refusal, attempt, now))
                .collect(),
        }
    }

    /// Why no grant allows `attempt`: what the nearest lacks.
    pub(super) fn lacking(&self, principal: &Principal, attempt: &Attempt<'_>) -> String {
        let name = &principal.name;
        let misses = |grant: &Grant| {
            Selector::ALL
                .into_iter()
                .filter(|selector| grant.scope.fit(*selector, attempt) == Fit::Missed)
                .count()
        };
        let nearest = self
            .grants_of(principal)
            .min_by_key(|grant| (!grant.allows(attempt), misses(grant), grant.order));
        let Some(nearest) = nearest else {
            return format!("no grant is for {name} or a group of theirs");
        };
        let what = match attempt.is_dry_run() {
            true => format!("a dry run of {}", attempt.action),
            false => attempt.action.to_string(),
        };
        let Grant { name: grant, .. } = nearest;
        if !nearest.allows(attempt) {
            return format!(
                "no grant of {name} allows {what}; grant `{grant}` allows {} only",
                nearest.actions
            );
        }
        let limits = limits(&nearest.scope, attempt);
        format!("no grant of {name} allows {what} here; grant `{grant}` allows it {limits}")
    }

    /// The grants that are for `principal`, in the order of the file.
    fn sorted(&self, principal: &Principal) -> Vec<&Grant> {
        let mut grants: Vec<&Grant> = self.grants_of(principal).collect();
        grants.sort_by_key(|grant| grant.order);
        grants.dedup_by_key(|grant| grant.order);
        grants
    }
}

impl Considered {
    fn grant(grant: &Grant, attempt: &Attempt<'_>) -> Self {
        if !grant.allows(attempt) {
            return Self::missing(&grant.name, "actions", grant.actions.to_string());
        }
        Self::scope(&grant.name, &grant.scope, attempt, Fit::Met)
    }

    fn refusal(refusal: &Refusal, attempt: &Attempt<'_>, now: Timestamp) -> Self {
        if !refusal.forbids(attempt) {
            return Self::missing(&refusal.name, "actions", refusal.actions.to_string());
        }
        if refusal.holds(now).is_none() {
            let windows: Vec<String> = refusal.windows.iter().map(Window::to_string).collect();
            return Self::missing(&refusal.name, "window", windows.join("; "));
        }
        Self::scope(&refusal.name, &refusal.scope, attempt, Fit::Missed)
    }

    fn scope(name: &str, scope: &Scope, attempt: &Attempt<'_>, foreign: Fit) -> Self {
        let first = |wanted| {
            Selector::ALL
                .into_iter()
                .find(|selector| match scope.fit(*selector, attempt) {
                    Fit::Foreign => foreign == wanted,
                    fit => fit == wanted,
                })
        };
        let (applies, selector) = match (first(Fit::Missed), first(Fit::Open)) {
            (Some(missed), _) => (Applies::No, Some(missed)),
            (None, Some(open)) => (Applies::Depends, Some(open)),
            (None, None) => (Applies::Yes, None),
        };
        Self {
            name: name.to_owned(),
            applies,
            key: selector.map(Selector::as_str),
            wants: selector.map(|selector| scope.wants(selector)),
        }
    }

    fn missing(name: &str, key: &'static str, wants: String) -> Self {
        Self {
            name: name.to_owned(),
            applies: Applies::No,
            key: Some(key),
            wants: Some(wants),
        }
    }
}

fn depending(
    grants: &[&Grant],
    refusals: &[&Refusal],
    attempt: &Attempt<'_>,
    now: Timestamp,
) -> String {
    let applies = |considered: &Considered| considered.applies != Applies::No;
    let allowing = grants
        .iter()
        .filter(|grant| applies(&Considered::grant(grant, attempt)))
        .map(|Grant { name, scope, .. }| {
            format!("grant `{name}` allows it {}", limits(scope, attempt))
        });
    let forbidding = refusals
        .iter()
        .filter(|refusal| applies(&Considered::refusal(refusal, attempt, now)))
        .map(|Refusal { name, scope, .. }| {
            format!("refusal `{name}` forbids it {}", limits(scope, attempt))
        });
    let texts: Vec<String> = allowing.chain(forbidding).collect();
    texts.join("; ")
}

/// Where and to what a rule is limited, of what `attempt` does not meet or leaves open.
fn limits(scope: &Scope, attempt: &Attempt<'_>) -> String {
    let limits: Vec<String> = Selector::ALL
        .into_iter()
        .filter(|selector| matches!(scope.fit(*selector, attempt), Fit::Missed | Fit::Open))
        .map(|selector| {
            let before = match selector {
                Selector::Charts => "with charts",
                Selector::Clusters => "in clusters",
                Selector::Labels => "in clusters with labels",
                Selector::Namespaces => "in namespaces",
                Selector::Regions => "in regions",
                Selector::Releases => "for releases",
                Selector::Tillers => "at tillers",
            };
            format!("{before} {}", scope.wants(selector))
        })
        .collect();
    match limits.is_empty() {
        true => "here".to_owned(),
        false => limits.join(" "),
    }
}
