//! What Tiller would make of a message, and what is there now.

use bytes::{Bytes, BytesMut};
use prost::Message;
use tiller_api::Method;
use tiller_api::request::GetRelease;

use super::super::{Relay, RelayError};
use super::{ManifestError, Proposal};
use crate::clusters::SendError;

/// The code of a revision that is deployed.
const DEPLOYED: i32 = 1;

/// A release, as far as it says which objects it has.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Release {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    info: Option<Info>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) manifest: Bytes,
    #[prost(message, repeated, tag = "6")]
    pub(super) hooks: Vec<Hook>,
    #[prost(string, tag = "8")]
    pub(super) namespace: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

/// A hook of a release.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Hook {
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) path: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) manifest: Bytes,
    #[prost(int32, repeated, tag = "8")]
    pub(super) delete_policies: Vec<i32>,
}

impl Release {
    pub(super) fn is_deployed(&self) -> bool {
        let status = self.info.as_ref().and_then(|info| info.status.as_ref());
        status.is_some_and(|status| status.code == DEPLOYED)
    }
}

/// The answer of every call that has a release for one.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    release: Option<Release>,
}

/// `ListReleasesRequest` for one name and status.
#[derive(Clone, PartialEq, prost::Message)]
struct Search {
    #[prost(int64, tag = "1")]
    limit: i64,
    #[prost(string, tag = "4")]
    filter: String,
    #[prost(int32, repeated, tag = "6")]
    statuses: Vec<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Found {
    #[prost(message, repeated, tag = "4")]
    releases: Vec<Release>,
}

/// What Tiller would make of the message of `proposal`: the same message once more, but as a dry run.
///
/// Tiller takes the last of a field, so that is added at the end. A dry run renders and stops: Tiller 2.17 installs no
/// CustomResourceDefinition in one, runs no hook, and does not begin what `force` does.
pub(super) async fn planned(
    relay: &Relay,
    proposal: &Proposal<'_>,
    dry_run: u32,
) -> Result<Release, ManifestError> {
    let mut trial = BytesMut::with_capacity(proposal.message.len() + 2);
    trial.extend_from_slice(&proposal.message);
    prost::encoding::bool::encode(dry_run, &true, &mut trial);
    let method = proposal.call.method;
    let frame = grpc_web::encode_message(&trial);
    let rendered = ask(relay, proposal, method, frame)
        .await
        .map_err(|error| ManifestError::DryRun(Box::new(error)))?;
    one(&rendered)
}

/// The newest revision of release `name`.
pub(super) async fn newest(
    relay: &Relay,
    proposal: &Proposal<'_>,
    name: &str,
) -> Result<Release, ManifestError> {
    let question = GetRelease {
        name: name.to_owned(),
        version: 0,
    };
    let method = Method::GetReleaseContent;
    let frame = grpc_web::encode_message(&question.encode_to_vec());
    let content = ask(relay, proposal, method, frame)
        .await
        .map_err(|error| ManifestError::Current(Box::new(error)))?;
    one(&content)
}

/// The revisions of release `name` that are deployed: one, unless Tiller's records are in disorder.
pub(super) async fn deployed(
    relay: &Relay,
    proposal: &Proposal<'_>,
    name: &str,
) -> Result<Vec<Release>, ManifestError> {
    let search = Search {
        limit: 16,
        filter: format!("^{}$", name.replace('.', "\\.")),
        statuses: vec![DEPLOYED],
    };
    let method = Method::ListReleases;
    let frame = grpc_web::encode_message(&search.encode_to_vec());
    let failed = |error| ManifestError::Current(Box::new(error));
    let answer = proposal.call.ask_frame(relay, method, frame).await;
    let mut answer = answer.map_err(failed)?;
    let mut found = Vec::new();
    loop {
        let chunk = answer.next().await;
        let Some(chunk) = chunk.map_err(|error| failed(answer.broken(&error)))? else {
            break;
        };
        let Found { releases } = Found::decode(chunk).map_err(|_| ManifestError::Undecodable)?;
        found.extend(releases.into_iter().filter(|release| release.name == name));
    }
    answer.check().map_err(failed)?;
    Ok(found)
}

/// Calls, and once more if the connection was lost: whatever is asked here changes nothing.
async fn ask(
    relay: &Relay,
    proposal: &Proposal<'_>,
    method: Method,
    frame: Bytes,
) -> Result<Bytes, RelayError> {
    let once = || async {
        let answer = proposal.call.ask_frame(relay, method, frame.clone());
        answer.await?.only().await
    };
    match once().await {
        Err(RelayError::Send(SendError::Lost(_))) if method.is_mutation() => once().await,
        answer => answer,
    }
}

fn one(answer: &Bytes) -> Result<Release, ManifestError> {
    Answer::decode(answer.clone())
        .ok()
        .and_then(|answer| answer.release)
        .ok_or(ManifestError::Undecodable)
}
