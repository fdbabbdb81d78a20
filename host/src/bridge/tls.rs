//! TLS to Tiller, with a client certificate where Tiller asks for one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Error;
use super::der::CertificateV1;
use super::options::{Identity, Tls, Verify};
use super::verify::{AnyServer, SignedByCa};

/// Makes TLS connections to Tiller.
pub(super) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    pub(super) fn new(options: &Tls, host: &str) -> Result<Self, Error> {
        let name = options.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Error::ServerName {
            name: name.to_owned(),
        })?;
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(options, &provider)?;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &options.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let certified = certified(identity, &provider)?;
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn verifier(
    options: &Tls,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let algorithms = provider.signature_verification_algorithms;
    Ok(match options.verify {
        Verify::Nothing => Arc::new(AnyServer::new(algorithms)),
        Verify::Ca => Arc::new(SignedByCa::new(roots(options)?, algorithms)),
        Verify::CaAndName => {
            let roots = Arc::new(roots(options)?);
            WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))?
        }
    })
}

fn roots(options: &Tls) -> Result<RootCertStore, Error> {
    let path = options.ca.as_deref().ok_or(Error::CaMissing)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(Error::Tls)?;
    }
    Ok(roots)
}

/// A certificate with its key. Not by rustls' own way, which does not read certificates of version 1: a client's may be one
/// as well as a server's.
fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = certificates(&identity.cert)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|source| Error::Pem {
        path: identity.key.clone(),
        source,
    })?;
    let unusable = |source| Error::Identity {
        cert: identity.cert.clone(),
        source,
    };
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(unusable)?;
    let certified = CertifiedKey::new(chain, key);
    let first = certified.end_entity_cert().map_err(unusable)?;
    match CertificateV1::parse(first) {
        None => certified.keys_match().map_err(unusable)?,
        Some(v1) => {
            let key_info = certified.key.public_key();
            if key_info.is_some_and(|key_info| key_info.as_ref() != v1.key_info) {
                return Err(unusable(InconsistentKeys::KeyMismatch.into()));
            }
        }
    }
    Ok(certified)
}

/// All certificates of a PEM file; one without any is an error.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .and_then(|all: Vec<_>| {
            if all.is_empty() {
                Err(pem::Error::NoItemsFound)
            } else {
                Ok(all)
            }
        })
        .map_err(|source| Error::Pem {
            path: path.to_owned(),
            source,
        })?;
    Ok(certificates)
}
