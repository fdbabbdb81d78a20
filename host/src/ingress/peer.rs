//! Who is at the other end of a connection, as far as the connection shows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::CertificateDer;

/// The client certificate of the connection that a request came by, which was verified while TLS began.
#[derive(Clone, Debug)]
pub struct Certificate(pub CertificateDer<'static>);

/// The other end of a connection; the same for all its requests.
#[derive(Debug)]
pub(super) struct Peer {
    /// Where it is, or the proxy before it.
    pub(super) address: SocketAddr,
    /// Its certificate, which was verified while TLS began.
    pub(super) certificate: Option<CertificateDer<'static>>,
    lapsed: AtomicBool,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Self {
        Self {
            address,
            certificate,
            lapsed: AtomicBool::new(false),
        }
    }

    /// From now on its certificate is not good any more.
    pub(super) fn lapse(&self) {
        self.lapsed.store(true, Ordering::Relaxed);
    }

    /// Whether it had a certificate that is not good any more.
    pub(super) fn has_lapsed(&self) -> bool {
        self.lapsed.load(Ordering::Relaxed)
    }
}
