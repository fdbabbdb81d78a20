//! An identity provider (OpenID Connect): what it says of itself, its keys, and the tokens it signs.
//!
//! It asks nobody who they are: tests take whatever token they need. It can change its keys, and it can be down, slow or
//! hostile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::task::AbortHandle;

use crate::store::answer::Body;
use crate::store::listen;
use crate::store::pki::Pki;

/// Whom tokens are for, unless a test says otherwise.
pub const AUDIENCE: &str = "tiller-edge";

/// How long tokens are good, in seconds.
const LIFETIME: u64 = 300;

/// What is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It answers with that status and body.
    Answer(u16, String),
    /// It says that it is that issuer.
    Issuer(String),
    /// It sends everybody there.
    Redirect(String),
    /// It begins to answer and never ends.
    Silent,
}

/// A running provider; dropping it ends it.
#[derive(Debug)]
pub struct Identity {
    pki: Pki,
    state: Arc<State>,
    task: AbortHandle,
    _home: TempDir,
}

#[derive(Debug)]
struct State {
    issuer: String,
    key: Mutex<Key>,
    fault: Mutex<Option<Fault>>,
    asked: Mutex<Vec<String>>,
}

/// The key of the moment.
#[derive(Debug)]
struct Key {
    pair: KeyPair,
    number: u32,
}

/// Starts one on loopback, over TLS, with an authority of its own.
///
/// # Panics
///
/// When it cannot be started.
pub async fn identity() -> Identity {
    Identity::start()
        .await
        .unwrap_or_else(|error| panic!("the identity provider does not start: {error:#}"))
}

impl Identity {
    async fn start() -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let pki = Pki::new(home.path(), false)?;
        let listener = listen::bind().await?;
        let state = Arc::new(State {
            issuer: format!("https://{}", listener.local_addr()?),
            key: Mutex::new(Key::new(1)?),
            fault: Mutex::default(),
            asked: Mutex::default(),
        });
        let serving = state.clone();
        let answers = move |request: &Request<Incoming>| serving.answer(request.uri().path());
        let tls = Some(pki.server.clone());
        let task = tokio::spawn(listen::serve(Arc::new(answers), listener, tls)).abort_handle();
        Ok(Self {
            pki,
            state,
            task,
            _home: home,
        })
    }

    /// Its issuer URL.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The file with its authority, as PEM.
    pub fn ca(&self) -> PathBuf {
        self.pki.ca.clone()
    }

    /// A token that is good for five minutes, with these claims beside or instead of the usual ones.
    pub fn token(&self, claims: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let mut all = Map::new();
        all.insert("iss".to_owned(), json!(self.issuer()));
        all.insert("aud".to_owned(), json!(AUDIENCE));
        all.insert("iat".to_owned(), json!(now));
        all.insert("exp".to_owned(), json!(now + LIFETIME));
        all.extend(claims.as_object().cloned().unwrap_or_default());
        lock(&self.state.key).sign(&Value::Object(all))
    }

    /// Makes a new key and forgets the old one.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn rotate(&self) {
        let mut key = lock(&self.state.key);
        *key = Key::new(key.number + 1).expect("a key can be made");
    }

    /// Answers so from now on; without a fault as it should.
    pub fn set(&self, fault: Option<Fault>) {
        *lock(&self.state.fault) = fault;
    }

    /// The paths that it was asked for, oldest first.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.state.asked).clone()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn answer(&self, path: &str) -> Response<Body> {
        lock(&self.asked).push(path.to_owned());
        let mut issuer = self.issuer.clone();
        match lock(&self.fault).clone() {
            None => (),
            Some(Fault::Answer(status, body)) => return whole(status, body),
            Some(Fault::Issuer(other)) => issuer = other,
            Some(Fault::Redirect(url)) => {
                let mut response = whole(302, String::new());
                let url = HeaderValue::try_from(url).expect("a test's own URL");
                response.headers_mut().insert(LOCATION, url);
                return response;
            }
            Some(Fault::Silent) => {
                return Response::new(StreamBody::new(stream::pending()).boxed_unsync());
            }
        }
        match path {
            "/.well-known/openid-configuration" => {
                let keys = format!("{}/keys", self.issuer);
                whole(
                    200,
                    json!({ "issuer": issuer, "jwks_uri": keys }).to_string(),
                )
            }
            "/keys" => whole(
                200,
                json!({ "keys": [lock(&self.key).public()] }).to_string(),
            ),
            _ => whole(404, String::new()),
        }
    }
}

impl Key {
    fn new(number: u32) -> Result<Self, rcgen::Error> {
        Ok(Self {
            pair: KeyPair::generate_for(&PKCS_ED25519)?,
            number,
        })
    }

    fn name(&self) -> String {
        format!("key-{}", self.number)
    }

    fn public(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.name(),
            "x": BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key_raw()),
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.name() });
        let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(message.as_bytes());
        let signature = signature.expect("Ed25519 signs everything");
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn whole(status: u16, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).expect("a test's own status");
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A panic while a lock is held fails its test anyway; the others need not fall with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
