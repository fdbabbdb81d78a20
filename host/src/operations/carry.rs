//! Carrying one claimed operation out, from its claim to where it is left.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use rest::problem::{Code, Problem};

use super::clusters::Clusters;
use super::engine::{Core, Phase};
use super::judge::{Trouble, backoff};
use super::record::Record;
use super::{
    Answer, Claim, Job, New, Operation, Run, Runner, State, Step, StepEnd, notice, request,
};
use crate::access::Identity;
use crate::ingress::RequestId;
use crate::net::Causes;
use crate::relay::Caller;

/// Where an operation is left.
#[derive(Debug)]
pub(super) enum Next {
    /// It is over.
    Settled {
        state: State,
        answer: Answer,
        children: Vec<New>,
    },
    /// It is begun again later.
    Later(Trouble),
    /// What became of a call is asked again later.
    Wait {
        /// What is being waited for, for people.
        why: String,
    },
    /// It was cut off.
    CutOff,
    /// Somebody else has it.
    Lost,
}

impl Next {
    pub(super) fn failed(problem: &Problem) -> Self {
        Self::settled(State::Failed, told(problem))
    }

    pub(super) fn dead(problem: &Problem) -> Self {
        Self::settled(State::Dead, told(problem))
    }

    pub(super) fn settled(state: State, answer: Answer) -> Self {
        Self::Settled {
            state,
            answer,
            children: Vec::new(),
        }
    }
}

/// A problem as an answer.
pub(super) fn told(problem: &Problem) -> Answer {
    let response = problem.to_response();
    let mut headers = HeaderMap::new();
    if let Some(kind) = response.headers().get(http::header::CONTENT_TYPE) {
        headers.insert(http::header::CONTENT_TYPE, kind.clone());
    }
    Answer {
        status: response.status().as_u16(),
        headers,
        body: String::from_utf8_lossy(response.body()).into_owned(),
    }
}

/// Carries out what `claim` is the right to, and leaves it in order.
pub(super) async fn carry(core: Arc<Core>, clusters: Arc<Clusters>, claim: Claim) {
    let record = Arc::new(Record::new(Arc::clone(&core.store), claim));
    let next = tokio::select! {
        next = attempt(&core, &record) => next,
        () = record.lost() => Next::Lost,
        () = core.reaches(Phase::Ended) => Next::CutOff,
    };
    let id = record.claim().operation.id.clone();
    if let Some(plan) = record.claim().operation.job.plan() {
        match &next {
            Next::Later(trouble) if trouble.is_clusters => clusters.failed(&plan.cluster),
            Next::Later(_) | Next::Settled { .. } => clusters.answered(&plan.cluster),
            Next::CutOff | Next::Lost | Next::Wait { .. } => {}
        }
    }
    let now = Timestamp::now();
    match next {
        Next::Lost => {
            tracing::warn!(operation = %id, "another edge carries the operation out by now");
        }
        Next::Settled {
            state,
            answer,
            children,
        } => {
            core.settle(&record, state, answer, children).await;
        }
        Next::Later(trouble) if !record.has_expired(now) => {
            tracing::info!(operation = %id, why = trouble.why, "an operation is tried again later");
            record
                .finish(|operation| operation.postpone(&trouble, now), Vec::new())
                .await;
        }
        Next::Later(_) => {
            let expired = told(&expired(&record.operation()));
            core.settle(&record, State::Dead, expired, Vec::new()).await;
        }
        Next::Wait { why } if record.operation().is_hopeless(now) => {
            let answer = told(&unknown(&why));
            core.settle(&record, State::Dead, answer, Vec::new()).await;
        }
        Next::Wait { why } => {
            tracing::info!(operation = %id, why, "what became of an operation is asked again later");
            record
                .finish(|operation| operation.keep_asking(why, now), Vec::new())
                .await;
        }
        Next::CutOff => {
            record
                .finish(|operation| operation.leave(now), Vec::new())
                .await;
        }
    }
}

async fn attempt(core: &Arc<Core>, record: &Arc<Record>) -> Next {
    let runner = match &record.claim().operation.job {
        Job::Request { .. } => return request::perform(core, record).await,
        Job::Discovery { .. } => &core.runners.discovery,
        Job::Notice { receiver, about } => {
            return notice::send(core, record, receiver, about).await;
        }
    };
    match runner {
        Some(runner) => run(record, runner.as_ref()).await,
        None => Next::failed(&Problem::new(
            Code::NotDeferrable,
            "this edge does no such jobs: what it was configured for is gone from the configuration",
        )),
    }
}

async fn run(record: &Record, runner: &dyn Runner) -> Next {
    if let Some(next) = begin(record).await {
        return next;
    }
    match runner.run(record.claim()).await {
        Run::Over { answer, children } => Next::Settled {
            state: if answer.status().is_success() {
                State::Succeeded
            } else {
                State::Failed
            },
            answer,
            children,
        },
        Run::Postponed { why } => Next::Later(Trouble {
            why,
            after: None,
            is_clusters: false,
        }),
    }
}

