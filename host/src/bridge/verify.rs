//! Two ways to look at Tiller's certificate that rustls does not offer: by authority but without a name, and not at all.
//!
//! The first exists since certificates made by Helm 2's own instructions carry no usable name and may be X.509 version 1.
//! With an authority that signs nothing but Tiller's certificates, as in those instructions, it is as strong as a pinned
//! key: whoever answers must prove that it holds the key of a certificate which that authority signed.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};

use super::der::{CertificateV1, PublicKey};

/// Takes any certificate that one of the authorities signed and whose dates hold.
#[derive(Debug)]
pub(super) struct SignedByCa {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SignedByCa {
    pub(super) fn new(roots: RootCertStore, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { roots, algorithms }
    }

    fn verify_v1(&self, certificate: &CertificateV1<'_>, now: UnixTime) -> Result<(), Error> {
        if now < certificate.not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > certificate.not_after {
            return Err(CertificateError::Expired.into());
        }
        let mut issuers = self
            .roots
            .roots
            .iter()
            .filter(|root| root.subject.as_ref() == certificate.issuer)
            .filter_map(|root| PublicKey::parse(&root.subject_public_key_info))
            .peekable();
        if issuers.peek().is_none() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let signed = issuers.any(|issuer| {
            self.algorithms
                .all
                .iter()
                .filter(|algorithm| {
                    algorithm.signature_alg_id().as_ref() == certificate.signature_algorithm
                        && algorithm.public_key_alg_id().as_ref() == issuer.algorithm
                })
                .any(|algorithm| {
                    algorithm
                        .verify_signature(issuer.bits, certificate.signed, certificate.signature)
                        .is_ok()
                })
        });
        if signed {
            Ok(())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

impl ServerCertVerifier for SignedByCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(certificate) = CertificateV1::parse(end_entity) {
            self.verify_v1(&certificate, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match CertificateV1::parse(certificate) {
            Some(v1) => verify_handshake_v1(&self.algorithms, &v1, message, signature),
            None => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match CertificateV1::parse(certificate) {
            Some(v1) => verify_handshake_v1(&self.algorithms, &v1, message, signature),
            None => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes any certificate, even an expired or foreign one.
#[derive(Debug)]
pub(super) struct AnyServer {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyServer {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { algorithms }
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Whose key it is does not matter here, so neither does whether the handshake was signed with it.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn verify_handshake_v1(
    algorithms: &WebPkiSupportedAlgorithms,
    certificate: &CertificateV1<'_>,
    message: &[u8],
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let mut fitting = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == signature.scheme)
        .flat_map(|(_, algorithms)| algorithms.iter())
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == certificate.key.algorithm)
        .peekable();
    if fitting.peek().is_none() {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let valid = fitting.any(|algorithm| {
        algorithm
            .verify_signature(certificate.key.bits, message, signature.signature())
            .is_ok()
    });
    if valid {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}
