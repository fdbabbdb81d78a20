//! A provider's keys (RFC 7517), and which of them may have signed a token.
//!
//! A key is used for what it says it is for and for nothing else: its type settles the algorithms, `alg` and `use`
//! narrow them down. Keys that cannot be used here are left out, as RFC 7517 §5 wants it, and so is every symmetric one.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::TokenError;

/// More keys than any provider has at once.
pub(crate) const MAX_KEYS: usize = 100;

/// The sizes of RSA keys that are used, in bits. Below they are too weak (RFC 7518 §3.3), above too slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The keys of one provider.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// Reads a JWK Set.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeysError> {
        let set: KeySet = serde_json::from_slice(json).map_err(KeysError::Malformed)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeysError::TooMany);
        }
        Ok(Self(set.keys.iter().filter_map(Key::parse).collect()))
    }

    /// How many can be used.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The only one that may have signed with `algorithm`; with `id` one that is called so.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&Key, TokenError> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.fits(algorithm) && (id.is_none() || key.id.as_deref() == id));
        let key = fitting.next().ok_or(TokenError::KeyUnknown)?;
        match fitting.next() {
            Some(_) => Err(TokenError::KeyAmbiguous),
            None => Ok(key),
        }
    }
}

/// A public key that can be used.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    kind: Kind,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl Key {
    fn parse(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        let is_for_signatures = jwk.purpose.is_none_or(|purpose| purpose == "sig")
            && jwk
                .operations
                .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !is_for_signatures {
            return None;
        }
        let kind = Kind::of(&jwk.kind, jwk.curve.as_deref())?;
        let algorithm = match jwk.algorithm {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        if !algorithm.is_none_or(|algorithm| kind.fits(algorithm)) {
            return None;
        }
        let key = match kind {
            Kind::Rsa => rsa(&jwk.n?, &jwk.e?)?,
            Kind::P256 => point(&jwk.x?, &jwk.y?, 32)?,
            Kind::P384 => point(&jwk.x?, &jwk.y?, 48)?,
            Kind::Ed25519 => edwards(&jwk.x?)?,
        };
        // Points that are not on their curve come to light here.
        crypto::verify("", b"", &key, kind.example()).ok()?;
        Some(Self {
            id: jwk.id,
            kind,
            algorithm,
            key,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind.fits(algorithm) && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether it made `signature` (base64url) of `message`.
    pub(crate) fn check(
        &self,
        algorithm: Algorithm,
        message: &str,
        signature: &str,
    ) -> Result<(), TokenError> {
        match crypto::verify(signature, message.as_bytes(), &self.key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(TokenError::Signature),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

impl Kind {
    fn of(name: &str, curve: Option<&str>) -> Option<Self> {
        match (name, curve) {
            ("EC", Some("P-256")) => Some(Self::P256),
            ("EC", Some("P-384")) => Some(Self::P384),
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519),
            ("RSA", None) => Some(Self::Rsa),
            _ => None,
        }
    }

    const fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        matches!(
            (self, algorithm),
            (Self::Ed25519, EdDSA)
                | (Self::P256, ES256)
                | (Self::P384, ES384)
                | (Self::Rsa, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
        )
    }

    /// An algorithm that fits.
    const fn example(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::EdDSA,
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::Rsa => Algorithm::RS256,
        }
    }
}

/// A modulus of a length that is used, and an odd exponent of three or more that fits into 32 bits.
fn rsa(modulus: &str, exponent: &str) -> Option<DecodingKey> {
    let (modulus, exponent) = (number(modulus)?, number(exponent)?);
    let bits = modulus.len() * 8 - usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let is_good = RSA_BITS.contains(&bits)
        && is_odd(&modulus)
        && is_odd(&exponent)
        && exponent.len() <= 4
        && exponent != [1];
    is_good.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

/// The bytes of a number, without leading zeros.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes.split_at(start).1.to_vec())
}

/// A point with both coordinates whole (RFC 7518 §6.2.1.2).
fn point(x: &str, y: &str, length: usize) -> Option<DecodingKey> {
    let is_whole = |part| {
        BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .is_ok_and(|bytes: Vec<u8>| bytes.len() == length)
    };
    (is_whole(x) && is_whole(y))
        .then(|| DecodingKey::from_ec_components(x, y).ok())
        .flatten()
}

/// A point of 32 bytes: what checks signatures takes them without looking.
fn edwards(x: &str) -> Option<DecodingKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(x).ok()?;
    (bytes.len() == 32).then(|| DecodingKey::from_ed_der(&bytes))
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    #[serde(rename = "kty")]
    kind: String,
    #[serde(rename = "kid")]
    id: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    #[serde(rename = "key_ops")]
    operations: Option<Vec<String>>,
    #[serde(rename = "alg")]
    algorithm: Option<String>,
    #[serde(rename = "crv")]
    curve: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Why a text holds no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// It is no JWK Set.
    #[error("it is not a JWK Set")]
    Malformed(#[source] serde_json::Error),
    /// There are more than a provider has.
    #[error("it holds more than {MAX_KEYS} keys")]
    TooMany,
}
