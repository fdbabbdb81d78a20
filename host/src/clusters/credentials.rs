//! Who the edge says it is to an APIServer.
//!
//! kube-client reads the kubeconfig and speaks OIDC; the rest is ours because its own credential layer does not fit a
//! proxy: it does not trim a token file, runs an exec plugin up to three times and without a time limit, lets it read
//! the terminal, and never asks again after a 401.
//!
//! A [`Credential`] is what one request carries. After a 401 the relay asks [`Credentials::renew`] whether there is a
//! different one to be had; only then is the request sent again.

mod exec;
mod provider;
mod token_file;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

pub use self::exec::ExecError;
pub(crate) use self::exec::ExecPlugin;
pub(crate) use self::provider::Provider;
pub(crate) use self::token_file::TokenFile;
use super::subject::Unsendable;
use crate::net::Identity;

/// Where the credentials of a cluster come from.
#[derive(Debug, Default)]
pub(crate) enum Credentials {
    /// No credential but, perhaps, the client certificate.
    #[default]
    Anonymous,
    /// A program that prints them.
    Exec(ExecPlugin),
    /// A token or password of the kubeconfig: it never changes.
    Fixed(HeaderValue),
    /// An `auth-provider` of the kubeconfig: OIDC, or Google's of old.
    Provider(Provider),
    /// A file that is rewritten when its token is renewed.
    TokenFile(TokenFile),
}

impl Credentials {
    /// A fixed bearer token.
    pub(crate) fn token(token: &SecretString) -> Result<Self, CredentialsError> {
        bearer(token.expose_secret()).map(Self::Fixed)
    }

    /// A fixed user and password.
    pub(crate) fn basic(user: &str, password: &SecretString) -> Self {
        let login = format!("{user}:{}", password.expose_secret());
        let header = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(login)))
            .expect("base64 is a header value");
        Self::Fixed(sensitive(header))
    }

    /// What a request sent now carries.
    pub(crate) async fn current(&self) -> Result<Credential, CredentialsError> {
        match self {
            Self::Anonymous => Ok(Credential::default()),
            Self::Exec(plugin) => plugin.current().await,
            Self::Fixed(header) => Ok(Credential::from_header(header.clone())),
            Self::Provider(provider) => provider.current().await,
            Self::TokenFile(file) => file.current().await,
        }
    }

    /// Another credential than the one the APIServer has just refused, if there is one now.
    pub(crate) async fn renew(
        &self,
        refused: &Credential,
    ) -> Result<Option<Credential>, CredentialsError> {
        let renewed = match self {
            Self::Exec(plugin) => plugin.renew(refused).await?,
            Self::TokenFile(file) => file.renew().await?,
            Self::Anonymous | Self::Fixed(_) | Self::Provider(_) => return Ok(None),
        };
        Ok((renewed != *refused).then_some(renewed))
    }
}

/// What one request carries to be recognised. Its parts redact themselves in `Debug`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Credential {
    pub(crate) authorization: Option<HeaderValue>,
    /// A client certificate that an exec plugin made.
    pub(crate) identity: Option<Arc<Identity>>,
}

impl Credential {
    /// A caller's own `Authorization`, passed on unchanged.
    pub(crate) fn of_caller(authorization: &SecretString) -> Result<Self, CredentialsError> {
        HeaderValue::try_from(authorization.expose_secret())
            .map(Self::from_header)
            .map_err(|_| CredentialsError::CallerUnprintable)
    }

    fn from_header(header: HeaderValue) -> Self {
        Self {
            authorization: Some(sensitive(header)),
            identity: None,
        }
    }

    fn from_token(token: &str) -> Result<Self, CredentialsError> {
        bearer(token).map(Self::from_header)
    }
}

/// Why there is no credential to send.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The cluster is reached with the caller's own credentials and the caller sent none.
    #[error(
        "this cluster is reached with the caller's own credentials, and the request has no Authorization header"
    )]
    CallerSentNone,
    /// The principal cannot be named to an APIServer, so nothing can be sent as it.
    #[error(transparent)]
    CallerUnsendable(#[from] Unsendable),
    /// What the caller sent cannot be passed on.
    #[error("the request's Authorization header cannot be passed on to the cluster")]
    CallerUnprintable,
    /// The caller's credentials would be sent unencrypted.
    #[error("the cluster is reached without TLS, which carries no caller's credentials")]
    ClearText,
    /// An exec plugin of the kubeconfig failed.
    #[error("the credential plugin `{command}` gave no credential")]
    Exec {
        /// The program.
        command: String,
        /// What it did.
        #[source]
        source: ExecError,
    },
    /// OIDC, or another `auth-provider`, gave no token.
    #[error("the auth-provider `{name}` gave no token")]
    Provider {
        /// The provider.
        name: String,
        /// What kube-client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The token file is missing or may not be read.
    #[error("cannot read the token file {path}", path = path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A token holds a line break or another character that no header can carry.
    #[error("the token holds characters that a header cannot carry")]
    Unprintable,
}

fn bearer(token: &str) -> Result<HeaderValue, CredentialsError> {
    HeaderValue::try_from(format!("Bearer {token}"))
        .map(sensitive)
        .map_err(|_| CredentialsError::Unprintable)
}

fn sensitive(mut header: HeaderValue) -> HeaderValue {
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn basic_credentials_are_what_rfc_7617_says() {
        let credentials = Credentials::basic("Aladdin", &SecretString::from("open sesame"));
        let credential = credentials.current().await.unwrap();
        assert_eq!(
            credential.authorization.unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[tokio::test]
    async fn debug_shows_no_secret() {
        let caller = SecretString::from("Bearer caller-s3cret");
        let credentials = Credentials::token(&SecretString::from("kube-s3cret")).unwrap();
        let shown = format!(
            "{credentials:?} {:?} {:?} {:?}",
            credentials.current().await.unwrap(),
            Credential::of_caller(&caller).unwrap(),
            Credentials::token(&SecretString::from("broken-s3cret\n")),
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[tokio::test]
    async fn what_cannot_change_is_not_renewed() {
        let credentials = Credentials::token(&SecretString::from("t")).unwrap();
        let refused = credentials.current().await.unwrap();
        assert_eq!(credentials.renew(&refused).await.unwrap(), None);
    }
}
