//! The cluster's keys and certificates, made anew for each cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// One certificate authority and what it signed, as files.
pub(crate) struct Pki {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "real-cluster-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?;
        let pki = Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        };
        pki.write("ca.crt", &authority.pem())?;
        Ok(pki)
    }

    /// A key `NAME.key` and its certificate `NAME.crt`, for server and client.
    pub(crate) fn issue(&self, name: &str, subject: Subject<'_>) -> Result<()> {
        let alternatives: Vec<_> = subject
            .alternatives
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut params = CertificateParams::new(alternatives)?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.crt"), &certificate.pem())
    }

    /// The pair that signs and checks service accounts' tokens.
    pub(crate) fn service_accounts(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        self.write("sa.key", &key.serialize_pem())?;
        self.write("sa.pub", &key.public_key_pem())
    }

    /// Where a file of this name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, pem: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, pem).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Whom a certificate is for.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) alternatives: &'a [&'a str],
}
