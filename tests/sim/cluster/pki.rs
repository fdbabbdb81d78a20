//! Certificates of a simulated cluster: an authority that signs the APIServer's, a client's, and Tiller's.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// What the parts of a cluster show each other.
#[derive(Debug)]
pub(super) struct Pki {
    /// The authority, as PEM.
    pub(super) ca: String,
    /// Asks for client certificates, but goes on without.
    pub(super) apiserver: Arc<ServerConfig>,
    /// Asks for none, as `tiller --tls` without `--tls-verify`.
    pub(super) tiller: Arc<ServerConfig>,
    pub(super) client: Client,
}

/// A client's certificate.
#[derive(Debug)]
pub(super) struct Client {
    /// In DER.
    pub(super) certificate: Vec<u8>,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

struct Signed {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Pki {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "simulated cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let ca = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);

        let server = [ExtendedKeyUsagePurpose::ServerAuth];
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        let apiserver = sign(&issuer, "kube-apiserver", &names, &server)?;
        let tiller = sign(&issuer, "tiller-server", &["tiller-deploy"], &server)?;
        let client = sign(&issuer, "edge", &[], &[ExtendedKeyUsagePurpose::ClientAuth])?;

        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone())?;
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()?;
        let apiserver = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![apiserver.certificate], key_der(&apiserver.key)?)?;
        let mut tiller = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![tiller.certificate], key_der(&tiller.key)?)?;
        tiller.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            ca: ca.pem(),
            apiserver: Arc::new(apiserver),
            tiller: Arc::new(tiller),
            client: Client {
                certificate: client.certificate.to_vec(),
                certificate_pem: client.certificate_pem,
                key_pem: client.key.serialize_pem(),
            },
        })
    }
}

fn sign(
    issuer: &Issuer<'_, KeyPair>,
    common_name: &str,
    names: &[&str],
    usages: &[ExtendedKeyUsagePurpose],
) -> anyhow::Result<Signed> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.extended_key_usages = usages.to_vec();
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Signed {
        certificate: certificate.der().clone(),
        certificate_pem: certificate.pem(),
        key,
    })
}

fn key_der(key: &KeyPair) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)
}
