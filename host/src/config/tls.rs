//! TLS at the ingress, and which client certificates it accepts.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, Invalid, units};

/// TLS at the ingress.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead to its authority (PEM). Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM: PKCS#8, SEC1 or PKCS#1). Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// How long browsers are told to come here over TLS only; without it they are told nothing.
    #[serde(
        with = "units::optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub hsts: Option<Duration>,
    /// Something in front of this edge does TLS: clear text is accepted at any address.
    pub terminated: bool,
}

impl TlsConfig {
    /// Whether callers come here over TLS, to this edge or to what stands before it.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.terminated || self.certificate_file.is_some()
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.certificate_file.iter_mut().chain(&mut self.key_file)
    }

    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => refused.push(Invalid::new(
                "tls.certificate_file",
                "needs `key_file`, the key of the certificate",
            )),
            (None, Some(_)) => refused.push(Invalid::new(
                "tls.key_file",
                "needs `certificate_file`, the certificate of the key",
            )),
            _ => {}
        }
        if self.terminated && self.certificate_file.is_some() {
            refused.push(Invalid::new(
                "tls.terminated",
                "says that clear text is spoken here, but there is a `certificate_file`; remove one of them",
            ));
        }
        match self.hsts {
            Some(_) if self.certificate_file.is_none() => refused.push(Invalid::new(
                "tls.hsts",
                "is told over TLS only: set `certificate_file`, or have whatever ends TLS tell it",
            )),
            Some(age) if age.as_secs() == 0 => refused.push(Invalid::new(
                "tls.hsts",
                "at least a second, such as \"180d\"; leave it out to tell nothing",
            )),
            _ => {}
        }
    }
}

/// Which client certificates are accepted, and who they say one is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatesConfig {
    /// The authorities that sign them (PEM). Read again when it changes.
    pub ca_file: PathBuf,
    /// Certificates that are accepted no more (PEM or DER). Read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_file: Option<PathBuf>,
    /// Whether a connection without one is refused.
    #[serde(default)]
    pub required: bool,
    /// What of a certificate is the name.
    #[serde(default)]
    pub name: CertificateName,
    /// Goes before names and groups.
    #[serde(default)]
    pub prefix: String,
}

/// What of a certificate names its owner.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateName {
    /// The subject's common name.
    #[default]
    Cn,
    /// The alternative name that is a host.
    SanDns,
    /// The alternative name that is a mail address.
    SanEmail,
    /// The alternative name that is a URI, as SPIFFE's are.
    SanUri,
}

impl CertificatesConfig {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.ca_file].into_iter().chain(&mut self.crl_file)
    }

    pub(super) fn validate(&self, config: &Config, refused: &mut Vec<Invalid>) {
        if config.tls.certificate_file.is_none() {
            refused.push(Invalid::new(
                "certificates",
                "client certificates are shown in TLS, which ends here only with `tls.certificate_file` and \
                 `tls.key_file`",
            ));
        }
        if self.prefix.starts_with("system:") {
            refused.push(Invalid::new(
                "certificates.prefix",
                "what begins with `system:` is Kubernetes' own; write another prefix",
            ));
        }
        if self.prefix.chars().any(char::is_control) {
            refused.push(Invalid::new(
                "certificates.prefix",
                "holds a control character",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/edge/edge.toml")).map_err(|error| error.to_string())
    }

    const TLS: &str = "[tls]\ncertificate_file = \"tls.crt\"\nkey_file = \"/keys/tls.key\"\n";

    #[test]
    fn paths_start_from_the_file_that_names_them() {
        let config = parse(&format!(
            "{TLS}hsts = \"180d\"\n[certificates]\nca_file = \"ca.pem\"\ncrl_file = \"crl.pem\"\nname = \"san-uri\""
        ))
        .expect("valid");
        let tls = config.tls;
        assert_eq!(tls.certificate_file, Some("/etc/edge/tls.crt".into()));
        assert_eq!(tls.key_file, Some("/keys/tls.key".into()));
        assert_eq!(tls.hsts, Some(Duration::from_secs(180 * 24 * 3600)));
        let certificates = config.certificates.expect("there");
        assert_eq!(certificates.ca_file, Path::new("/etc/edge/ca.pem"));
        assert_eq!(
            certificates.crl_file.as_deref(),
            Some(Path::new("/etc/edge/crl.pem"))
        );
        assert_eq!(certificates.name, CertificateName::SanUri);
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_reason() {
        for (text, key, why) in [
            (
                "[tls]\ncertificate_file = \"c\"",
                "tls.certificate_file",
                "needs `key_file`",
            ),
            (
                "[tls]\nkey_file = \"k\"",
                "tls.key_file",
                "needs `certificate_file`",
            ),
            (
                &format!("{TLS}terminated = true"),
                "tls.terminated",
                "remove one of them",
            ),
            ("[tls]\nhsts = \"180d\"", "tls.hsts", "over TLS only"),
            (
                &format!("{TLS}hsts = \"0\""),
                "tls.hsts",
                "at least a second",
            ),
            (
                "[certificates]\nca_file = \"ca.pem\"",
                "certificates",
                "`tls.certificate_file`",
            ),
            (
                "[tls]\nterminated = true\n[certificates]\nca_file = \"ca.pem\"",
                "certificates",
                "`tls.certificate_file`",
            ),
            (
                &format!("{TLS}[certificates]\nca_file = \"ca.pem\"\nprefix = \"system:\""),
                "certificates.prefix",
                "Kubernetes' own",
            ),
            (
                &format!("{TLS}[certificates]\nca_file = \"ca.pem\"\nprefix = \"a\\nb\""),
                "certificates.prefix",
                "control character",
            ),
            (
                &format!("{TLS}[certificates]\nca_file = \"ca.pem\"\nname = \"dn\""),
                "certificates.name",
                "`cn`",
            ),
        ] {
            let complaint = parse(text).expect_err(text);
            assert!(complaint.contains(&format!(": {key}: ")), "{complaint}");
            assert!(complaint.contains(why), "{complaint}");
        }
    }
}
