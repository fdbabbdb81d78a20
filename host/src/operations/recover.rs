//! Finding out what became of an operation, and bringing it to an end, where its own answer does not say.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use jiff::Timestamp;
use rest::plan::Undo;
use rest::problem::Problem;
use rest::relay::Target;
use rest::route::release_path;
use serde_json::json;

use super::carry::{Next, unknown};
use super::engine::Core;
use super::judge::{Judgement, Trouble, judge, problem, trouble};
use super::reconcile::{self, Trace, Verdict};
use super::record::Record;
use super::request::{BASE, acting, serve};
use super::{Answer, Operation, State, Step, StepEnd, StoreError, undo};
use crate::access::Identity;
use crate::net::Causes;
use crate::relay::Caller;

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// What the operation comes to.
    All(Box<Next>),
    /// Nothing happened: it may be served again.
    Nothing,
}

impl From<Next> for Found {
    fn from(next: Next) -> Self {
        Self::All(Box::new(next))
    }
}

/// Asks Tiller's history what became of every call whose end is not known, and ends what has to be ended. `answer` is
/// what the sandbox said, where one was there to say something.
pub(super) async fn recover(
    core: &Arc<Core>,
    record: &Arc<Record>,
    answer: Option<&Answer>,
) -> Found {
    let mut failure = answer.and_then(problem);
    let mut applied = None;
    if record.is_undecided() {
        let kept = record
            .save(|operation| operation.is_in_doubt(Timestamp::now()))
            .await;
        if let Err(error) = kept {
            return in_vain(&error).into();
        }
        failure = None;
    }
    let operation = record.operation();
    for (number, step) in operation.steps.iter().enumerate() {
        if !step.is_undecided() {
            continue;
        }
        let end = match ask(core, &operation, step).await {
            Verdict::Applied { release, revision } => {
                applied = Some(revision);
                record.note(|operation| operation.is_called(number, release));
                StepEnd::Applied
            }
            Verdict::Failed {
                description,
                status,
                undo,
                ..
            } => {
                failure = Some(failed(&operation, step, &description, &status));
                record.note(|operation| operation.undoes(number, undo));
                StepEnd::Failed
            }
            Verdict::NotApplied { .. } => StepEnd::NotApplied,
            Verdict::Undecided { why } => return Next::dead(&unknown(&why)).into(),
            Verdict::Wait { why } => return Next::Wait { why }.into(),
        };
        record.note(|operation| operation.is_found(number, end, Timestamp::now()));
    }
    conclude(core, record, failure, applied).await
}

/// What the calls of an operation come to, now that the end of each is known.
async fn conclude(
    core: &Arc<Core>,
    record: &Arc<Record>,
    failure: Option<Problem>,
    applied: Option<i32>,
) -> Found {
    let operation = record.operation();
    let made: Vec<Step> = operation
        .steps
        .iter()
        .filter(|step| step.end != Some(StepEnd::NotApplied))
        .cloned()
        .collect();
    let Some(last) = made.last() else {
        return Found::Nothing;
    };
    let first_failure = made
        .iter()
        .position(|step| step.end == Some(StepEnd::Failed) && step.undo.is_some());
    let Some(number) = first_failure else {
        return match last.end {
            Some(StepEnd::Applied) => shown(core, record, last, applied.unwrap_or_default())
                .await
                .into(),
            _ => {
                let failure = match failure {
                    Some(failure) => failure,
                    None => described(core, &operation, last).await,
                };
                Next::failed(&failure).into()
            }
        };
    };
    let (Some(step), undone) = (made.get(number), made.get(number + 1)) else {
        return Found::Nothing;
    };
    let failure = match failure {
        Some(failure) if undone.is_none() => failure,
        _ => described(core, &operation, step).await,
    };
    let Some(cleanup) = &step.undo else {
        return Next::failed(&failure).into();
    };
    match undone {
        None => undo(core, record, step, cleanup, failure).await,
        Some(done) => {
            let why = (done.end != Some(StepEnd::Applied))
                .then(|| "undoing it failed; Tiller's history says why".to_owned());
            Next::failed(&undo::told(failure, cleanup, why))
        }
    }
    .into()
}

/// Undoes a change that failed. It is tried until it was begun.
async fn undo(
    core: &Arc<Core>,
    record: &Arc<Record>,
    step: &Step,
    cleanup: &Undo,
    failure: Problem,
) -> Next {
    let gives_up = |why: String| Next::failed(&undo::told(failure.clone(), cleanup, Some(why)));
    let target = target(&record.operation());
    let Some(request) = undo::request(&target, step, cleanup).and_then(absolute) else {
        return gives_up("the release has no name".to_owned());
    };
    let Ok(caller) = acting(core, record).await else {
        return gives_up("the actor is nobody whom this edge lets in any more".to_owned());
    };
    let kept = record
        .save(|operation| operation.state = State::Unknown)
        .await;
    if let Err(error) = kept {
        return in_vain(&error);
    }
    let before = record.operation().steps.len();
    let answer = serve(core, caller, request).await;
    if record.is_undecided() {
        return Next::Wait {
            why: "what became of undoing it is not known yet".to_owned(),
        };
    }
    let steps = record.operation().steps;
    match judge(&answer, steps.get(before..).unwrap_or_default()) {
        Judgement::Done | Judgement::Hidden => Next::failed(&undo::told(failure, cleanup, None)),
        Judgement::Later(trouble) => Next::Wait { why: trouble.why },
        Judgement::Failed => {
            let why = problem(&answer).map_or_else(String::new, |problem| problem.detail);
            gives_up(why)
        }
    }
}

