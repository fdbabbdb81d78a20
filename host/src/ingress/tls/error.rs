//! Why TLS cannot be spoken with what the files hold.

use std::io;
use std::path::PathBuf;

use crate::net::{self, BoxError};

/// Why TLS cannot be spoken with what the files hold.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `certificates.ca_file` is no PEM, or holds no certificate that can be an authority's.
    #[error("the authorities of client certificates in {path} cannot be used", path = path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// `tls.certificate_file` or `tls.key_file` is missing, is no PEM, or the two do not fit each other.
    #[error("`tls.certificate_file` and `tls.key_file` cannot be used")]
    Identity(#[source] net::TlsError),
    /// This program was built without a version of TLS.
    #[error("TLS cannot be set up")]
    Provider(#[source] rustls::Error),
    /// A file is missing or may not be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `certificates.crl_file` holds no list, or one that cannot be read.
    #[error("the revocation lists in {path} cannot be used", path = path.display())]
    Revocations {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
}
