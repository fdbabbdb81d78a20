//! Who is calling.
//!
//! Everything here is native and comes before any component: who a caller is must not depend on what its request says
//! beyond its credential. A credential that is sent must be good. There is no falling back from a bad one to a weaker
//! kind, since whoever sends one means to be known by it.
//!
//! Names and groups that begin with `system:` are Kubernetes' own. Only an APIServer may say that somebody has one, or
//! a token of this edge could make its bearer `system:masters` at a cluster that is reached by impersonation. Names that
//! begin with `hook:` are those of this edge's hooks, and nobody else is let in under one.

mod certificate;
mod error;
mod oidc;
mod token;

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use self::certificate::Names;
use self::token::{Tokens, is_own};
use crate::config::Config;

pub use self::error::{AccessError, Unauthenticated};
pub(crate) use self::oidc::Oidc;
pub(crate) use self::token::generate as new_token;
pub use self::token::{NoHash, TokenHash};

/// What the names of hooks begin with. Nobody else's does, so that a grant for a hook is for that hook alone.
pub(crate) const HOOK: &str = "hook:";

/// Who sent a request, as this host found out.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Principal {
    /// The name, with the prefix of the method that vouches for it where it has one.
    pub name: String,
    /// The groups, sorted.
    pub groups: Vec<String>,
    /// How it was authenticated.
    pub method: Method,
}

/// How a caller was authenticated.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Not at all.
    Anonymous,
    /// By a TLS client certificate.
    Certificate,
    /// As one of this edge's hooks, which a delivery made it act.
    Hook,
    /// By an APIServer, which knows its token.
    Kubernetes,
    /// By nothing but being on this host, where no method is configured.
    Local,
    /// By an identity provider's token.
    Oidc,
    /// By a token of this edge.
    Token,
}

impl Method {
    /// Its name in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Certificate => "certificate",
            Self::Hook => "hook",
            Self::Kubernetes => "kubernetes",
            Self::Local => "local",
            Self::Oidc => "oidc",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a caller before it names a cluster.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Who it is.
    Known(Arc<Principal>),
    /// It sent a token that only APIServers know: each cluster says for itself who that is.
    PerCluster,
}

impl Principal {
    /// Whoever is on this host, where no method is configured: an administrator.
    #[must_use]
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            groups: Vec::new(),
            method: Method::Local,
        }
    }

    /// Whoever calls a hook, until what it sent is verified. No grant and no rule is for anybody of that name.
    #[must_use]
    pub fn unverified() -> Self {
        Self::hook("")
    }

    /// The hook of that name.
    #[must_use]
    pub fn hook(name: &str) -> Self {
        Self {
            name: format!("{HOOK}{name}"),
            groups: Vec::new(),
            method: Method::Hook,
        }
    }

    /// Whoever shows nothing, where such callers are let in.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "anonymous".to_owned(),
            groups: Vec::new(),
            method: Method::Anonymous,
        }
    }
}

/// What a request shows to prove who sent it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The whole value of `Authorization`.
    pub authorization: Option<&'a SecretString>,
    /// The client certificate of its connection, which the ingress has verified.
    pub certificate: Option<&'a CertificateDer<'static>>,
}

/// A caller that was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who it is.
    pub identity: Identity,
    /// Whether its `Authorization` may go on to a cluster that wants the caller's own. A token of this edge may not: no
    /// cluster knows it, and whoever reads it there could use it here.
    pub passes_on: bool,
}

/// Finds out who is calling.
#[derive(Debug)]
pub struct Access {
    /// No method is configured: everybody is an administrator, and the listener is on loopback.
    open: bool,
    tokens: Tokens,
    oidc: Oidc,
    certificates: Option<Names>,
    kubernetes: bool,
    anonymous: bool,
}

impl Access {
    /// With the methods that `config` names.
    ///
    /// # Errors
    ///
    /// When a file that a method needs cannot be used.
    pub fn load(config: &Config) -> Result<Self, AccessError> {
        if config.has_principals() && config.grants.is_empty() {
            tracing::warn!(
                "there is no [[grant]]: callers are authenticated, and none of them may do anything"
            );
        }
        Ok(Self {
            open: !config.has_authentication(),
            tokens: Tokens::load(&config.tokens)?,
            oidc: Oidc::load(&config.oidc)?,
            certificates: config.certificates.as_ref().map(Names::new),
            kubernetes: config.kubernetes.is_some(),
            anonymous: config.anonymous.is_some(),
        })
    }

    /// Takes whoever is there for an administrator.
    #[must_use]
    pub fn local() -> Self {
        Self {
            open: true,
            tokens: Tokens::default(),
            oidc: Oidc::default(),
            certificates: None,
            kubernetes: false,
            anonymous: false,
        }
    }

    /// Who shows `evidence`.
    ///
    /// # Errors
    ///
    /// When it is not good enough, or nobody can say for now.
    pub async fn authenticate(&self, evidence: Evidence<'_>) -> Result<Admitted, Unauthenticated> {
        if self.open {
            return Ok(Admitted::known(Principal::local(), true));
        }
        if let Some(authorization) = evidence.authorization {
            let bearer = bearer(authorization).ok_or(Unauthenticated::NotBearer)?;
            return self.by_bearer(bearer).await;
        }
        if let (Some(names), Some(certificate)) = (&self.certificates, evidence.certificate) {
            return Ok(Admitted::known(names.principal(certificate)?, false));
        }
        if self.anonymous {
            return Ok(Admitted::known(Principal::anonymous(), false));
        }
        Err(Unauthenticated::Absent)
    }

    /// Who `actor` is now, of whom it was known earlier who it is; none if nobody can be authenticated as that any more.
    /// Of what the host itself cannot know, such as whether an identity provider still vouches for somebody, grants have
    /// to say enough.
    pub async fn still(&self, actor: &Principal) -> Option<Arc<Principal>> {
        let is_there = match actor.method {
            Method::Anonymous => self.anonymous,
            Method::Certificate => self.certificates.is_some(),
            Method::Kubernetes => self.kubernetes,
            Method::Local => self.open,
            Method::Hook | Method::Oidc => true,
            Method::Token => return self.tokens.named(&actor.name).await,
        };
        is_there.then(|| Arc::new(actor.clone()))
    }

    async fn by_bearer(&self, bearer: &str) -> Result<Admitted, Unauthenticated> {
        if let Some(principal) = self.tokens.find(bearer).await? {
            return Ok(Admitted {
                identity: Identity::Known(principal),
                passes_on: false,
            });
        }
        // One that was withdrawn must not go round the clusters.
        if is_own(bearer) {
            return Err(Unauthenticated::UnknownToken);
        }
        if self.oidc.recognises(bearer) {
            return Ok(Admitted::known(self.oidc.authenticate(bearer).await?, true));
        }
        if self.kubernetes {
            return Ok(Admitted {
                identity: Identity::PerCluster,
                passes_on: true,
            });
        }
        Err(Unauthenticated::UnknownToken)
    }
}

impl Admitted {
    fn known(principal: Principal, passes_on: bool) -> Self {
        Self {
            identity: Identity::Known(Arc::new(principal)),
            passes_on,
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1).
pub(crate) fn bearer(authorization: &SecretString) -> Option<&str> {
    let (scheme, token) = authorization.expose_secret().split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

#[cfg(test)]
mod tests;
