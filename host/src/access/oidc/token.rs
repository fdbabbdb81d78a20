//! A signed token, before and after its signature was found to be good (RFC 7515, RFC 7519, RFC 8725).
//!
//! Of the header two things are believed: which algorithm and which of the provider's keys to try, and both only if the
//! configuration and the key itself agree. Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are
//! not looked at.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::TokenError;
use super::claims::Claims;
use super::key::Keys;
use super::strict;

/// The longest token that is looked at. Header lines are seldom longer anywhere.
pub(crate) const MAX_LENGTH: usize = 16 << 10;

/// What a token may say that it is (`typ`), without `application/`: a JWT, or an access token (RFC 9068).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token of which nothing is known to be true.
pub(crate) struct Token<'t> {
    algorithm: Option<Algorithm>,
    key: Option<String>,
    message: &'t str,
    signature: &'t str,
    claims: Map<String, Value>,
}

impl<'t> Token<'t> {
    /// Reads a token in compact form.
    pub(crate) fn parse(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_LENGTH {
            return Err(TokenError::TooLarge { limit: MAX_LENGTH });
        }
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header)?;
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        match header.get("typ") {
            None => (),
            Some(Value::String(kind)) if is_for_authentication(kind) => (),
            Some(_) => return Err(TokenError::Purpose),
        }
        let key = match header.get("kid") {
            None => None,
            Some(Value::String(key)) => Some(key.clone()),
            Some(_) => return Err(TokenError::Malformed),
        };
        let algorithm = header.get("alg").and_then(Value::as_str);
        Ok(Self {
            algorithm: algorithm.and_then(|name| name.parse().ok()),
            key,
            message,
            signature,
            claims: decode(claims)?,
        })
    }

    /// What it says, if one of `keys` signed it with one of `algorithms`.
    ///
    /// # Errors
    ///
    /// [`TokenError::KeyUnknown`] if none of `keys` can have; newer ones may.
    pub(crate) fn verify(
        &self,
        keys: &Keys,
        algorithms: &[Algorithm],
    ) -> Result<Claims<'_>, TokenError> {
        let algorithm = self
            .algorithm
            .filter(|algorithm| algorithms.contains(algorithm))
            .ok_or(TokenError::Algorithm)?;
        keys.find(self.key.as_deref(), algorithm)?.check(
            algorithm,
            self.message,
            self.signature,
        )?;
        Ok(Claims::of_verified(&self.claims))
    }
}

/// The issuer that `text` names, if it is anything like a token. Nothing else about it is known.
pub(crate) fn issuer(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('.')?;
    let (claims, _) = rest.split_once('.')?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let mut claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    match claims.remove("iss")? {
        Value::String(issuer) => Some(issuer),
        _ => None,
    }
}

fn is_for_authentication(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    TYPES.contains(&kind.strip_prefix("application/").unwrap_or(&kind))
}

fn decode(part: &str) -> Result<Map<String, Value>, TokenError> {
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)?;
    strict::object(&json)
}
