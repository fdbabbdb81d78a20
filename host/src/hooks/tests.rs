//! Deliveries from their arrival to what becomes of them, with a component that does as the test says.

mod deliveries;
mod intake;
mod refusals;

use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use rest::plan::Plan;
use rules::{Kind, Outcome, Seen, Verdict, Wanted};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::access::{Identity, Method as By, Principal};
use crate::operations::{OperationId, Sqlite, State};
use crate::relay::tests::soon;

const SECRET: &str = "s3cret-of-the-registry";

/// What the component answers.
type Answer = dyn Fn(&str) -> (StatusCode, Value) + Send + Sync;

/// A component that answers what it is told to, and remembers what it was shown.
struct Component {
    answer: Box<Answer>,
    shown: Mutex<Vec<(Caller, Request<Bytes>)>>,
}

impl Serve for Component {
    fn serve(&self, caller: Caller, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            let request = Request::from_parts(head, body);
            self.shown.lock().expect("unharmed").push((caller, request));
            let (status, answer) = (self.answer)(&text);
            let mut response = Response::new(whole(answer.to_string().into()));
            *response.status_mut() = status;
            response
        })
    }
}

/// An upgrade of `release`.
fn upgrade(release: &str) -> Wanted {
    Wanted::Request {
        rule: "web".to_owned(),
        method: "PUT".to_owned(),
        target: format!("/v1/clusters/prod/releases/{release}"),
        body: json!({ "reuse_values": true }),
        plan: Plan {
            action: "upgrade".to_owned(),
            cluster: "prod".to_owned(),
            release: Some(release.to_owned()),
            timeout: 300,
            ..Plan::default()
        },
        coalesce: false,
        approve: false,
    }
}

/// An event that leads to upgrades of those releases.
fn event(key: Option<&str>, releases: &[&str]) -> Seen {
    Seen {
        kind: Kind::ImagePushed,
        summary: "image-pushed".to_owned(),
        key: key.map(str::to_owned),
        verdicts: vec![Verdict {
            rule: "web".to_owned(),
            fits: !releases.is_empty(),
            why: "so it is".to_owned(),
        }],
        wanted: releases.iter().map(|release| upgrade(release)).collect(),
    }
}

fn outcome(events: Vec<Seen>) -> (StatusCode, Value) {
    let reason = events
        .iter()
        .all(|event| event.wanted.is_empty())
        .then(|| "no rule fits".to_owned());
    let outcome = Outcome { reason, events };
    (StatusCode::OK, serde_json::to_value(outcome).expect("JSON"))
}

struct Rig {
    hooks: Hooks,
    component: Arc<Component>,
    store: Arc<dyn Store>,
    _home: TempDir,
}

const GRANTS: &str = "[[token]]\nname = \"x\"\nhash = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n\
    [[grant]]\nprincipals = [\"root\"]\nactions = [\"*\"]\n\
    [[grant]]\nprincipals = [\"reader\"]\nactions = [\"read\"]\n\
    [[grant]]\nprincipals = [\"local-reader\"]\nactions = [\"*\"]\nclusters = [\"prod\"]\n";

const RULE: &str = "[[hook.rule]]\nname = \"web\"\ntarget = { clusters = [\"prod\"], release = \"web\" }\n\
    upgrade.set = { \"tag\" = \"event.tag\" }\n";

/// A Harbor hook `ci` with `lines` in its configuration.
fn rig(lines: &str, answer: impl Fn(&str) -> (StatusCode, Value) + Send + Sync + 'static) -> Rig {
    let hook = format!(
        "[[hook]]\nname = \"ci\"\nprovider = \"harbor\"\nsecrets = [\"{SECRET}\"]\n{lines}\n"
    );
    configured(&format!("{GRANTS}{hook}{RULE}"), answer)
}

fn configured(
    text: &str,
    answer: impl Fn(&str) -> (StatusCode, Value) + Send + Sync + 'static,
) -> Rig {
    let config = Config::parse(text, Path::new("/edge.toml")).expect("valid");
    let home = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(&home.path().join("operations.db")).expect("opens");
    let store: Arc<dyn Store> = Arc::new(store);
    let component = Arc::new(Component {
        answer: Box::new(answer),
        shown: Mutex::default(),
    });
    let parts = Parts {
        server: Arc::clone(&component) as Arc<dyn Serve>,
        store: Some(Arc::clone(&store)),
        ids: Arc::new(Ids::after(None)),
        audit: Arc::new(Audit::off()),
    };
    Rig {
        hooks: Hooks::load(&config, parts).expect("loads"),
        component,
        store,
        _home: home,
    }
}

/// Whoever calls a hook.
fn stranger(authorization: Option<&str>) -> Caller {
    Caller {
        request_id: RequestId::parse("r-1").expect("an id"),
        identity: Identity::Known(Arc::new(Principal::unverified())),
        peer: None,
        authorization: authorization.map(SecretString::from),
        session: Arc::default(),
        operation: None,
    }
}

fn known(name: &str) -> Caller {
    let principal = Principal {
        name: name.to_owned(),
        groups: Vec::new(),
        method: By::Token,
    };
    Caller {
        identity: Identity::Known(Arc::new(principal)),
        ..stranger(None)
    }
}

/// A method, path and body as a request, with headers.
fn request(
    method: &Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::new(whole(Bytes::copy_from_slice(body.as_bytes())));
    *request.method_mut() = method.clone();
    *request.uri_mut() = format!("http://localhost{path}").parse().expect("a URI");
    for (name, value) in headers {
        request
            .headers_mut()
            .append(*name, value.parse().expect("a value"));
    }
    request
}

impl Rig {
    /// What a delivery with the secret is answered.
    async fn deliver(&self, body: &str) -> (StatusCode, Value) {
        let headers = [("x-github-delivery", "1f2e"), ("cookie", "s3cret")];
        let request = request(&Method::POST, "/hooks/ci", &headers, body);
        self.ask(stranger(Some(SECRET)), request).await
    }

    async fn get(&self, caller: &str, path: &str) -> (StatusCode, Value) {
        let request = request(&Method::GET, path, &[], "");
        self.ask(known(caller), request).await
    }

    async fn ask(&self, caller: Caller, request: Request<Body>) -> (StatusCode, Value) {
        let response = soon(self.hooks.handle(caller, request)).await;
        let status = response.status();
        let body = soon(response.into_body().collect()).await.expect("a body");
        let value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        (status, value)
    }

    /// Carries the next operation out, with that end.
    async fn settle(&self, state: State) {
        let asked = crate::operations::Asked {
            worker: "test".to_owned(),
            lease: Duration::from_secs(60),
            except: Vec::new(),
        };
        let claim = soon(self.store.claim(&asked)).await.expect("claims");
        let claim = claim.expect("there is one");
        let mut operation = claim.operation.clone();
        operation.state = state;
        operation.finished_at = Some(jiff::Timestamp::now());
        soon(self.store.finish(claim, operation, Vec::new()))
            .await
            .expect("finishes");
    }
}

/// The operations that an answer names.
fn operations(answer: &Value) -> Vec<OperationId> {
    serde_json::from_value(answer["operations"].clone()).expect("names")
}