/// What an operation comes to whose last call was done: the release as it is now, as the actor may see it.
async fn shown(core: &Core, record: &Arc<Record>, step: &Step, revision: i32) -> Next {
    let operation = record.operation();
    let target = target(&operation);
    let gone = || Next::settled(State::Succeeded, in_short(step, revision));
    let Some(release) = step.release.as_deref().filter(|_| !step.purge) else {
        return gone();
    };
    let path = release_path(&target, release);
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    let Ok(uri) = format!("{BASE}{path}").parse() else {
        return gone();
    };
    *request.uri_mut() = uri;
    let Ok(caller) = acting(core, record).await else {
        return gone();
    };
    let mut answer = serve(core, caller, request).await;
    if let Some(Trouble { why, .. }) = trouble(&answer) {
        return Next::Wait { why };
    }
    if !answer.status().is_success() {
        return gone();
    }
    let installs = operation
        .job
        .plan()
        .is_some_and(|plan| plan.action == "install");
    if installs && let Ok(location) = HeaderValue::from_str(&path) {
        answer.status = 201;
        answer.headers.insert(http::header::LOCATION, location);
    }
    Next::settled(State::Succeeded, answer)
}

/// What is known without anybody being asked.
fn in_short(step: &Step, revision: i32) -> Answer {
    let mut release = json!({ "name": step.release });
    if step.purge {
        release["status"] = json!("deleted");
    } else if revision > 0 {
        release["revision"] = json!(revision);
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(http::header::CONTENT_TYPE, kind);
    Answer {
        status: 200,
        headers,
        body: release.to_string(),
    }
}

/// Why a call failed of which only that is known.
async fn described(core: &Core, operation: &Operation, step: &Step) -> Problem {
    match ask(core, operation, step).await {
        Verdict::Failed {
            description,
            status,
            ..
        } => failed(operation, step, &description, &status),
        _ => failed(
            operation,
            step,
            "Tiller failed at it; its history says why",
            "failed",
        ),
    }
}

async fn ask(core: &Core, operation: &Operation, step: &Step) -> Verdict {
    let target = target(operation);
    let trace = Trace {
        target: &target,
        operation: &operation.id,
        step,
    };
    // What happened is found out whether or not the actor may still make anything happen.
    let caller = Caller {
        identity: Identity::Known(Arc::new(operation.actor.principal.clone())),
        ..Caller::local(crate::ingress::RequestId::generate(), None)
    };
    let transit = core.config.transit;
    reconcile::reconcile(&core.relay, &caller, &trace, transit, Timestamp::now()).await
}

fn target(operation: &Operation) -> Target {
    let plan = operation.job.plan();
    Target {
        cluster: plan.map(|plan| plan.cluster.clone()).unwrap_or_default(),
        tiller: plan.and_then(|plan| plan.tiller.clone()),
    }
}

/// The problem of a call that failed, in the words of Tiller's history.
fn failed(operation: &Operation, step: &Step, description: &str, status: &str) -> Problem {
    let problem = reconcile::problem(step, description, status);
    match operation.job.plan() {
        Some(plan) => problem.with_cluster(plan.cluster.as_str()),
        None => problem,
    }
}

fn in_vain(error: &StoreError) -> Next {
    match error {
        StoreError::Lost => Next::Lost,
        error => Next::Wait {
            why: Causes(error).to_string(),
        },
    }
}

fn absolute(mut request: Request<Bytes>) -> Option<Request<Bytes>> {
    let path = request.uri().path_and_query()?.as_str();
    *request.uri_mut() = format!("{BASE}{path}").parse().ok()?;
    Some(request)
}

impl Record {
    /// Whether it has made calls that Tiller may have had.
    pub(super) fn has_begun(&self) -> bool {
        let operation = self.operation();
        let made = |step: &Step| step.end != Some(StepEnd::NotApplied);
        operation.steps.iter().any(made)
    }
}

impl Operation {
    /// Nobody sends its calls any more, and what became of some is not known.
    fn is_in_doubt(&mut self, now: Timestamp) {
        self.state = State::Unknown;
        for step in &mut self.steps {
            step.orphaned(now);
        }
    }

    fn is_found(&mut self, number: usize, end: StepEnd, now: Timestamp) {
        self.reconciled = true;
        if let Some(step) = self.steps.get_mut(number) {
            step.ended(end, now);
        }
    }

    /// Tiller made the release's name up.
    fn is_called(&mut self, number: usize, release: String) {
        if let Some(step) = self.steps.get_mut(number) {
            step.release.get_or_insert(release);
        }
    }

    fn undoes(&mut self, number: usize, undo: Option<Undo>) {
        if let Some(step) = self.steps.get_mut(number) {
            step.undo = undo;
        }
    }
}
