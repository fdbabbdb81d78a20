//! What there is and whether it can be reached.

use prost::Message;
use rest::problem::Code;
use rest::relay::{ClusterList, ClusterView};
use serde_json::json;
use tiller_api::hapi::services::tiller::GetVersionResponse;
use tiller_api::hapi::version::Version;

use super::apiserver::{Answer, ApiServer, Seen, grpc, grpc_web, json, status};
use super::*;

/// An APIServer with a bridge and a TLS Tiller behind it.
pub(crate) fn healthy(seen: &Seen) -> Answer {
    let version = version();
    match seen.path.as_str() {
        "/version" => json(200, &json!({"gitVersion": "v1.35.4"})),
        path if path.contains("https:tiller-deploy:tiller") => {
            grpc(&[Vec::leak(version)], Some("0"))
        }
        _ => grpc_web(success(Vec::leak(version))),
    }
}

fn version() -> Vec<u8> {
    GetVersionResponse {
        version: Some(Version {
            sem_ver: "v2.17.0".to_owned(),
            ..Version::default()
        }),
    }
    .encode_to_vec()
}

async fn get<T: serde::de::DeserializeOwned>(relay: &Relay, path: &str) -> T {
    let request = Request::get(format!("http://relay.internal{path}"))
        .body(whole(Bytes::new()))
        .unwrap();
    let answer = soon(relay.handle(&caller(), request)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    serde_json::from_slice(&read(answer).await.0).unwrap()
}

#[tokio::test]
async fn a_list_asks_nobody_unless_told_to() {
    let server = ApiServer::start(|seen| async move { healthy(&seen) }).await;
    let relay = Rig::new(&server).relay();
    let list: ClusterList = get(&relay, "/clusters").await;
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].name, "prod");
    assert!(list.items[0].apiserver.is_none() && list.items[0].tillers.is_empty());
    let one: ClusterView = get(&relay, "/clusters/prod").await;
    assert_eq!(one.tillers.len(), 2);
    assert_eq!(one.tillers[0].transport, "grpc-web");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_check_has_a_verdict_for_each_part() {
    let server = ApiServer::start(|seen| async move { healthy(&seen) }).await;
    let relay = Rig::new(&server).relay();
    let list: ClusterList = get(&relay, "/clusters?check=true").await;
    let prod = &list.items[0];
    let apiserver = prod.apiserver.as_ref().unwrap();
    assert!(apiserver.ok);
    assert_eq!(apiserver.version.as_deref(), Some("v1.35.4"));
    let [web, native] = &prod.tillers[..] else {
        panic!("{prod:?}");
    };
    assert!(web.bridge.as_ref().unwrap().ok);
    assert_eq!(
        web.tiller.as_ref().unwrap().version.as_deref(),
        Some("v2.17.0")
    );
    assert!(native.bridge.is_none());
    assert!(native.tiller.as_ref().unwrap().ok);
}

#[tokio::test]
async fn a_bridge_without_its_tiller_is_told_from_a_missing_bridge() {
    let server = ApiServer::start(|seen| async move {
        if seen.path.contains("tiller-bridge") {
            let mut answer = grpc_web("");
            let headers = answer.headers_mut();
            headers.insert("grpc-status", "14".parse().unwrap());
            headers.insert("grpc-message", "connection refused".parse().unwrap());
            headers.insert("x-tiller-edge-answered-by", "bridge".parse().unwrap());
            headers.insert("x-tiller-edge-outcome", "not_applied".parse().unwrap());
            return answer;
        }
        match seen.path.as_str() {
            "/version" => json(200, &json!({"gitVersion": "v1.35.4"})),
            _ => status(503, "no endpoints available for service \"tiller-deploy\""),
        }
    })
    .await;
    let relay = Rig::new(&server).relay();
    let prod: ClusterView = get(&relay, "/clusters/prod?check=true").await;
    let code = |check: &Option<rest::relay::Check>| {
        check
            .as_ref()
            .unwrap()
            .problem
            .as_ref()
            .map(|problem| problem.code)
    };
    assert_eq!(code(&prod.tillers[0].bridge), None);
    assert_eq!(code(&prod.tillers[0].tiller), Some(Code::TillerUnreachable));
    assert_eq!(code(&prod.tillers[1].tiller), Some(Code::EndpointNotReady));
}

#[tokio::test]
async fn an_unreachable_cluster_does_not_spoil_the_list() {
    let server = ApiServer::start(|_| async { status(401, "Unauthorized") }).await;
    let relay = Rig::new(&server).relay();
    let list: ClusterList = get(&relay, "/clusters?check=true").await;
    let check = list.items[0].apiserver.as_ref().unwrap();
    assert!(!check.ok);
    assert_eq!(
        check.problem.as_ref().unwrap().code,
        Code::ClusterCredentialsRefused
    );
}

#[tokio::test]
async fn other_questions_are_no_questions() {
    let server = ApiServer::start(|seen| async move { healthy(&seen) }).await;
    let relay = Rig::new(&server).relay();
    for (path, code) in [
        ("/clusters/other", Code::ClusterNotFound),
        ("/clusters?check=yes", Code::NotRelayed),
        ("/clusters/prod/tillers", Code::NotRelayed),
        ("/api/v1/secrets", Code::NotRelayed),
        (LIST, Code::NotRelayed),
    ] {
        let request = Request::get(format!("http://relay.internal{path}"))
            .body(whole(Bytes::new()))
            .unwrap();
        let answer = soon(relay.handle(&caller(), request)).await;
        assert_eq!(problem(answer).await.code, code, "{path}");
    }
    assert!(server.seen().is_empty());
}
