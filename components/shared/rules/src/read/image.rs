//! References to images, in the forms that payloads have them.

use crate::Image;

use super::delivery::name_of;

/// A reference taken apart: `host/repository:tag@digest`.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart, whose scheme does not matter.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(self::digest(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash is a port's.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, name_of(tag)),
            _ => (rest, None),
        };
        Some(Self {
            name: name_of(name.trim_end_matches('/'))?,
            tag,
            digest,
        })
    }
}

/// A digest, if it is one: `sha256:…`.
pub(super) fn digest(text: &str) -> Option<String> {
    let (algorithm, hex) = text.split_once(':')?;
    let is_digest = !algorithm.is_empty()
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && hex.len() >= 32
        && hex.len() <= 256
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| text.to_ascii_lowercase())
}

/// An image by its parts, the registry's host where it is known.
pub(super) fn image(host: Option<&str>, repository: &str, digest: Option<String>) -> Image {
    let host = host.map(|host| {
        let host = host.split_once("://").map_or(host, |(_, rest)| rest);
        host.trim_end_matches('/')
    });
    Image {
        name: match host {
            Some(host) if !host.is_empty() => format!("{host}/{repository}"),
            _ => repository.to_owned(),
        },
        digest,
        media_type: None,
    }
}

/// Whether a manifest or its configuration is a chart's.
pub(super) fn is_chart(media_type: Option<&str>) -> bool {
    media_type.is_some_and(|media_type| media_type.starts_with("application/vnd.cncf.helm."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let sha = format!("sha256:{}", "a".repeat(64));
        for (text, name, tag, with_digest) in [
            ("ghcr.io/o/web:1.2", "ghcr.io/o/web", Some("1.2"), false),
            ("localhost:5000/web", "localhost:5000/web", None, false),
            (
                "localhost:5000/web:1",
                "localhost:5000/web",
                Some("1"),
                false,
            ),
            ("https://ghcr.io/o/web:1", "ghcr.io/o/web", Some("1"), false),
            ("h/web@{sha}", "h/web", None, true),
            ("h/web:1@{sha}", "h/web", Some("1"), true),
            ("h/web:", "h/web", None, false),
        ] {
            let reference = Reference::read(&text.replace("{sha}", &sha)).expect(text);
            assert_eq!(reference.name, name, "{text}");
            assert_eq!(reference.tag.as_deref(), tag, "{text}");
            assert_eq!(reference.digest.is_some(), with_digest, "{text}");
        }
        for text in ["", ":1", "h/web@sha256:xyz", "https://"] {
            assert_eq!(Reference::read(text), None, "{text}");
        }
    }

    #[test]
    fn digests_are_hexadecimal() {
        assert!(digest(&format!("sha256:{}", "0".repeat(64))).is_some());
        for text in ["sha256", "sha256:", "sha256:zz", "1.2.3", "latest", "a:b"] {
            assert_eq!(digest(text), None, "{text}");
        }
    }
}
