//! Requests, as far as it must be known what they ask for.
//!
//! Whoever decides whether a call may be made has to see what Tiller will see, and little of it: these messages have the
//! wire format of their namesakes in [`crate::hapi`] and only the fields that say what is done to which release. Of a
//! field that comes more than once the last counts and parts of a message are merged, as in Go; fields that are not here
//! are skipped in place, so that a chart of megabytes costs nothing.

use bytes::Bytes;

/// `hapi.services.tiller.ListReleasesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListReleases {
    /// Releases in this namespace only; in all if empty. Tillers before 2.2 do not know it.
    #[prost(string, tag = "7")]
    pub namespace: String,
}

/// `hapi.services.tiller.GetReleaseStatusRequest` and `GetReleaseContentRequest`, which have one shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetRelease {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The revision; the newest unless it is above 0.
    #[prost(int32, tag = "2")]
    pub version: i32,
}

/// `hapi.services.tiller.GetHistoryRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetHistory {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `hapi.services.tiller.InstallReleaseRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InstallRelease {
    /// The chart.
    #[prost(message, optional, tag = "1")]
    pub chart: Option<Chart>,
    /// The values.
    #[prost(message, optional, tag = "2")]
    pub values: Option<Config>,
    /// Whether it is only asked what would be done.
    #[prost(bool, tag = "3")]
    pub dry_run: bool,
    /// The release; Tiller makes a name up if it is empty.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The namespace.
    #[prost(string, tag = "6")]
    pub namespace: String,
    /// Whether a deleted or failed release of that name may be replaced.
    #[prost(bool, tag = "7")]
    pub reuse_name: bool,
}

/// `hapi.services.tiller.UpdateReleaseRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UpdateRelease {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The chart.
    #[prost(message, optional, tag = "2")]
    pub chart: Option<Chart>,
    /// The values.
    #[prost(message, optional, tag = "3")]
    pub values: Option<Config>,
    /// Whether it is only asked what would be done.
    #[prost(bool, tag = "4")]
    pub dry_run: bool,
}

/// `hapi.services.tiller.RollbackReleaseRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RollbackRelease {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Whether it is only asked what would be done.
    #[prost(bool, tag = "2")]
    pub dry_run: bool,
    /// The revision; 0 for the last but one.
    #[prost(int32, tag = "4")]
    pub version: i32,
}

/// `hapi.services.tiller.UninstallReleaseRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UninstallRelease {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Whether its records are removed as well.
    #[prost(bool, tag = "3")]
    pub purge: bool,
}

/// `hapi.services.tiller.TestReleaseRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunReleaseTest {
    /// The release.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `hapi.chart.Chart`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Chart {
    /// Chart.yaml.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
}

/// `hapi.chart.Metadata`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `version`.
    #[prost(string, tag = "4")]
    pub version: String,
}

/// `hapi.chart.Config`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Config {
    /// The values' text.
    #[prost(bytes = "bytes", tag = "1")]
    pub raw: Bytes,
}
