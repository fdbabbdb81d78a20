//! The TLS side of a connection: whom to trust and, with a certificate, who the edge is.
//!
//! Certificates and keys in files are rotated under a running edge (kubelet, cert-manager, `aws-iam-authenticator`), so
//! what was read is compared with what is there now and a changed file means a new TLS configuration and new
//! connections. A file that cannot be read any more keeps the last good content in use: some agents remove what they
//! wrote.

use std::path::PathBuf;
use std::sync::Arc;

use kube_client::Config as KubeConfig;
use kube_client::client::ConfigExt;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrecy::{ExposeSecret, SecretSlice};

/// Where the TLS parts of a connection come from.
#[derive(Clone, Debug)]
pub(crate) struct TlsSource {
    /// The authorities that may vouch for the server; none: the operating system's.
    pub(crate) authorities: Option<Pem>,
    /// The edge's own certificate and key.
    pub(crate) identity: Option<IdentitySource>,
    /// Accept any certificate.
    pub(crate) insecure: bool,
    /// The name to ask for and to check, instead of the URL's host.
    pub(crate) server_name: Option<ServerName<'static>>,
}

impl TlsSource {
    /// Reads every part that stands in a file.
    pub(crate) async fn load(&self) -> Result<TlsMaterial, TlsError> {
        let authorities = match &self.authorities {
            Some(pem) => Some(pem.load().await?),
            None => None,
        };
        let identity = match &self.identity {
            Some(source) => Some(Arc::new(source.load().await?)),
            None => None,
        };
        Ok(TlsMaterial {
            authorities,
            identity,
        })
    }

    /// Whether anything can change under a running edge.
    pub(crate) fn is_fixed(&self) -> bool {
        let parts = self.authorities.iter().chain(
            self.identity
                .iter()
                .flat_map(|identity| [&identity.certificate, &identity.key]),
        );
        parts.into_iter().all(|pem| matches!(pem, Pem::Data(_)))
    }

    /// The TLS configuration for `material`, presenting `identity`. ALPN is left to the connector.
    pub(crate) fn client_config(
        &self,
        material: &TlsMaterial,
        identity: Option<&Identity>,
    ) -> Result<rustls::ClientConfig, TlsError> {
        // The address is not looked at; kube-client is asked for the verifier only (a CA bundle, the operating
        // system's trust, or none), so that trust decisions are its and not a copy of it.
        let mut verifier = KubeConfig::new(http::Uri::from_static("https://cluster.invalid"));
        verifier.accept_invalid_certs = self.insecure;
        verifier.root_cert = material
            .authorities
            .as_ref()
            .map(|text| certificates(text.expose_secret()))
            .transpose()
            .map_err(TlsError::Authorities)?
            .map(|chain| {
                chain
                    .iter()
                    .map(|certificate| certificate.to_vec())
                    .collect()
            });
        let mut config = verifier
            .rustls_client_config()
            .map_err(|source| TlsError::Verifier(Box::new(source)))?;
        if let Some(identity) = identity {
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity.parse()?));
        }
        Ok(config)
    }
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct IdentitySource {
    pub(crate) certificate: Pem,
    pub(crate) key: Pem,
}

impl IdentitySource {
    /// Reads both.
    pub(crate) async fn load(&self) -> Result<Identity, TlsError> {
        Ok(Identity {
            certificate: self.certificate.load().await?,
            key: self.key.load().await?,
        })
    }
}

/// PEM text and where it comes from. Certificates are no secret but keys are, so all of it is handled as one.
#[derive(Clone, Debug)]
pub(crate) enum Pem {
    /// Held in a kubeconfig itself.
    Data(PemText),
    /// In a file, read again now and then.
    File(PathBuf),
}

/// PEM text, shared and redacted.
pub(crate) type PemText = Arc<SecretSlice<u8>>;

impl Pem {
    async fn load(&self) -> Result<PemText, TlsError> {
        match self {
            Self::Data(text) => Ok(Arc::clone(text)),
            Self::File(path) => match tokio::fs::read(path).await {
                Ok(text) => Ok(Arc::new(text.into())),
                Err(source) => Err(TlsError::Read {
                    path: path.clone(),
                    source,
                }),
            },
        }
    }
}

/// What was read, to be compared with what is read later.
#[derive(Clone, Debug)]
pub(crate) struct TlsMaterial {
    authorities: Option<PemText>,
    /// The certificate and key that are configured, if any are.
    pub(crate) identity: Option<Arc<Identity>>,
}

impl PartialEq for TlsMaterial {
    fn eq(&self, other: &Self) -> bool {
        let same_authorities = match (&self.authorities, &other.authorities) {
            (Some(one), Some(another)) => one.expose_secret() == another.expose_secret(),
            (None, None) => true,
            _ => false,
        };
        same_authorities && self.identity == other.identity
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: PemText,
    key: PemText,
}

impl Identity {
    pub(crate) fn new(certificate: String, key: String) -> Self {
        Self {
            certificate: Arc::new(certificate.into_bytes().into()),
            key: Arc::new(key.into_bytes().into()),
        }
    }

    /// Both as rustls uses them, if they fit each other.
    pub(crate) fn parse(&self) -> Result<CertifiedKey, TlsError> {
        let chain =
            certificates(self.certificate.expose_secret()).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret()).map_err(TlsError::Key)?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Pair)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certificate.expose_secret() == other.certificate.expose_secret()
            && self.key.expose_secret() == other.key.expose_secret()
    }
}

/// All certificates of `pem`; one without any is an error.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(chain)
}

/// Why no TLS connection can be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority (`certificate-authority(-data)`, `ca_file`) is not PEM, or holds no certificate.
    #[error("the certificate authority is not a PEM certificate")]
    Authorities(#[source] pem::Error),
    /// The certificate (`client-certificate(-data)`, `cert_file`, or the one of an exec plugin) is not PEM.
    #[error("the certificate is not a PEM certificate")]
    Certificate(#[source] pem::Error),
    /// The key (`client-key(-data)`, `key_file`, or the one of an exec plugin) is not a PEM key.
    #[error("the key is not a PEM private key")]
    Key(#[source] pem::Error),
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// A file is missing or may not be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The authorities were refused, or the operating system has none.
    #[error("the certificate authorities cannot be used")]
    Verifier(#[source] Box<kube_client::Error>),
}
