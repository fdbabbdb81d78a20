//! Which client certificates are good, and for how long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Current, TlsError, inspect};
use crate::config::CertificatesConfig;
use crate::net;

/// How long a certificate that has expired may still be in use on a connection.
const RECHECK: Duration = Duration::from_secs(60);

/// The files about client certificates.
#[derive(Debug)]
pub(super) struct Clients {
    authorities: PathBuf,
    revocations: Option<PathBuf>,
    required: bool,
}

/// What they hold.
#[derive(Debug, PartialEq)]
pub(super) struct ClientsMaterial {
    authorities: Vec<u8>,
    revocations: Option<Vec<u8>>,
}

impl Clients {
    pub(super) fn new(config: &CertificatesConfig) -> Self {
        Self {
            authorities: config.ca_file.clone(),
            revocations: config.crl_file.clone(),
            required: config.required,
        }
    }

    pub(super) async fn read(&self) -> Result<ClientsMaterial, TlsError> {
        Ok(ClientsMaterial {
            authorities: read(&self.authorities).await?,
            revocations: match &self.revocations {
                Some(path) => Some(read(path).await?),
                None => None,
            },
        })
    }

    /// Accepts certificates that an authority signed for clients, and that no list revokes. With lists, every certificate
    /// up to the authority must be covered by one, or it is refused; a list that is out of date still counts.
    pub(super) fn verifier(
        &self,
        material: &ClientsMaterial,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let unusable = |source| TlsError::Authorities {
            path: self.authorities.clone(),
            source,
        };
        let mut roots = RootCertStore::empty();
        let authorities =
            net::certificates(&material.authorities).map_err(|source| unusable(source.into()))?;
        for authority in authorities {
            roots
                .add(authority)
                .map_err(|source| unusable(source.into()))?;
        }
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        if !self.required {
            verifier = verifier.allow_unauthenticated();
        }
        let (Some(path), Some(lists)) = (&self.revocations, &material.revocations) else {
            return verifier.build().map_err(|source| unusable(source.into()));
        };
        let refused = |source| TlsError::Revocations {
            path: path.clone(),
            source,
        };
        let lists = revocations(lists).map_err(|source| refused(source.into()))?;
        for list in &lists {
            inspect::revocations(list);
        }
        verifier
            .with_crls(lists)
            .build()
            .map_err(|source| refused(source.into()))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })
}

/// All lists of a PEM file, or the one of a DER file. None at all is an error: nothing would be revoked then.
fn revocations(text: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, pem::Error> {
    // A list in DER is an ASN.1 SEQUENCE; PEM begins with a dash, or with words before the first of them.
    if text.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(text.to_vec())]);
    }
    let lists =
        CertificateRevocationListDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(lists)
}

/// The certificates that a client has shown, which were good when it did.
pub(in crate::ingress) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    verified_by: Arc<Current>,
    changes: watch::Receiver<Arc<Current>>,
}

impl Shown {
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        verified_by: Arc<Current>,
        changes: watch::Receiver<Arc<Current>>,
    ) -> Self {
        Self {
            chain,
            verified_by,
            changes,
        }
    }

    /// The client's own.
    pub(in crate::ingress) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.chain.first()
    }

    /// Waits until they are good no more: expired, revoked, or signed by an authority that was taken away.
    pub(in crate::ingress) async fn lapse(mut self) {
        loop {
            let current = Arc::clone(&self.changes.borrow_and_update());
            let is_new = !Arc::ptr_eq(&current, &self.verified_by);
            if is_new && !self.is_good(&current) {
                return;
            }
            self.verified_by = current;
            match timeout(RECHECK, self.changes.changed()).await {
                Ok(Ok(())) => {}
                // The edge is being dropped.
                Ok(Err(_)) => return,
                Err(_) if !self.is_good(&self.verified_by) => return,
                Err(_) => {}
            }
        }
    }

    fn is_good(&self, current: &Current) -> bool {
        let (Some(verifier), Some((first, rest))) = (&current.clients, self.chain.split_first())
        else {
            return false;
        };
        verifier
            .verify_client_cert(first, rest, UnixTime::now())
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_list_is_an_error() {
        for text in [
            "",
            "\n",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        ] {
            revocations(text.as_bytes()).expect_err(text);
        }
    }

    #[test]
    fn lists_are_read_in_both_forms() {
        let pem = "# ours\n-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n".repeat(2);
        assert_eq!(revocations(pem.as_bytes()).expect("lists").len(), 2);
        assert_eq!(revocations(&[0x30, 0]).expect("a list").len(), 1);
    }
}
