//! Tillers with TLS, and their certificates of all ages.
//!
//! `testdata` was made with OpenSSL 3.0 by the commands of Helm 2's TLS guide: an authority, and server certificates of
//! X.509 version 1 with a common name only. `stranger-v1.pem` is signed by another authority of the same name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::bridge::verify::SignedByCa;
use crate::bridge::{Error, Identity, Tls, Verify};

const OLD_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bridge/testdata/ca.pem");

/// An authority, and a directory with its certificate and those it signs.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Signs a certificate of that common name, with these subject alternative names.
    fn sign(&self, common_name: &str, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            cert: self.directory.path().join(format!("{common_name}.pem")),
            key: self.directory.path().join(format!("{common_name}.key")),
        };
        std::fs::write(&identity.cert, certificate.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}

fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    roots
}

/// A TLS server as Tiller is one; with an authority it demands client certificates.
fn acceptor(
    identity: &Identity,
    clients: Option<&Path>,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(ca) => config.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)), provider)
                .build()
                .unwrap(),
        ),
    };
    let chain = vec![CertificateDer::from_pem_file(&identity.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    // Not `with_single_cert`, which does not read version 1 certificates.
    let key = ring::sign::any_supported_type(&key).unwrap();
    let certified = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = config.with_cert_resolver(Arc::new(certified));
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn tls_tiller(acceptor: TlsAcceptor) -> Tiller {
    Tiller::start_tls(
        acceptor,
        |call| async move { call.reply(&[], "0", "").await },
    )
    .await
}

fn trusting(ca: impl AsRef<Path>, verify: Verify) -> Tls {
    Tls {
        ca: Some(ca.as_ref().to_owned()),
        identity: None,
        server_name: None,
        verify,
    }
}

/// One call through a bridge: `Ok` if Tiller answered it, else what the bridge says.
async fn call(tiller: &Tiller, tls: Tls) -> Result<(), String> {
    let mut options = before(tiller);
    options.tls = Some(tls);
    let bridge = start(options).await;
    let answer = Caller::h1(&bridge).await.call(LIST, b"").await;
    if answer.status().is_ok() {
        return Ok(());
    }
    assert_eq!(answer.by_bridge().1, "tiller_unreachable");
    Err(answer.status().message)
}

#[tokio::test]
async fn a_certificate_with_the_right_name_is_taken() {
    let authority = Authority::new();
    let identity = authority.sign("tiller", &["127.0.0.1", "tiller-deploy"]);
    let tiller = tls_tiller(acceptor(&identity, None, &[&version::TLS13])).await;
    let mut tls = trusting(authority.ca(), Verify::CaAndName);
    assert_eq!(call(&tiller, tls.clone()).await, Ok(()));
    tls.server_name = Some("tiller-deploy".to_owned());
    assert_eq!(call(&tiller, tls.clone()).await, Ok(()));
    tls.server_name = Some("elsewhere".to_owned());
    let refused = call(&tiller, tls).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_certificate_with_a_common_name_only_needs_the_mode_without_names() {
    let authority = Authority::new();
    let identity = authority.sign("tiller", &[]);
    let tiller = tls_tiller(acceptor(&identity, None, &[&version::TLS13])).await;
    assert!(
        call(&tiller, trusting(authority.ca(), Verify::CaAndName))
            .await
            .is_err()
    );
    assert_eq!(
        call(&tiller, trusting(authority.ca(), Verify::Ca)).await,
        Ok(())
    );
    let foreign = Authority::new();
    assert!(
        call(&tiller, trusting(foreign.ca(), Verify::Ca))
            .await
            .is_err()
    );
    assert_eq!(
        call(&tiller, trusting(foreign.ca(), Verify::Nothing)).await,
        Ok(())
    );
}

#[tokio::test]
async fn version_1_certificates_are_taken_over_tls_1_2_and_1_3() {
    for kind in ["rsa-v1", "ec-v1"] {
        for version in [&version::TLS12, &version::TLS13] {
            let identity = testdata(kind);
            let tiller = tls_tiller(acceptor(&identity, None, &[version])).await;
            let result = call(&tiller, trusting(OLD_CA, Verify::Ca)).await;
            assert_eq!(result, Ok(()), "{kind} {version:?}");
            assert!(
                call(&tiller, trusting(OLD_CA, Verify::CaAndName))
                    .await
                    .is_err()
            );
        }
    }
}

#[test]
fn version_1_certificates_of_strangers_and_of_other_times_are_refused() {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let verify = |name: &str, now: u64| {
        let certificate = CertificateDer::from_pem_file(testdata(name).cert).unwrap();
        let server = ServerName::try_from("tiller").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        SignedByCa::new(roots(Path::new(OLD_CA)), algorithms)
            .verify_server_cert(&certificate, &[], &server, &[], now)
            .map(drop)
    };
    let valid = 2_000_000_000;
    assert_eq!(verify("ec-v1", valid), Ok(()));
    let refused = |error: CertificateError| Err(error.into());
    assert_eq!(
        verify("ec-v1", 1_000_000_000),
        refused(CertificateError::NotValidYet)
    );
    assert_eq!(
        verify("ec-v1", 6_000_000_000),
        refused(CertificateError::Expired)
    );
    assert_eq!(
        verify("stranger-v1", valid),
        refused(CertificateError::BadSignature)
    );
}

#[test]
fn a_certificate_cut_anywhere_is_refused() {
    let whole = CertificateDer::from_pem_file(testdata("ec-v1").cert).unwrap();
    assert!(crate::bridge::der::CertificateV1::parse(&whole).is_some());
    for end in 0..whole.len() {
        assert!(crate::bridge::der::CertificateV1::parse(&whole[..end]).is_none());
    }
}

#[tokio::test]
async fn a_tiller_that_verifies_gets_the_client_certificate() {
    let authority = Authority::new();
    let server = authority.sign("tiller", &["127.0.0.1"]);
    let ca = authority.ca();
    let tiller = tls_tiller(acceptor(&server, Some(&ca), &[&version::TLS12])).await;
    let mut tls = trusting(&ca, Verify::CaAndName);
    assert!(call(&tiller, tls.clone()).await.is_err());
    tls.identity = Some(authority.sign("bridge", &["bridge"]));
    assert_eq!(call(&tiller, tls).await, Ok(()));
}

#[tokio::test]
async fn a_client_certificate_may_be_of_version_1_but_must_fit_its_key() {
    let with_identity = |identity| Options {
        listen: "127.0.0.1:0".to_owned(),
        tls: Some(Tls {
            identity: Some(identity),
            ..trusting(OLD_CA, Verify::Ca)
        }),
        ..Options::default()
    };
    start(with_identity(testdata("rsa-v1"))).await;
    start(with_identity(testdata("ec-v1"))).await;
    let mixed = Identity {
        cert: testdata("ec-v1").cert,
        key: testdata("rsa-v1").key,
    };
    let refused = soon(Bridge::start(with_identity(mixed))).await;
    assert!(matches!(refused, Err(Error::Identity { .. })));
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_at_the_start() {
    let authority = Authority::new();
    let tls = trusting(authority.ca(), Verify::CaAndName);
    let refused = |tls: Tls| async move {
        let options = Options {
            listen: "127.0.0.1:0".to_owned(),
            tls: Some(tls),
            ..Options::default()
        };
        match soon(Bridge::start(options)).await {
            Ok(_) => panic!("it started"),
            Err(error) => error,
        }
    };
    let no_ca = Tls {
        ca: None,
        ..tls.clone()
    };
    assert!(matches!(refused(no_ca).await, Error::CaMissing));
    let missing = trusting("/no/such/ca.pem", Verify::Ca);
    assert!(matches!(refused(missing).await, Error::Pem { .. }));
    let key_as_ca = trusting(authority.sign("x", &[]).key, Verify::Ca);
    assert!(matches!(refused(key_as_ca).await, Error::Pem { .. }));
    let bad_name = Tls {
        server_name: Some("not a name".to_owned()),
        ..tls.clone()
    };
    assert!(matches!(refused(bad_name).await, Error::ServerName { .. }));
    let mixed = Identity {
        cert: authority.sign("a", &[]).cert,
        key: authority.sign("b", &[]).key,
    };
    let mixed = Tls {
        identity: Some(mixed),
        ..tls
    };
    assert!(matches!(refused(mixed).await, Error::Identity { .. }));
}

fn testdata(name: &str) -> Identity {
    let directory = Path::new(OLD_CA).parent().unwrap();
    Identity {
        cert: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    }
}
