//! What stands in the bucket, and under which names.
//!
//! | name | what |
//! |---|---|
//! | `op.ID` | a [`Record`]: an operation and who carries it out |
//! | `body.ID.N` | the body of its request, in pieces |
//! | `rest.ID.VERSION.N` | what of an operation is too long for its record, in pieces |
//! | `lane.LANE` | a [`LaneRecord`]: who has the lane, for how long |
//! | `key.DIGEST` | a [`Key`](super::Key) |
//! | `delivery.HOOK.ID`, `payload.HOOK.ID.N` | a delivery, and its payload in pieces |
//!
//! Operations and lanes are what a [`Mirror`](super::mirror::Mirror) follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::operations::{Delivery, DeliveryId, Job, Lane, Operation, OperationId};

/// An operation as it stands in the bucket.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Record {
    /// Grows whenever somebody gets the right to carry it out, and when somebody loses it.
    pub(super) fence: u64,
    /// Whether somebody has that right, if the lane still says so.
    pub(super) claimed: bool,
    /// Its place among all operations: the revision with which it was admitted. None in that revision itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<u64>,
    /// Of how many pieces its body is.
    pub(super) body: usize,
    /// Where the rest of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rest: Option<Pieces>,
    /// The operation, without the rest.
    pub(super) operation: Operation,
}

/// Pieces of something long.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Pieces {
    /// Which version of it they are.
    pub(super) version: String,
    /// How many there are.
    pub(super) count: usize,
}

/// What may be long in an operation.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Rest {
    answer: Option<String>,
    event: Option<Value>,
}

impl Rest {
    /// Takes it out of an operation.
    pub(super) fn take(operation: &mut Operation) -> Self {
        let answer = operation.answer.as_mut();
        let answer = answer.map(|answer| std::mem::take(&mut answer.body));
        let event = match &mut operation.job {
            Job::Discovery { event, .. } => Some(event.take()),
            Job::Notice { .. } | Job::Request { .. } => None,
        };
        Self { answer, event }
    }

    /// Puts it back.
    pub(super) fn put(self, operation: &mut Operation) {
        if let (Some(body), Some(answer)) = (self.answer, &mut operation.answer) {
            answer.body = body;
        }
        if let (Some(found), Job::Discovery { event, .. }) = (self.event, &mut operation.job) {
            *event = found;
        }
    }
}

/// Who has a lane.
///
/// A lease is over when neither `fence` nor `beat` has changed for as long as it says on the clock of whoever wants the
/// lane: no two edges' clocks are compared.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct LaneRecord {
    /// Grows whenever somebody gets the lane.
    pub(super) fence: u64,
    /// Grows whenever the lease is renewed.
    pub(super) beat: u64,
    /// Grows when neither does, so that what others believed of the lane is no longer true.
    #[serde(default)]
    pub(super) touched: u64,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Held>,
}

/// A lease of a lane.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Held {
    /// What it is held for.
    pub(super) by: By,
    /// How long it lasts, in milliseconds.
    pub(super) lease: u64,
    /// By whom, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) worker: Option<String>,
}

impl Held {
    pub(super) fn new(by: By, lease: Duration, worker: Option<&str>) -> Self {
        Self {
            by,
            lease: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            worker: worker.map(str::to_owned),
        }
    }

    pub(super) const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease)
    }
}

/// What a lane is held for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// A call that is no operation's.
    Call,
    /// An operation of the lane.
    Operation(OperationId),
}

/// A delivery as it stands in the bucket.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct DeliveryRecord {
    /// Of how many pieces its payload is.
    pub(super) payload: usize,
    /// The delivery, without its payload.
    pub(super) delivery: Delivery,
}

pub(super) const OPERATIONS: &str = "op.";

pub(super) const LANES: &str = "lane.";

pub(super) fn operation(id: &OperationId) -> String {
    format!("{OPERATIONS}{id}")
}

/// What all pieces of a body begin with.
pub(super) fn body(id: &OperationId) -> String {
    format!("body.{id}")
}

/// What all pieces of the rest of an operation begin with, whichever version they are.
pub(super) fn rests(id: &OperationId) -> String {
    format!("rest.{id}")
}

pub(super) fn rest(id: &OperationId, version: &str) -> String {
    format!("rest.{id}.{version}")
}

pub(super) fn lane(lane: &Lane) -> String {
    format!("{LANES}{}", token(lane.as_str(), true))
}

/// The names of keys hold whatever callers sent; a digest is short and of letters.
pub(super) fn key(name: &str) -> String {
    let digest = Sha256::digest(name);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key.{hex}")
}

pub(super) fn deliveries(hook: &str) -> String {
    format!("delivery.{}", token(hook, false))
}

pub(super) fn delivery(hook: &str, id: &DeliveryId) -> String {
    format!("{}.{}", deliveries(hook), token(&id.0, false))
}

pub(super) fn payload(hook: &str, id: &DeliveryId) -> String {
    format!("payload.{}.{}", token(hook, false), token(&id.0, false))
}

/// A text as one token of a subject: every byte that may not stand there as `=` and two digits.
fn token(text: &str, slashes: bool) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if plain || slashes && byte == b'/' {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02x}"));
        }
    }
    token
}

/// The text of a [`token`].
pub(super) fn text(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token;
    while let Some((plain, escaped)) = rest.split_once('=') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        rest = escaped.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_token_and_comes_back() {
        for name in ["web", "a/b%2fc", "ü.*>= \n", "", "=", "A-Z_9"] {
            let token = token(name, true);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/=".contains(&byte);
            assert!(token.bytes().all(plain), "{token}");
            assert_eq!(text(&token).as_deref(), Some(name));
        }
        assert_eq!(text("=4"), None);
        assert_eq!(text("=zz"), None);
        assert_eq!(text("=ff"), None);
    }

    #[test]
    fn a_lane_is_readable_and_one_token() {
        let release = Lane::release("prod", None, "web.v1");
        assert!(lane(&release).starts_with("lane.release/prod/"));
        assert_eq!(lane(&release).matches('.').count(), 1);
    }
}
