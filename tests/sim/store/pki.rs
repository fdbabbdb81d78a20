//! The authority of a store or of another server, and what it signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) server: Arc<ServerConfig>,
    /// The authority, for callers.
    pub(crate) ca: PathBuf,
    /// A caller's certificate and key.
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pki {
    /// Writes what callers need into that folder.
    pub(crate) fn new(folder: &Path, certificate: bool) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "a server of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);

        let mut params = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate()?;
        let server = params.signed_by(&server_key, &issuer)?;

        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate()?;
        let client = params.signed_by(&client_key, &issuer)?;

        let provider = Arc::new(ring::default_provider());
        let clients = if certificate {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone())?;
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()?
        } else {
            Arc::new(NoClientAuth)
        };
        let server_key =
            PrivateKeyDer::try_from(server_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![server.der().clone()], server_key)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            std::fs::write(&path, pem).map(|()| path)
        };
        Ok(Self {
            server: Arc::new(server),
            ca: write("ca.pem", authority.pem())?,
            certificate: write("client.pem", client.pem())?,
            key: write("client.key", client_key.serialize_pem())?,
        })
    }
}
