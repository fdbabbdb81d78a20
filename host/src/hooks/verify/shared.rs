//! The secret itself, in a header or in the URL. It vouches for the sender and for nothing that was sent.

use http::HeaderName;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Parcel, Refused, Secret};

/// The parameter in which CloudEvents' senders put their token if they cannot set headers (HTTP 1.1 Web Hooks for Event
/// Delivery §3.2).
const ACCESS_TOKEN: &str = "access_token";

const AUTHORIZATION: &str = "authorization";

/// Whether `Authorization` is one of `secrets`, to the letter.
pub(super) fn authorization(parcel: &Parcel<'_>, secrets: &[Secret]) -> Result<(), Refused> {
    let sent = parcel.authorization.ok_or_else(|| absent(AUTHORIZATION))?;
    compare(sent, secrets, AUTHORIZATION)
}

/// Whether the token in `Authorization`, or the one in the URL, is one of `secrets`. One that is sent twice is refused.
pub(super) fn bearer(parcel: &Parcel<'_>, secrets: &[Secret]) -> Result<(), Refused> {
    let in_url = parameter(parcel.query, ACCESS_TOKEN)?;
    match (parcel.authorization, in_url) {
        (None, None) => Err(absent(AUTHORIZATION)),
        (None, Some(token)) => compare(&token, secrets, ACCESS_TOKEN),
        (Some(authorization), None) => {
            let token = crate::access::bearer(authorization)
                .ok_or_else(|| Refused::Malformed(AUTHORIZATION.to_owned()))?;
            compare(&token.into(), secrets, AUTHORIZATION)
        }
        (Some(_), Some(_)) => Err(Refused::Malformed(ACCESS_TOKEN.to_owned())),
    }
}

/// Whether that header is one of `secrets`.
pub(super) fn header(
    parcel: &Parcel<'_>,
    name: &HeaderName,
    secrets: &[Secret],
) -> Result<(), Refused> {
    let sent = SecretString::from(parcel.header(name)?);
    compare(&sent, secrets, name.as_str())
}

/// Whether that parameter is one of `secrets`.
pub(super) fn query(parcel: &Parcel<'_>, name: &str, secrets: &[Secret]) -> Result<(), Refused> {
    let sent = parameter(parcel.query, name)?.ok_or_else(|| absent(name))?;
    compare(&sent, secrets, name)
}

/// The only parameter of that name.
fn parameter(query: Option<&str>, name: &str) -> Result<Option<SecretString>, Refused> {
    let mut values = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(found, _)| *found == name);
    let malformed = || Refused::Malformed(name.to_owned());
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => {
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| malformed())?;
            Ok(Some(value.as_ref().into()))
        }
        (Some(_), Some(_)) => Err(malformed()),
    }
}

/// What is compared are digests, so that not even the length of a secret shows.
fn compare(sent: &SecretString, secrets: &[Secret], what: &str) -> Result<(), Refused> {
    let sent = Sha256::digest(sent.expose_secret());
    let fits = secrets.iter().fold(Choice::from(0), |fits, secret| {
        fits | Sha256::digest(secret.expose_secret()).ct_eq(&sent)
    });
    if fits.into() {
        Ok(())
    } else {
        Err(Refused::Mismatch(what.to_owned()))
    }
}

fn absent(what: &str) -> Refused {
    Refused::Absent(what.to_owned())
}
