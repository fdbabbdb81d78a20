//! What a Tiller has and says: releases, and answers that hold them.

use prost::Message;
use serde_json::Value;
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata, Template},
    release::{Info, Release, Status as ReleaseStatus},
    services::tiller::{
        GetHistoryResponse, GetReleaseStatusResponse, GetVersionResponse, InstallReleaseResponse,
        ListReleasesResponse,
    },
    version::Version,
};

/// A release as Tiller has it.
pub(crate) fn release(name: &str, revision: i32, status: i32) -> Release {
    Release {
        name: name.into(),
        namespace: "shop".into(),
        version: revision,
        info: Some(Info {
            status: Some(ReleaseStatus {
                code: status,
                notes: "thanks".into(),
                ..ReleaseStatus::default()
            }),
            first_deployed: Some(at(1_600_000_000)),
            last_deployed: Some(at(1_600_000_000 + i64::from(revision))),
            description: "Install complete".into(),
            ..Info::default()
        }),
        chart: Some(chart()),
        config: Some(Config {
            raw: "replicas: 2\n".into(),
            ..Config::default()
        }),
        manifest: "\n---\n# Source: nginx/templates/a.yaml\na: 1\n".into(),
        ..Release::default()
    }
}

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

pub(crate) fn chart() -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: "nginx".into(),
            version: "1.2.3".into(),
            app_version: "1.21".into(),
            ..Metadata::default()
        }),
        templates: vec![Template {
            name: "templates/a.yaml".into(),
            data: "a: 1\n".into(),
        }],
        values: Some(Config {
            raw: "x: 1\n".into(),
            ..Config::default()
        }),
        ..Chart::default()
    }
}

/// A chart as a field of a body.
pub(crate) fn archive(chart: &Chart) -> Value {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let archive = charts::pack(chart).unwrap();
    serde_json::json!({"archive": BASE64_STANDARD.encode(archive)})
}

/// A body with a chart and more.
pub(crate) fn with_chart(mut body: Value) -> Value {
    body["chart"] = archive(&chart());
    body
}

/// The answer to an install, an upgrade, a rollback or a question for a release.
pub(crate) fn released(release: Release) -> InstallReleaseResponse {
    InstallReleaseResponse {
        release: Some(release),
    }
}

pub(crate) fn installed(release: &Release) -> GetReleaseStatusResponse {
    let mut info = release.info.clone().unwrap();
    let status = info.status.get_or_insert_default();
    status.resources = "==> v1/Pod\nweb\n".into();
    GetReleaseStatusResponse {
        name: release.name.clone(),
        namespace: release.namespace.clone(),
        info: Some(info),
    }
}

pub(crate) fn history(releases: Vec<Release>) -> GetHistoryResponse {
    GetHistoryResponse { releases }
}

pub(crate) fn version(sem_ver: &str) -> GetVersionResponse {
    GetVersionResponse {
        version: Some(Version {
            sem_ver: sem_ver.into(),
            git_commit: "abc".into(),
            git_tree_state: "clean".into(),
        }),
    }
}

/// One chunk of a list.
pub(crate) fn chunk(releases: Vec<Release>) -> Vec<u8> {
    ListReleasesResponse {
        count: i64::try_from(releases.len()).unwrap(),
        total: i64::try_from(releases.len()).unwrap(),
        next: String::new(),
        releases,
    }
    .encode_to_vec()
}
