//! From what the component wants done to operations.
//!
//! The component has read what somebody sent, and may have been taken over by it. So what it wants is held against what a
//! hook can want: changes of releases by the routes of the interface, each being the one that its plan says it is. What it
//! may, the relay decides by the hook's grants when an operation is carried out; that it is about the release of its plan
//! and no other, the relay sees to as well.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Uri};
use jiff::Timestamp;
use rest::plan::Plan;
use rest::route::{Part, Resource, Route};
use rules::{MAX_WANTED, Outcome, Wanted};

use crate::access::Principal;
use crate::operations::{
    Actor, Approval, Head, Job, Lane, New, Operation, OperationId, Origin, State,
};

/// The most events of one delivery.
const MAX_EVENTS: usize = 1000;

/// The largest body of a request that a hook makes, in bytes.
const MAX_BODY: usize = 1 << 20;

/// The longest target of one, in bytes.
const MAX_TARGET: usize = 4096;

/// What a component wants and no hook can. For the log: only a component that is out of hand wants it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unfit {
    /// A request with a body that is larger than any that rules lead to.
    #[error("it wants to send a body of {0} bytes")]
    Body(usize),
    /// More than a delivery can lead to.
    #[error("it wants more to be done than a delivery can lead to")]
    Many,
    /// A request that is another than its plan says.
    #[error("it wants a request that is not what its plan says")]
    Plan,
    /// A request that changes no release.
    #[error("it wants a request that is none to change a release")]
    Route,
    /// A rule that the hook does not have.
    #[error("it names a rule that the hook does not have")]
    Rule,
}

/// Makes operations of one delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    /// The hook.
    pub(crate) hook: &'a str,
    /// For whom.
    pub(crate) principal: &'a Arc<Principal>,
    /// The delivery, in the provider's words where it names them.
    pub(crate) delivery: &'a str,
    /// The request that brought it.
    pub(crate) request_id: &'a str,
    /// The operation whose children are made.
    pub(crate) parent: Option<&'a OperationId>,
    /// When they are accepted.
    pub(crate) at: Timestamp,
    /// After that they are not begun any more.
    pub(crate) expires_at: Timestamp,
}

impl Making<'_> {
    /// What is `wanted`, under the name `id`.
    ///
    /// # Errors
    ///
    /// When no hook can want it.
    pub(crate) fn operation(&self, id: OperationId, wanted: Wanted) -> Result<New, Unfit> {
        match wanted {
            Wanted::Discovery {
                rule,
                cluster,
                event,
            } => {
                let lane = Lane::other("discovery", &[self.hook, &rule, &cluster]);
                let job = Job::Discovery {
                    hook: self.hook.to_owned(),
                    rule: rule.clone(),
                    cluster,
                    event,
                };
                let operation = self.draft(id, rule, job, lane);
                Ok(New {
                    operation,
                    body: Bytes::new(),
                })
            }
            Wanted::Request {
                rule,
                method,
                target,
                body,
                plan,
                coalesce,
                approve,
            } => {
                let release = check(&method, &target, &plan)?;
                let lane = Lane::release(&plan.cluster, plan.tiller.as_deref(), &release);
                let body = serde_json::to_vec(&body).map_err(|_| Unfit::Plan)?;
                if body.len() > MAX_BODY {
                    return Err(Unfit::Body(body.len()));
                }
                let json = HeaderValue::from_static("application/json");
                let head = Head {
                    method,
                    target,
                    headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
                };
                let mut operation = self.draft(id, rule, Job::Request { head, plan }, lane);
                operation.coalesce = coalesce;
                if approve {
                    operation.state = State::AwaitingApproval;
                    operation.approval = Approval::Needed;
                }
                Ok(New {
                    operation,
                    body: body.into(),
                })
            }
        }
    }

    fn draft(&self, id: OperationId, rule: String, job: Job, lane: Lane) -> Operation {
        Operation {
            id,
            state: State::Accepted,
            job,
            lane,
            actor: Actor {
                principal: Principal::clone(self.principal),
                cluster: None,
            },
            origin: Some(Origin {
                hook: self.hook.to_owned(),
                delivery: self.delivery.to_owned(),
                rule,
                parent: self.parent.cloned(),
            }),
            request_id: self.request_id.to_owned(),
            coalesce: false,
            approval: Approval::None,
            accepted_at: self.at,
            started_at: None,
            finished_at: None,
            not_before: None,
            expires_at: self.expires_at,
            attempts: 0,
            steps: Vec::new(),
            reconciled: false,
            answer: None,
            note: None,
            superseded_by: None,
            children: Vec::new(),
        }
    }
}

/// Whether a component may have come to `outcome` by the rules of those names.
///
/// # Errors
///
/// When it cannot.
pub(super) fn check_outcome(
    outcome: &Outcome,
    is_rule: impl Fn(&str) -> bool,
) -> Result<(), Unfit> {
    let wanted: usize = outcome.events.iter().map(|event| event.wanted.len()).sum();
    if outcome.events.len() > MAX_EVENTS || wanted > MAX_WANTED {
        return Err(Unfit::Many);
    }
    let mut wanted = outcome.events.iter().flat_map(|event| &event.wanted);
    let known = wanted.all(|wanted| match wanted {
        Wanted::Discovery { rule, .. } | Wanted::Request { rule, .. } => is_rule(rule),
    });
    if known { Ok(()) } else { Err(Unfit::Rule) }
}

