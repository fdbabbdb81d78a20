//! The name under which a request is found again: in the edge's log, in the problem its caller gets, in the
//! APIServer's audit log.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};

/// The longest id taken from a caller.
const MAX: usize = 64;

/// A request's id: 1 to 64 letters, digits, `.`, `_` and `-`. It is safe in a header, a log line and a URL.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The caller's id if it sent exactly one and it is well-formed, a new one otherwise.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(rest::relay::REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) => id.to_str().ok().and_then(Self::parse),
            _ => None,
        }
        .unwrap_or_else(Self::generate)
    }

    /// `text`, if it is well-formed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        ((1..=MAX).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// A new id, unlike that of any other request of this or another edge.
    #[must_use]
    pub fn generate() -> Self {
        // Keyed anew by every process, from the system's randomness.
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let [high, low] = KEYS.each_ref().map(|keys| keys.hash_one(count));
        Self(format!("{high:016x}{low:016x}").into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("its characters are all allowed in a header")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ids: &[&'static [u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for id in ids {
            let id = HeaderValue::from_bytes(id).expect("a header value");
            headers.append(rest::relay::REQUEST_ID, id);
        }
        headers
    }

    #[test]
    fn a_well_formed_id_of_the_caller_is_kept() {
        for id in ["a", "0f3c-11.x_Y", &"z".repeat(64)] {
            let mut headers = HeaderMap::new();
            headers.insert(rest::relay::REQUEST_ID, id.parse().expect("a value"));
            assert_eq!(RequestId::of(&headers).as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let long: &[u8] = &[b'a'; 65];
        let cases: [&[&'static [u8]]; 8] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"a/b"],
            &[b"a\"b"],
            &["\u{e4}".as_bytes()],
            &[long.to_vec().leak()],
            &[b"one", b"two"],
        ];
        for ids in cases {
            let id = RequestId::of(&headers(ids));
            assert_eq!(id.as_str().len(), 32, "{ids:?}");
            assert!(RequestId::parse(id.as_str()).is_some());
        }
    }

    #[test]
    fn generated_ids_differ() {
        assert_ne!(RequestId::generate(), RequestId::generate());
    }
}
