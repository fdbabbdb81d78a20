//! Who may call what: decided on the message, on what is found out, and on the answer.

mod audit;
mod changes;
mod charts;
mod history;
mod kept;
mod lists;
mod reads;
mod tiller;
mod visible;

use prost::Message;
use rest::problem::{Code, Outcome};
use tiller_api::Method as Rpc;
use tiller_api::hapi::services::tiller::{
    InstallReleaseRequest, RollbackReleaseRequest, UninstallReleaseRequest, UpdateReleaseRequest,
};

use self::tiller::{FakeTiller, release};
use super::*;
use crate::access::Method as Means;
use crate::config::{GrantConfig, RefusalConfig};

/// Somebody with a token.
fn principal(name: &str) -> Principal {
    Principal {
        name: name.to_owned(),
        groups: Vec::new(),
        method: Means::Token,
    }
}

fn alice() -> Caller {
    by(principal("alice"))
}

fn by(principal: Principal) -> Caller {
    Caller {
        identity: Identity::Known(Arc::new(principal)),
        ..caller()
    }
}

impl Rig {
    /// With the grants that `text` holds, as an operator writes them.
    fn granting(mut self, text: &str) -> Self {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Rules {
            #[serde(default)]
            grant: Vec<GrantConfig>,
            #[serde(default)]
            refusal: Vec<RefusalConfig>,
        }
        let rules: Rules = toml::from_str(text).unwrap();
        self.config.grants = rules.grant;
        self.config.refusals = rules.refusal;
        self
    }
}

/// Alice may do everything in namespace a.
const A: &str = r#"
    [[grant]]
    name = "team-a"
    principals = ["alice"]
    actions = ["*"]
    namespaces = ["a"]
"#;

/// A path to `method` of the default tiller.
fn path(method: Rpc) -> String {
    format!("/clusters/prod{}", method.path())
}

/// What `caller` is answered who sends `message` to `method`.
async fn send(
    relay: &Relay,
    caller: &Caller,
    method: Rpc,
    message: &impl Message,
) -> Response<Body> {
    let frame = grpc_web::encode_message(&message.encode_to_vec());
    soon(relay.handle(caller, request(&path(method), frame))).await
}

/// The first message of an answer that is gRPC.
async fn answered<M: Message + Default>(answer: Response<Body>) -> M {
    let mut messages = messages(answer).await;
    assert_eq!(messages.len(), 1);
    M::decode(messages.remove(0)).unwrap()
}

/// The messages of an answer that succeeded.
async fn messages(answer: Response<Body>) -> Vec<Bytes> {
    let (messages, trailers) = frames(answer).await;
    assert_eq!(trailers.get("grpc-status"), Some(&b"0"[..]));
    messages
}

async fn frames(answer: Response<Body>) -> (Vec<Bytes>, grpc_web::Trailers) {
    assert_eq!(answer.status(), StatusCode::OK);
    let (data, broken) = read(answer).await;
    assert!(broken.is_none(), "{broken:?}");
    let mut decoder = grpc_web::Decoder::new(grpc_web::Limits::default());
    decoder.push(data.into());
    let mut messages = Vec::new();
    while let Some(event) = decoder.next().unwrap() {
        match event {
            grpc_web::Event::Message(message) => messages.push(message),
            grpc_web::Event::Trailers(trailers) => return (messages, trailers),
        }
    }
    panic!("no trailers");
}

/// The problem that an answer is, which must be that it is not allowed.
async fn refused(answer: Response<Body>) -> Problem {
    let problem = problem(answer).await;
    assert_eq!(problem.code, Code::NotAllowed, "{}", problem.detail);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    problem
}

fn install(name: &str, namespace: &str) -> InstallReleaseRequest {
    InstallReleaseRequest {
        chart: Some(tiller::chart("web", "1.2.3")),
        name: name.into(),
        namespace: namespace.into(),
        ..InstallReleaseRequest::default()
    }
}

fn upgrade(name: &str) -> UpdateReleaseRequest {
    UpdateReleaseRequest {
        name: name.into(),
        chart: Some(tiller::chart("web", "1.2.3")),
        ..UpdateReleaseRequest::default()
    }
}

fn rollback(name: &str, version: i32) -> RollbackReleaseRequest {
    RollbackReleaseRequest {
        name: name.into(),
        version,
        ..RollbackReleaseRequest::default()
    }
}

fn uninstall(name: &str, purge: bool) -> UninstallReleaseRequest {
    UninstallReleaseRequest {
        name: name.into(),
        purge,
        ..UninstallReleaseRequest::default()
    }
}
