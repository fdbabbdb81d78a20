//! Tokens of a registry's token service, <https://distribution.github.io/distribution/spec/auth/token/>.
//!
//! A registry that wants a token names the service that has it. That service is shown the configured login, so where it
//! may be is limited: anywhere by https, else at the registry's own origin. What the token is to allow is for the edge
//! to say, not for the registry: reading, and that of one repository or of the catalog.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::OciError;
use super::challenge::Challenge;
use crate::net::address::Origin;
use crate::net::fetch::{Authorization, Fetcher, Get};

/// How many tokens are kept.
const HELD: usize = 64;

/// How long a token is good when it does not say, and at most: a login that is withdrawn is to be noticed.
const DEFAULT: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// The largest answer of a token service; and the longest URL of one.
const ANSWER: usize = 64 << 10;
const REALM: usize = 2 << 10;

const WHAT: &str = "a token";

/// What a token is for, as the token service names it.
pub(super) type Scope = String;

/// The tokens of one registry.
#[derive(Default)]
pub(super) struct Tokens {
    held: Mutex<HashMap<Scope, Token>>,
}

struct Token {
    secret: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<Value>,
}

impl Tokens {
    /// The one at hand for `scope`.
    pub(super) fn held(&self, scope: &str) -> Option<SecretString> {
        let held = self.lock();
        let token = held.get(scope)?;
        (token.until > Instant::now()).then(|| token.secret.clone())
    }

    /// Gives up the one for `scope`, since the registry did not take it.
    pub(super) fn forget(&self, scope: &str) {
        self.lock().remove(scope);
    }

    /// A new one for `scope` from the service that the registry at `registry` names.
    pub(super) async fn fetch(
        &self,
        fetcher: &Fetcher,
        registry: &Url,
        challenge: &Challenge,
        scope: &str,
        deadline: Instant,
    ) -> Result<SecretString, OciError> {
        let asked = Instant::now();
        let fetched = fetcher
            .get(Get {
                url: service(registry, challenge, scope)?,
                accept: "application/json",
                authorization: Authorization::Basic,
                if_none_match: None,
                if_modified_since: None,
                limit: ANSWER,
                deadline,
            })
            .await
            .map_err(|source| OciError::Fetch { what: WHAT, source })?;
        if fetched.status != StatusCode::OK {
            return Err(OciError::TokenStatus(fetched.status));
        }
        // What serde says could quote the token.
        let answer: Answer = serde_json::from_slice(&fetched.body)
            .map_err(|_| wrong("it is not the JSON that a token comes in"))?;
        let secret: SecretString = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .find(|text| is_token(text))
            .ok_or_else(|| wrong("there is none in the answer"))?
            .into();
        let lasts = answer
            .expires_in
            .and_then(|seconds| seconds.as_u64())
            .map_or(DEFAULT, Duration::from_secs);
        self.hold(scope, secret.clone(), asked + lasts.min(LONGEST));
        Ok(secret)
    }

    fn hold(&self, scope: &str, secret: SecretString, until: Instant) {
        let mut held = self.lock();
        let now = Instant::now();
        held.retain(|_, token| token.until > now);
        if held.len() >= HELD {
            let first = held.iter().min_by_key(|(_, token)| token.until);
            if let Some(scope) = first.map(|(scope, _)| scope.clone()) {
                held.remove(&scope);
            }
        }
        held.insert(scope.to_owned(), Token { secret, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, Token>> {
        // What it holds is whole at any time.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to ask the token service for.
fn service(registry: &Url, challenge: &Challenge, scope: &str) -> Result<Url, OciError> {
    let refused = |why| Err(OciError::TokenService(why));
    if challenge.realm.len() > REALM {
        return refused("its URL is too long");
    }
    let Ok(mut url) = Url::parse(&challenge.realm) else {
        return refused("it has no URL");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("its URL holds a user");
    }
    let own = Origin::of(&url).is_some_and(|origin| Some(origin) == Origin::of(registry));
    if !(own || url.scheme() == "https") {
        return refused("it is elsewhere and not reached by https");
    }
    url.set_fragment(None);
    let mut query = url.query_pairs_mut();
    if let Some(service) = &challenge.service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", scope);
    drop(query);
    Ok(url)
}

/// Whether a header can carry it, and there is anything to carry.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn wrong(why: &'static str) -> OciError {
    OciError::Protocol { what: WHAT, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(registry: &str, realm: &str, service_name: Option<&str>) -> Result<String, OciError> {
        let challenge = Challenge {
            realm: realm.to_owned(),
            service: service_name.map(str::to_owned),
        };
        let registry = Url::parse(registry).unwrap();
        service(&registry, &challenge, "repository:a/b:pull").map(String::from)
    }

    #[test]
    fn the_service_is_asked_for_our_own_scope() {
        for (realm, name, url) in [
            (
                "https://auth.example.com/token",
                Some("r & s"),
                "https://auth.example.com/token?service=r+%26+s&scope=repository%3Aa%2Fb%3Apull",
            ),
            (
                "https://auth.example.com/token?account=x#y",
                None,
                "https://auth.example.com/token?account=x&scope=repository%3Aa%2Fb%3Apull",
            ),
            (
                "http://localhost:5000/token",
                None,
                "http://localhost:5000/token?scope=repository%3Aa%2Fb%3Apull",
            ),
        ] {
            assert_eq!(asked("http://localhost:5000/", realm, name).unwrap(), url);
        }
    }

    #[test]
    fn a_service_that_may_not_see_the_login_is_not_asked() {
        let long = format!("https://example.com/{}", "x".repeat(REALM));
        for (registry, realm) in [
            ("https://example.com/", "http://example.com/token"),
            ("http://example.com/", "http://auth.example.com/token"),
            ("http://example.com/", "http://example.com:5001/token"),
            (
                "https://example.com/",
                "https://user:s3cret@example.com/token",
            ),
            ("https://example.com/", "https://user@example.com/token"),
            ("https://example.com/", "ftp://example.com/token"),
            ("https://example.com/", "file:///etc/passwd"),
            ("https://example.com/", "/token"),
            ("https://example.com/", ""),
            ("https://example.com/", &long),
        ] {
            let error = asked(registry, realm, None).unwrap_err();
            assert!(matches!(error, OciError::TokenService(_)), "{realm}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_kept_for_their_time_and_not_without_number() {
        let tokens = Tokens::default();
        let now = Instant::now();
        for number in 0..=HELD {
            let until = now + Duration::from_secs(10 + number as u64);
            tokens.hold(&number.to_string(), "s3cret".into(), until);
        }
        assert_eq!(tokens.lock().len(), HELD);
        assert!(tokens.held("0").is_none(), "the first to end made room");
        assert!(tokens.held("1").is_some());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(tokens.held("1").is_none());
        assert!(tokens.held("2").is_some());
        tokens.forget("2");
        assert!(tokens.held("2").is_none());
    }
}
