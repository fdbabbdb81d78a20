//! Standard Webhooks' signatures: HMAC-SHA256 and ed25519 over `id.timestamp.body`.

use std::fmt;

use base64::Engine as _;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::config::BASE64;

/// What a symmetric secret begins with.
const SYMMETRIC: &str = "whsec_";

/// What a private key begins with.
const PRIVATE: &str = "whsk_";

/// How long a symmetric secret is, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What a notice is signed with.
pub(super) enum SigningKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Hmac(Hmac<Sha256>),
}

impl SigningKey {
    /// The key in `secret`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn parse(secret: &SecretString) -> Result<Self, NoKey> {
        let text = secret.expose_secret().trim();
        if let Some(encoded) = text.strip_prefix(SYMMETRIC) {
            let bytes = BASE64.decode(encoded).map_err(|_| NoKey::Base64)?;
            if !LENGTHS.contains(&bytes.len()) {
                return Err(NoKey::Length(bytes.len()));
            }
            let key = Hmac::new_from_slice(&bytes).map_err(|_| NoKey::Length(bytes.len()))?;
            return Ok(Self::Hmac(key));
        }
        let encoded = text.strip_prefix(PRIVATE).ok_or(NoKey::Prefix)?;
        let bytes = BASE64.decode(encoded).map_err(|_| NoKey::Base64)?;
        // A seed, or a seed with the public key behind it.
        let seed = match bytes.len() {
            32 | 64 => bytes.first_chunk::<32>(),
            _ => None,
        };
        let seed = seed.ok_or(NoKey::Length(bytes.len()))?;
        Ok(Self::Ed25519(Box::new(
            ed25519_dalek::SigningKey::from_bytes(seed),
        )))
    }

    /// The signature, with its scheme before it.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        match self {
            Self::Hmac(key) => {
                let mut mac = key.clone();
                mac.update(head.as_bytes());
                mac.update(body);
                let signature = mac.finalize().into_bytes();
                format!("v1,{}", BASE64.encode(signature))
            }
            Self::Ed25519(key) => {
                let signature = key.sign(&[head.as_bytes(), body].concat());
                format!("v1a,{}", BASE64.encode(signature.to_bytes()))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Why a secret is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// What follows the prefix cannot be decoded.
    #[error("what follows its prefix is not base64")]
    Base64,
    /// It is too short, or too long.
    #[error("it has {0} bytes; `whsec_` has 24 to 64 of them, `whsk_` 32 or 64")]
    Length(usize),
    /// It says not what it is.
    #[error("it begins neither with `whsec_` nor with `whsk_`")]
    Prefix,
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use ed25519_dalek::{Signature, Verifier as _};

    use super::*;

    #[test]
    fn the_specifications_vector_is_signed_as_it_says() {
        let secret = SecretString::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let key = SigningKey::parse(&secret).unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(
            key.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn a_private_key_signs_so_that_its_public_one_verifies() {
        let seed = [7; 32];
        let secret = SecretString::from(format!("whsk_{}", BASE64_STANDARD.encode(seed)));
        let signature = SigningKey::parse(&secret).unwrap().sign("op-1", 12, b"{}");
        let signature = BASE64_STANDARD
            .decode(signature.strip_prefix("v1a,").unwrap())
            .unwrap();
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        let signature = Signature::from_slice(&signature).unwrap();
        assert!(public.verify(b"op-1.12.{}", &signature).is_ok());
        assert!(public.verify(b"op-1.13.{}", &signature).is_err());
    }

    #[test]
    fn padding_may_be_left_out() {
        let secret = |text: &str| SigningKey::parse(&SecretString::from(text)).unwrap();
        let (padded, bare) = (
            format!("whsec_{}==", "A".repeat(38)),
            format!("whsec_{}", "A".repeat(38)),
        );
        assert_eq!(
            secret(&padded).sign("i", 1, b""),
            secret(&bare).sign("i", 1, b"")
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_shown() {
        for text in [
            "",
            "whsec_",
            "whsec_!",
            "whsec_c2hvcnQ=",
            "whsk_c2hvcnQ=",
            "secret",
        ] {
            let error = SigningKey::parse(&SecretString::from(text)).unwrap_err();
            assert!(!error.to_string().contains("c2hvcnQ"), "{error}");
        }
        let key =
            SigningKey::parse(&SecretString::from(format!("whsec_{}", "A".repeat(32)))).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
