//! The `auth-provider`s that kubeconfigs had before exec plugins, OIDC above all.
//!
//! kube-client speaks to the identity provider and keeps the tokens. It offers that only as a layer around an HTTP
//! service, so the service here is one that answers with the `Authorization` it was given.

use std::fmt;
use std::process::ExitStatus;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use kube_client::client::{AuthError, ConfigExt};
use kube_client::config::{AuthInfo, AuthProviderConfig};
use tokio::sync::OnceCell;
use tower::util::{BoxCloneSyncService, service_fn};
use tower::{BoxError, Layer, ServiceExt};

use super::{Credential, CredentialsError};

type Probe = Request<Empty<Bytes>>;
type Header = BoxCloneSyncService<Probe, Response<Option<HeaderValue>>, BoxError>;

/// An `auth-provider` of the kubeconfig.
pub(crate) struct Provider {
    config: AuthProviderConfig,
    header: OnceCell<Header>,
}

impl Provider {
    pub(crate) fn new(config: AuthProviderConfig) -> Self {
        Self {
            config,
            header: OnceCell::new(),
        }
    }

    /// The provider's token, renewed by kube-client when it has expired.
    pub(super) async fn current(&self) -> Result<Credential, CredentialsError> {
        let header = self.header.get_or_try_init(|| self.build()).await?;
        let authorization = header
            .clone()
            .oneshot(Request::new(Empty::new()))
            .await
            .map_err(|source| self.failure(source))?
            .into_body();
        Ok(Credential {
            authorization,
            identity: None,
        })
    }

    async fn build(&self) -> Result<Header, CredentialsError> {
        let mut config =
            kube_client::Config::new(http::Uri::from_static("https://cluster.invalid"));
        config.auth_info = AuthInfo {
            auth_provider: Some(self.config.clone()),
            ..AuthInfo::default()
        };
        // Google's old provider runs a program here, and waits for it.
        let layer = tokio::task::spawn_blocking(move || config.auth_layer())
            .await
            .map_err(|source| self.failure(source.into()))?
            .map_err(|source| self.failure(source.into()))?;
        let answer = service_fn(|probe: Probe| async move {
            let header = probe.headers().get(AUTHORIZATION).cloned();
            Ok::<_, BoxError>(Response::new(header))
        });
        Ok(match layer {
            Some(layer) => BoxCloneSyncService::new(layer.layer(answer)),
            None => BoxCloneSyncService::new(answer),
        })
    }

    fn failure(&self, source: BoxError) -> CredentialsError {
        CredentialsError::Provider {
            name: self.config.name.clone(),
            source: redact(source),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.config.name).finish()
    }
}

/// Google's provider failed; what it printed may hold a token.
#[derive(Debug, thiserror::Error)]
#[error("its program ended with {status}")]
struct ProgramFailed {
    status: ExitStatus,
}

fn redact(error: BoxError) -> BoxError {
    let auth = match error.downcast_ref() {
        Some(kube_client::Error::Auth(auth)) => Some(auth),
        _ => error.downcast_ref::<AuthError>(),
    };
    match auth {
        Some(AuthError::AuthExecRun { out, .. }) => Box::new(ProgramFailed { status: out.status }),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    fn provider(name: &str, config: &[(&str, &str)]) -> Provider {
        Provider::new(AuthProviderConfig {
            name: name.to_owned(),
            config: config
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..AuthProviderConfig::default()
        })
    }

    #[tokio::test]
    async fn an_id_token_that_has_not_expired_is_sent_as_it_is() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":4843639092}"#);
        let token = format!("e30.{claims}.c2ln");
        let oidc = provider("oidc", &[("id-token", &token)]);
        let credential = oidc.current().await.unwrap();
        assert_eq!(
            credential.authorization.unwrap(),
            format!("Bearer {token}").as_str()
        );
    }

    #[tokio::test]
    async fn an_expired_id_token_that_cannot_be_refreshed_is_an_error_without_it() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":1}"#);
        let oidc = provider("oidc", &[("id-token", &format!("e30.{claims}.s3cret"))]);
        let error = oidc.current().await.unwrap_err();
        let shown = format!("{oidc:?} {error} {error:?}");
        assert!(shown.contains("oidc"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[tokio::test]
    async fn what_a_failing_program_printed_is_not_shown() {
        let gcp = provider(
            "gcp",
            &[("cmd-path", "/bin/sh"), ("cmd-args", "-c exit_with_s3cret")],
        );
        let error = gcp.current().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
