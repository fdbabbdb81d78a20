//! The client certificate by which Quay shows that it is Quay.
//!
//! The ingress has verified that one of the authorities in `certificates.ca_file` vouches for it. Those vouch for others
//! too, so a hook says whose it must be.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{Parcel, Refused};
use crate::config::HookCertificate;

/// Those whose certificate is accepted.
#[derive(Debug)]
pub(super) struct Subjects(Vec<String>);

impl Subjects {
    pub(super) fn new(config: &HookCertificate) -> Self {
        Self(config.subjects.clone())
    }

    /// Whether the connection's certificate is one of theirs.
    pub(super) fn check(&self, parcel: &Parcel<'_>) -> Result<(), Refused> {
        let der = parcel
            .certificate
            .ok_or_else(|| Refused::Absent("client certificate".to_owned()))?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Refused::Certificate)?;
        let mut common = certificate.subject().iter_common_name();
        let common = match (common.next(), common.next()) {
            (Some(name), None) => name.as_str().ok(),
            _ => None,
        };
        let alternatives = certificate
            .subject_alternative_name()
            .map_err(|_| Refused::Certificate)?;
        let hosts = alternatives.iter().flat_map(|names| {
            names
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(host) => Some(*host),
                    _ => None,
                })
        });
        let is_one = common
            .into_iter()
            .chain(hosts)
            .any(|name| self.0.iter().any(|subject| subject == name));
        if is_one {
            Ok(())
        } else {
            Err(Refused::Certificate)
        }
    }
}
