//! Whether a delivery is the provider's.
//!
//! What is looked at are the bytes as they arrived, before anybody reads a word of them. Every secret that is configured is
//! tried, none of them sooner than the others, and nothing takes longer for being nearly right. Whoever is refused hears
//! only that; why, the log says.
//!
//! What a provider signs differs, and so does what its deliveries are worth: a signature vouches for every byte, a token in
//! a header for the sender alone, one in a URL for whoever has seen the URL. docs/webhooks.md has it by provider.

mod certificate;
mod pubsub;
mod shared;
mod signature;
mod standard;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use rules::Provider;
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};

use self::certificate::Subjects;
use self::pubsub::Pubsub;
use self::signature::Signature;
use super::HooksError;
use super::secrets::Keyring;
use crate::access::Unauthenticated;
use crate::config::{Algorithm, Encoding, HookConfig, SigningKey};

/// The secret of a hook, or one of several.
type Secret = Arc<SecretString>;

/// A delivery as it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'a> {
    /// Its headers, without `Authorization`.
    pub(super) headers: &'a HeaderMap,
    /// What follows the question mark.
    pub(super) query: Option<&'a str>,
    /// The whole value of `Authorization`.
    pub(super) authorization: Option<&'a SecretString>,
    /// The client certificate of its connection, which the ingress has verified.
    pub(super) certificate: Option<&'a CertificateDer<'static>>,
    /// Its body.
    pub(super) body: &'a [u8],
    /// When it came.
    pub(super) now: Timestamp,
}

impl<'a> Parcel<'a> {
    /// The only header of that name.
    fn header(&self, name: &HeaderName) -> Result<&'a str, Refused> {
        let mut sent = self.headers.get_all(name).iter();
        match (sent.next(), sent.next()) {
            (None, _) => Err(Refused::Absent(name.to_string())),
            (Some(value), None) => value
                .to_str()
                .map_err(|_| Refused::Malformed(name.to_string())),
            (Some(_), Some(_)) => Err(Refused::Malformed(name.to_string())),
        }
    }
}