/// The release that a request changes, which is the one that `plan` says.
fn check(method: &str, target: &str, plan: &Plan) -> Result<String, Unfit> {
    if target.len() > MAX_TARGET {
        return Err(Unfit::Route);
    }
    let uri: Uri = target.parse().map_err(|_| Unfit::Route)?;
    if uri.authority().is_some() {
        return Err(Unfit::Route);
    }
    let Ok(Route::Tiller(tiller, resource)) = Route::parse(uri.path()) else {
        return Err(Unfit::Route);
    };
    let (release, actions): (String, &[&str]) = match (method, resource) {
        ("DELETE", Resource::Release(release)) => (release, &["uninstall"]),
        ("POST", Resource::ReleasePart(release, Part::Rollback)) => (release, &["rollback"]),
        ("POST", Resource::ReleasePart(release, Part::Tests)) => (release, &["test"]),
        ("PUT", Resource::Release(release)) => (release, &["install", "upgrade"]),
        _ => return Err(Unfit::Route),
    };
    let agrees = actions.contains(&plan.action.as_str())
        && plan.cluster == tiller.cluster
        && plan.tiller == tiller.tiller
        && plan.release.as_ref() == Some(&release);
    if agrees {
        Ok(release)
    } else {
        Err(Unfit::Plan)
    }
}

#[cfg(test)]
mod tests {
    use rules::Seen;
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        Plan {
            action: "upgrade".to_owned(),
            cluster: "prod".to_owned(),
            release: Some("web".to_owned()),
            timeout: 300,
            ..Plan::default()
        }
    }

    fn wanted(method: &str, target: &str, plan: Plan) -> Wanted {
        Wanted::Request {
            rule: "r".to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            body: json!({ "values": {} }),
            plan,
            coalesce: true,
            approve: false,
        }
    }

    fn make(wanted: Wanted) -> Result<New, Unfit> {
        let at = Timestamp::UNIX_EPOCH;
        let principal = Arc::new(Principal::hook("ci"));
        let making = Making {
            hook: "ci",
            principal: &principal,
            delivery: "1f2e",
            request_id: "r1",
            parent: None,
            at,
            expires_at: at,
        };
        making.operation(OperationId::new(at, [0; 10]), wanted)
    }

    #[test]
    fn a_change_of_a_release_becomes_an_operation_of_the_hook() {
        let made = make(wanted("PUT", "/v1/clusters/prod/releases/web", plan())).expect("fits");
        let operation = made.operation;
        assert_eq!(operation.actor.principal.name, "hook:ci");
        assert_eq!(operation.lane, Lane::release("prod", None, "web"));
        assert_eq!(operation.state, State::Accepted);
        assert!(operation.coalesce);
        assert_eq!(&*made.body, br#"{"values":{}}"#);
        let origin = operation.origin.expect("there");
        assert_eq!(
            (&*origin.hook, &*origin.delivery, &*origin.rule),
            ("ci", "1f2e", "r")
        );
    }

    #[test]
    fn one_that_needs_approval_waits_for_it() {
        let mut wanted = wanted("PUT", "/v1/clusters/prod/releases/web", plan());
        if let Wanted::Request { approve, .. } = &mut wanted {
            *approve = true;
        }
        let operation = make(wanted).expect("fits").operation;
        assert_eq!(operation.state, State::AwaitingApproval);
        assert_eq!(operation.approval, Approval::Needed);
    }

    #[test]
    fn what_no_hook_can_want_is_refused() {
        let release = "/v1/clusters/prod/releases/web";
        for (method, target, action) in [
            ("GET", release, "upgrade"),
            ("POST", release, "upgrade"),
            ("POST", "/v1/clusters/prod/releases", "install"),
            ("PUT", "/v1/access", "upgrade"),
            ("PUT", "/v1/operations/op-1", "upgrade"),
            ("PUT", "/hooks/ci", "upgrade"),
            (
                "PUT",
                "http://elsewhere/v1/clusters/prod/releases/web",
                "upgrade",
            ),
            (
                "PUT",
                "//elsewhere/v1/clusters/prod/releases/web",
                "upgrade",
            ),
            ("PUT", "", "upgrade"),
        ] {
            let plan = Plan {
                action: action.to_owned(),
                ..plan()
            };
            assert_eq!(
                make(wanted(method, target, plan)).map(|_| ()),
                Err(Unfit::Route),
                "{method} {target}"
            );
        }
    }

    #[test]
    fn a_plan_must_be_that_of_its_request() {
        let release = "/v1/clusters/prod/releases/web";
        let tiller = "/v1/clusters/prod/tillers/other/releases/web";
        let other = |change: fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan
        };
        for (target, plan) in [
            (release, other(|plan| plan.cluster = "dev".to_owned())),
            (release, other(|plan| plan.release = None)),
            (release, other(|plan| plan.release = Some("db".to_owned()))),
            (
                release,
                other(|plan| plan.tiller = Some("other".to_owned())),
            ),
            (release, other(|plan| plan.action = "uninstall".to_owned())),
            (tiller, plan()),
        ] {
            assert_eq!(
                make(wanted("PUT", target, plan)).map(|_| ()),
                Err(Unfit::Plan)
            );
        }
    }

    #[test]
    fn too_much_and_rules_that_are_not_there_are_refused() {
        let event = |count| Seen {
            wanted: vec![wanted("PUT", "/v1/clusters/prod/releases/web", plan()); count],
            ..Seen::default()
        };
        let outcome = |events| Outcome {
            reason: None,
            events,
        };
        let check = |outcome: &Outcome| check_outcome(outcome, |rule| rule == "r");
        assert_eq!(check(&outcome(vec![event(500), event(500)])), Ok(()));
        assert_eq!(
            check(&outcome(vec![event(500), event(501)])),
            Err(Unfit::Many)
        );
        assert_eq!(check(&outcome(vec![event(0); 1001])), Err(Unfit::Many));
        let strange = check_outcome(&outcome(vec![event(1)]), |_| false);
        assert_eq!(strange, Err(Unfit::Rule));
    }
}
