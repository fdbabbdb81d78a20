//! Why a caller is not let in, and how that is said.

use std::io;
use std::path::PathBuf;

use http::HeaderValue;
use jiff::Timestamp;
use rest::problem::{Code, Problem};

use crate::net::BoxError;

/// Why nobody can be authenticated: what an edge does not start with.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file with the hash of a token cannot be read.
    #[error("cannot read the hash of the token for `{name}` in {path}", path = path.display())]
    HashFile {
        /// Whose token.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file with the hash of a token holds something else.
    #[error("{path} does not hold the hash of the token for `{name}`", path = path.display())]
    NoHash {
        /// Whose token.
        name: String,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        #[source]
        source: super::NoHash,
    },
    /// An identity provider cannot be used as it is configured.
    #[error("the identity provider {issuer} cannot be used")]
    Oidc {
        /// The provider's issuer URL.
        issuer: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

/// Why a caller is not let in. No text of it holds anything of a credential but what is in no way secret.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// There is neither a token nor a certificate.
    #[error("the request does not show who sent it")]
    Absent,
    /// The certificate is good and names nobody.
    #[error("the client certificate does not say who the caller is: {why}")]
    Certificate {
        /// What is wrong with it.
        why: String,
    },
    /// The token was good once.
    #[error("the token expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The certificate was good when the connection began.
    #[error("the client certificate of this connection has expired or was revoked since it began")]
    Lapsed,
    /// `Authorization` is something else than a bearer token.
    #[error("the Authorization header is not `Bearer` and a token")]
    NotBearer,
    /// The token says that it is a provider's, and is not good.
    #[error("the token of {issuer} is not accepted: {why}")]
    Oidc {
        /// The provider that it names, which is configured.
        issuer: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody can say for now whether the token is good.
    #[error("the token of {issuer} cannot be checked now")]
    Unavailable {
        /// The provider that it names, which is configured.
        issuer: String,
        /// Why, for the log.
        #[source]
        source: BoxError,
    },
    /// Nobody here knows the token.
    #[error("the token is not known here")]
    UnknownToken,
}

impl Unauthenticated {
    /// What the caller is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Unavailable { .. } => {
                Problem::new(Code::IdentityUnavailable, self.to_string()).with_retry_after(Some(5))
            }
            Self::Absent => Problem::new(Code::Unauthenticated, self.to_string())
                .with_hint("send `Authorization: Bearer …` with a token that this edge accepts"),
            _ => Problem::new(Code::Unauthenticated, self.to_string()),
        }
    }

    /// `WWW-Authenticate` of the answer (RFC 6750 §3): none where the credential may be good.
    #[must_use]
    pub fn challenge(&self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::Unavailable { .. } => return None,
            // No error code where nothing of the kind was sent.
            Self::Absent | Self::Certificate { .. } | Self::Lapsed => {
                r#"Bearer realm="tiller-edge""#
            }
            Self::NotBearer => r#"Bearer realm="tiller-edge", error="invalid_request""#,
            Self::Expired { .. } | Self::Oidc { .. } | Self::UnknownToken => {
                r#"Bearer realm="tiller-edge", error="invalid_token""#
            }
        };
        Some(HeaderValue::from_static(challenge))
    }
}
