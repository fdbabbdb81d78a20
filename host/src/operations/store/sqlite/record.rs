//! How things are written, and how it is known that they are what was written.
//!
//! The file's own checks find a page that makes no sense, not one that says something else than it did. What is carried
//! out has to be exactly what was asked for, so everything is stored with its digest.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use crate::operations::{Job, Operation, State};

/// So much of a digest is stored: nobody forges here, disks fail.
const DIGEST: usize = 8;

/// The columns of an operation beside its record that are looked for.
pub(super) struct Columns<'a> {
    pub(super) state: &'static str,
    pub(super) in_turn: bool,
    pub(super) replaceable: bool,
    pub(super) due: i64,
    pub(super) settled: Option<i64>,
    pub(super) cluster: &'a str,
    pub(super) release: Option<&'a str>,
    pub(super) actor: &'a str,
    pub(super) hook: Option<&'a str>,
    pub(super) notice: bool,
}

impl<'a> Columns<'a> {
    /// Those of `operation`, as it is stored at `now`.
    pub(super) fn of(operation: &'a Operation, now: Timestamp) -> Self {
        let state = operation.state;
        let plan = operation.job.plan();
        let settled = state.is_settled().then_some(operation.finished_at);
        let waits = matches!(state, State::Accepted | State::AwaitingApproval);
        let has_begun = operation.started_at.is_some() || !operation.steps.is_empty();
        Self {
            state: state.as_str(),
            in_turn: state.is_in_turn(),
            replaceable: operation.coalesce && waits && !has_begun,
            due: operation.not_before.map_or(0, Timestamp::as_millisecond),
            settled: settled.map(|at| at.unwrap_or(now).as_millisecond()),
            cluster: plan.map_or("", |plan| &plan.cluster),
            release: plan.and_then(|plan| plan.release.as_deref()),
            actor: &operation.actor.principal.name,
            hook: operation.origin.as_ref().map(|origin| origin.hook.as_str()),
            notice: matches!(operation.job, Job::Notice { .. }),
        }
    }
}

/// The beginning of the SHA-256 of `bytes`.
pub(super) fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&Sha256::digest(bytes)[..DIGEST]);
    digest
}

/// As it is written.
pub(super) fn encode(record: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(record)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)).into())
}

/// What the columns `digest` and `record` of a row say; `what` it is, for people.
pub(super) fn decode<T: DeserializeOwned>(row: &Row<'_>, what: &str) -> Result<T, Fault> {
    let text = checked(row, "record", what)?;
    serde_json::from_slice(text).map_err(|_| Fault::Altered(what.to_owned()))
}

/// The bytes in that column of a row, which its column `digest` is of.
pub(super) fn bytes(row: &Row<'_>, column: &str, what: &str) -> Result<Bytes, Fault> {
    checked(row, column, what).map(Bytes::copy_from_slice)
}

fn checked<'a>(row: &'a Row<'_>, column: &str, what: &str) -> Result<&'a [u8], Fault> {
    let (ValueRef::Text(content) | ValueRef::Blob(content)) = row.get_ref(column)? else {
        return Err(Fault::Altered(what.to_owned()));
    };
    let stored = row.get_ref("digest")?;
    if stored == ValueRef::Blob(&digest(content)) {
        Ok(content)
    } else {
        Err(Fault::Altered(what.to_owned()))
    }
}
