//! Asking a provider for its keys (OpenID Connect Discovery 1.0).
//!
//! The issuer URL leads to a document, and that to the keys. Both are fetched anew each time: a provider that moves its
//! keys says so there. The document must name the very issuer it was asked for, or whoever can place a document somewhere
//! below its host could speak for it. Every step is by https, save on loopback.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AGE, CACHE_CONTROL};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::cache::{Answer, Ask};
use super::key::{Keys, KeysError};
use crate::config::{Network, OidcConfig, is_safe, issuer};
use crate::net::Proxies;
use crate::net::address::Origin;
use crate::net::credentials::Credentials;
use crate::net::fetch::{Access, Authorization, FetchError, Fetched, Fetcher, Get};

/// How long document and keys may take together. Callers wait for them.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest document, and the largest set of keys, in bytes.
const LIMIT: usize = 1 << 20;

/// How long keys are used where the provider does not say.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The bounds of what it may say: often enough for a key that is withdrawn, seldom enough for the provider.
const SHORTEST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(86_400);

/// The most of a foreign text that goes into the log.
const SHOWN: usize = 200;

/// Asks one provider.
pub(super) struct Discovery {
    issuer: String,
    document: Url,
    fetcher: Fetcher,
}

impl Discovery {
    /// For `config`, which was checked.
    pub(super) fn new(config: &OidcConfig) -> Result<Self, &'static str> {
        let issuer = issuer(&config.issuer)?;
        let base = config.issuer.trim_end_matches('/');
        let document = format!("{base}/.well-known/openid-configuration");
        Ok(Self {
            issuer: config.issuer.clone(),
            document: document.parse().map_err(|_| "is not a URL")?,
            fetcher: Fetcher::new(Access {
                origin: Origin::of(&issuer),
                private: true,
                networks: config.addresses.iter().map(|Network(net)| *net).collect(),
                authorities: config.ca_file.clone(),
                identity: None,
                credentials: Credentials::Anonymous,
                proxies: Proxies::from_environment(),
            }),
        })
    }

    async fn keys(&self) -> Result<Answer, ProviderError> {
        let deadline = Instant::now() + PATIENCE;
        let document = self.document.clone();
        let fetched = self.get(Part::Document, document, deadline).await?;
        let document: Document =
            serde_json::from_slice(&fetched.body).map_err(ProviderError::Document)?;
        if document.issuer != self.issuer {
            return Err(ProviderError::Issuer {
                said: document.issuer.chars().take(SHOWN).collect(),
            });
        }
        let keys = Url::parse(&document.jwks_uri)
            .ok()
            .filter(is_safe)
            .ok_or(ProviderError::KeysUrl)?;
        let fetched = self.get(Part::Keys, keys, deadline).await?;
        Ok(Answer {
            keys: Keys::parse(&fetched.body).map_err(ProviderError::Keys)?,
            lifetime: lifetime(&fetched.headers),
        })
    }

    async fn get(&self, part: Part, url: Url, deadline: Instant) -> Result<Fetched, ProviderError> {
        let get = Get {
            url,
            accept: "application/json, application/jwk-set+json",
            authorization: Authorization::Own,
            if_none_match: None,
            if_modified_since: None,
            limit: LIMIT,
            deadline,
        };
        let fetched = self
            .fetcher
            .get(get)
            .await
            .map_err(|source| ProviderError::Fetch { part, source })?;
        if fetched.status != StatusCode::OK {
            return Err(ProviderError::Status {
                part,
                status: fetched.status,
            });
        }
        // From loopback a redirect can lead to clear text elsewhere.
        if !is_safe(&fetched.url) {
            return Err(ProviderError::ClearText { part });
        }
        Ok(fetched)
    }
}

impl Ask for Discovery {
    fn ask(&self) -> BoxFuture<'_, Result<Answer, ProviderError>> {
        self.keys().boxed()
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// What of a provider was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// `/.well-known/openid-configuration`.
    Document,
    /// What its `jwks_uri` leads to.
    Keys,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Document => "discovery document",
            Self::Keys => "set of keys",
        }
    }
}

/// How long what came with `headers` may be used.
fn lifetime(headers: &HeaderMap) -> Duration {
    let seconds = |text: &str| text.trim().trim_matches('"').parse().ok();
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase());
    let mut lifetime = None;
    for directive in directives {
        match directive.split_once('=') {
            None if matches!(&*directive, "no-store" | "no-cache") => return SHORTEST,
            Some(("max-age", text)) => lifetime = lifetime.or_else(|| seconds(text)),
            _ => (),
        }
    }
    let age: u64 = headers
        .get(AGE)
        .and_then(|age| seconds(age.to_str().ok()?))
        .unwrap_or_default();
    lifetime.map_or(LIFETIME, |lifetime: u64| {
        Duration::from_secs(lifetime.saturating_sub(age)).clamp(SHORTEST, LONGEST)
    })
}

/// Why a provider's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// It was redirected to http:// on another host.
    #[error("its {} is not fetched by https", part.name())]
    ClearText {
        /// What of it.
        part: Part,
    },
    /// The discovery document is none.
    #[error("its discovery document cannot be read")]
    Document(#[source] serde_json::Error),
    /// Nothing came.
    #[error("its {} cannot be fetched", part.name())]
    Fetch {
        /// What of it.
        part: Part,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// The discovery document is another provider's.
    #[error(
        "its discovery document is of the issuer `{said}`; where that is the provider meant, write `issuer` exactly so"
    )]
    Issuer {
        /// The issuer in it.
        said: String,
    },
    /// The keys are none.
    #[error("its set of keys cannot be read")]
    Keys(#[source] KeysError),
    /// The discovery document leads to keys by an unsafe way.
    #[error("`jwks_uri` in its discovery document is not an https:// URL")]
    KeysUrl,
    /// It answered with something else.
    #[error("it answers with {status} where its {} should be", part.name())]
    Status {
        /// What was asked for.
        part: Part,
        /// The status.
        status: StatusCode,
    },
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keys_are_used_as_long_as_the_provider_says_within_bounds() {
        for (cache_control, age, seconds) in [
            (None, None, 3600),
            (Some("public"), None, 3600),
            (Some("max-age=x"), None, 3600),
            (Some("public, max-age=7200, must-revalidate"), None, 7200),
            (Some("Max-Age=7200"), None, 7200),
            (Some("max-age=\"7200\""), None, 7200),
            (Some("max-age=7200"), Some("200"), 7000),
            (Some("max-age=7200"), Some("9000"), 300),
            (Some("max-age=0"), None, 300),
            (Some("max-age=7200, no-cache"), None, 300),
            (Some("no-store"), None, 300),
            (Some("max-age=31536000"), None, 86_400),
            (Some("max-age=99999999999999999999"), None, 3600),
            (None, Some("200"), 3600),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = cache_control {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            if let Some(value) = age {
                headers.insert(AGE, HeaderValue::from_static(value));
            }
            assert_eq!(
                lifetime(&headers),
                Duration::from_secs(seconds),
                "{cache_control:?} {age:?}"
            );
        }
    }
}
