//! Operations as callers see them.

use jiff::Timestamp;
use rest::relay::Target;
use rest::route::release_path;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Approval, Job, Operation, OperationId, Origin, Step, StepEnd, judge};

/// How much of an operation somebody may see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sight {
    /// That it is there, what it is about and how far it is.
    Outline,
    /// What came of it too, which may show values.
    Whole,
}

/// The path of an operation.
pub(crate) fn path(id: &OperationId) -> String {
    format!("/v1/operations/{id}")
}

/// `operation` for somebody who may see so much of it.
pub(crate) fn view(operation: &Operation, sight: Sight) -> Value {
    let plan = operation.job.plan();
    let answer = operation.answer.as_ref();
    let is_whole = sight == Sight::Whole;
    let problem = answer.and_then(judge::problem);
    let result = answer
        .filter(|answer| answer.status().is_success())
        .map(|answer| document(&answer.body));
    let view = View {
        id: &operation.id,
        state: operation.state.as_str(),
        kind: kind(&operation.job),
        action: plan.map(|plan| plan.action.as_str()),
        dry_run: plan.is_some_and(|plan| plan.dry_run),
        cluster: plan.map(|plan| plan.cluster.as_str()),
        tiller: plan.and_then(|plan| plan.tiller.as_deref()),
        release: release(operation),
        namespace: plan.and_then(|plan| plan.namespace.as_deref()),
        actor: json!({
            "name": operation.actor.principal.name,
            "method": operation.actor.principal.method,
        }),
        origin: operation.origin.as_ref(),
        request_id: &operation.request_id,
        approval: &operation.approval,
        accepted_at: operation.accepted_at,
        started_at: operation.started_at,
        finished_at: operation.finished_at,
        not_before: operation.not_before,
        expires_at: operation.expires_at,
        attempts: operation.attempts,
        steps: operation.steps.iter().map(StepView::from).collect(),
        reconciled: operation.reconciled,
        note: operation.note.as_deref().filter(|_| is_whole),
        status: answer.map(|answer| answer.status),
        code: problem.as_ref().map(|problem| problem.code.as_str()),
        withheld: !is_whole && answer.is_some(),
        problem: problem.filter(|_| is_whole).map(|problem| json!(problem)),
        result: result.filter(|_| is_whole),
        superseded_by: operation.superseded_by.as_ref(),
        children: &operation.children,
        links: links(operation),
    };
    serde_json::to_value(view).expect("strings and numbers always serialise")
}

/// An operation's kind, by name.
pub(super) const fn kind(job: &Job) -> &'static str {
    match job {
        Job::Discovery { .. } => "discovery",
        Job::Notice { .. } => "notice",
        Job::Request { .. } => "request",
    }
}

/// The release that it is about, also where Tiller made up its name.
pub(super) fn release(operation: &Operation) -> Option<&str> {
    let planned = operation.job.plan()?.release.as_deref();
    let made = operation.steps.iter().rev();
    planned.or_else(|| made.filter_map(|step| step.release.as_deref()).next())
}

/// JSON as it is, lines of it as a list, and anything else as text.
fn document(body: &str) -> Value {
    if let Ok(value) = serde_json::from_str(body) {
        return value;
    }
    let lines = body.lines().map(serde_json::from_str);
    match lines.collect::<Result<Vec<Value>, _>>() {
        Ok(lines) => Value::Array(lines),
        Err(_) => Value::from(body),
    }
}

fn links(operation: &Operation) -> Value {
    let mut links = json!({ "self": path(&operation.id) });
    if let (Some(plan), Some(release)) = (operation.job.plan(), release(operation)) {
        let target = Target {
            cluster: plan.cluster.clone(),
            tiller: plan.tiller.clone(),
        };
        links["release"] = json!(release_path(&target, release));
    }
    links
}

#[derive(Serialize)]
struct View<'a> {
    id: &'a OperationId,
    state: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tiller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    actor: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    request_id: &'a str,
    #[serde(flatten)]
    approval: &'a Approval,
    accepted_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
    attempts: u32,
    steps: Vec<StepView<'a>>,
    reconciled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<&'a OperationId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    children: &'a [OperationId],
    links: Value,
}

/// A call, without the digests by which its traces are known.
#[derive(Serialize)]
struct StepView<'a> {
    rpc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    sent_at: Timestamp,
    /// The revision that was the newest before.
    revision: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<StepEnd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl<'a> From<&'a Step> for StepView<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            rpc: &step.rpc,
            release: step.release.as_deref(),
            sent_at: step.sent_at,
            revision: step.revision,
            end: step.end,
            ended_at: step.ended_at,
        }
    }
}
