//! An HMAC of the body in a header: GitHub, Bitbucket, Nexus, JFrog, and whoever else does so.
//!
//! It is read strictly: hexadecimal digits are small ones, base 64 has no bits to spare. So no other text stands for the
//! same signature, and one that was tampered with is never taken for it.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use http::HeaderName;
use secrecy::ExposeSecret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::Choice;
use subtle::ConstantTimeEq;

use super::{Parcel, Refused, Secret};
use crate::config::{Algorithm, Encoding};

/// Where a signature stands and how it is made.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) header: HeaderName,
    /// What stands before it.
    pub(super) prefix: Cow<'static, str>,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
}

impl Signature {
    /// Whether one of `secrets` signed the body.
    pub(super) fn check(&self, parcel: &Parcel<'_>, secrets: &[Secret]) -> Result<(), Refused> {
        let sent = parcel.header(&self.header)?;
        let sent = sent
            .strip_prefix(&*self.prefix)
            .and_then(|text| self.encoding.decode(text))
            .ok_or_else(|| Refused::Malformed(self.header.to_string()))?;
        let fits = secrets.iter().fold(Choice::from(0), |fits, secret| {
            let key = secret.expose_secret().as_bytes();
            let made = match self.algorithm {
                Algorithm::Sha1 => hmac::<Hmac<Sha1>>(key, &[parcel.body]),
                Algorithm::Sha256 => hmac::<Hmac<Sha256>>(key, &[parcel.body]),
                Algorithm::Sha512 => hmac::<Hmac<Sha512>>(key, &[parcel.body]),
            };
            fits | made.ct_eq(&sent)
        });
        if fits.into() {
            Ok(())
        } else {
            Err(Refused::Mismatch(self.header.to_string()))
        }
    }
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => {
                let alphabet = if text.contains(['-', '_']) {
                    URL_SAFE
                } else {
                    STANDARD
                };
                base64(&alphabet).decode(text).ok()
            }
            Self::Hex => {
                let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
                    return None;
                };
                pairs
                    .iter()
                    .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
                    .collect()
            }
        }
    }
}

/// The HMAC of `parts`, one after the other.
pub(super) fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(key).expect("an HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Base 64 with or without padding.
pub(super) fn base64(alphabet: &Alphabet) -> GeneralPurpose {
    let padding = DecodePaddingMode::Indifferent;
    GeneralPurpose::new(
        alphabet,
        GeneralPurposeConfig::new().with_decode_padding_mode(padding),
    )
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
