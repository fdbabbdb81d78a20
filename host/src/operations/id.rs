//! The names of operations.
//!
//! One is `op-` and 26 characters of Crockford's base 32: 48 bits of milliseconds since 1970, then 80 that are random or, of
//! what must have the same name when it is accepted twice, a digest. In the order of their names operations are in the
//! order of their acceptance, as far as the clock is.

mod source;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::source::Ids;

const PREFIX: &str = "op-";

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const DIGITS: usize = 26;

/// The name of an operation.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId(String);

impl OperationId {
    /// A name for what is accepted at `at`, with 80 random bits.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
        let mut bits = u128::from(millis & 0xffff_ffff_ffff) << 80;
        for (index, byte) in random.iter().rev().enumerate() {
            bits |= u128::from(*byte) << (8 * index);
        }
        Self::of(bits)
    }

    /// The name that is written for these 128 bits.
    fn of(bits: u128) -> Self {
        let digits = (0..DIGITS).rev().map(|digit| {
            let value = (bits >> (5 * digit)) & 31;
            char::from(ALPHABET[usize::try_from(value).unwrap_or_default()])
        });
        Self(PREFIX.chars().chain(digits).collect())
    }

    /// The bits that it is written for.
    fn bits(&self) -> u128 {
        let digits = self.0.bytes().skip(PREFIX.len());
        digits.fold(0, |bits, digit| {
            let value = ALPHABET.iter().position(|each| *each == digit);
            bits << 5 | u128::try_from(value.unwrap_or_default()).unwrap_or_default()
        })
    }

    /// The name of what comes of `origin`: the same whenever it is made again.
    #[must_use]
    pub fn derived(at: Timestamp, origin: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in origin {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        Self::new(at, random)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.0
    }
}

impl TryFrom<String> for OperationId {
    type Error = UnknownId;

    fn try_from(text: String) -> Result<Self, UnknownId> {
        let digits = text.strip_prefix(PREFIX).ok_or(UnknownId)?;
        let good = digits.len() == DIGITS && digits.bytes().all(|byte| ALPHABET.contains(&byte));
        if good { Ok(Self(text)) } else { Err(UnknownId) }
    }
}

impl FromStr for OperationId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        text.to_owned().try_into()
    }
}

/// What is no operation's name.
#[derive(Debug, thiserror::Error)]
#[error("an operation is called `op-` and 26 characters")]
pub struct UnknownId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_time() {
        let name =
            |millis, random| OperationId::new(Timestamp::from_millisecond(millis).unwrap(), random);
        let first = name(1_000, [255; 10]);
        let second = name(1_001, [0; 10]);
        assert!(first < second);
        assert_eq!(first.as_str().len(), 29);
        assert_eq!(first.as_str().parse::<OperationId>().unwrap(), first);
    }

    #[test]
    fn what_comes_of_the_same_is_called_the_same() {
        let at = Timestamp::UNIX_EPOCH;
        let name = OperationId::derived(at, &[b"a", b"bc"]);
        assert_eq!(name, OperationId::derived(at, &[b"a", b"bc"]));
        assert_ne!(name, OperationId::derived(at, &[b"ab", b"c"]));
    }

    #[test]
    fn anything_else_is_no_name() {
        for text in [
            "",
            "op-",
            "op-0",
            "OP-00000000000000000000000000",
            "op-u0000000000000000000000000",
        ] {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
