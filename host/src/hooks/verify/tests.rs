//! Deliveries as providers send them, and every one of them with one bit of it turned.

mod pubsub;
mod tampered;
mod vectors;

use http::{HeaderName, HeaderValue};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;
use crate::config::{Config, Secrets};

const SECRET: &str = "It's a Secret to Everybody";
const OTHER: &str = "another secret, for the change";

/// 24 bytes.
const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A delivery that owns what it is made of.
#[derive(Clone)]
struct Sent {
    headers: HeaderMap,
    query: Option<String>,
    authorization: Option<SecretString>,
    certificate: Option<CertificateDer<'static>>,
    body: Vec<u8>,
    now: Timestamp,
}

impl Sent {
    fn new(body: &str) -> Self {
        Self {
            headers: HeaderMap::new(),
            query: None,
            authorization: None,
            certificate: None,
            body: body.as_bytes().to_vec(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn authorization(mut self, value: &str) -> Self {
        self.authorization = Some(value.into());
        self
    }

    fn query(mut self, query: &str) -> Self {
        self.query = Some(query.to_owned());
        self
    }

    fn certificate(mut self, certificate: &CertificateDer<'static>) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    fn at(mut self, seconds: i64) -> Self {
        self.now = Timestamp::from_second(seconds).expect("a time");
        self
    }

    fn parcel(&self) -> Parcel<'_> {
        Parcel {
            headers: &self.headers,
            query: self.query.as_deref(),
            authorization: self.authorization.as_ref(),
            certificate: self.certificate.as_ref(),
            body: &self.body,
            now: self.now,
        }
    }
}

/// A hook with `lines` in its configuration, which is checked.
fn config(lines: &str) -> HookConfig {
    let certificates =
        "[tls]\ncertificate_file = \"a\"\nkey_file = \"b\"\n[certificates]\nca_file = \"c\"\n";
    let text = format!("{certificates}[[hook]]\nname = \"h\"\n{lines}\n");
    let mut config = Config::parse(&text, std::path::Path::new("edge.toml")).expect("valid");
    config.hooks.remove(0)
}

fn hook(lines: &str) -> Verifier {
    Verifier::load(&config(lines)).expect("loads")
}

/// The same with other secrets, whether or not a configuration could have them.
fn with_secrets(lines: &str, secrets: &[&str]) -> Verifier {
    let secrets: Vec<_> = secrets
        .iter()
        .map(|text| SecretString::from(*text))
        .collect();
    let config = HookConfig {
        secrets: Secrets::from(secrets),
        ..config(lines)
    };
    Verifier::load(&config).expect("loads")
}

async fn verify(verifier: &Verifier, sent: &Sent) -> Result<(), &'static str> {
    let verified = verifier.verify(&sent.parcel()).await;
    verified.map_err(|refused| refused.as_str())
}

/// A certificate with that common name, if any, and those hosts.
fn certificate(common: Option<&str>, hosts: &[&str]) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = common {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let host = |host: &&str| SanType::DnsName((*host).try_into().expect("a host"));
    params.subject_alt_names = hosts.iter().map(host).collect();
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("signed").der().clone()
}

/// What signs with an ed25519 key, and the text of its public half.
fn ed25519() -> (ed25519_dalek::SigningKey, String) {
    use base64::Engine as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = base64::engine::general_purpose::STANDARD.encode(key.verifying_key());
    (key, format!("whpk_{public}"))
}

/// The signature `v1a,…` of a delivery.
fn sign_v1a(key: &ed25519_dalek::SigningKey, id: &str, at: i64, body: &str) -> String {
    use base64::Engine as _;
    use ed25519_dalek::Signer as _;
    let signature = key.sign(format!("{id}.{at}.{body}").as_bytes());
    let text = base64::engine::general_purpose::STANDARD.encode(signature.to_bytes());
    format!("v1a,{text}")
}