/// Why a delivery is not taken for the provider's. For the log; of what was sent it repeats nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is nothing that could prove it.
    #[error("`{0}` is missing")]
    Absent(String),
    /// The client certificate is another's.
    #[error("the client certificate is not one that the hook names")]
    Certificate,
    /// What should prove it cannot be read.
    #[error("`{0}` is not as the provider sends it")]
    Malformed(String),
    /// It was not made with the secret.
    #[error("`{0}` was not made with a secret of this hook")]
    Mismatch(String),
    /// None of the files with secrets can be read.
    #[error("the hook has no secret that could be read")]
    NoSecret,
    /// It was signed too long ago, or by a clock that is ahead.
    #[error("it was signed {0} seconds away from this host's time")]
    Stale(i64),
    /// The token is not good enough.
    #[error("the token is not accepted")]
    Token(#[source] Unauthenticated),
    /// Nobody can say for now.
    #[error("the token cannot be checked now")]
    Unavailable(#[source] Unauthenticated),
}

impl Refused {
    /// A word for it, to count by.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Certificate => "certificate",
            Self::Malformed(_) => "malformed",
            Self::Mismatch(_) => "mismatch",
            Self::NoSecret => "no-secret",
            Self::Stale(_) => "stale",
            Self::Token(_) => "token",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// Verifies the deliveries of one hook.
#[derive(Debug)]
pub(super) struct Verifier {
    scheme: Scheme,
    keyring: Keyring,
    subjects: Option<Subjects>,
    tolerance: Duration,
}

/// How a provider proves that it is the sender.
#[derive(Debug)]
enum Scheme {
    /// By the client certificate alone, or not at all.
    None,
    /// By the secret as `Authorization`, to the letter.
    Authorization,
    /// By the secret as a bearer token, or as `access_token` in the URL; or as [`Self::Standard`].
    Cloudevents,
    /// By the secret in `X-Gitlab-Token`; or as [`Self::Standard`].
    Gitlab,
    /// By the secret in a header.
    Header(HeaderName),
    /// By the secret in a header, or by a signature there.
    HeaderOrSignature(Signature),
    /// By a token that Google gave it.
    Pubsub(Pubsub),
    /// By the secret in the URL.
    Query(String),
    /// By a signature in a header.
    Signature(Signature),
    /// By Standard Webhooks.
    Standard,
}

impl Verifier {
    /// For the hook of that configuration, which was checked.
    pub(super) fn load(config: &HookConfig) -> Result<Self, HooksError> {
        let keyring = Keyring::load(config)?;
        let scheme = if config.provider != Provider::Pubsub && keyring.is_empty() {
            Scheme::None
        } else {
            Scheme::of(config)?
        };
        Ok(Self {
            scheme,
            keyring,
            subjects: config.certificate.as_ref().map(Subjects::new),
            tolerance: config.tolerance,
        })
    }

    /// Whether the body has anything to do with it.
    pub(super) const fn reads_body(&self) -> bool {
        match &self.scheme {
            Scheme::None
            | Scheme::Authorization
            | Scheme::Header(_)
            | Scheme::Pubsub(_)
            | Scheme::Query(_) => false,
            Scheme::Cloudevents
            | Scheme::Gitlab
            | Scheme::HeaderOrSignature(_)
            | Scheme::Signature(_)
            | Scheme::Standard => true,
        }
    }

    /// The header with the secret or the signature, where the configuration names it.
    pub(super) const fn header(&self) -> Option<&HeaderName> {
        match &self.scheme {
            Scheme::Header(name) => Some(name),
            Scheme::HeaderOrSignature(signature) | Scheme::Signature(signature) => {
                Some(&signature.header)
            }
            _ => None,
        }
    }

    /// Whether `parcel` is the provider's.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken for that.
    pub(super) async fn verify(&self, parcel: &Parcel<'_>) -> Result<(), Refused> {
        if let Some(subjects) = &self.subjects {
            subjects.check(parcel)?;
        }
        match &self.scheme {
            Scheme::None => return Ok(()),
            Scheme::Pubsub(pubsub) => return pubsub.check(parcel).await,
            _ => (),
        }
        let secrets = self.keyring.current().await;
        if secrets.is_empty() {
            return Err(Refused::NoSecret);
        }
        match &self.scheme {
            Scheme::None | Scheme::Pubsub(_) => Ok(()),
            Scheme::Authorization => shared::authorization(parcel, &secrets),
            Scheme::Cloudevents => self.either(parcel, secrets, shared::bearer),
            Scheme::Gitlab => self.either(parcel, secrets, |parcel, secrets| {
                shared::header(parcel, &GITLAB_TOKEN, secrets)
            }),
            Scheme::Header(name) => shared::header(parcel, name, &secrets),
            Scheme::HeaderOrSignature(signature) => {
                let plain = shared::header(parcel, &signature.header, &secrets);
                plain.or_else(|_| signature.check(parcel, &secrets))
            }
            Scheme::Query(parameter) => shared::query(parcel, parameter, &secrets),
            Scheme::Signature(signature) => signature.check(parcel, &secrets),
            Scheme::Standard => standard::check(parcel, &secrets, self.tolerance),
        }
    }

    /// By the secrets that are keys of Standard Webhooks if it is signed, else by `plain` with the others.
    fn either(
        &self,
        parcel: &Parcel<'_>,
        secrets: Vec<Secret>,
        plain: impl Fn(&Parcel<'_>, &[Secret]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let is_key = |secret: &Secret| SigningKey::claims(secret.expose_secret());
        let (keys, others): (Vec<_>, Vec<_>) = secrets.into_iter().partition(is_key);
        if !keys.is_empty() && (others.is_empty() || standard::is_signed(parcel)) {
            standard::check(parcel, &keys, self.tolerance)
        } else {
            plain(parcel, &others)
        }
    }
}

impl Scheme {
    fn of(config: &HookConfig) -> Result<Self, HooksError> {
        let named = |default: HeaderName| {
            let header = config.header.as_deref().map(str::parse);
            match header {
                Some(Ok(header)) => header,
                Some(Err(_)) | None => default,
            }
        };
        let static_header = || match &config.header {
            Some(name) if !name.eq_ignore_ascii_case("authorization") => {
                Self::Header(named(GITLAB_TOKEN))
            }
            _ => Self::Authorization,
        };
        let sha256 = |header: HeaderName, prefix: &'static str| Signature {
            header,
            prefix: Cow::Borrowed(prefix),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
        };
        Ok(match config.provider {
            Provider::Acr | Provider::Distribution => static_header(),
            Provider::Bitbucket => Self::Signature(sha256(HUB_SIGNATURE, "sha256=")),
            Provider::Cloudevents => Self::Cloudevents,
            Provider::DockerHub | Provider::Quay => {
                let parameter = config.token_query.as_deref();
                Self::Query(parameter.unwrap_or("token").to_owned())
            }
            Provider::Github => Self::Signature(sha256(HUB_SIGNATURE_256, "sha256=")),
            Provider::Gitlab => Self::Gitlab,
            Provider::Harbor => Self::Authorization,
            Provider::Hmac => Self::Signature(Signature {
                header: named(HUB_SIGNATURE_256),
                prefix: Cow::Owned(config.prefix.clone().unwrap_or_default()),
                algorithm: config.algorithm.unwrap_or_default(),
                encoding: config.encoding.unwrap_or_default(),
            }),
            Provider::Jfrog => Self::HeaderOrSignature(sha256(named(JFROG_AUTH), "")),
            Provider::Nexus => Self::Signature(Signature {
                algorithm: Algorithm::Sha1,
                ..sha256(NEXUS_SIGNATURE, "")
            }),
            Provider::Pubsub => Self::Pubsub(Pubsub::load(config)?),
            Provider::StandardWebhooks => Self::Standard,
            Provider::Watch => Self::None,
        })
    }
}

const GITLAB_TOKEN: HeaderName = HeaderName::from_static("x-gitlab-token");
const HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");
const HUB_SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");
const JFROG_AUTH: HeaderName = HeaderName::from_static("x-jfrog-event-auth");
const NEXUS_SIGNATURE: HeaderName = HeaderName::from_static("x-nexus-webhook-signature");

#[cfg(test)]
mod tests;
