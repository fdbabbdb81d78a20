//! How one cluster is reached and who the edge is there, put together from a kubeconfig or the pod's service account.
//!
//! Nothing is read or run here beyond what the kubeconfig itself holds: files, plugins and identity providers are asked
//! when the first call needs them, so that one cluster's missing certificate does not keep the edge from starting.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use http::uri::Scheme;
use http::{HeaderMap, Request, Uri};
use kube_client::Config as KubeConfig;
use kube_client::client::ConfigExt;
use kube_client::config::{AuthInfo, Cluster, InClusterError};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tower::util::service_fn;
use tower::{BoxError, Layer, ServiceExt};

use super::credentials::{
    Credentials, CredentialsError, ExecError, ExecPlugin, Provider, TokenFile,
};
use super::kubeconfig::{Entry, EntryError};
use super::login::User;
use crate::config::CredentialSource;
use crate::net::{IdentitySource, Pem, Proxy, ProxyError, TlsSource};

/// How one cluster is reached.
#[derive(Debug)]
pub(super) struct Access {
    /// The APIServer, with the path it is served under; never with a user or password.
    pub(super) server: Uri,
    /// The namespace of an install that names none.
    pub(super) namespace: Option<String>,
    /// Without a client certificate: that is the user's.
    pub(super) tls: TlsSource,
    pub(super) proxy: Option<Proxy>,
    /// Whom the kubeconfig, or the pod, makes of the edge.
    pub(super) user: User,
}

impl Access {
    /// As the context of a kubeconfig says.
    pub(super) fn from_entry(entry: Entry, source: CredentialSource) -> Result<Self, AccessError> {
        let Entry {
            cluster,
            user,
            namespace,
        } = entry;
        let server = server(&cluster)?;
        let proxy = match cluster.proxy_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => Some(Proxy::from_url(url)?),
            None => Proxy::from_environment(&server)?,
        };
        let tls = TlsSource {
            authorities: pem(
                "certificate-authority",
                cluster.certificate_authority_data.as_deref(),
                cluster.certificate_authority.as_deref(),
            )?,
            identity: None,
            insecure: cluster.insecure_skip_tls_verify.unwrap_or(false),
            server_name: cluster
                .tls_server_name
                .clone()
                .filter(|name| !name.is_empty())
                .map(ServerName::try_from)
                .transpose()
                .map_err(|_| AccessError::ServerName)?,
        };
        let is_clear = server.scheme() == Some(&Scheme::HTTP);
        if is_clear && source == CredentialSource::Caller {
            return Err(AccessError::ClearText);
        }
        let user = if is_clear {
            // As in kubectl: what is not encrypted carries no credential. `kubectl proxy` needs none.
            User::default()
        } else {
            User {
                identity: identity(&user)?,
                impersonation: impersonation(&user)?,
                credentials: credentials(user, &cluster)?,
            }
        };
        if source == CredentialSource::Impersonate && !user.impersonation.is_empty() {
            return Err(AccessError::ImpersonatesAlready);
        }
        Ok(Self {
            server,
            namespace,
            tls,
            proxy,
            user,
        })
    }

    /// As the service account of the pod says.
    pub(super) fn in_cluster() -> Result<Self, AccessError> {
        let config = KubeConfig::incluster_env().map_err(AccessError::NotInCluster)?;
        let credentials = match config.auth_info.token_file {
            Some(path) => Credentials::TokenFile(TokenFile::new(path.into())),
            None => Credentials::Anonymous,
        };
        Ok(Self {
            proxy: None,
            server: config.cluster_url,
            namespace: Some(config.default_namespace),
            tls: TlsSource {
                authorities: config.root_cert_file.map(Pem::File),
                identity: None,
                insecure: false,
                server_name: None,
            },
            user: User {
                credentials,
                ..User::default()
            },
        })
    }
}

fn server(cluster: &Cluster) -> Result<Uri, AccessError> {
    let text = cluster
        .server
        .as_deref()
        .filter(|server| !server.is_empty())
        .ok_or(AccessError::NoServer)?;
    let server: Uri = text.parse().map_err(|_| AccessError::Server)?;
    let known = [Scheme::HTTPS, Scheme::HTTP];
    // The URL is shown to callers and logged, so it must not hold a password.
    let shows_user = server
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    if server.host().is_none()
        || shows_user
        || server.query().is_some()
        || server.scheme().is_none_or(|scheme| !known.contains(scheme))
    {
        return Err(AccessError::Server);
    }
    Ok(server)
}

