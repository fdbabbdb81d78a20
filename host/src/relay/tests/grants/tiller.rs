//! A Tiller with releases, behind the APIServer. It does nothing; it answers as if it had.

use tiller_api::hapi::chart::{Chart, Config, Metadata, Template};
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::release::{self as proto, Hook, Info, Release};
use tiller_api::hapi::services::tiller::{
    GetHistoryRequest, GetHistoryResponse, GetReleaseContentRequest, GetReleaseContentResponse,
    GetReleaseStatusRequest, GetReleaseStatusResponse, GetVersionResponse, InstallReleaseRequest,
    InstallReleaseResponse, ListReleasesRequest, ListReleasesResponse, TestReleaseResponse,
};

use super::super::apiserver::{self, Answer, ApiServer, full};
use super::*;

/// What must not be seen by who may not see values.
pub(super) const SECRET: &str = "s3cret-c0de";

/// The server and what it was asked.
pub(super) struct FakeTiller {
    pub(super) server: ApiServer,
}

impl FakeTiller {
    pub(super) async fn with(releases: Vec<Release>) -> Self {
        let releases = Arc::new(releases);
        let server = ApiServer::start(move |seen| {
            let answer = answer(&releases, &seen.path, &seen.body);
            async move { answer }
        })
        .await;
        Self { server }
    }

    /// The names of the methods that were called, in order.
    pub(super) fn called(&self) -> Vec<String> {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        self.server
            .seen()
            .iter()
            .map(|seen| name(&seen.path))
            .collect()
    }
}

/// A revision that is deployed, with [`SECRET`] in everything that shows values.
pub(super) fn release(name: &str, namespace: &str, version: i32) -> Release {
    Release {
        name: name.into(),
        namespace: namespace.into(),
        version,
        info: Some(Info {
            status: Some(proto::Status {
                code: Status::Deployed.into(),
                notes: SECRET.into(),
                ..proto::Status::default()
            }),
            description: "Install complete".into(),
            ..Info::default()
        }),
        chart: Some(chart("web", "1.2.3")),
        config: Some(Config {
            raw: SECRET.into(),
            ..Config::default()
        }),
        manifest: SECRET.into(),
        hooks: vec![Hook {
            name: "hook".into(),
            manifest: SECRET.into(),
            ..Hook::default()
        }],
    }
}

/// The same with another status.
pub(super) fn with_status(mut release: Release, status: Status) -> Release {
    if let Some(found) = release.info.as_mut().and_then(|info| info.status.as_mut()) {
        found.code = status.into();
    }
    release
}

pub(super) fn chart(name: &str, version: &str) -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: name.into(),
            version: version.into(),
            ..Metadata::default()
        }),
        templates: vec![Template {
            name: "templates/a.yaml".into(),
            data: SECRET.into(),
        }],
        ..Chart::default()
    }
}

/// A grpc-web answer of `messages`.
pub(super) fn success_of(messages: &[Vec<u8>]) -> Answer {
    let mut body = Vec::new();
    for message in messages {
        body.extend_from_slice(&grpc_web::encode_message(message));
    }
    body.extend_from_slice(
        &grpc_web::Status::new(grpc_web::Code::Ok, "")
            .to_trailers()
            .encode(),
    );
    apiserver::grpc_web(body)
}

/// What Tiller says instead.
pub(super) fn failure(text: &str) -> Answer {
    let status = grpc_web::Status::new(grpc_web::Code::Unknown, text);
    apiserver::grpc_web(status.to_trailers().encode())
}

