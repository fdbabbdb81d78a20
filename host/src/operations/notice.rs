//! Notices: operations of their own that tell receivers of others that are over.

use jiff::Timestamp;
use rest::problem::{Code, Problem};

use super::carry::{Next, begin, later};
use super::engine::Core;
use super::judge::Trouble;
use super::record::Record;
use super::view::{Sight, view};
use super::{
    Actor, Admission, Answer, Approval, Group, Job, Lane, New, Operation, OperationId, State,
};
use crate::access::Principal;
use crate::net::Causes;
use crate::notices::Sent;

impl Core {
    /// The notices that `operation` leads to, now that it is over.
    pub(super) fn notices_of(&self, operation: &Operation, now: Timestamp) -> Vec<New> {
        let receivers = self.notices.of(operation);
        receivers
            .map(|receiver| New {
                operation: self.notice(receiver, operation, now),
                body: bytes::Bytes::new(),
            })
            .collect()
    }

    /// Has everybody told of an operation that nobody carried out. What fails at that is logged: the operation is over
    /// all the same.
    pub(super) async fn tell(&self, operation: &Operation) {
        let operations = self.notices_of(operation, Timestamp::now());
        if operations.is_empty() {
            return;
        }
        let admission = Admission {
            delivery: None,
            groups: vec![Group {
                key: None,
                operations,
            }],
        };
        if let Err(error) = self.store.admit(admission).await {
            tracing::warn!(operation = %operation.id, error = %Causes(&error), "nobody is told of an operation that is over");
        }
    }

    fn notice(&self, receiver: &str, about: &Operation, now: Timestamp) -> Operation {
        let at = about.finished_at.unwrap_or(now);
        let origin = [b"notice", receiver.as_bytes(), about.id.as_str().as_bytes()];
        Operation {
            id: OperationId::derived(at, &origin),
            state: State::Accepted,
            job: Job::Notice {
                receiver: receiver.to_owned(),
                about: about.id.clone(),
            },
            // One receiver is told of one thing after the other, so that one that is away is asked once at a time.
            lane: Lane::other("notice", &[receiver]),
            actor: Actor {
                principal: Principal::local(),
                cluster: None,
            },
            origin: None,
            request_id: about.request_id.clone(),
            coalesce: false,
            approval: Approval::None,
            accepted_at: now,
            started_at: None,
            finished_at: None,
            not_before: None,
            expires_at: later(now, self.config.deadline),
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

/// Tells `receiver` of the operation `about`.
pub(super) async fn send(
    core: &Core,
    record: &Record,
    receiver: &str,
    about: &OperationId,
) -> Next {
    if let Some(next) = begin(record).await {
        return next;
    }
    let later = |why: String, after| {
        Next::Later(Trouble {
            why,
            after,
            is_clusters: false,
        })
    };
    let told_of = match core.store.operation(about).await {
        Ok(Some(stored)) => stored.operation,
        Ok(None) => {
            let detail = "the operation to be told of is kept no more";
            return Next::failed(&Problem::new(Code::OperationNotFound, detail));
        }
        Err(error) => return later(Causes(&error).to_string(), None),
    };
    let view = view(&told_of, Sight::Outline);
    let id = &record.claim().operation.id;
    match core.notices.send(id, receiver, &told_of, view).await {
        Sent::Done => Next::settled(State::Succeeded, delivered()),
        Sent::Gone(why) => Next::failed(&Problem::new(Code::HookNotFound, why)),
        Sent::Later { after, why } => later(why, after),
    }
}

fn delivered() -> Answer {
    Answer {
        status: 204,
        headers: http::HeaderMap::new(),
        body: String::new(),
    }
}
