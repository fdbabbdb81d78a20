//! What somebody makes of an operation that nobody carries out just now: calls it off, has it resumed, approves it.

use http::Response;
use jiff::Timestamp;
use rest::problem::{Code, Problem};
use rest::query;

use super::super::carry::later;
use super::super::engine::{Core, refused_by_store};
use super::super::standing::{Standing, action, whereabouts};
use super::super::view::release;
use super::super::{Approval, Operation, OperationId, State, Step, StoreError, Stored};
use super::{find, not_found, shown};
use crate::audit::{Ended, Entry};
use crate::grants::Action;
use crate::relay::{Body, Caller};

/// What is made of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Approve,
    Cancel,
    Resume,
}

impl Act {
    /// The one whose path ends so.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "approve" => Some(Self::Approve),
            "resume" => Some(Self::Resume),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Cancel => "cancel",
            Self::Resume => "resume",
        }
    }

    fn is_allowed(self, core: &Core, standing: &Standing, operation: &Operation) -> bool {
        match self {
            Self::Approve => standing.approves(core, operation),
            Self::Cancel | Self::Resume => standing.manages(core, operation),
        }
    }

    /// Whether an operation in that state can have it done.
    const fn fits(self, state: State) -> bool {
        match self {
            Self::Approve => matches!(state, State::AwaitingApproval),
            Self::Cancel => matches!(state, State::Accepted | State::AwaitingApproval),
            Self::Resume => matches!(state, State::Dead),
        }
    }

    fn apply(self, core: &Core, operation: &mut Operation, by: &str, now: Timestamp) {
        operation.not_before = None;
        match self {
            Self::Approve => {
                operation.state = State::Accepted;
                operation.approval = Approval::Given {
                    by: by.to_owned(),
                    at: now,
                };
            }
            Self::Cancel => {
                operation.state = State::Cancelled;
                operation.finished_at = Some(now);
                operation.note = Some(format!("called off by `{by}`"));
            }
            Self::Resume => {
                operation.state = if operation.steps.iter().any(Step::is_undecided) {
                    State::Unknown
                } else {
                    State::Accepted
                };
                operation.expires_at = later(now, core.config.deadline);
                operation.finished_at = None;
                operation.answer = None;
                operation.note = Some(format!("resumed by `{by}`"));
            }
        }
    }
}

/// How often it is looked again where somebody else changed it at the same time.
const ATTEMPTS: usize = 5;

pub(super) async fn answer(
    core: &Core,
    caller: &Caller,
    id: &OperationId,
    act: Act,
    query: Option<&str>,
) -> Result<Response<Body>, Problem> {
    query::parse(query, &[])?.finish()?;
    for _ in 0..ATTEMPTS {
        let (stored, standing) = find(core, caller, id).await?;
        let seen = standing.and_then(|standing| standing.sight.map(|sight| (standing, sight)));
        let Some((standing, sight)) = seen else {
            let why = "it may not be seen".to_owned();
            refused(core, caller, None, act, &stored.operation, why).await;
            return Err(not_found(id));
        };
        if !act.is_allowed(core, &standing, &stored.operation) {
            let problem = not_allowed(core, &standing, act, &stored.operation);
            let why = problem.detail.clone();
            refused(core, caller, Some(&standing), act, &stored.operation, why).await;
            return Err(problem);
        }
        if !act.fits(stored.operation.state) {
            return Err(in_another_state(act, &stored.operation));
        }
        if let Some(changed) = change(core, caller, &standing, act, stored).await? {
            return Ok(shown(&changed, sight));
        }
    }
    Err(Problem::new(
        Code::OperationStateConflict,
        format!("the operation `{id}` changes all the time; try again"),
    ))
}

/// Does it; none if somebody else changed the operation at the same time.
async fn change(
    core: &Core,
    caller: &Caller,
    standing: &Standing,
    act: Act,
    mut stored: Stored,
) -> Result<Option<Stored>, Problem> {
    let entry = entry(caller, Some(standing), act, &stored.operation);
    let pending = core.audit.begin(entry).await.map_err(|_| {
        Problem::new(
            Code::AuditUnavailable,
            "the audit log cannot be written, so nothing is changed",
        )
    })?;
    let by = &standing.principal.name;
    act.apply(core, &mut stored.operation, by, Timestamp::now());
    let changed = core.store.change(stored.clone()).await;
    match changed {
        Ok(()) => {
            pending.end(Ended::Applied, None);
            if stored.operation.state.is_settled() {
                core.tell(&stored.operation).await;
            }
            Ok(Some(stored))
        }
        Err(StoreError::Conflict | StoreError::Lost) => {
            let code = Code::OperationStateConflict.as_str();
            pending.end(Ended::NotApplied, Some(code));
            Ok(None)
        }
        Err(error) => {
            let problem = refused_by_store(&error);
            pending.end(Ended::Unknown, Some(problem.code.as_str()));
            Err(problem)
        }
    }
}

fn in_another_state(act: Act, operation: &Operation) -> Problem {
    Problem::new(
        Code::OperationStateConflict,
        format!(
            "the operation `{}` is {}; there is nothing to {}",
            operation.id,
            operation.state.as_str(),
            act.as_str()
        ),
    )
}

fn not_allowed(core: &Core, standing: &Standing, act: Act, operation: &Operation) -> Problem {
    let action = match act {
        Act::Approve if standing.is_actor => {
            return Problem::new(
                Code::NotAllowed,
                "nobody approves what is done in their own name",
            );
        }
        Act::Approve => Action::Approve,
        Act::Cancel | Act::Resume => action(operation),
    };
    let what = whereabouts(operation);
    core.relay
        .not_allowed(&standing.principal, action, &what, None)
}

async fn refused(
    core: &Core,
    caller: &Caller,
    standing: Option<&Standing>,
    act: Act,
    operation: &Operation,
    why: String,
) {
    let entry = Entry {
        why: Some(why),
        ..entry(caller, standing, act, operation)
    };
    core.audit.refused(entry).await;
}

fn entry(caller: &Caller, standing: Option<&Standing>, act: Act, operation: &Operation) -> Entry {
    let plan = operation.job.plan();
    Entry {
        request_id: caller.request_id.to_string(),
        principal: standing.map(|standing| (*standing.principal).clone()),
        peer: caller.peer,
        action: act.as_str().to_owned(),
        operation: Some(operation.id.to_string()),
        cluster: plan.map(|plan| plan.cluster.clone()),
        tiller: plan.and_then(|plan| plan.tiller.clone()),
        release: release(operation).map(ToOwned::to_owned),
        ..Entry::default()
    }
}