/// Writes down that the operation is begun, unless it has expired. What it comes to if it is not.
pub(super) async fn begin(record: &Record) -> Option<Next> {
    let now = Timestamp::now();
    let operation = record.operation();
    if operation.expires_at <= now {
        return Some(Next::dead(&expired(&operation)));
    }
    let begun = record.save(|operation| operation.begin(now)).await;
    match begun {
        Ok(()) => None,
        Err(super::StoreError::Lost) => Some(Next::Lost),
        Err(error) => Some(Next::Later(Trouble {
            why: Causes(&error).to_string(),
            after: None,
            is_clusters: false,
        })),
    }
}

/// The problem of an operation that was not done in time.
pub(super) fn expired(operation: &Operation) -> Problem {
    let last = match &operation.note {
        Some(note) => format!("; the last attempt ended with: {note}"),
        None => String::new(),
    };
    Problem::new(
        Code::OperationExpired,
        format!(
            "it could not be carried out before {}{last}",
            operation.expires_at
        ),
    )
}

impl Core {
    /// Leaves an operation that is over, with what it leads to and those who are told of it.
    async fn settle(&self, record: &Record, state: State, answer: Answer, children: Vec<New>) {
        let now = Timestamp::now();
        let id = &record.claim().operation.id;
        tracing::info!(operation = %id, state = state.as_str(), status = answer.status, "an operation is over");
        let names: Vec<_> = children
            .iter()
            .map(|child| child.operation.id.clone())
            .collect();
        record.note(|operation| {
            operation.children = names;
            operation.settle(state, answer, now);
        });
        let notices = self.notices_of(&record.operation(), now);
        let all = children.into_iter().chain(notices).collect();
        record.finish(|_| (), all).await;
    }

    /// The actor of an operation as a caller, for whom `record` is kept. None if nobody can act as it any more.
    pub(super) async fn actor(&self, record: &Arc<Record>) -> Option<Caller> {
        let operation = &record.claim().operation;
        let principal = self.access.still(&operation.actor.principal).await?;
        let request_id = RequestId::parse(&operation.request_id);
        Some(Caller {
            request_id: request_id.unwrap_or_else(RequestId::generate),
            identity: Identity::Known(principal),
            peer: None,
            authorization: None,
            session: Arc::default(),
            operation: Some(Arc::clone(record) as Arc<dyn super::Journal>),
        })
    }
}

impl Operation {
    fn begin(&mut self, now: Timestamp) {
        self.state = State::Running;
        self.started_at.get_or_insert(now);
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = None;
        self.note = None;
    }

    pub(super) fn settle(&mut self, state: State, answer: Answer, now: Timestamp) {
        self.state = state;
        self.answer = Some(answer);
        self.finished_at = Some(now);
        self.not_before = None;
        self.note = None;
    }

    fn postpone(&mut self, trouble: &Trouble, now: Timestamp) {
        self.note = Some(trouble.why.clone());
        let asked = trouble.after.unwrap_or_default().min(LONGEST_ASKED);
        let due = later(now, backoff(self.attempts).max(asked));
        self.state = State::Accepted;
        self.not_before = Some(due.min(self.expires_at));
    }

    /// The longer the call is ago, the less often its trace is looked for.
    fn keep_asking(&mut self, why: String, now: Timestamp) {
        let sent_at = self.undecided().map_or(now, |step| step.sent_at);
        let ago = Duration::try_from(now.duration_since(sent_at)).unwrap_or_default();
        let pause = (ago / 8).clamp(SHORTEST_ASKING, LONGEST_ASKING);
        self.state = State::Unknown;
        self.not_before = Some(later(now, pause));
        self.note = Some(why);
    }

    /// Whether it is not worth while to ask any longer.
    fn is_hopeless(&self, now: Timestamp) -> bool {
        let ends = |step: &Step| later(step.sent_at, Duration::from_secs(step.worth_waiting()));
        let waits = self.undecided().map_or(self.expires_at, ends);
        waits.max(self.expires_at) <= now
    }

    fn undecided(&self) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.is_undecided())
    }

    /// Leaves it to whoever comes next.
    fn leave(&mut self, now: Timestamp) {
        for step in self.steps.iter_mut().filter(|step| step.end.is_none()) {
            step.ended(StepEnd::Lost, now);
        }
        let is_begun = self
            .steps
            .iter()
            .any(|step| step.end != Some(StepEnd::NotApplied));
        self.state = if is_begun {
            State::Unknown
        } else {
            State::Accepted
        };
    }
}

impl Step {
    /// How long after it was sent it is worth while to wait for its end, in seconds.
    fn worth_waiting(&self) -> u64 {
        self.silent
            .saturating_add(self.longest)
            .saturating_add(3600)
    }
}

/// The problem of an operation of which nobody can say what became of it.
pub(super) fn unknown(why: &str) -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        format!("what became of it could not be found out: {why}"),
    )
    .with_outcome(rest::problem::Outcome::Unknown)
    .with_hint(
        "look at the release, and have the operation resumed if it is to be carried out still",
    )
}

pub(super) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// No one who is asked for an operation's sake is believed who wants it to wait longer.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

const SHORTEST_ASKING: Duration = Duration::from_secs(1);

const LONGEST_ASKING: Duration = Duration::from_secs(30);
