//! Whoever signs tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::{Value, json};

/// Two keys of 2048 bits (PKCS #1), made for this and used for nothing else.
const RSA: [&[u8]; 2] = [include_bytes!("one.der"), include_bytes!("two.der")];

pub(super) struct Signer {
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
    pub(super) jwk: Value,
}

impl Signer {
    /// One with the first RSA key, called `id`.
    pub(super) fn rsa(id: &str) -> Self {
        Self::of(id, Algorithm::RS256, EncodingKey::from_rsa_der(RSA[0]))
    }

    /// One with the second.
    pub(super) fn other_rsa(id: &str) -> Self {
        Self::of(id, Algorithm::RS256, EncodingKey::from_rsa_der(RSA[1]))
    }

    /// One with a new key on P-256.
    pub(super) fn p256(id: &str) -> Self {
        Self::generated(id, Algorithm::ES256, &PKCS_ECDSA_P256_SHA256)
    }

    /// One that signs with `algorithm`.
    pub(super) fn with(id: &str, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::p256(id),
            Algorithm::ES384 => Self::generated(id, algorithm, &PKCS_ECDSA_P384_SHA384),
            Algorithm::EdDSA => Self::generated(id, algorithm, &PKCS_ED25519),
            _ => Self::of(id, algorithm, EncodingKey::from_rsa_der(RSA[0])),
        }
    }

    fn generated(id: &str, algorithm: Algorithm, kind: &'static rcgen::SignatureAlgorithm) -> Self {
        let pair = KeyPair::generate_for(kind).unwrap();
        let der = pair.serialize_der();
        if algorithm != Algorithm::EdDSA {
            return Self::of(id, algorithm, EncodingKey::from_ec_der(&der));
        }
        Self {
            algorithm,
            key: EncodingKey::from_ed_der(&der),
            jwk: json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": id, "x": encode(pair.public_key_raw()),
            }),
        }
    }

    fn of(id: &str, algorithm: Algorithm, key: EncodingKey) -> Self {
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        Self {
            algorithm,
            jwk: serde_json::to_value(jwk).unwrap(),
            key,
        }
    }

    /// The same key for whatever it can be used for.
    pub(super) fn without(mut self, member: &str) -> Self {
        self.jwk.as_object_mut().unwrap().remove(member);
        self
    }

    /// A token in order.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.jwk["kid"], "typ": "JWT" })
    }

    /// A token of whatever texts.
    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

pub(super) fn encode(part: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part)
}
