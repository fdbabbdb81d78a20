//! Standard Webhooks 1.0.0, which GitLab speaks too: HMAC-SHA256 or ed25519 over id, time and body.
//!
//! The id may hold no full stop, since full stops part what is signed: with one in the id the same signature would be good
//! for another id and another time.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use ed25519_dalek::Signature;
use hmac::Hmac;
use http::HeaderName;
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::signature::{base64, hmac};
use super::{Parcel, Refused, Secret};
use crate::config::SigningKey;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// The longest id that is read.
const MAX_ID: usize = 256;

/// The most signatures that are looked at: one for each of a sender's keys, of which it has two while it changes them.
const MAX_SIGNATURES: usize = 16;

/// Whether a delivery says that it is signed so.
pub(super) fn is_signed(parcel: &Parcel<'_>) -> bool {
    parcel.headers.contains_key(SIGNATURE)
}

/// Whether one of `secrets`, which are keys, signed it no longer than `tolerance` away from now.
pub(super) fn check(
    parcel: &Parcel<'_>,
    secrets: &[Secret],
    tolerance: Duration,
) -> Result<(), Refused> {
    let id = parcel.header(&ID)?;
    let timestamp = parcel.header(&TIMESTAMP)?;
    let signatures = parcel.header(&SIGNATURE)?;
    let is_id = !id.is_empty()
        && id.len() <= MAX_ID
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.');
    if !is_id {
        return Err(Refused::Malformed(ID.to_string()));
    }
    let signed_at = seconds(timestamp).ok_or_else(|| Refused::Malformed(TIMESTAMP.to_string()))?;
    let message: &[&[u8]] = &[id.as_bytes(), b".", timestamp.as_bytes(), b".", parcel.body];
    let mut fits = Choice::from(0);
    for secret in secrets {
        match SigningKey::parse(secret.expose_secret()) {
            Ok(SigningKey::Shared(key)) => {
                let made = hmac::<Hmac<Sha256>>(key.expose_secret(), message);
                for sent in of_version(signatures, "v1") {
                    fits |= made.ct_eq(&sent);
                }
            }
            Ok(SigningKey::Public(key)) => {
                let message = message.concat();
                for sent in of_version(signatures, "v1a") {
                    let signature = Signature::from_slice(&sent);
                    let is_good =
                        signature.is_ok_and(|sent| key.verify_strict(&message, &sent).is_ok());
                    fits |= Choice::from(u8::from(is_good));
                }
            }
            // What the configuration or a file has was checked when it was read.
            Err(_) => {}
        }
    }
    if !bool::from(fits) {
        return Err(Refused::Mismatch(SIGNATURE.to_string()));
    }
    let away = parcel.now.as_second().saturating_sub(signed_at);
    if Duration::from_secs(away.unsigned_abs()) > tolerance {
        return Err(Refused::Stale(away));
    }
    Ok(())
}

/// The signatures of that version in a list such as `v1,… v1,… v1a,…`.
fn of_version(list: &str, version: &str) -> impl Iterator<Item = Vec<u8>> {
    list.split(' ').take(MAX_SIGNATURES).filter_map(move |one| {
        let (named, text) = one.split_once(',')?;
        let signature = base64(&STANDARD).decode(text).ok()?;
        (named == version).then_some(signature)
    })
}

/// Seconds since 1970, in the one form that they have.
fn seconds(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}
