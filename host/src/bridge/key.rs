//! Shared keys: a lock on the bridge's port for clusters where other pods can reach it.
//!
//! The APIServer strips `Authorization` and passes other headers on, so the key has a header of its own. A file may hold
//! several keys, one a line, so that a key can be changed without a moment in which callers are refused.

use std::path::Path;

use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use super::Error;

/// The request header a shared key is sent in.
pub const KEY_HEADER: &str = "x-tiller-edge-key";

/// The keys that are taken.
pub(super) struct Keys(Vec<SecretString>);

impl Keys {
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map(SecretString::from)
            .map_err(|source| Error::KeyFileRead {
                path: path.to_owned(),
                source,
            })?;
        let keys: Vec<_> = text
            .expose_secret()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(SecretString::from)
            .collect();
        if keys.is_empty() {
            return Err(Error::KeyFileEmpty {
                path: path.to_owned(),
            });
        }
        Ok(Self(keys))
    }

    /// Whether the request carries one of the keys. Takes the same time whichever it is, and wherever it differs.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(sent) = headers.get(KEY_HEADER) else {
            return false;
        };
        let found = self.0.iter().fold(Choice::from(0), |found, key| {
            found | key.expose_secret().as_bytes().ct_eq(sent.as_bytes())
        });
        found.into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::*;

    fn keys(text: &str) -> Result<Keys, Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Keys::load(file.path())
    }

    fn sent(key: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(KEY_HEADER.parse().unwrap(), HeaderValue::from_static(key))])
    }

    #[test]
    fn any_key_of_the_file_is_taken_and_nothing_else() {
        let keys = keys("new-key\n\n  old-key \n").unwrap();
        assert!(keys.admit(&sent("new-key")));
        assert!(keys.admit(&sent("old-key")));
        for wrong in ["", "new-ke", "new-keyy", "NEW-KEY", "other"] {
            assert!(!keys.admit(&sent(wrong)), "{wrong}");
        }
        assert!(!keys.admit(&HeaderMap::new()));
    }

    #[test]
    fn a_file_without_a_key_is_an_error() {
        assert!(matches!(keys(" \n\n"), Err(Error::KeyFileEmpty { .. })));
        let missing = Keys::load(Path::new("/no/such/file"));
        assert!(matches!(missing, Err(Error::KeyFileRead { .. })));
    }
}
