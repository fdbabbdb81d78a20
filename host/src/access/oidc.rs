//! Tokens of identity providers (OpenID Connect).
//!
//! A token is checked here, with the provider's public keys and no question to the provider: it is good until it
//! expires, or until the provider gives up the key that signed it. Whatever the token says of itself beyond its issuer
//! and its key is believed only then. No token is kept, logged or quoted; of those that were good a hash is.
//!
//! Names and groups that begin with `system:` are refused and left out: only an APIServer gives them.

mod cache;
mod claims;
mod discovery;
mod error;
mod key;
mod strict;
mod token;
mod verified;

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use self::cache::Cache;
use self::claims::{Rules, Subject};
use self::discovery::{Discovery, ProviderError};
use self::error::TokenError;
use self::token::Token;
use self::verified::{Fingerprint, Verified};
use super::{AccessError, Method, Principal, Unauthenticated};
use crate::config::{ClaimValue, OidcConfig};

/// The identity providers whose tokens are accepted.
#[derive(Debug, Default)]
pub(crate) struct Oidc {
    providers: Vec<Provider>,
}

impl Oidc {
    /// Those of `providers`, which were checked. Nothing is fetched yet.
    pub(crate) fn load(providers: &[OidcConfig]) -> Result<Self, AccessError> {
        let load = |config: &OidcConfig| {
            Provider::load(config).map_err(|why| AccessError::Oidc {
                issuer: config.issuer.clone(),
                source: why.into(),
            })
        };
        Ok(Self {
            providers: providers.iter().map(load).collect::<Result<_, _>>()?,
        })
    }

    /// Whether `bearer` says that it was issued by one of them.
    pub(super) fn recognises(&self, bearer: &str) -> bool {
        token::issuer(bearer).is_some_and(|issuer| self.find(&issuer).is_some())
    }

    /// Who `bearer` is, which one of them issued.
    pub(crate) async fn authenticate(&self, bearer: &str) -> Result<Principal, Unauthenticated> {
        let issuer = token::issuer(bearer).ok_or(Unauthenticated::UnknownToken)?;
        let provider = self.find(&issuer).ok_or(Unauthenticated::UnknownToken)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        match provider.subject(bearer, now).await {
            Ok(subject) => Ok(Principal {
                name: subject.name,
                groups: subject.groups,
                method: Method::Oidc,
            }),
            Err(refusal) => Err(refusal.said_of(issuer)),
        }
    }

    fn find(&self, issuer: &str) -> Option<&Provider> {
        self.providers
            .iter()
            .find(|provider| provider.rules.issuer == issuer)
    }
}

struct Provider {
    rules: Rules,
    algorithms: Vec<Algorithm>,
    keys: Arc<Cache<Discovery>>,
    verified: Verified,
}

impl Provider {
    fn load(config: &OidcConfig) -> Result<Self, &'static str> {
        let required = config.required_claims.iter().map(|(name, value)| {
            let value = match value {
                ClaimValue::Bool(value) => Value::Bool(*value),
                ClaimValue::Integer(value) => Value::from(*value),
                ClaimValue::Text(value) => Value::String(value.clone()),
            };
            (name.clone(), value)
        });
        Ok(Self {
            rules: Rules {
                issuer: config.issuer.clone(),
                audiences: config.audiences.clone(),
                name: config.name_claim.clone(),
                groups: config.groups_claim.clone(),
                prefix: config.prefix.clone(),
                skew: i64::try_from(config.skew.as_secs()).unwrap_or(i64::MAX),
                required: required.collect(),
            },
            algorithms: config
                .algorithms
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()
                .map_err(|_| "has an algorithm that is not known here")?,
            keys: Arc::new(Cache::new(config.issuer.clone(), Discovery::new(config)?)),
            verified: Verified::default(),
        })
    }

    async fn subject(&self, bearer: &str, now: i64) -> Result<Subject, Refusal> {
        let mut keys = self.keys.keys().await?;
        let fingerprint = Fingerprint::of(bearer);
        if let Some(subject) = self.verified.find(fingerprint, &keys, now) {
            return Ok(subject);
        }
        let token = Token::parse(bearer)?;
        let mut verified = token.verify(&keys, &self.algorithms);
        if matches!(verified, Err(TokenError::KeyUnknown))
            && let Some(newer) = self.keys.newer(&keys).await?
        {
            keys = newer;
            verified = token.verify(&keys, &self.algorithms);
        }
        let subject = verified?.subject(&self.rules, now)?;
        self.verified.keep(fingerprint, &subject, &keys, now);
        Ok(subject)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.rules.issuer)
            .finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
enum Refusal {
    Provider(Arc<ProviderError>),
    Token(TokenError),
}

impl Refusal {
    fn said_of(self, issuer: String) -> Unauthenticated {
        match self {
            Self::Provider(error) => Unauthenticated::Unavailable {
                issuer,
                source: error.into(),
            },
            Self::Token(TokenError::Expired { at }) => Unauthenticated::Expired {
                at: Timestamp::from_second(at).unwrap_or(Timestamp::MIN),
            },
            Self::Token(error) => Unauthenticated::Oidc {
                issuer,
                why: format!("it {error}"),
            },
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<Arc<ProviderError>> for Refusal {
    fn from(error: Arc<ProviderError>) -> Self {
        Self::Provider(error)
    }
}

#[cfg(test)]
mod tests;
