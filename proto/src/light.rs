//! The same answers without their weight.
//!
//! Tiller sends every release of a list whole: chart, manifest, values and hooks, megabytes that no
//! list shows. These messages have the wire format of their namesakes in [`crate::hapi`] and only the
//! fields that a summary needs. Decoding skips the others in place: nothing is allocated for them and,
//! what matters with old Tillers, their text need not be UTF-8.

use prost_types::Timestamp;

use crate::hapi::{chart, release};

/// `hapi.services.tiller.ListReleasesResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListReleasesResponse {
    /// Items of the page, all chunks together.
    #[prost(int64, tag = "1")]
    pub count: i64,
    /// Name the next page starts with, empty on the last.
    #[prost(string, tag = "2")]
    pub next: String,
    /// Matches before offset and limit.
    #[prost(int64, tag = "3")]
    pub total: i64,
    /// The releases of this chunk.
    #[prost(message, repeated, tag = "4")]
    pub releases: Vec<Release>,
}

/// `hapi.services.tiller.GetHistoryResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetHistoryResponse {
    /// Newest first.
    #[prost(message, repeated, tag = "1")]
    pub releases: Vec<Release>,
}

/// The answers of InstallRelease, UpdateRelease, RollbackRelease and GetReleaseContent, which have one
/// shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReleaseResponse {
    /// The release.
    #[prost(message, optional, tag = "1")]
    pub release: Option<Release>,
}

/// `hapi.services.tiller.UninstallReleaseResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UninstallReleaseResponse {
    /// The release.
    #[prost(message, optional, tag = "1")]
    pub release: Option<Release>,
    /// Names the resources that were kept.
    #[prost(string, tag = "2")]
    pub info: String,
}

/// `hapi.release.Release`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Release {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Status and times.
    #[prost(message, optional, tag = "2")]
    pub info: Option<Info>,
    /// The chart, no more than its metadata.
    #[prost(message, optional, tag = "3")]
    pub chart: Option<Chart>,
    /// The revision, counted from 1.
    #[prost(int32, tag = "7")]
    pub version: i32,
    /// The namespace it is installed in.
    #[prost(string, tag = "8")]
    pub namespace: String,
}

/// `hapi.release.Info`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Info {
    /// The status, no more than its code.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// When the release's first revision was deployed.
    #[prost(message, optional, tag = "2")]
    pub first_deployed: Option<Timestamp>,
    /// When this revision was deployed.
    #[prost(message, optional, tag = "3")]
    pub last_deployed: Option<Timestamp>,
    /// When it was deleted.
    #[prost(message, optional, tag = "4")]
    pub deleted: Option<Timestamp>,
    /// What happened to this revision, for people.
    #[prost(string, tag = "5")]
    pub description: String,
}

/// `hapi.release.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// The code; a number that this crate does not know stays as it is.
    #[prost(enumeration = "release::status::Code", tag = "1")]
    pub code: i32,
}

/// `hapi.chart.Chart`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Chart {
    /// Chart.yaml.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
}

/// `hapi.chart.Metadata`, its scalars.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `home`, a URL.
    #[prost(string, tag = "2")]
    pub home: String,
    /// `version`, a semantic version by convention.
    #[prost(string, tag = "4")]
    pub version: String,
    /// `description`.
    #[prost(string, tag = "5")]
    pub description: String,
    /// `icon`, a URL.
    #[prost(string, tag = "9")]
    pub icon: String,
    /// `apiVersion`, empty or `v1`.
    #[prost(string, tag = "10")]
    pub api_version: String,
    /// `appVersion`.
    #[prost(string, tag = "13")]
    pub app_version: String,
    /// `deprecated`.
    #[prost(bool, tag = "14")]
    pub deprecated: bool,
    /// `tillerVersion`, a constraint.
    #[prost(string, tag = "15")]
    pub tiller_version: String,
    /// `kubeVersion`, a constraint.
    #[prost(string, tag = "17")]
    pub kube_version: String,
}

impl From<&release::Release> for Release {
    fn from(full: &release::Release) -> Self {
        Self {
            name: full.name.clone(),
            info: full.info.as_ref().map(Info::from),
            chart: full.chart.as_ref().map(Chart::from),
            version: full.version,
            namespace: full.namespace.clone(),
        }
    }
}

impl From<&release::Info> for Info {
    fn from(full: &release::Info) -> Self {
        Self {
            status: full
                .status
                .as_ref()
                .map(|status| Status { code: status.code }),
            first_deployed: full.first_deployed,
            last_deployed: full.last_deployed,
            deleted: full.deleted,
            description: full.description.clone(),
        }
    }
}

impl From<&chart::Chart> for Chart {
    fn from(full: &chart::Chart) -> Self {
        Self {
            metadata: full.metadata.as_ref().map(Metadata::from),
        }
    }
}

impl From<&chart::Metadata> for Metadata {
    fn from(full: &chart::Metadata) -> Self {
        Self {
            name: full.name.clone(),
            home: full.home.clone(),
            version: full.version.clone(),
            description: full.description.clone(),
            icon: full.icon.clone(),
            api_version: full.api_version.clone(),
            app_version: full.app_version.clone(),
            deprecated: full.deprecated,
            tiller_version: full.tiller_version.clone(),
            kube_version: full.kube_version.clone(),
        }
    }
}
