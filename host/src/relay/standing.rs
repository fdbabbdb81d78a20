//! What the rest of the host asks about callers: who one is at a cluster, and what somebody may do there.

use std::sync::Arc;

use jiff::Timestamp;
use rest::plan::Plan;
use rest::problem::Problem;

use super::error::NotAllowed;
use super::{Caller, Relay, RelayError};
use crate::access::Principal;
use crate::clusters::Cluster;
use crate::grants::{Action, Attempt, Decision};

/// A release, as far as it is known which.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whereabouts<'a> {
    /// The cluster; none for what is at no cluster or at several.
    pub(crate) cluster: Option<&'a str>,
    /// The tiller.
    pub(crate) tiller: Option<&'a str>,
    /// The namespace.
    pub(crate) namespace: Option<&'a str>,
    /// The name.
    pub(crate) release: Option<&'a str>,
}

impl Relay {
    /// Who `caller` is at the cluster of that name, if it is anybody who has a grant there.
    ///
    /// # Errors
    ///
    /// The problem that the caller is told.
    pub(crate) async fn whose(
        &self,
        caller: &Caller,
        cluster: &str,
    ) -> Result<(Arc<Principal>, Arc<Cluster>), Problem> {
        let seen = self.seen(caller, cluster).await;
        seen.map_err(|error| error.problem(None).with_cluster(cluster))
    }

    /// Whether `principal` may do `action` to a release, whatever is not known of it.
    pub(crate) fn may(
        &self,
        principal: &Principal,
        action: Action,
        what: &Whereabouts<'_>,
    ) -> bool {
        let decision = self.judged(principal, action, false, what);
        matches!(decision, Some(Decision::Allowed { .. }))
    }

    /// What keeps `principal` from what `plan` comes to, if that is certain before anything is looked up.
    pub(crate) fn forbids(&self, principal: &Principal, plan: &Plan) -> Option<Problem> {
        let action: Action = plan.action.parse().ok()?;
        let what = Whereabouts {
            cluster: Some(&plan.cluster),
            tiller: plan.tiller.as_deref(),
            namespace: plan.namespace.as_deref(),
            release: plan.release.as_deref(),
        };
        // One that installs what is not there is either.
        let either = [
            Some(action),
            (action == Action::Upgrade).then_some(Action::Install),
        ];
        let refused = |action| {
            matches!(
                self.judged(principal, action, plan.dry_run, &what),
                Some(Decision::Refused { .. })
            )
        };
        if !either.into_iter().flatten().all(refused) {
            return None;
        }
        let Some(Decision::Refused { refusal, why }) =
            self.judged(principal, action, plan.dry_run, &what)
        else {
            return None;
        };
        Some(self.not_allowed(principal, action, &what, refusal.map(|name| (name, why))))
    }

    /// The problem of somebody who may not do `action`; the refusal that forbids it with its reason, if it is one.
    pub(crate) fn not_allowed(
        &self,
        principal: &Principal,
        action: Action,
        what: &Whereabouts<'_>,
        refusal: Option<(&str, String)>,
    ) -> Problem {
        let (refusal, reason) = refusal.unzip();
        let error = RelayError::NotAllowed(Box::new(NotAllowed {
            principal: principal.name.clone(),
            action: action.to_string(),
            release: what.release.map(ToOwned::to_owned),
            namespace: what.namespace.map(ToOwned::to_owned),
            chart: None,
            cluster: what.cluster.map(ToOwned::to_owned),
            refusal: refusal.map(ToOwned::to_owned),
            reason,
        }));
        let problem = error.problem(None);
        match what.cluster {
            Some(cluster) => problem.with_cluster(cluster),
            None => problem,
        }
    }

    /// What comes of an attempt; none if there is no such cluster.
    fn judged(
        &self,
        principal: &Principal,
        action: Action,
        dry_run: bool,
        what: &Whereabouts<'_>,
    ) -> Option<Decision<'_>> {
        let cluster = match what.cluster {
            Some(name) => Some(self.clusters.get(name)?),
            None => None,
        };
        // Its name alone means the default one.
        let tiller = what.tiller.unwrap_or(rest::relay::DEFAULT_TILLER);
        let attempt = Attempt {
            action,
            dry_run,
            place: cluster.as_ref().map(|cluster| cluster.place(Some(tiller))),
            namespace: what.namespace,
            release: what.release,
            chart: None,
        };
        Some(self.policy.decide(principal, &attempt, Timestamp::now()))
    }
}
