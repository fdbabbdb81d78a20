//! The relay on a port of its own.

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rest::problem::Code;

use super::apiserver::{ApiServer, grpc_web};
use super::*;
use crate::access::{Access, TokenHash};
use crate::config::TokenConfig;
use crate::ingress::Setup;

struct Port {
    listener: Listener,
    _server: ApiServer,
    _rig: Rig,
}

impl Port {
    async fn open() -> Self {
        let server = ApiServer::start(|_| async { grpc_web(success(b"answer")) }).await;
        let rig = Rig::new(&server).for_callers();
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = listen(
            Arc::new(rig.relay()),
            address,
            Setup::local(rig.config.limits.clone()),
        )
        .await
        .unwrap();
        Self {
            listener,
            _server: server,
            _rig: rig,
        }
    }

    fn request(&self) -> http::request::Builder {
        Request::post(format!("http://{}{INSTALL}", self.listener.addr()))
            .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
            .header("authorization", "Bearer callers-own")
            .header("x-request-id", "request-1")
    }
}

async fn send(request: http::request::Builder, http2: bool) -> Response<hyper::body::Incoming> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http();
    let request = request.body(Full::new(frame(b"\x22\x03web"))).unwrap();
    soon(client.request(request)).await.unwrap()
}

#[tokio::test]
async fn components_of_other_hosts_find_the_same_relay() {
    let port = Port::open().await;
    for http2 in [false, true] {
        let answer = send(port.request(), http2).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = soon(answer.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes(), success(b"answer"));
    }
    let seen = port._server.seen();
    assert_eq!(seen[0].headers["authorization"], "Bearer callers-own");
    assert_eq!(seen[0].headers["audit-id"], "request-1");
    assert!(soon(port.listener.drain(Duration::from_secs(5))).await);
}

#[tokio::test]
async fn callers_of_other_hosts_are_known_and_may_what_they_may_here() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let mut rig = Rig::new(&server);
    rig.config.tokens = ["alice", "bob"]
        .map(|name| TokenConfig {
            name: name.to_owned(),
            hash: Some(TokenHash::of(&format!("{name}s-own"))),
            ..TokenConfig::default()
        })
        .to_vec();
    let grant =
        "principals = ['alice']\nactions = ['install', 'get-values']\nnamespaces = ['default']";
    rig.config.grants = vec![toml::from_str(grant).unwrap()];
    let setup = Setup {
        access: Arc::new(Access::load(&rig.config).unwrap()),
        ..Setup::local(rig.config.limits.clone())
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = listen(Arc::new(rig.relay()), address, setup).await.unwrap();
    for (bearer, status) in [
        (Some("Bearer alices-own"), StatusCode::OK),
        (Some("Bearer bobs-own"), StatusCode::NOT_FOUND),
        (Some("Bearer nobodys"), StatusCode::UNAUTHORIZED),
        (None, StatusCode::UNAUTHORIZED),
    ] {
        let mut request = Request::post(format!("http://{}{INSTALL}", listener.addr()))
            .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE);
        if let Some(bearer) = bearer {
            request = request.header("authorization", bearer);
        }
        let answer = send(request, false).await;
        assert_eq!(answer.status(), status, "{bearer:?}");
    }
    let seen = server.seen();
    let [call] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(call.headers["authorization"], "Bearer edge-s3cret");
}

#[tokio::test]
async fn web_pages_are_kept_out() {
    let port = Port::open().await;
    let own = format!("http://{}", port.listener.addr());
    for (name, value, code) in [
        ("origin", "https://evil.example", Code::InvalidRequest),
        ("origin", &own, Code::NotRelayed),
        ("host", "evil.example", Code::NotRelayed),
    ] {
        let answer = send(port.request().header(name, value), false).await;
        let body = soon(answer.into_body().collect()).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body.to_bytes()).unwrap();
        assert_eq!(problem.code, code, "{name}: {value}");
    }
    assert!(port._server.seen().is_empty());
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let rig = Rig::new(&server);
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let result = listen(
        Arc::new(rig.relay()),
        everywhere,
        Setup::local(rig.config.limits.clone()),
    )
    .await;
    assert!(matches!(result.map(drop), Err(ListenError::NotLoopback(_))));
}
