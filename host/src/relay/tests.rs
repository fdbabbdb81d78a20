//! The relay against a TLS server that plays the APIServer: what it sends, what it passes on, what it never does.

pub(crate) mod apiserver;
mod calls;
mod connections;
mod credentials;
mod grants;
mod identities;
pub(crate) mod inventory;
mod listener;
mod manifests;
mod operations;
pub(crate) mod proxies;
mod repositories;
mod streams;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;

use self::apiserver::ApiServer;
use super::*;
use crate::config::{ClusterConfig, CredentialSource, TillerConfig, Transport};

/// The path of a call to the one cluster.
pub(crate) const INSTALL: &str =
    "/clusters/prod/hapi.services.tiller.ReleaseService/InstallRelease";
pub(crate) const LIST: &str = "/clusters/prod/hapi.services.tiller.ReleaseService/ListReleases";

/// What `future` gives; a test that waits longer than this has failed.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 s")
}

/// A relay to one cluster, `prod`, and what it is configured with.
pub(crate) struct Rig {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) config: Config,
}

impl Rig {
    /// `user` is the kubeconfig's user, a YAML map; `{dir}` in it is the rig's directory.
    pub(crate) fn with_user(server: &ApiServer, user: &str) -> Self {
        Self::with(
            &server.url(),
            &format!("certificate-authority-data: {}", server.ca_data()),
            user,
        )
    }

    pub(crate) fn new(server: &ApiServer) -> Self {
        Self::with_user(server, "{token: edge-s3cret}")
    }

    /// `cluster` is what the kubeconfig's cluster has beside its server.
    pub(crate) fn with(url: &str, cluster: &str, user: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: '{url}', {cluster}}}}}]\n\
             users: [{{name: u, user: {user}}}]\n\
             contexts: [{{name: prod, context: {{cluster: c, user: u}}}}]\n",
        )
        .replace("{dir}", &directory.path().display().to_string());
        let path = directory.path().join("config");
        fs::write(&path, text).unwrap();
        let cluster = ClusterConfig {
            name: "prod".to_owned(),
            tillers: vec![
                TillerConfig::default(),
                TillerConfig {
                    name: "secure".to_owned(),
                    transport: Transport::Grpc,
                    ..TillerConfig::default()
                },
            ],
            ..ClusterConfig::default()
        };
        Self {
            config: Config {
                kubeconfig: Some(path),
                clusters: vec![cluster],
                ..Config::default()
            },
            directory,
        }
    }

    pub(crate) fn for_callers(mut self) -> Self {
        self.config.clusters[0].credentials = CredentialSource::Caller;
        self
    }

    /// A file in the rig's directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn relay(&self) -> Relay {
        self.relay_with(Audit::off())
    }

    pub(crate) fn relay_with(&self, audit: Audit) -> Relay {
        let clusters = Clusters::load(&self.config).unwrap();
        let repositories = Repositories::load(&self.config).unwrap();
        Relay::new(
            Arc::new(clusters),
            Arc::new(repositories),
            Arc::new(audit),
            &self.config,
        )
    }
}

pub(crate) fn caller() -> Caller {
    Caller::local(RequestId::parse("request-1").unwrap(), None)
}

/// A message in its frame.
pub(crate) fn frame(message: &'static [u8]) -> Bytes {
    grpc_web::encode_message(message)
}

/// A well-formed call with `frame` for a body.
pub(crate) fn request(path: &str, frame: Bytes) -> Request<Body> {
    Request::post(format!("http://relay.internal{path}"))
        .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
        .header("content-length", frame.len())
        .body(whole(frame))
        .unwrap()
}

/// The answer to a call of `path` with an empty message.
pub(crate) async fn call(relay: &Relay, path: &str) -> Response<Body> {
    soon(relay.handle(&caller(), request(path, frame(b"")))).await
}

/// What an answer holds: its data, and whether it broke.
pub(crate) async fn read(answer: Response<Body>) -> (Vec<u8>, Option<BodyError>) {
    let mut body = answer.into_body();
    let mut data = Vec::new();
    while let Some(frame) = soon(body.frame()).await {
        match frame {
            Ok(frame) => data.extend_from_slice(&frame.into_data().expect("no HTTP trailers")),
            Err(error) => return (data, Some(error)),
        }
    }
    (data, None)
}

/// The problem that an answer is.
pub(crate) async fn problem(answer: Response<Body>) -> Problem {
    assert_ne!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    let status = answer.status();
    let (text, broken) = read(answer).await;
    assert!(broken.is_none());
    let problem: Problem = serde_json::from_slice(&text).unwrap();
    assert_eq!(problem.status(), status);
    assert_eq!(problem.request_id.as_deref(), Some("request-1"));
    problem
}

/// A whole grpc-web answer: one message and status 0.
pub(crate) fn success(message: &'static [u8]) -> Vec<u8> {
    let mut trailers = grpc_web::Trailers::new();
    trailers.append("grpc-status", Bytes::from_static(b"0"));
    [frame(message), trailers.encode()].concat()
}
