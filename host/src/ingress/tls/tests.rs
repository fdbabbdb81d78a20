use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

use super::*;
use crate::config::{CertificatesConfig, TlsConfig};

const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

/// An authority, and the directory that the edge reads.
struct Pki {
    home: TempDir,
    ca: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca_der: CertificateDer<'static>,
}

type Pair = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "ours");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let pki = Self {
            home: tempfile::tempdir().expect("a directory"),
            ca_pem: certificate.pem(),
            ca_der: certificate.der().clone(),
            ca: Issuer::new(params, key),
        };
        pki.write("ca.pem", &pki.ca_pem);
        pki.issue_edge();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let new = self.path("new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.path(name)).expect("renamed");
    }

    /// A new certificate for the edge.
    fn issue_edge(&self) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("signed");
        self.write("edge.pem", format!("{}{}", certificate.pem(), self.ca_pem));
        self.write("edge.key", key.serialize_pem());
    }

    fn client(&self, serial: u64) -> Pair {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        (certificate.der().clone(), key)
    }

    fn revoke(&self, serials: &[u64]) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2026, 2, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.ca).expect("signed");
        self.write("crl.pem", list.pem().expect("PEM"));
    }

    fn config(&self, certificates: Option<CertificatesConfig>) -> Config {
        Config {
            tls: TlsConfig {
                certificate_file: Some(self.path("edge.pem")),
                key_file: Some(self.path("edge.key")),
                ..TlsConfig::default()
            },
            certificates,
            ..Config::default()
        }
    }

    async fn load(&self) -> Tls {
        let tls = Tls::load(&self.config(None)).await;
        tls.expect("usable").expect("configured")
    }

    async fn load_asking(&self, change: impl FnOnce(&mut CertificatesConfig)) -> Tls {
        let mut certificates = CertificatesConfig {
            ca_file: self.path("ca.pem"),
            crl_file: None,
            required: false,
            name: crate::config::CertificateName::Cn,
            prefix: String::new(),
        };
        change(&mut certificates);
        let tls = Tls::load(&self.config(Some(certificates))).await;
        tls.expect("usable").expect("configured")
    }

    fn client_config(&self, identity: Option<Pair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_der.clone()).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(vec![certificate], key)
                .expect("a pair"),
        }
    }
}

/// One handshake. What the client is left with, and what the edge is.
async fn shake(
    tls: &Tls,
    config: &Arc<ClientConfig>,
) -> (io::Result<ClientStream<TcpStream>>, Option<Secured>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await?;
        // With TLS 1.3 a refusal comes after the client is done.
        stream.write_all(b"x").await?;
        match stream.read_exact(&mut [0]).await {
            Ok(_) => Ok(stream),
            Err(error) => Err(error),
        }
    };
    let edge = async {
        let (stream, peer) = listener.accept().await.expect("a connection");
        let mut secured = tls.accept(stream, peer, PATIENCE).await?;
        secured.stream.read_exact(&mut [0]).await.ok()?;
        secured.stream.write_all(b"y").await.ok()?;
        secured.stream.flush().await.ok()?;
        Some(secured)
    };
    soon(async { tokio::join!(client, edge) }).await
}

