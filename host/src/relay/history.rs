//! What Tiller's history says of a release, asked on the relay's own account.
//!
//! Before an operation changes a release the newest revision is noted, and when the answer to a change was lost the
//! history is all there is. The records are asked for one by one: a whole history may be larger than Tiller answers with.
//! Nothing of what is read here goes to a caller but what the decision about the call comes to.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use rest::problem::{Code, Problem};
use rest::relay::Target;
use rest::view::status_name;
use sha2::{Digest, Sha256};
use tiller_api::hapi::release::hook::Event;
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::services::tiller::{
    GetVersionRequest, GetVersionResponse, ListReleasesRequest,
};
use tiller_api::version::TillerVersion;
use tiller_api::{Method, light};
use tokio::time::Instant;

use super::call::Call;
use super::lookup::UNREADABLE;
use super::{Caller, Relay, RelayError};
use crate::access::{Identity, Principal};
use crate::clusters::Cluster;

/// The first Tiller that takes a description.
const DESCRIBES: TillerVersion = TillerVersion::new(2, 10, 0);

/// Tiller takes 0 for 512, and less ends it.
const EVERYTHING: i64 = i32::MAX as i64;

/// A revision as Tiller's history has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Recorded {
    /// The release.
    pub(crate) release: String,
    /// The revision.
    pub(crate) number: i32,
    /// Its status; a number, since a later Tiller may have more of them.
    pub(crate) status: i32,
    /// What Tiller, or whoever made it, says of it.
    pub(crate) description: String,
    /// Its chart, as `name-version`.
    pub(crate) chart: String,
    /// The SHA-256 of its values, as `sha256:` and hex.
    pub(crate) values: String,
    /// When its tests began to run last, in nanoseconds since 1970.
    pub(crate) tested: Option<i64>,
    /// The events of its hooks, an entry for each hook and event.
    pub(crate) hooks: Vec<i32>,
}

impl Recorded {
    /// Whether that is its status.
    pub(crate) fn is(&self, status: Status) -> bool {
        self.status == i32::from(status)
    }

    /// Its status, as the REST interface names it.
    pub(crate) fn status_name(&self) -> String {
        status_name(self.status)
    }

    /// How many of its hooks run at one of `events`.
    pub(super) fn hooks_of(&self, events: &[Event]) -> u64 {
        let asked = |event: &&i32| events.iter().any(|asked| i32::from(*asked) == **event);
        self.hooks.iter().filter(asked).count() as u64
    }
}

/// The way to the history of one Tiller.
pub(crate) struct History<'a> {
    relay: &'a Relay,
    caller: &'a Caller,
    principal: Arc<Principal>,
    cluster: Arc<Cluster>,
    target: &'a Target,
}

impl Relay {
    /// The way to the history of `target`, in the name of `caller`: who may change a release need not be allowed to read
    /// it, so grants are not asked.
    ///
    /// # Errors
    ///
    /// When there is no such cluster or tiller any more.
    pub(crate) fn history<'a>(
        &'a self,
        caller: &'a Caller,
        target: &'a Target,
    ) -> Result<History<'a>, Problem> {
        let cluster = self.cluster(caller, &target.cluster);
        let cluster = cluster.map_err(|error| error.problem(None))?;
        let principal = match &caller.identity {
            Identity::Known(principal) => Arc::clone(principal),
            Identity::PerCluster => {
                let detail = "whose operation it is says one cluster alone";
                return Err(Problem::new(Code::NotRelayed, detail));
            }
        };
        Ok(History {
            relay: self,
            caller,
            principal,
            cluster,
            target,
        })
    }

    /// The revision of `release` that Tiller takes `number` for, the newest unless it is above 0; none if there is none.
    pub(super) async fn recorded(
        &self,
        call: &Call<'_>,
        release: &str,
        number: i32,
    ) -> Result<Option<Recorded>, RelayError> {
        self.content(call, release, number, read).await
    }
}

