//! Why a bridge does not start. What can go wrong in a call is in [`failure`](super::failure).

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// Why a bridge does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address is not `host:port`.
    #[error("`{address}` is not an address of the form host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// TLS that verifies needs an authority to verify against.
    #[error("TLS to Tiller needs a CA file, unless nothing is verified")]
    CaMissing,
    /// The client certificate and key do not fit together, or are of a kind not supported.
    #[error("the client certificate {} cannot be used with its key", cert.display())]
    Identity {
        /// The certificate's file.
        cert: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The shared key file has no key in it.
    #[error("{} holds no key", path.display())]
    KeyFileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The shared key file cannot be read.
    #[error("cannot read the shared keys from {}", path.display())]
    KeyFileRead {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A PEM file cannot be read, or has nothing of the right kind in it.
    #[error("cannot read a certificate or key from {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The name to verify is neither a DNS name nor an IP address.
    #[error("`{name}` is not a name that a certificate can carry")]
    ServerName {
        /// The name.
        name: String,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signal(#[source] io::Error),
    /// A certificate authority, or TLS as a whole, cannot be used.
    #[error("cannot set up TLS to Tiller")]
    Tls(#[source] rustls::Error),
}
