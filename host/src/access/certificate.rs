//! Whom a client certificate names.
//!
//! The ingress has verified that one of the configured authorities vouches for it. What is read here is who that is, and
//! nothing that leaves a doubt is accepted: a certificate with two common names could be one person to this edge and
//! another to whoever signed it.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{HOOK, Method, Principal, Unauthenticated};
use crate::config::{CertificateName, CertificatesConfig};

/// The longest name, prefix included. RFC 5280 allows a common name 64 characters; URIs are longer.
const MAX_NAME: usize = 256;

/// The most groups one certificate may have.
const MAX_GROUPS: usize = 64;

/// What Kubernetes keeps for itself: only an APIServer says that somebody is it.
const RESERVED: &str = "system:";

/// How names are read from certificates.
#[derive(Debug)]
pub(super) struct Names {
    kind: CertificateName,
    prefix: String,
}

impl Names {
    /// As `config` says.
    pub(super) fn new(config: &CertificatesConfig) -> Self {
        Self {
            kind: config.name,
            prefix: config.prefix.clone(),
        }
    }

    /// Whom `certificate` names, which the ingress has verified.
    pub(super) fn principal(
        &self,
        certificate: &CertificateDer<'static>,
    ) -> Result<Principal, Unauthenticated> {
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| refused("it cannot be read"))?;
        let name = self.told(self.name(&certificate)?)?;
        if name.starts_with(RESERVED) {
            return Err(refused("its name begins with `system:`"));
        }
        if name.starts_with(HOOK) {
            return Err(refused("its name begins with `hook:`"));
        }
        let mut groups = Vec::new();
        for organization in certificate.subject().iter_organization() {
            let group = organization
                .as_str()
                .map_err(|_| refused("an organization in it is not text"))?;
            let group = self.told(group.to_owned())?;
            // Those of Kubernetes' own administrators say `system:masters`, and mean it elsewhere.
            if !group.starts_with(RESERVED) {
                groups.push(group);
            }
        }
        groups.sort();
        groups.dedup();
        if groups.len() > MAX_GROUPS {
            return Err(refused("it has too many organizations"));
        }
        Ok(Principal {
            name,
            groups,
            method: Method::Certificate,
        })
    }

    /// The one name of the kind that is looked for.
    fn name(&self, certificate: &X509Certificate<'_>) -> Result<String, Unauthenticated> {
        let named: Vec<String> = if self.kind == CertificateName::Cn {
            certificate
                .subject()
                .iter_common_name()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Result<_, _>>()
                .map_err(|_| refused("its common name is not text"))?
        } else {
            let alternatives = certificate
                .subject_alternative_name()
                .map_err(|_| refused("its alternative names cannot be read"))?;
            let alternatives = alternatives.iter().flat_map(|names| {
                names
                    .value
                    .general_names
                    .iter()
                    .filter_map(|name| self.alternative(name))
            });
            alternatives.collect()
        };
        match <[String; 1]>::try_from(named) {
            Ok([name]) => Ok(name),
            Err(none) if none.is_empty() => Err(refused(&format!("it has no {}", self.words()))),
            Err(_) => Err(refused(&format!("it has more than one {}", self.words()))),
        }
    }

    fn alternative(&self, name: &GeneralName<'_>) -> Option<String> {
        match (self.kind, name) {
            // Hosts are the same in whatever case.
            (CertificateName::SanDns, GeneralName::DNSName(name)) => {
                Some(name.to_ascii_lowercase())
            }
            (CertificateName::SanEmail, GeneralName::RFC822Name(name))
            | (CertificateName::SanUri, GeneralName::URI(name)) => Some((*name).to_owned()),
            _ => None,
        }
    }

    fn words(&self) -> &'static str {
        match self.kind {
            CertificateName::Cn => "common name",
            CertificateName::SanDns => "host among its alternative names",
            CertificateName::SanEmail => "mail address among its alternative names",
            CertificateName::SanUri => "URI among its alternative names",
        }
    }

    /// A name or group as this edge tells it.
    fn told(&self, name: String) -> Result<String, Unauthenticated> {
        if name.trim().is_empty() {
            return Err(refused("a name in it is empty"));
        }
        if name.chars().any(char::is_control) {
            return Err(refused("a name in it holds a control character"));
        }
        let told = format!("{}{name}", self.prefix);
        if told.len() > MAX_NAME {
            return Err(refused("a name in it is too long"));
        }
        Ok(told)
    }
}

