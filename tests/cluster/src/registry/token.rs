//! A token server, as the registry's documentation describes them: it takes a
//! login and gives a token, signed, that says what the bearer may do.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SigningKey};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{ISSUER, SERVICE};
use crate::pki::Pki;

/// The user who may pull everything.
pub const USER: &str = "edge";
/// That user's password.
pub const PASSWORD: &str = "registry-s3cret";

/// The user who may push as well.
pub(super) const PUSHER: (&str, &str) = ("pusher", "pusher-s3cret");

/// How long a token is good for, in seconds.
const LIFE: u64 = 300;

/// A request that came to the token server.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The query as it came.
    pub query: String,
    /// Whether there was an `Authorization`.
    pub authorization: bool,
}

pub(super) struct TokenServer {
    realm: String,
    state: Arc<State>,
    task: AbortHandle,
}

struct State {
    key: KeyPair,
    /// In DER, and as PEM.
    certificate: (Vec<u8>, String),
    asked: Mutex<Vec<Asked>>,
}

impl TokenServer {
    /// Listens with the certificate `tokens`.
    pub(super) async fn start(pki: &Pki) -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let certificate = CertificateParams::default().self_signed(&key)?;
        let state = Arc::new(State {
            key,
            certificate: (certificate.der().to_vec(), certificate.pem()),
            asked: Mutex::default(),
        });
        let certificate = CertificateDer::from_pem_file(pki.path("tokens.crt"))?;
        let key = PrivateKeyDer::from_pem_file(pki.path("tokens.key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let realm = format!("https://{}/token", listener.local_addr()?);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let task = tokio::spawn(serve(state.clone(), listener, acceptor)).abort_handle();
        Ok(Self { realm, state, task })
    }

    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// The certificate of the key that signs tokens, as PEM.
    pub(super) fn signer(&self) -> &str {
        &self.state.certificate.1
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.state.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(state: Arc<State>, listener: TcpListener, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(state.clone(), acceptor.clone(), stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How it ends concerns its peer, which sees it too.
async fn connection(state: Arc<State>, acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let response = state.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    _ = serving.await;
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let login = request.headers().get(AUTHORIZATION);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Asked {
            query: query.to_owned(),
            authorization: login.is_some(),
        });
        let basic = |(user, password): (&str, &str)| {
            format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{user}:{password}"))
            )
        };
        let is = |who| login.is_some_and(|login| login == &basic(who));
        let allowed: &[&str] = match () {
            () if is(PUSHER) => &["pull", "push", "*"],
            () if is((USER, PASSWORD)) => &["pull", "*"],
            () => {
                return said(
                    StatusCode::UNAUTHORIZED,
                    &json!({ "details": "no such login" }),
                );
            }
        };
        match self.token(&scopes(query), allowed) {
            Ok(token) => said(
                StatusCode::OK,
                &json!({ "token": token, "expires_in": LIFE }),
            ),
            Err(error) => {
                let details = json!({ "details": format!("{error:#}") });
                said(StatusCode::INTERNAL_SERVER_ERROR, &details)
            }
        }
    }

    /// A JSON web token (RFC 7519) with those of the scopes' actions that are allowed.
    fn token(&self, scopes: &[String], allowed: &[&str]) -> Result<String> {
        let access: Vec<Value> = scopes
            .iter()
            .filter_map(|scope| {
                let (resource, actions) = scope.rsplit_once(':')?;
                let (kind, name) = resource.split_once(':')?;
                let actions = actions.split(',').filter(|action| allowed.contains(action));
                Some(json!({ "type": kind, "name": name, "actions": actions.collect::<Vec<_>>() }))
            })
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let certificate = BASE64_STANDARD.encode(&self.certificate.0);
        let header = json!({ "typ": "JWT", "alg": "EdDSA", "x5c": [certificate] });
        let claims = json!({
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "exp": now + LIFE,
            "nbf": now,
            "iat": now,
            "jti": now.to_string(),
            "access": access,
        });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self
            .key
            .sign(signed.as_bytes())
            .context("signing a token")?;
        Ok(format!(
            "{signed}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

/// The scopes of a query, each `TYPE:NAME:ACTION,…`.
fn scopes(query: &str) -> Vec<String> {
    query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("scope="))
        .flat_map(|scopes| {
            // Of what has a meaning in URLs a scope has these at most.
            let scopes = scopes.replace("%3A", ":").replace("%3a", ":");
            let scopes = scopes.replace("%2F", "/").replace("%2f", "/");
            let scopes = scopes.replace("%2C", ",").replace("%2c", ",");
            let scopes = scopes
                .replace("%20", " ")
                .replace('+', " ")
                .replace("%2A", "*");
            scopes.split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn said(status: StatusCode, json: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(json.to_string()));
    *response.status_mut() = status;
    response
}