/// What authenticates the requests themselves. Of several, client-go's order decides: what is at hand before what must
/// be asked for, and a token file before the token that may be its stale copy.
fn credentials(user: AuthInfo, cluster: &Cluster) -> Result<Credentials, AccessError> {
    let filled = |text: &&String| !text.is_empty();
    if let Some(path) = user.token_file.as_ref().filter(filled) {
        return Ok(Credentials::TokenFile(TokenFile::new(path.into())));
    }
    if let Some(token) = user.token.as_ref().filter(|token| !is_empty(token)) {
        return Ok(Credentials::token(token)?);
    }
    if let (Some(name), Some(password)) = (user.username.as_ref().filter(filled), &user.password) {
        return Ok(Credentials::basic(name, password));
    }
    if let Some(provider) = user.auth_provider {
        return Ok(Credentials::Provider(Provider::new(provider)));
    }
    let Some(exec) = user.exec else {
        return Ok(Credentials::Anonymous);
    };
    Ok(Credentials::Exec(ExecPlugin::new(exec, cluster)?))
}

fn identity(user: &AuthInfo) -> Result<Option<IdentitySource>, AccessError> {
    let certificate = pem(
        "client-certificate",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
    )?;
    let key = pem(
        "client-key",
        user.client_key_data
            .as_ref()
            .map(ExposeSecret::expose_secret),
        user.client_key.as_deref(),
    )?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(IdentitySource { certificate, key })),
        (None, None) => Ok(None),
        (certificate, _) => Err(AccessError::HalfIdentity {
            has: if certificate.is_some() {
                "client-certificate"
            } else {
                "client-key"
            },
        }),
    }
}

/// Data wins over a file, as everywhere in kubeconfigs.
fn pem(
    field: &'static str,
    data: Option<&str>,
    file: Option<&str>,
) -> Result<Option<Pem>, AccessError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let text = BASE64_STANDARD
            .decode(data.trim())
            .map_err(|_| AccessError::Base64 { field })?;
        return Ok(Some(Pem::Data(Arc::new(text.into()))));
    }
    Ok(file
        .filter(|file| !file.is_empty())
        .map(|file| Pem::File(PathBuf::from(file))))
}

/// kube-client knows the names and escapes of `Impersonate-*`; it gives them only to a service around which it is
/// wrapped, so the service here answers with what it was given, at once.
fn impersonation(user: &AuthInfo) -> Result<HeaderMap, AccessError> {
    if user.impersonate.as_deref().is_none_or(str::is_empty) {
        return Ok(HeaderMap::new());
    }
    let mut config = KubeConfig::new(Uri::from_static("https://cluster.invalid"));
    config.auth_info = AuthInfo {
        impersonate: user.impersonate.clone(),
        impersonate_uid: user.impersonate_uid.clone(),
        impersonate_groups: user.impersonate_groups.clone(),
        impersonate_user_extra: user.impersonate_user_extra.clone(),
        ..AuthInfo::default()
    };
    let layer = config
        .extra_headers_layer()
        .map_err(|_| AccessError::Impersonation)?;
    let answer = service_fn(|request: Request<()>| async move {
        Ok::<_, BoxError>(request.into_parts().0.headers)
    });
    layer
        .layer(answer)
        .oneshot(Request::new(()))
        .now_or_never()
        .and_then(Result::ok)
        .ok_or(AccessError::Impersonation)
}

fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

/// Why a cluster's entry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A `…-data` field is not base64.
    #[error("`{field}-data` is not base64")]
    Base64 {
        /// The field, without `-data`.
        field: &'static str,
    },
    /// Callers' credentials would be sent unencrypted.
    #[error("`credentials = \"caller\"` needs a `server` with https")]
    ClearText,
    /// The credentials are of no use.
    #[error("the credentials cannot be used")]
    Credentials(#[from] CredentialsError),
    /// The context, or what it names, does not exist.
    #[error("the context cannot be used")]
    Entry(#[from] EntryError),
    /// The exec plugin is not described well enough to be run.
    #[error("the exec plugin cannot be used")]
    Exec(#[from] ExecError),
    /// A client certificate without its key, or the reverse.
    #[error("the user has a {has} and not the other half of it")]
    HalfIdentity {
        /// Which half is there.
        has: &'static str,
    },
    /// The kubeconfig's user acts as somebody already, so that it cannot act as callers.
    #[error(
        "`credentials = \"impersonate\"` needs a user that acts as nobody else: remove `as` from the kubeconfig's user"
    )]
    ImpersonatesAlready,
    /// `as`, `as-uid`, `as-groups` or `as-user-extra` hold what no header can carry.
    #[error("`as` and what goes with it cannot be sent as headers")]
    Impersonation,
    /// The cluster has no `server`.
    #[error("the cluster has no `server`")]
    NoServer,
    /// The edge does not run in a pod.
    #[error("`in_cluster = true` needs a pod with a service account token")]
    NotInCluster(#[source] InClusterError),
    /// The proxy cannot be used.
    #[error("the proxy cannot be used")]
    Proxy(#[from] ProxyError),
    /// `server` is not a URL the edge can use.
    #[error("`server` must be https://host[:port][/path], without a user in it")]
    Server,
    /// `tls-server-name` is neither a DNS name nor an address.
    #[error("`tls-server-name` is neither a DNS name nor an address")]
    ServerName,
}

#[cfg(test)]
mod tests;
