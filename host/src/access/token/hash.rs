//! What an edge keeps of a token.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of a token: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// That of `token`.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl ConstantTimeEq for TokenHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not the hash of a token. It may be the token itself, so it is not shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "not `sha256:` and 64 hexadecimal digits, as `tiller-edge token new` prints them; `tiller-edge token hash` makes them of \
     a token that is there already"
)]
pub struct NoHash;

impl FromStr for TokenHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digits = text.strip_prefix("sha256:").ok_or(NoHash)?;
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return Err(NoHash);
        };
        let mut hash = [0; 32];
        if pairs.len() != hash.len() {
            return Err(NoHash);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(hash))
    }
}

fn nibble(digit: u8) -> Result<u8, NoHash> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(NoHash)
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_that_other_programs_make() {
        // printf abc | sha256sum
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), text);
        assert_eq!(text.parse(), Ok(TokenHash::of("abc")));
        let capitals = text.replace("ba78", "BA78");
        assert_eq!(capitals.parse(), Ok(TokenHash::of("abc")));
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        let hash = TokenHash::of("abc").to_string();
        for text in [
            "",
            "te_s3cret",
            "sha256:",
            "sha256:s3cret",
            &hash[7..],
            &hash[..hash.len() - 1],
            &format!("{hash}0"),
            &format!("{hash}00"),
            &hash.replace("ba", "+a"),
            &hash.replace("ba", "éa"),
            &hash.replace("sha256", "sha512"),
        ] {
            let error = text.parse::<TokenHash>().expect_err(text);
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
