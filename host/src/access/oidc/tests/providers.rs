//! Providers on loopback, good and bad ones.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::access::Unauthenticated;
use crate::net::Causes;
use crate::repositories::tests::store::{Answer, Seen, Store};

const DOCUMENT: &str = "/.well-known/openid-configuration";

/// A provider, and an edge that knows it.
struct Rig {
    store: Store,
    oidc: Oidc,
    _directory: TempDir,
}

type Behaviour = dyn Fn(&Seen, &str) -> Answer + Send + Sync;

impl Rig {
    /// One whose answers depend on the request and its own URL.
    async fn with(behaviour: impl Fn(&Seen, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::configured(true, "", behaviour, |_| ()).await
    }

    async fn configured(
        tls: bool,
        path: &str,
        behaviour: impl Fn(&Seen, &str) -> Answer + Send + Sync + 'static,
        change: impl FnOnce(&mut OidcConfig),
    ) -> Self {
        let url: Arc<Mutex<String>> = Arc::default();
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let known = Arc::clone(&url);
        let behave = move |seen: &Seen| behaviour(seen, &known.lock().unwrap());
        let store = match tls {
            true => Store::https(behave).await,
            false => Store::http(behave).await,
        };
        let issuer = format!("{}{path}", store.url());
        url.lock().unwrap().clone_from(&issuer);
        let directory = tempfile::tempdir().unwrap();
        let ca_file: Option<PathBuf> = store.authority().map(|authority| {
            let path = directory.path().join("ca.pem");
            std::fs::write(&path, authority.pem()).unwrap();
            path
        });
        let mut config: OidcConfig = toml::from_str(&format!(
            "issuer = \"{issuer}\"\naudiences = [\"tiller-edge\"]\n"
        ))
        .unwrap();
        config.ca_file = ca_file;
        change(&mut config);
        Self {
            oidc: Oidc::load(&[config]).unwrap(),
            store,
            _directory: directory,
        }
    }

    fn issuer(&self) -> &str {
        &self.oidc.providers[0].rules.issuer
    }

    /// A token that is good for five minutes from now.
    fn token(&self, signer: &Signer) -> String {
        let now = jiff::Timestamp::now().as_second();
        signer.sign(&json!({
            "iss": self.issuer(), "aud": "tiller-edge", "sub": "alice", "exp": now + 300, "iat": now,
        }))
    }

    async fn authenticate(&self, token: &str) -> Result<Principal, Unauthenticated> {
        timeout(Duration::from_secs(20), self.oidc.authenticate(token))
            .await
            .unwrap()
    }

    /// Why the provider cannot be asked.
    async fn fails(&self) -> String {
        match self.authenticate(&self.token(&Signer::p256("a"))).await {
            Err(error @ Unauthenticated::Unavailable { .. }) => {
                let problem = error.problem();
                assert_eq!(problem.code, rest::problem::Code::IdentityUnavailable);
                Causes(&error).to_string()
            }
            other => panic!("{other:?}"),
        }
    }

    fn paths(&self) -> Vec<String> {
        self.store.seen().into_iter().map(|seen| seen.uri).collect()
    }
}

fn answer(code: u16, body: impl Into<bytes::Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn document(issuer: &str) -> Answer {
    let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    answer(200, document.to_string())
}

fn set(signers: &[&Signer]) -> String {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Serves keys in order, and the document it is told to.
fn serving(keys: String) -> impl Fn(&Seen, &str) -> Answer + Send + Sync + 'static {
    move |seen, issuer| match seen.path() {
        DOCUMENT => document(issuer),
        "/keys" => answer(200, keys.clone()),
        _ => answer(404, ""),
    }
}

#[tokio::test]
async fn a_token_of_a_provider_names_a_principal() {
    let signer = Signer::p256("a");
    let rig = Rig::with(serving(set(&[&signer]))).await;
    let token = rig.token(&signer);
    assert!(rig.oidc.recognises(&token));
    for _ in 0..3 {
        let principal = rig.authenticate(&token).await.unwrap();
        assert_eq!(principal.name, "oidc:alice");
        assert_eq!(principal.method, Method::Oidc);
    }
    assert_eq!(rig.paths(), [DOCUMENT, "/keys"]);
    let [first, ..] = &rig.store.seen()[..] else {
        panic!("nothing was asked");
    };
    assert_eq!(first.header("authorization"), None);
}

#[tokio::test]
async fn a_token_of_another_issuer_is_not_this_edges_to_judge() {
    let signer = Signer::p256("a");
    let rig = Rig::with(serving(set(&[&signer]))).await;
    let other = signer.sign(&json!({ "iss": format!("{}/", rig.issuer()) }));
    for token in [other.as_str(), "a.b.c", "a"] {
        assert!(!rig.oidc.recognises(token));
        assert!(matches!(
            rig.authenticate(token).await,
            Err(Unauthenticated::UnknownToken)
        ));
    }
    assert_eq!(rig.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said_with_its_issuer() {
    let (signer, forger) = (Signer::p256("a"), Signer::p256("a"));
    let rig = Rig::with(serving(set(&[&signer]))).await;
    let error = rig.authenticate(&rig.token(&forger)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the token of {} is not accepted: it has a signature that is not the provider's",
            rig.issuer()
        )
    );
    let old =
        signer.sign(&json!({ "iss": rig.issuer(), "aud": "tiller-edge", "exp": 1_000_000_000 }));
    let error = rig.authenticate(&old).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token expired at 2001-09-09T01:46:40Z"
    );
}

#[tokio::test]
async fn http_on_loopback_and_an_issuer_with_a_path_work() {
    let signer = Signer::p256("a");
    let keys = set(&[&signer]);
    for (path, expected) in [
        ("/realms/a", "/realms/a/.well-known/openid-configuration"),
        // The slash is part of the issuer, and not of the document's path.
        ("/", DOCUMENT),
    ] {
        let keys = keys.clone();
        let behaviour = move |seen: &Seen, issuer: &str| match seen.path() {
            path if path.ends_with(DOCUMENT) => {
                let keys = format!("{}/keys", issuer.trim_end_matches('/'));
                let document = json!({ "issuer": issuer, "jwks_uri": keys });
                answer(200, document.to_string())
            }
            _ => answer(200, keys.clone()),
        };
        let rig = Rig::configured(false, path, behaviour, |_| ()).await;
        assert!(rig.authenticate(&rig.token(&signer)).await.is_ok());
        assert_eq!(rig.paths()[0], expected);
    }
}

#[tokio::test]
async fn keys_of_another_key_set_are_found_where_the_document_says() {
    let signer = Signer::p256("a");
    let keys = set(&[&signer]);
    let elsewhere = Store::http(move |_| answer(200, keys.clone())).await;
    let url = elsewhere.url();
    let behaviour = move |_: &Seen, issuer: &str| {
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{url}/keys") });
        answer(200, document.to_string())
    };
    let behaviour = Arc::new(behaviour);
    let shared = Arc::clone(&behaviour);
    // Another host on loopback is not the provider's own.
    let rig = Rig::configured(false, "", move |seen, issuer| shared(seen, issuer), |_| ()).await;
    let said = rig.fails().await;
    assert!(said.contains("loopback address"), "{said}");
    assert_eq!(elsewhere.seen().len(), 0);
    let rig = Rig::configured(
        false,
        "",
        move |seen, issuer| behaviour(seen, issuer),
        |config| config.addresses = crate::repositories::tests::loopback(),
    )
    .await;
    assert!(rig.authenticate(&rig.token(&signer)).await.is_ok());
}

#[tokio::test]
async fn a_document_that_is_not_this_issuers_is_not_believed() {
    let keys = set(&[&Signer::p256("a")]);
    for (tail, said) in [
        ("/", "is of the issuer"),
        ("x", "is of the issuer"),
        ("/../a", "is of the issuer"),
    ] {
        let keys = keys.clone();
        let rig = Rig::with(move |seen, issuer| match seen.path() {
            DOCUMENT => {
                let document = json!({ "issuer": format!("{issuer}{tail}"), "jwks_uri": format!("{issuer}/keys") });
                answer(200, document.to_string())
            }
            _ => answer(200, keys.clone()),
        })
        .await;
        let error = rig.fails().await;
        assert!(error.contains(said), "{error}");
        assert_eq!(rig.paths(), [DOCUMENT]);
    }
}

#[tokio::test]
async fn keys_come_by_https_only() {
    for url in [
        "http://192.0.2.1/keys",
        "http://id.example.com/keys",
        "ftp://localhost/keys",
        "file:///etc/passwd",
        "/keys",
        "",
    ] {
        let rig = Rig::with(move |_, issuer| {
            let document = json!({ "issuer": issuer, "jwks_uri": url });
            answer(200, document.to_string())
        })
        .await;
        let error = rig.fails().await;
        assert!(error.contains("`jwks_uri`"), "{url}: {error}");
    }
    let rig = Rig::with(|seen, _| {
        let mut answer = answer(302, "");
        let host = seen.header("host").unwrap_or_default();
        let target = format!("http://{host}/elsewhere");
        answer
            .headers_mut()
            .insert(LOCATION, target.parse().unwrap());
        answer
    })
    .await;
    let error = rig.fails().await;
    assert!(error.contains("from https:// to http://"), "{error}");
}

#[tokio::test]
async fn a_provider_that_leads_elsewhere_leads_nowhere_private() {
    for target in [
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:1/keys",
        "https://10.0.0.1/keys",
        "https://[::1]/keys",
    ] {
        let rig = Rig::with(move |seen, issuer| match seen.path() {
            DOCUMENT => {
                let document = json!({ "issuer": issuer, "jwks_uri": target });
                answer(200, document.to_string())
            }
            _ => answer(404, ""),
        })
        .await;
        let error = rig.fails().await;
        assert!(
            error.contains("the edge does not dial"),
            "{target}: {error}"
        );
        let rig = Rig::with(move |_, _| {
            let mut answer = answer(307, "");
            answer
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_static(target));
            answer
        })
        .await;
        let error = rig.fails().await;
        assert!(
            error.contains("the edge does not dial"),
            "{target}: {error}"
        );
    }
}

#[tokio::test]
async fn what_a_provider_sends_is_limited_and_must_make_sense() {
    let huge = || " ".repeat((1 << 20) + 1);
    let many = || {
        let keys = vec![Signer::rsa("a").jwk; 101];
        json!({ "keys": keys }).to_string()
    };
    for (code, document, keys, said) in [
        (
            200,
            Some(huge()),
            String::new(),
            "larger than 1048576 bytes",
        ),
        (200, None, huge(), "larger than 1048576 bytes"),
        (200, None, many(), "more than 100 keys"),
        (
            200,
            Some("<html>".to_owned()),
            String::new(),
            "discovery document cannot be read",
        ),
        (
            200,
            Some("{}".to_owned()),
            String::new(),
            "discovery document cannot be read",
        ),
        (
            200,
            Some("[]".to_owned()),
            String::new(),
            "discovery document cannot be read",
        ),
        (200, None, "{}".to_owned(), "set of keys cannot be read"),
        (200, None, "\u{0}".to_owned(), "set of keys cannot be read"),
        (404, Some(String::new()), String::new(), "404 Not Found"),
        (
            500,
            Some(String::new()),
            String::new(),
            "500 Internal Server Error",
        ),
    ] {
        let rig = Rig::with(move |seen, issuer| match (seen.path(), &document) {
            (DOCUMENT, Some(document)) => answer(code, document.clone()),
            (DOCUMENT, None) => self::document(issuer),
            _ => answer(code, keys.clone()),
        })
        .await;
        let error = rig.fails().await;
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_provider_with_a_certificate_of_nobodys_is_not_believed() {
    let rig = Rig::configured(true, "", serving(set(&[])), |config| config.ca_file = None).await;
    let error = rig.fails().await;
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(rig.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_withdrawn_key_signs_nothing_once_the_provider_was_asked_again() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let served = Arc::new(Mutex::new(set(&[&old])));
    let serves = Arc::clone(&served);
    let rig = Rig::with(move |seen, issuer| match seen.path() {
        DOCUMENT => document(issuer),
        _ => {
            let mut answer = answer(200, serves.lock().unwrap().clone());
            let value = HeaderValue::from_static("max-age=600");
            answer.headers_mut().insert(CACHE_CONTROL, value);
            answer
        }
    })
    .await;
    assert!(rig.authenticate(&rig.token(&old)).await.is_ok());
    *served.lock().unwrap() = set(&[&new]);
    // It was asked just now, and what it said then holds for ten seconds.
    let error = rig.authenticate(&rig.token(&new)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a key that the provider does not have")
    );
    assert_eq!(rig.paths().len(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(rig.authenticate(&rig.token(&new)).await.is_ok());
    let error = rig.authenticate(&rig.token(&old)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a key that the provider does not have")
    );
    assert_eq!(rig.paths().len(), 4);
}
