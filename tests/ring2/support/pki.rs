//! An authority of this test alone: the edge's certificate, its callers', and what it revokes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ask::Protocol;

/// A name in the edge's certificate, besides `localhost` and `127.0.0.1`.
pub(crate) const EDGE: &str = "edge.example.com";

/// An authority, with a directory for what is in files.
pub(crate) struct Pki {
    home: TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// Somebody's certificate and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

/// What a connection can be made of.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How a caller does TLS.
#[derive(Clone)]
pub(crate) struct Secure(Arc<ClientConfig>);

impl Pki {
    /// With a certificate for the edge in its files.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        let pki = Self {
            home: tempfile::tempdir().expect("a directory"),
            certificate: params.self_signed(&key).expect("signed"),
            issuer: Issuer::new(params, key),
        };
        pki.write("ca.pem", &pki.certificate.pem());
        pki.issue_edge();
        pki
    }

    /// A file of it: `ca.pem`, `crl.pem`, `edge.pem`, `edge.key`, and what was written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Puts a file in place at once, as whoever renews certificates does.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.path(name)).expect("renamed");
    }

    /// A new certificate for the edge, in place of the one before.
    pub(crate) fn issue_edge(&self) {
        let names = [EDGE, "localhost", "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        self.write("edge.pem", &certificate.pem());
        self.write("edge.key", &key.serialize_pem());
    }

    /// A client's certificate with that common name.
    pub(crate) fn client(&self, name: &str) -> Identity {
        self.client_with(name, |_| {})
    }

    pub(crate) fn client_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity { certificate, key }
    }

    /// Writes a list of those serial numbers, and no others.
    pub(crate) fn revoke(&self, serials: &[u64]) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signed");
        self.write("crl.pem", &list.pem().expect("PEM"));
    }

    /// A caller that trusts this authority, and shows that certificate.
    pub(crate) fn caller(&self, identity: Option<&Identity>) -> Secure {
        self.caller_of(identity, rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn caller_of(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Secure {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.der().clone())
            .expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        Secure(Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
                config
                    .with_client_auth_cert(vec![identity.certificate.der().clone()], key)
                    .expect("a pair")
            }
        }))
    }
}

impl Identity {
    /// Writes both as PEM, to `name.pem` and `name.key`.
    pub(crate) fn write(&self, directory: &Path, name: &str) {
        fs::write(
            directory.join(name).with_extension("pem"),
            self.certificate.pem(),
        )
        .expect("written");
        fs::write(
            directory.join(name).with_extension("key"),
            self.key.serialize_pem(),
        )
        .expect("written");
    }
}

impl Secure {
    /// Does TLS on `stream` for a protocol. Over TLS 1.3 it looks well even if the edge is about to refuse the certificate.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        protocol: Protocol,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = (*self.0).clone();
        config.alpn_protocols = vec![match protocol {
            Protocol::H1 => b"http/1.1".to_vec(),
            Protocol::H2 => b"h2".to_vec(),
        }];
        let name = ServerName::try_from(EDGE).expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

/// The certificate that the edge shows.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    chain.first().expect("a certificate").clone().into_owned()
}