impl History<'_> {
    /// The revision of `release` with that number, the newest if it is 0; none if there is none.
    ///
    /// # Errors
    ///
    /// When Tiller cannot be asked.
    pub(crate) async fn revision(
        &self,
        release: &str,
        number: i32,
    ) -> Result<Option<Recorded>, Problem> {
        let method = Method::GetReleaseContent;
        let call = self.call(method)?;
        let found = self.relay.recorded(&call, release, number).await;
        found.map_err(|error| error.problem(Some(method)))
    }

    /// Whether this Tiller writes into its history what requests say is to stand there.
    ///
    /// # Errors
    ///
    /// When Tiller cannot be asked.
    pub(crate) async fn keeps_descriptions(&self) -> Result<bool, Problem> {
        let method = Method::GetVersion;
        let call = self.call(method)?;
        let answer = async {
            let question = GetVersionRequest::default();
            let frames = call.ask(self.relay, method, &question).await?;
            let message = frames.only().await?;
            GetVersionResponse::decode(message).map_err(|_| misbehaved(UNREADABLE))
        };
        let answer = answer.await.map_err(|error| error.problem(Some(method)))?;
        let version = answer.version.unwrap_or_default().sem_ver;
        // A version that cannot be read is that of a build from source, and new.
        Ok(TillerVersion::parse(&version).is_none_or(|version| version >= DESCRIBES))
    }

    /// The newest revision of every release, without values and hooks, as far as `wanted` wants them.
    ///
    /// # Errors
    ///
    /// When Tiller cannot be asked.
    pub(crate) async fn search(
        &self,
        wanted: impl Fn(&Recorded) -> bool,
    ) -> Result<Vec<Recorded>, Problem> {
        let method = Method::ListReleases;
        let call = self.call(method)?;
        let found = self.search_of(&call, wanted).await;
        found.map_err(|error| error.problem(Some(method)))
    }

    async fn search_of(
        &self,
        call: &Call<'_>,
        wanted: impl Fn(&Recorded) -> bool,
    ) -> Result<Vec<Recorded>, RelayError> {
        let question = ListReleasesRequest {
            limit: EVERYTHING,
            status_codes: STATUSES.map(i32::from).into(),
            ..ListReleasesRequest::default()
        };
        let mut frames = call.ask(self.relay, call.method, &question).await?;
        let mut found = Vec::new();
        while let Some(message) = frames.next().await.map_err(|error| frames.broken(&error))? {
            let chunk = light::ListReleasesResponse::decode(message)
                .map_err(|_| frames.misbehaved(UNREADABLE))?;
            let listed = chunk.releases.into_iter().map(Recorded::from);
            found.extend(listed.filter(&wanted));
        }
        frames.check()?;
        Ok(found)
    }

    fn call(&self, method: Method) -> Result<Call<'_>, Problem> {
        let tiller = self.cluster.tiller(self.target.tiller.as_deref());
        let tiller = tiller.ok_or_else(|| {
            let missing = RelayError::TillerNotFound {
                cluster: self.cluster.name().to_owned(),
                tiller: self.target.tiller.clone().unwrap_or_default(),
            };
            missing.problem(None)
        })?;
        let deadline = Instant::now() + self.relay.longest.read;
        let principal = Arc::clone(&self.principal);
        Ok(Call::own(
            self.caller,
            principal,
            &self.cluster,
            tiller,
            method,
            deadline,
        ))
    }
}

fn read(message: Bytes) -> Result<Recorded, RelayError> {
    let release = Answer::decode(message)
        .map_err(|_| misbehaved(UNREADABLE))?
        .release
        .ok_or_else(|| misbehaved("Tiller answers without the release"))?;
    Ok(release.into())
}

fn misbehaved(detail: &str) -> RelayError {
    RelayError::Answered(Box::new(Problem::new(Code::TillerMisbehaved, detail)))
}

impl From<Kept> for Recorded {
    fn from(kept: Kept) -> Self {
        let info = kept.info.unwrap_or_default();
        let status = info.status.unwrap_or_default();
        let tested = status.last_test_suite_run.and_then(|run| run.started_at);
        let nanos = |at: KeptTime| {
            at.seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(at.nanos.into())
        };
        Self {
            release: kept.name,
            number: kept.version,
            status: status.code,
            description: String::from_utf8_lossy(&info.description).into_owned(),
            chart: kept.chart.map(chart_of).unwrap_or_default(),
            values: values_of(&kept.config.unwrap_or_default().raw),
            tested: tested.map(nanos),
            hooks: kept
                .hooks
                .into_iter()
                .flat_map(|hook| hook.events)
                .collect(),
        }
    }
}

impl From<light::Release> for Recorded {
    fn from(release: light::Release) -> Self {
        let info = release.info.unwrap_or_default();
        let metadata = release.chart.and_then(|chart| chart.metadata);
        let chart = metadata.map(|metadata| format!("{}-{}", metadata.name, metadata.version));
        Self {
            release: release.name,
            number: release.version,
            status: info.status.map_or(0, |status| status.code),
            description: info.description,
            chart: chart.unwrap_or_default(),
            ..Self::default()
        }
    }
}

fn chart_of(chart: light::Chart) -> String {
    let metadata = chart.metadata.unwrap_or_default();
    format!("{}-{}", metadata.name, metadata.version)
}

fn values_of(raw: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(raw))
}

/// All statuses that the newest revision of a release may have.
const STATUSES: [Status; 8] = [
    Status::Unknown,
    Status::Deployed,
    Status::Deleted,
    Status::Deleting,
    Status::Failed,
    Status::PendingInstall,
    Status::PendingUpgrade,
    Status::PendingRollback,
];

/// `hapi.services.tiller.GetReleaseContentResponse`, with what a change is known by.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    release: Option<Kept>,
}

/// `hapi.release.Release`. Old Tillers keep text that is not UTF-8.
#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    info: Option<KeptInfo>,
    #[prost(message, optional, tag = "3")]
    chart: Option<light::Chart>,
    #[prost(message, optional, tag = "4")]
    config: Option<KeptConfig>,
    #[prost(message, repeated, tag = "6")]
    hooks: Vec<KeptHook>,
    #[prost(int32, tag = "7")]
    version: i32,
}

/// `hapi.release.Info`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptInfo {
    #[prost(message, optional, tag = "1")]
    status: Option<KeptStatus>,
    #[prost(bytes = "bytes", tag = "5")]
    description: Bytes,
}

/// `hapi.release.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "5")]
    last_test_suite_run: Option<KeptRun>,
}

/// `hapi.release.TestSuite`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptRun {
    #[prost(message, optional, tag = "1")]
    started_at: Option<KeptTime>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `hapi.chart.Config`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptConfig {
    #[prost(bytes = "bytes", tag = "1")]
    raw: Bytes,
}

/// `hapi.release.Hook`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptHook {
    #[prost(int32, repeated, tag = "5")]
    events: Vec<i32>,
}
