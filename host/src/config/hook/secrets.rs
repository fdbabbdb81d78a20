//! What only a provider and this edge know.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::VerifyingKey;
use rules::Provider;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// The fewest bytes of a secret. Shorter ones can be guessed from one signature.
pub const MIN_SECRET: usize = 16;

/// What a secret of Standard Webhooks begins with.
const SYMMETRIC: &str = "whsec_";

/// What a public key of Standard Webhooks begins with.
const PUBLIC: &str = "whpk_";

/// What a private key of Standard Webhooks begins with, which is the sender's alone.
const PRIVATE: &str = "whsk_";

/// Some encoders leave the padding out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Secrets in a configuration, as texts. Nothing shows them.
#[derive(Clone, Default)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &SecretString> {
        self.0.iter()
    }
}

impl From<Vec<SecretString>> for Secrets {
    fn from(secrets: Vec<SecretString>) -> Self {
        Self(secrets)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} secrets]", self.0.len())
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        let alike = |(one, other): (&SecretString, &SecretString)| {
            let (one, other) = (one.expose_secret(), other.expose_secret());
            one.as_bytes().ct_eq(other.as_bytes()).into()
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(alike)
    }
}

/// What is written is how many there are: a configuration that is shown shows no secret.
impl Serialize for Secrets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|_| "…"))
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Secrets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secrets, A::Error> {
                let mut secrets = Vec::new();
                while let Some(Text(secret)) = list.next_element()? {
                    secrets.push(secret);
                }
                Ok(Secrets(secrets))
            }

            // The usual complaint quotes what it found.
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Secrets, E> {
                Err(E::custom("write a list of texts, in brackets"))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

struct Text(SecretString);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = toml::Value::deserialize(deserializer)?;
        match text {
            toml::Value::String(text) => Ok(Self(text.into())),
            _ => Err(de::Error::custom("a secret is a text, in quotes")),
        }
    }
}

/// Whether `secret` can be one of `provider`'s.
///
/// # Errors
///
/// What is wrong with it, without quoting it.
pub(crate) fn check(provider: Provider, secret: &SecretString) -> Result<(), &'static str> {
    let text = secret.expose_secret();
    let standard = match provider {
        Provider::StandardWebhooks => true,
        Provider::Cloudevents | Provider::Gitlab => SigningKey::claims(text),
        _ => false,
    };
    if standard {
        return match SigningKey::parse(text) {
            Ok(_) => Ok(()),
            Err(why) => Err(why.0),
        };
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("a secret has no white space around it and no control characters");
    }
    if text.len() < MIN_SECRET {
        return Err("a secret has at least 16 bytes: a shorter one can be guessed");
    }
    Ok(())
}

/// A key of Standard Webhooks.
pub enum SigningKey {
    /// `whpk_…`: the public half of an ed25519 key.
    Public(Box<VerifyingKey>),
    /// `whsec_…`: a key of HMAC-SHA256, 24 to 64 bytes.
    Shared(SecretSlice<u8>),
}

/// A text is no key of Standard Webhooks. What it is, is not said.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnusableKey(&'static str);

impl SigningKey {
    /// Whether a text says of itself that it is one.
    #[must_use]
    pub fn claims(text: &str) -> bool {
        [SYMMETRIC, PUBLIC, PRIVATE]
            .iter()
            .any(|prefix| text.starts_with(prefix))
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// When it is none, or one that must not be here.
    pub fn parse(text: &str) -> Result<Self, UnusableKey> {
        if text.starts_with(PRIVATE) {
            return Err(UnusableKey(
                "`whsk_…` is the sender's private key, which is nobody else's; write its public half, `whpk_…`",
            ));
        }
        if let Some(text) = text.strip_prefix(PUBLIC) {
            return Self::public(text);
        }
        let Some(text) = text.strip_prefix(SYMMETRIC) else {
            return Err(UnusableKey(
                "not `whsec_` or `whpk_` and base64, as Standard Webhooks writes its keys",
            ));
        };
        let key = SecretSlice::from(
            BASE64
                .decode(text)
                .map_err(|_| UnusableKey("what follows `whsec_` is not base64"))?,
        );
        if !(24..=64).contains(&key.expose_secret().len()) {
            return Err(UnusableKey("a key `whsec_…` has 24 to 64 bytes"));
        }
        Ok(Self::Shared(key))
    }

    fn public(text: &str) -> Result<Self, UnusableKey> {
        let unusable = UnusableKey("what follows `whpk_` is no ed25519 key in base64");
        let bytes = BASE64.decode(text).map_err(|_| unusable)?;
        let bytes = bytes.try_into().map_err(|_| unusable)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| unusable)?;
        // Anything at all has a signature that such a key accepts.
        if key.is_weak() {
            return Err(unusable);
        }
        Ok(Self::Public(Box::new(key)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public(_) => "whpk_…",
            Self::Shared(_) => "whsec_…",
        })
    }
}