fn answer(releases: &[Release], path: &str, body: &[u8]) -> Answer {
    let message = grpc_web::unary_message(body, usize::MAX).unwrap();
    let name = path.rsplit('/').next().unwrap_or_default();
    let newest = |name: &str| {
        let of_name = releases.iter().filter(|release| release.name == name);
        of_name.max_by_key(|release| release.version)
    };
    let find = |name: &str, version: i32| {
        if version <= 0 {
            return newest(name)
                .ok_or_else(|| Box::new(failure(&format!("release: \"{name}\" not found"))));
        }
        releases
            .iter()
            .find(|release| release.name == name && release.version == version)
            .ok_or_else(|| {
                Box::new(failure(&format!(
                    "release: \"{name}.v{version}\" not found"
                )))
            })
    };
    let one = |release: &Release| {
        let response = GetReleaseContentResponse {
            release: Some(release.clone()),
        };
        success_of(&[response.encode_to_vec()])
    };
    match Rpc::from_name(name).unwrap() {
        Rpc::GetReleaseContent => {
            let request = GetReleaseContentRequest::decode(message).unwrap();
            find(&request.name, request.version).map_or_else(|refusal| *refusal, one)
        }
        Rpc::GetReleaseStatus => {
            let request = GetReleaseStatusRequest::decode(message).unwrap();
            find(&request.name, request.version).map_or_else(
                |refusal| *refusal,
                |release| {
                    let response = GetReleaseStatusResponse {
                        name: release.name.clone(),
                        info: release.info.clone(),
                        namespace: release.namespace.clone(),
                    };
                    success_of(&[response.encode_to_vec()])
                },
            )
        }
        Rpc::GetHistory => {
            let request = GetHistoryRequest::decode(message).unwrap();
            let mut found: Vec<_> = releases
                .iter()
                .filter(|release| release.name == request.name)
                .cloned()
                .collect();
            if found.is_empty() {
                return failure(&format!("release: \"{}\" not found", request.name));
            }
            found.sort_by_key(|release| -release.version);
            found.truncate(usize::try_from(request.max).unwrap());
            success_of(&[GetHistoryResponse { releases: found }.encode_to_vec()])
        }
        Rpc::ListReleases => list(releases, &ListReleasesRequest::decode(message).unwrap()),
        Rpc::GetVersion => success_of(&[GetVersionResponse::default().encode_to_vec()]),
        Rpc::InstallRelease => {
            let request = InstallReleaseRequest::decode(message).unwrap();
            let made = release(&request.name, &request.namespace, 1);
            let response = InstallReleaseResponse {
                release: Some(made),
            };
            success_of(&[response.encode_to_vec()])
        }
        Rpc::RunReleaseTest => success_of(&[
            TestReleaseResponse::default().encode_to_vec(),
            TestReleaseResponse::default().encode_to_vec(),
        ]),
        Rpc::RollbackRelease => {
            one(newest(&RollbackReleaseRequest::decode(message).unwrap().name).unwrap())
        }
        Rpc::UninstallRelease => {
            one(newest(&UninstallReleaseRequest::decode(message).unwrap().name).unwrap())
        }
        Rpc::UpdateRelease => {
            one(newest(&UpdateReleaseRequest::decode(message).unwrap().name).unwrap())
        }
    }
}

/// One message a release, each of which says how many there are and that there are more.
fn list(releases: &[Release], request: &ListReleasesRequest) -> Answer {
    let name = request.filter.trim_matches(['^', '$']);
    let matching: Vec<_> = releases
        .iter()
        .filter(|release| name.is_empty() || release.name == name)
        .filter(|release| {
            let status = release.info.as_ref().and_then(|info| info.status.as_ref());
            status.is_some_and(|status| {
                request.status_codes.is_empty() || request.status_codes.contains(&status.code)
            })
        })
        .collect();
    let messages: Vec<_> = matching
        .iter()
        .map(|release| ListReleasesResponse {
            count: 7,
            total: 9,
            next: "of-another".into(),
            releases: vec![Release::clone(release)],
        })
        .map(|response| response.encode_to_vec())
        .collect();
    success_of(&messages)
}

/// The APIServer's answer to every call.
pub(super) fn unavailable() -> Answer {
    Response::builder()
        .status(503)
        .header(CONTENT_TYPE, "application/json")
        .body(full(
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":503,"message":"no endpoints available for service \"tiller-bridge\""}"#,
        ))
        .unwrap()
}
