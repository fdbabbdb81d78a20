//! Tokens of this edge.
//!
//! A token is 256 bits of the system's randomness, so its plain SHA-256 gives nothing away: there is nothing to guess, and a
//! slow hash would only slow down every request. What is presented is hashed and looked up by its hash, so that thousands
//! of tokens cost a request nothing: whoever measures how long that takes learns of hashes, under a key that this process
//! alone has, and a hash is no token. What is found, and every hash that is in a file, is compared in constant time.

mod hash;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::crypto::ring;
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::{AccessError, Method, Principal, Unauthenticated};
use crate::config::TokenConfig;
use crate::net::Causes;

pub use self::hash::{NoHash, TokenHash};

/// What every token that this edge makes begins with, so that one that was left lying somewhere is known for what it is.
const PREFIX: &str = "te_";

/// How long what was read of a file is good.
const FRESH: Duration = Duration::from_secs(10);

/// A new token: 256 bits from the system.
///
/// # Errors
///
/// When the system has no randomness to give.
pub(crate) fn generate() -> Result<SecretString, NoRandomness> {
    let mut random = [0; 32];
    ring::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| NoRandomness)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)).into())
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub(crate) struct NoRandomness;

/// Whether `token` looks like one that an edge made.
pub(super) fn is_own(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The tokens that are accepted.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    configured: HashMap<TokenHash, Token>,
    files: Vec<(HashFile, Token)>,
}

#[derive(Debug)]
struct Token {
    principal: Arc<Principal>,
    expires: Option<Timestamp>,
}

impl Tokens {
    /// Those of `tokens`.
    pub(super) fn load(tokens: &[TokenConfig]) -> Result<Self, AccessError> {
        let mut loaded = Self::default();
        for config in tokens {
            let mut groups = config.groups.clone();
            groups.sort();
            groups.dedup();
            let token = Token {
                principal: Arc::new(Principal {
                    name: config.name.clone(),
                    groups,
                    method: Method::Token,
                }),
                expires: config.expires,
            };
            match (config.hash, &config.hash_file) {
                (Some(hash), _) => {
                    loaded.configured.insert(hash, token);
                }
                (None, Some(path)) => {
                    let file = HashFile::load(&config.name, path.clone())?;
                    loaded.files.push((file, token));
                }
                // A configuration that was not checked: nobody has that token.
                (None, None) => {}
            }
        }
        Ok(loaded)
    }

    /// Whose `bearer` is; none if it is no token of this edge.
    pub(super) async fn find(
        &self,
        bearer: &str,
    ) -> Result<Option<Arc<Principal>>, Unauthenticated> {
        let presented = TokenHash::of(bearer);
        let mut found = self
            .configured
            .get_key_value(&presented)
            .filter(|(hash, _)| hash.ct_eq(&presented).into())
            .map(|(_, token)| token);
        for (file, token) in &self.files {
            let hash = file.current(&token.principal.name).await;
            if hash.is_some_and(|hash| hash.ct_eq(&presented).into()) {
                found = Some(token);
            }
        }
        match found {
            None => Ok(None),
            Some(token) => match token.expires {
                Some(at) if at <= Timestamp::now() => Err(Unauthenticated::Expired { at }),
                _ => Ok(Some(Arc::clone(&token.principal))),
            },
        }
    }

    /// Whoever has a token of that name that is good now, with its groups of now.
    pub(super) async fn named(&self, name: &str) -> Option<Arc<Principal>> {
        let now = Timestamp::now();
        let good = |token: &Token| {
            token.principal.name == name && token.expires.is_none_or(|expires| now < expires)
        };
        if let Some(token) = self.configured.values().find(|token| good(token)) {
            return Some(Arc::clone(&token.principal));
        }
        for (file, token) in self.files.iter().filter(|(_, token)| good(token)) {
            if file.current(name).await.is_some() {
                return Some(Arc::clone(&token.principal));
            }
        }
        None
    }
}

/// A file with a hash and what was last read from it. One that cannot be read any more stands for no token: removing it is
/// how one withdraws a token in a hurry.
#[derive(Debug)]
struct HashFile {
    path: PathBuf,
    last: Mutex<Read>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    hash: Option<TokenHash>,
    at: Instant,
}

impl HashFile {
    fn load(name: &str, path: PathBuf) -> Result<Self, AccessError> {
        let text = std::fs::read_to_string(&path).map_err(|source| AccessError::HashFile {
            name: name.to_owned(),
            path: path.clone(),
            source,
        })?;
        let hash = text.trim().parse().map_err(|source| AccessError::NoHash {
            name: name.to_owned(),
            path: path.clone(),
            source,
        })?;
        let last = Mutex::new(Read {
            hash: Some(hash),
            at: Instant::now(),
        });
        Ok(Self { path, last })
    }

    /// What the file holds, or held a moment ago.
    async fn current(&self, name: &str) -> Option<TokenHash> {
        let before = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.at.elapsed() < FRESH {
                return last.hash;
            }
            // Whoever comes while this is read makes do with what was there.
            last.at = Instant::now();
            last.hash
        };
        let read = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => text.trim().parse().map_err(|source| AccessError::NoHash {
                name: name.to_owned(),
                path: self.path.clone(),
                source,
            }),
            Err(source) => Err(AccessError::HashFile {
                name: name.to_owned(),
                path: self.path.clone(),
                source,
            }),
        };
        if let (Err(error), Some(_)) = (&read, before) {
            tracing::warn!(error = %Causes(error), "a token is accepted no more");
        }
        let hash = read.ok();
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hash = hash;
        hash
    }
}

#[cfg(test)]
mod tests;
