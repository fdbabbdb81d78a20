//! Who may see an operation, and who may do something about it.

use std::sync::Arc;

use super::Operation;
use super::engine::Core;
use super::view::{Sight, release};
use crate::access::{Identity, Principal};
use crate::grants::Action;
use crate::relay::{Caller, Whereabouts};

/// What a caller is to an operation.
pub(super) struct Standing {
    /// Who it is there.
    pub(super) principal: Arc<Principal>,
    /// Whether the operation is carried out in its name.
    pub(super) is_actor: bool,
    /// How much it may see; none if it may not even know that there is one.
    pub(super) sight: Option<Sight>,
}

impl Standing {
    /// What `caller` is to `operation`; none if nobody can say who it is there.
    pub(super) async fn of(core: &Core, caller: &Caller, operation: &Operation) -> Option<Self> {
        let principal = match (&caller.identity, operation.job.plan()) {
            (Identity::Known(principal), _) => Arc::clone(principal),
            (Identity::PerCluster, Some(plan)) => {
                core.relay.whose(caller, &plan.cluster).await.ok()?.0
            }
            (Identity::PerCluster, None) => return None,
        };
        let actor = &operation.actor;
        // A cluster that says who somebody is says so of itself only.
        let is_actor = (&principal.name, principal.method)
            == (&actor.principal.name, actor.principal.method)
            && actor.cluster.is_some() == matches!(caller.identity, Identity::PerCluster);
        let what = whereabouts(operation);
        let may = |action| core.relay.may(&principal, action, &what);
        let sight = match is_actor {
            true => Some(Sight::Whole),
            false if !may(Action::Read) && !may(Action::Approve) => None,
            false if may(Action::GetValues) => Some(Sight::Whole),
            false => Some(Sight::Outline),
        };
        Some(Self {
            principal,
            is_actor,
            sight,
        })
    }

    /// Whether it may call the operation off or have it resumed: it is its own, or it might as well have asked for it.
    pub(super) fn manages(&self, core: &Core, operation: &Operation) -> bool {
        self.is_actor
            || core
                .relay
                .may(&self.principal, action(operation), &whereabouts(operation))
    }

    /// Whether it may approve the operation. Nobody approves what is done in its own name.
    pub(super) fn approves(&self, core: &Core, operation: &Operation) -> bool {
        !self.is_actor
            && core
                .relay
                .may(&self.principal, Action::Approve, &whereabouts(operation))
    }
}

/// What the operation does, as grants name it. What looks for releases does so to upgrade them.
pub(super) fn action(operation: &Operation) -> Action {
    let planned = operation.job.plan();
    planned
        .and_then(|plan| plan.action.parse().ok())
        .unwrap_or(Action::Upgrade)
}

/// What the operation is about. Only who installs says where a release will be; where others are is not known here.
pub(super) fn whereabouts(operation: &Operation) -> Whereabouts<'_> {
    let plan = operation.job.plan();
    Whereabouts {
        cluster: plan.map(|plan| plan.cluster.as_str()),
        tiller: plan.and_then(|plan| plan.tiller.as_deref()),
        namespace: plan
            .filter(|plan| plan.action == Action::Install.as_str())
            .and_then(|plan| plan.namespace.as_deref()),
        release: release(operation),
    }
}