fn shown(stream: &ClientStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    assert_eq!(chain.len(), 2);
    chain[0].clone().into_owned()
}

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let pki = Pki::new();
    let tls = pki.load().await;
    for (version, number) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for protocols in [
            &[b"h2".to_vec(), b"http/1.1".to_vec()][..],
            &[b"http/1.1".to_vec()],
        ] {
            let mut roots = RootCertStore::empty();
            roots.add(pki.ca_der.clone()).expect("an authority");
            let mut config =
                ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                    .with_protocol_versions(&[version])
                    .expect("a version")
                    .with_root_certificates(roots)
                    .with_no_client_auth();
            config.alpn_protocols = protocols.to_vec();
            let (client, secured) = shake(&tls, &Arc::new(config)).await;
            let (client, secured) = (client.expect("agreed"), secured.expect("agreed"));
            assert_eq!(
                client.get_ref().1.alpn_protocol(),
                protocols.first().map(Vec::as_slice)
            );
            let (_, connection) = secured.stream.get_ref();
            assert_eq!(connection.protocol_version(), Some(number));
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_connection_on() {
    let pki = Pki::new();
    let tls = pki.load().await;
    let config = Arc::new(pki.client_config(None));
    let (first, _held) = shake(&tls, &config).await;
    let mut first = first.expect("agreed");
    pki.issue_edge();
    tls.look().await.expect("usable");
    let (second, _) = shake(&tls, &config).await;
    assert_ne!(shown(&first), shown(&second.expect("agreed")));
    soon(first.write_all(b"still open")).await.expect("taken");
}

#[tokio::test]
async fn bad_new_files_leave_the_good_ones_in_use() {
    let pki = Pki::new();
    let tls = pki.load().await;
    let config = Arc::new(pki.client_config(None));
    let before = shown(&shake(&tls, &config).await.0.expect("agreed"));
    let other = KeyPair::generate().expect("a key");
    for (name, text) in [
        ("edge.pem", String::new()),
        ("edge.pem", "nonsense".to_owned()),
        ("edge.key", other.serialize_pem()),
        ("edge.key", "nonsense".to_owned()),
    ] {
        let good = fs::read(pki.path(name)).expect("there");
        pki.write(name, &text);
        assert!(matches!(tls.look().await, Err(TlsError::Identity(_))));
        let now = shown(&shake(&tls, &config).await.0.expect("agreed"));
        assert_eq!(before, now);
        pki.write(name, good);
        tls.look().await.expect("usable");
    }
    fs::remove_file(pki.path("edge.key")).expect("removed");
    tls.look().await.expect_err("gone");
    shake(&tls, &config).await.0.expect("agreed");
}

#[tokio::test]
async fn what_cannot_be_used_is_named_at_the_start() {
    let pki = Pki::new();
    let error = |tls: Result<Option<Tls>, TlsError>| {
        let error = tls.expect_err("refused");
        format!("{}", Causes(&error))
    };
    pki.write("empty", "");
    pki.write(
        "other.key",
        KeyPair::generate().expect("a key").serialize_pem(),
    );
    let mut config = pki.config(None);
    for (file, why) in [
        ("missing", "cannot read"),
        ("empty", "not a PEM private key"),
        ("other.key", "cannot be used together"),
    ] {
        config.tls.key_file = Some(pki.path(file));
        let said = error(Tls::load(&config).await);
        assert!(said.contains(why), "{said}");
        assert!(said.contains("`tls.key_file`"), "{said}");
    }
    for (ca, crl, file, why) in [
        ("missing", None, "missing", "cannot read"),
        ("empty", None, "empty", "authorities"),
        ("edge.key", None, "edge.key", "authorities"),
        ("ca.pem", Some("empty"), "empty", "revocation lists"),
        ("ca.pem", Some("ca.pem"), "ca.pem", "revocation lists"),
        ("ca.pem", Some("missing"), "missing", "cannot read"),
    ] {
        let certificates = CertificatesConfig {
            ca_file: pki.path(ca),
            crl_file: crl.map(|crl| pki.path(crl)),
            required: false,
            name: crate::config::CertificateName::Cn,
            prefix: String::new(),
        };
        let said = error(Tls::load(&pki.config(Some(certificates))).await);
        assert!(said.contains(why), "{said}");
        let path = pki.path(file);
        assert!(said.contains(path.to_str().expect("text")), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_is_asked_for_only_where_it_is_configured() {
    let pki = Pki::new();
    let client = Arc::new(pki.client_config(Some(pki.client(7))));
    let (stream, secured) = shake(&pki.load().await, &client).await;
    stream.expect("agreed");
    assert!(secured.expect("agreed").client.is_none());

    let tls = pki.load_asking(|_| {}).await;
    let (_, secured) = shake(&tls, &client).await;
    let secured = secured.expect("agreed");
    assert!(secured.client.expect("shown").certificate().is_some());
    let (_, secured) = shake(&tls, &Arc::new(pki.client_config(None))).await;
    assert!(secured.expect("agreed").client.is_none());

    let tls = pki.load_asking(|asked| asked.required = true).await;
    let (stream, secured) = shake(&tls, &Arc::new(pki.client_config(None))).await;
    stream.expect_err("refused");
    assert!(secured.is_none());
}

#[tokio::test]
async fn no_session_is_resumed_where_certificates_are_asked_for() {
    let pki = Pki::new();
    let resumed = async |tls: &Tls, config: ClientConfig| {
        let config = Arc::new(config);
        let (first, _held) = shake(tls, &config).await;
        let mut first = first.expect("agreed");
        // Tickets come with what is read.
        _ = timeout(Duration::from_millis(50), first.read(&mut [0])).await;
        let (second, _) = shake(tls, &config).await;
        let (_, connection) = second.as_ref().expect("agreed").get_ref();
        connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    };
    assert!(resumed(&pki.load().await, pki.client_config(None)).await);
    let asking = pki.load_asking(|_| {}).await;
    assert!(!resumed(&asking, pki.client_config(None)).await);
    assert!(!resumed(&asking, pki.client_config(Some(pki.client(7)))).await);
}

#[tokio::test]
async fn a_certificate_that_is_revoked_lapses_on_open_connections_and_is_refused_on_new_ones() {
    let pki = Pki::new();
    pki.revoke(&[1]);
    let tls = pki
        .load_asking(|asked| asked.crl_file = Some(pki.path("crl.pem")))
        .await;
    let (lost, kept) = (
        Arc::new(pki.client_config(Some(pki.client(7)))),
        Arc::new(pki.client_config(Some(pki.client(8)))),
    );
    let lost_one = shake(&tls, &lost).await.1.expect("agreed");
    let kept_one = shake(&tls, &kept).await.1.expect("agreed");
    let lapse = lost_one.client.expect("shown").lapse();
    let mut stays = std::pin::pin!(kept_one.client.expect("shown").lapse());
    pki.revoke(&[1, 7]);
    tls.look().await.expect("usable");
    soon(lapse).await;
    let waited = timeout(Duration::from_millis(20), stays.as_mut()).await;
    waited.expect_err("it is good still");
    let (stream, secured) = shake(&tls, &lost).await;
    stream.expect_err("refused");
    assert!(secured.is_none());
    shake(&tls, &kept).await.0.expect("agreed");
}

#[tokio::test]
async fn an_authority_that_is_taken_away_takes_its_certificates_along() {
    let (pki, other) = (Pki::new(), Pki::new());
    pki.write("ca.pem", format!("{}{}", pki.ca_pem, other.ca_pem));
    let tls = pki.load_asking(|_| {}).await;
    let config = Arc::new(pki.client_config(Some(other.client(7))));
    let secured = shake(&tls, &config).await.1.expect("agreed");
    pki.write("ca.pem", &pki.ca_pem);
    tls.look().await.expect("usable");
    soon(secured.client.expect("shown").lapse()).await;
    shake(&tls, &config).await.0.expect_err("refused");
}

#[tokio::test]
async fn a_certificate_that_no_list_covers_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());
    pki.revoke(&[]);
    pki.write("ca.pem", format!("{}{}", pki.ca_pem, other.ca_pem));
    let tls = pki
        .load_asking(|asked| asked.crl_file = Some(pki.path("crl.pem")))
        .await;
    let ours = Arc::new(pki.client_config(Some(pki.client(7))));
    shake(&tls, &ours).await.0.expect("agreed");
    let theirs = Arc::new(pki.client_config(Some(other.client(7))));
    shake(&tls, &theirs).await.0.expect_err("refused");
}

#[tokio::test]
async fn a_silent_or_slow_beginning_ends_in_time() {
    let pki = Pki::new();
    let tls = pki.load().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    // The head of a record that never ends.
    for beginning in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut client = soon(TcpStream::connect(address)).await.expect("connects");
        client.write_all(beginning).await.expect("taken");
        let (stream, peer) = soon(listener.accept()).await.expect("a connection");
        let secured = soon(tls.accept(stream, peer, Duration::from_millis(50))).await;
        assert!(secured.is_none());
    }
}

#[tokio::test]
async fn a_caller_without_tls_reads_what_is_wrong() {
    let pki = Pki::new();
    let tls = pki.load().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut client = soon(TcpStream::connect(address)).await.expect("connects");
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("taken");
    let (stream, peer) = soon(listener.accept()).await.expect("a connection");
    let mut answer = String::new();
    let read = async {
        client.read_to_string(&mut answer).await.expect("an answer");
        drop(client);
    };
    let (secured, ()) =
        soon(async { tokio::join!(tls.accept(stream, peer, PATIENCE), read) }).await;
    assert!(secured.is_none());
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("use https.\n"), "{answer}");
}

#[tokio::test]
async fn without_a_certificate_there_is_no_tls() {
    assert!(Tls::load(&Config::default()).await.expect("fine").is_none());
    let pki = Pki::new();
    let mut config = pki.config(None);
    config.tls.hsts = Some(Duration::from_secs(180 * 24 * 3600));
    let tls = Tls::load(&config)
        .await
        .expect("usable")
        .expect("configured");
    assert_eq!(tls.hsts().expect("told"), "max-age=15552000");
    assert!(Path::new(&pki.path("edge.pem")).exists());
}
