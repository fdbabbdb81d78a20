//! Names in a registry: of repositories, tags and content.
//!
//! All of them become part of a path. The specification's grammars leave no room for `..`, `%` or anything else with a
//! meaning there, so what passes them needs no escaping.

use std::fmt;

use sha2::{Digest as _, Sha256};
use url::Url;

/// Docker's limit, which all registries have.
const NAME: usize = 255;
const TAG: usize = 128;

/// The name of a repository: `team/charts/web`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = text.len() <= NAME && text.split('/').all(is_component);
        valid.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(alphanumeric);
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && separators.into_iter().all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|c| c == b'-')
        })
}

/// A tag: `1.2.3`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let valid = text.len() <= TAG
            && text.starts_with(word)
            && text.chars().all(|c| word(c) || matches!(c, '.' | '-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The tag that Helm gives a chart's version: no tag has a `+`.
    pub(crate) fn of_version(version: &str) -> Option<Self> {
        Self::parse(&version.replace('+', "_"))
    }

    /// The version that Helm means by it: no version has a `_`.
    pub(crate) fn version(&self) -> String {
        self.0.replace('_', "+")
    }
}

/// What content is called by: its SHA-256. The specification knows other algorithms, and nobody who pushes charts
/// uses them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?.as_bytes();
        let mut digest = [0; 32];
        if hex.len() != 2 * digest.len() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *byte = *byte << 4 | value;
            }
        }
        Some(Self(digest))
    }

    pub(super) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which manifest of a repository is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mark {
    /// The one of that content.
    Digest(Digest),
    /// The one that has the tag now.
    Tag(Tag),
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(Tag(tag)) => f.write_str(tag),
        }
    }
}

/// One chart in a registry: the path of `oci://host/team/web:1.2.3` or `oci://host/team/web@sha256:…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reference {
    /// The repository.
    pub(crate) name: Name,
    /// Which of its manifests.
    pub(crate) mark: Mark,
}

impl Reference {
    /// That of a URL, whatever its scheme. `None` if it names no manifest, or does so in two ways.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        if url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let path = url.path().strip_prefix('/')?;
        let (name, mark) = match path.split_once('@') {
            Some((name, digest)) => (name, Mark::Digest(Digest::parse(digest)?)),
            None => {
                let (name, tag) = path.rsplit_once(':')?;
                (name, Mark::Tag(Tag::of_version(tag)?))
            }
        };
        let name = Name::parse(name)?;
        Some(Self { name, mark })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn names_have_the_grammar_of_registries() {
        for name in [
            "web",
            "team/web",
            "a",
            "0/1",
            "a.b/c_d/e__f/g---h",
            &"a".repeat(255),
        ] {
            assert!(Name::parse(name).is_some(), "{name}");
        }
        for name in [
            "",
            "/",
            "/web",
            "web/",
            "a//b",
            "Web",
            "..",
            "a/../b",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            ".a",
            "a%2fb",
            "ä",
            "a b",
            "a?b",
            &"a".repeat(256),
        ] {
            assert!(Name::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_tag_says_which_version_it_is() {
        for (version, tag) in [
            ("1.2.3", "1.2.3"),
            ("1.2.3+build.4", "1.2.3_build.4"),
            ("v1.0.0-rc.1+a", "v1.0.0-rc.1_a"),
        ] {
            let parsed = Tag::of_version(version).unwrap();
            assert_eq!(Mark::Tag(parsed.clone()).to_string(), tag);
            assert_eq!(parsed.version(), version);
        }
        for tag in [
            "",
            ".1",
            "-1",
            "1/2",
            "1:2",
            "1%32",
            "1 2",
            &"1".repeat(129),
        ] {
            assert_eq!(Tag::parse(tag), None, "{tag}");
        }
    }

    #[test]
    fn a_digest_is_sha256_in_lower_case() {
        assert_eq!(Digest::parse(SHA), Some(Digest::of(b"abc")));
        assert_eq!(Digest::of(b"abc").to_string(), SHA);
        for text in [
            "",
            "sha256:",
            &SHA.to_uppercase(),
            &SHA.replace("sha256", "sha512"),
            &format!("{SHA}0"),
            SHA.strip_suffix('d').unwrap(),
            &SHA.replace('b', "g"),
        ] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_names_one_manifest() {
        let reference = |text: &str| Reference::of(&Url::parse(text).unwrap());
        let tagged = reference("https://example.com:5000/team/web:1.2.3+a").unwrap();
        assert_eq!(tagged.name.as_str(), "team/web");
        assert_eq!(tagged.mark.to_string(), "1.2.3_a");
        let fixed = reference(&format!("https://example.com/web@{SHA}")).unwrap();
        assert_eq!(fixed.name.as_str(), "web");
        assert_eq!(fixed.mark, Mark::Digest(Digest::of(b"abc")));
        for text in [
            "https://example.com",
            "https://example.com/",
            "https://example.com/web",
            "https://example.com:5000/web",
            "https://example.com/:1",
            "https://example.com/web:",
            "https://example.com/web@1.0.0",
            "https://example.com/web:1@sha256:00",
            &format!("https://example.com/web:1.0.0@{SHA}"),
            "https://example.com/Web:1",
            "https://example.com/a%2Fb:1",
            "https://example.com/web:1?x=y",
            "https://example.com/web:1#x",
        ] {
            assert_eq!(reference(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_a_path_as_it_is(text in "[a-zA-Z0-9._/:@%+-]{0,40}") {
            if let Some(Name(name)) = Name::parse(&text) {
                let url = Url::parse(&format!("https://example.com/v2/{name}/tags/list")).unwrap();
                prop_assert_eq!(url.path(), format!("/v2/{name}/tags/list"));
            }
            if let Some(Tag(tag)) = Tag::parse(&text) {
                let url = Url::parse(&format!("https://example.com/m/{tag}")).unwrap();
                prop_assert_eq!(url.path(), format!("/m/{tag}"));
            }
        }
    }
}