fn refused(why: &str) -> Unauthenticated {
    Unauthenticated::Certificate {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn names(kind: CertificateName, prefix: &str) -> Names {
        Names::new(&CertificatesConfig {
            ca_file: PathBuf::new(),
            crl_file: None,
            required: false,
            name: kind,
            prefix: prefix.to_owned(),
        })
    }

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().clone()
    }

    fn common(name: &str) -> CertificateDer<'static> {
        certificate(|params| params.distinguished_name.push(DnType::CommonName, name))
    }

    fn alternatives(names: Vec<SanType>) -> CertificateDer<'static> {
        certificate(|params| params.subject_alt_names = names)
    }

    fn ia5(text: &str) -> rcgen::string::Ia5String {
        text.try_into().expect("ASCII")
    }

    #[track_caller]
    fn why(names: &Names, certificate: &CertificateDer<'static>) -> String {
        names
            .principal(certificate)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn the_common_name_is_the_name_and_organizations_are_groups() {
        let certificate = certificate(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, "J\u{fc}rgen");
            params
                .distinguished_name
                .push(DnType::OrganizationName, "operators");
            params.subject_alt_names = vec![SanType::DnsName(ia5("ignored.example"))];
        });
        let principal = names(CertificateName::Cn, "")
            .principal(&certificate)
            .expect("named");
        assert_eq!(principal.name, "J\u{fc}rgen");
        assert_eq!(principal.groups, ["operators"]);
        assert_eq!(principal.method, Method::Certificate);
    }

    #[test]
    fn a_prefix_goes_before_names_and_groups() {
        let certificate = certificate(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, "system:admin");
            params
                .distinguished_name
                .push(DnType::OrganizationName, "system:masters");
        });
        let principal = names(CertificateName::Cn, "cert:")
            .principal(&certificate)
            .expect("named");
        assert_eq!(principal.name, "cert:system:admin");
        assert_eq!(principal.groups, ["cert:system:masters"]);
    }

    #[test]
    fn an_alternative_name_of_the_wanted_kind_is_the_name() {
        let certificate = alternatives(vec![
            SanType::DnsName(ia5("CI.example.com")),
            SanType::Rfc822Name(ia5("ci@example.com")),
            SanType::URI(ia5("spiffe://example.com/ci")),
        ]);
        for (kind, expected) in [
            (CertificateName::SanDns, "ci.example.com"),
            (CertificateName::SanEmail, "ci@example.com"),
            (CertificateName::SanUri, "spiffe://example.com/ci"),
        ] {
            let principal = names(kind, "").principal(&certificate).expect("named");
            assert_eq!(principal.name, expected);
        }
        assert!(why(&names(CertificateName::Cn, ""), &certificate).contains("no common name"));
    }

    #[test]
    fn what_names_nobody_or_two_is_refused() {
        let two = alternatives(vec![
            SanType::DnsName(ia5("a.example")),
            SanType::DnsName(ia5("b.example")),
        ]);
        for kind in [CertificateName::SanUri, CertificateName::SanEmail] {
            assert!(why(&names(kind, ""), &two).contains("it has no "));
        }
        let reason = why(&names(CertificateName::SanDns, ""), &two);
        assert!(reason.contains("more than one host"), "{reason}");
    }

    #[test]
    fn two_common_names_are_refused() {
        // rcgen keeps one value of a kind, so the second is under an identifier of the same bytes.
        let certificate = certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, "alice");
            params
                .distinguished_name
                .push(DnType::CustomDnType(vec![2, 5, 4, 3]), "root");
        });
        let reason = why(&names(CertificateName::Cn, ""), &certificate);
        assert!(reason.contains("more than one common name"), "{reason}");
    }

    #[test]
    fn names_that_could_mislead_are_refused() {
        let cn = names(CertificateName::Cn, "");
        for (name, reason) in [
            ("", "empty"),
            (" ", "empty"),
            ("alice\nroot", "control character"),
            ("alice\u{0}", "control character"),
            ("alice\u{9b}2J", "control character"),
            ("system:admin", "`system:`"),
            ("hook:ci", "`hook:`"),
            (&"a".repeat(257), "too long"),
        ] {
            let told = why(&cn, &common(name));
            assert!(told.contains(reason), "{name:?}: {told}");
        }
        cn.principal(&common(&"a".repeat(256))).expect("named");
        let told = why(
            &names(CertificateName::Cn, "sys"),
            &common("tem:serviceaccount:a:b"),
        );
        assert!(told.contains("`system:`"), "{told}");
    }

    #[test]
    fn groups_of_kubernetes_are_not_taken_over() {
        let certificate = certificate(|params| {
            let name = &mut params.distinguished_name;
            name.push(DnType::CommonName, "kubernetes-admin");
            name.push(DnType::OrganizationName, "system:masters");
            name.push(DnType::CustomDnType(vec![2, 5, 4, 10]), "operators");
        });
        let principal = names(CertificateName::Cn, "")
            .principal(&certificate)
            .expect("named");
        assert_eq!(principal.groups, ["operators"]);
    }

    #[test]
    fn a_name_in_an_encoding_that_is_not_text_is_refused() {
        let teletex = rcgen::string::TeletexString::try_from("alice").expect("ASCII");
        let certificate = certificate(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, DnValue::TeletexString(teletex));
        });
        let reason = why(&names(CertificateName::Cn, ""), &certificate);
        assert!(reason.contains("not text"), "{reason}");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let garbage = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x01]);
        assert!(why(&names(CertificateName::Cn, ""), &garbage).contains("cannot be read"));
    }
}
