//! As much of X.509 version 1 as it takes to verify that an authority signed a certificate.
//!
//! Helm 2's documented openssl commands make version 1 certificates for Tiller, and webpki refuses those before it looks
//! at a signature. A version 1 certificate has no extensions, so there is little to read: see RFC 5280 §4.1.

use std::time::Duration;

use rustls::pki_types::UnixTime;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

/// The parts of a version 1 certificate. Algorithm identifiers and names are without their outer SEQUENCE, as webpki's
/// trust anchors have them.
#[derive(Debug)]
pub(super) struct CertificateV1<'a> {
    /// What is signed.
    pub(super) signed: &'a [u8],
    pub(super) signature_algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    /// The whole SubjectPublicKeyInfo.
    pub(super) key_info: &'a [u8],
    pub(super) key: PublicKey<'a>,
}

impl<'a> CertificateV1<'a> {
    /// `None` if this is not DER, or not a version 1 certificate.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Reader(der).only(SEQUENCE)?;
        let (signed, mut body) = {
            let element = certificate.next(SEQUENCE)?;
            (element.whole, Reader(element.content))
        };
        let signature_algorithm = certificate.next(SEQUENCE)?.content;
        let signature = certificate.bits()?;
        certificate.end()?;

        // Versions 2 and 3 begin with a version number, [0], instead.
        body.next(INTEGER)?;
        if body.next(SEQUENCE)?.content != signature_algorithm {
            return None;
        }
        let issuer = body.next(SEQUENCE)?.content;
        let mut validity = Reader(body.next(SEQUENCE)?.content);
        let not_before = validity.time()?;
        let not_after = validity.time()?;
        body.next(SEQUENCE)?;
        let key_info = body.next(SEQUENCE)?;
        let key = PublicKey::parse(key_info.content)?;
        body.end()?;
        Some(Self {
            signed,
            signature_algorithm,
            signature,
            issuer,
            not_before,
            not_after,
            key_info: key_info.whole,
            key,
        })
    }
}

/// A SubjectPublicKeyInfo.
#[derive(Debug)]
pub(super) struct PublicKey<'a> {
    pub(super) algorithm: &'a [u8],
    pub(super) bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// Reads the content of a SubjectPublicKeyInfo, without its outer SEQUENCE.
    pub(super) fn parse(content: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let algorithm = reader.next(SEQUENCE)?.content;
        let bits = reader.bits()?;
        reader.end()?;
        Some(Self { algorithm, bits })
    }
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let (whole, _) = self.0.split_at_checked(self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element { whole, content })
    }

    fn only(mut self, tag: u8) -> Option<Self> {
        let content = self.next(tag)?.content;
        self.end()?;
        Some(Self(content))
    }

    /// A BIT STRING of whole bytes.
    fn bits(&mut self) -> Option<&'a [u8]> {
        match self.next(BIT_STRING)?.content.split_first()? {
            (0, bits) => Some(bits),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<UnixTime> {
        let mut digits = [0; 15];
        match self.0.first()? {
            &UTC_TIME => {
                let text: &[u8; 13] = self.next(UTC_TIME)?.content.try_into().ok()?;
                // RFC 5280: two digits of a year mean 1950 to 2049.
                let century = if text.first()? >= &b'5' { b"19" } else { b"20" };
                digits.first_chunk_mut().map(|start| *start = *century)?;
                digits.last_chunk_mut().map(|end| *end = *text)?;
            }
            _ => digits = self.next(GENERALIZED_TIME)?.content.try_into().ok()?,
        }
        unix_time(&digits)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The time of `YYYYMMDDHHMMSSZ`.
fn unix_time(text: &[u8; 15]) -> Option<UnixTime> {
    let (b'Z', digits) = text.split_last()? else {
        return None;
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 in a calendar whose years begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &[u8; 15]) -> Option<u64> {
        unix_time(text).map(|time| time.as_secs())
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds(b"19700101000000Z"), Some(0));
        assert_eq!(seconds(b"20000229235959Z"), Some(951_868_799));
        assert_eq!(seconds(b"20261124054917Z"), Some(1_795_499_357));
        assert_eq!(seconds(b"99991231235959Z"), Some(253_402_300_799));
    }

    #[test]
    fn malformed_times_are_refused() {
        for text in [
            b"19691231235959Z",
            b"20261324000000Z",
            b"20260024000000Z",
            b"20260100000000Z",
            b"2026010100000+Z",
            b"20260101000000X",
        ] {
            assert_eq!(seconds(text), None);
        }
    }

    #[test]
    fn two_digit_years_turn_at_fifty() {
        let time = |text: &[u8]| {
            let mut der = vec![UTC_TIME, 13];
            der.extend_from_slice(text);
            Reader(&der).time().map(|time| time.as_secs())
        };
        assert_eq!(time(b"700101000000Z"), Some(0));
        assert_eq!(time(b"000229235959Z"), Some(951_868_799));
        assert_eq!(time(b"0002292359Z"), None);
    }
}
