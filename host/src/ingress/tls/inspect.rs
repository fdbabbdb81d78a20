//! What works and should still be looked at by whoever runs the edge. It is said in the log, nothing is refused for it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

/// Whoever renews certificates has done it by then.
const SOON: Duration = Duration::from_secs(3 * 24 * 3600);

/// Says if the edge's certificate is not good now, or not for long.
pub(super) fn certificate(certificate: Option<&CertificateDer<'_>>) {
    let parsed = certificate.map(|der| X509Certificate::from_der(der));
    let Some(Ok((_, certificate))) = parsed else {
        return;
    };
    let validity = certificate.validity();
    let (from, until) = (validity.not_before, validity.not_after);
    let now = seconds(SystemTime::now());
    if now < from.timestamp() {
        tracing::warn!(%from, "the certificate in `tls.certificate_file` is not valid yet");
    } else if now > until.timestamp() {
        tracing::warn!(%until, "the certificate in `tls.certificate_file` has expired");
    } else if seconds(SystemTime::now() + SOON) > until.timestamp() {
        tracing::warn!(%until, "the certificate in `tls.certificate_file` expires soon");
    }
}

/// Says if everybody on this host may read the key.
pub(super) async fn key_file(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(metadata) = tokio::fs::metadata(path).await else {
        return;
    };
    if metadata.permissions().mode() & 0o004 != 0 {
        tracing::warn!(
            path = %path.display(),
            "every user of this host may read the key in `tls.key_file`; take that away: chmod o-r"
        );
    }
}

/// Says if there should be a newer revocation list.
pub(super) fn revocations(list: &[u8]) {
    let Ok((_, list)) = CertificateRevocationList::from_der(list) else {
        return;
    };
    let due = list.next_update().filter(|due| is_past(*due));
    if let Some(due) = due {
        tracing::warn!(
            issuer = %list.issuer(),
            %due,
            "a list in `certificates.crl_file` is out of date; it is used until there is a newer one"
        );
    }
}

fn is_past(time: ASN1Time) -> bool {
    time.timestamp() < seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}
