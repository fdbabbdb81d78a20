//! URLs of charts, and how they may begin.
//!
//! A caller's URL is compared with what an operator allows, so both are parsed first and compared in parts. What other
//! programs may read otherwise than this one (a user before the host, a `..` in whatever spelling) is refused.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

/// How URLs may begin: a scheme, a host, a port and whole segments of a path.
///
/// Both sides are parsed before they are compared, so that `https://charts.example.com.evil.example/` does not begin
/// with `https://charts.example.com`, and a path cannot lead out of the one that is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix(ChartUrl);

impl Prefix {
    /// The URL that they begin with.
    #[must_use]
    pub fn url(&self) -> &ChartUrl {
        &self.0
    }

    /// Whether `url` begins like this.
    #[must_use]
    pub fn covers(&self, url: &ChartUrl) -> bool {
        let (own, other) = (&self.0.url, &url.url);
        let path = own.path().trim_end_matches('/');
        self.0.scheme == url.scheme
            && own.host() == other.host()
            && own.port_or_known_default() == other.port_or_known_default()
            && other
                .path()
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = ChartUrl::from_str(text)?;
        if url.url.query().is_some() {
            return Err(
                "only the beginning of URLs is compared; leave out the `?` and what follows",
            );
        }
        Ok(Self(url))
    }
}

/// How a chart's URL says it is to be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// An archive, unencrypted.
    Http,
    /// An archive.
    Https,
    /// A registry.
    Oci,
}

/// The URL of a chart or of several.
#[derive(Clone, Eq, PartialEq)]
pub struct ChartUrl {
    /// The scheme as it is written.
    pub scheme: Scheme,
    /// The URL; for a registry with `https` in place of `oci`, so that its host and port are those of HTTP.
    pub url: Url,
}

impl FromStr for ChartUrl {
    type Err = &'static str;

    /// The complaints hold nothing of the text, since that may hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "is not a URL such as \"https://charts.example.com/stable\" or \
                                \"oci://registry.example.com/charts\"";
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "oci" => Scheme::Oci,
            _ => return Err(EXPECTED),
        };
        let under = match scheme {
            Scheme::Http => "http",
            Scheme::Https | Scheme::Oci => "https",
        };
        let url = Url::parse(&format!("{under}://{rest}")).map_err(|_| EXPECTED)?;
        if !url.username().is_empty() || url.password().is_some() || is_with_user(rest) {
            return Err(
                "holds a user or password, which would be shown and logged; take them out and set `username` and \
                 `password_file`",
            );
        }
        if url.fragment().is_some() {
            return Err("holds a `#`, which means nothing here; leave it and what follows out");
        }
        if leads_up(rest) {
            return Err("holds a `..`; write the path that is meant");
        }
        Ok(Self { scheme, url })
    }
}

impl fmt::Debug for ChartUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChartUrl").field(&self.shown()).finish()
    }
}

impl ChartUrl {
    /// Itself without what credentials a query may hold.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        match self.scheme {
            Scheme::Http | Scheme::Https => url.into(),
            Scheme::Oci => url.as_str().replacen("https", "oci", 1),
        }
    }
}

/// An empty user is one too.
fn is_with_user(rest: &str) -> bool {
    let authority = rest.split(['/', '\\', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Whether a segment of the path leads up, as it stands or as a server may come to read it.
fn leads_up(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    percent_decode_str(path)
        .decode_utf8_lossy()
        .split(['/', '\\'])
        .any(|segment| segment.trim() == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(prefix: &str, url: &str) -> bool {
        let prefix: Prefix = prefix.parse().expect(prefix);
        url.parse().is_ok_and(|url| prefix.covers(&url))
    }

    #[test]
    fn a_prefix_covers_whole_segments_below_it() {
        for (prefix, url) in [
            (
                "https://charts.example.com",
                "https://charts.example.com/a.tgz",
            ),
            (
                "https://charts.example.com/",
                "https://CHARTS.example.com:443/a.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/team/a.tgz?x=y",
            ),
            (
                "https://example.com/team/",
                "https://example.com/team/sub/a.tgz",
            ),
            ("http://example.com:8080/", "http://example.com:8080/a.tgz"),
            ("oci://example.com/team", "oci://example.com/team/web:1.0.0"),
            (
                "oci://example.com:5000",
                "OCI://example.com:5000/web@sha256:00",
            ),
        ] {
            assert!(covers(prefix, url), "{prefix} {url}");
        }
    }

    #[test]
    fn a_prefix_covers_nothing_beside_it() {
        for (prefix, url) in [
            (
                "https://charts.example.com",
                "https://charts.example.com.evil.example/a.tgz",
            ),
            (
                "https://charts.example.com",
                "http://charts.example.com/a.tgz",
            ),
            ("https://charts.example.com", "oci://charts.example.com/a:1"),
            (
                "https://charts.example.com",
                "https://charts.example.com:8443/a.tgz",
            ),
            (
                "https://charts.example.com",
                "https://charts.example.com@evil.example/a.tgz",
            ),
            (
                "https://charts.example.com",
                "https://@charts.example.com/a.tgz",
            ),
            (
                "https://charts.example.com",
                "https:\\\\charts.example.com/a.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/teams/a.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/team/../a.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/team/%2e%2E/a.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/team/..%2fa.tgz",
            ),
            (
                "https://example.com/team",
                "https://example.com/team\\..\\a.tgz",
            ),
            ("https://example.com/team", "https://example.com/TEAM/a.tgz"),
            ("https://example.com/team", "file:///team/a.tgz"),
            ("http://127.0.0.1", "http://127.0.0.1.example.com/"),
        ] {
            assert!(!covers(prefix, url), "{prefix} {url}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_showing_it() {
        for text in [
            "https://edge:s3cret@example.com/",
            "oci://edge:s3cret@example.com/",
            "https://s3cret@example.com/",
            "ftp://edge:s3cret@example.com/",
            "https://edge:s3cret@/",
        ] {
            let why = text.parse::<ChartUrl>().unwrap_err();
            assert!(!why.contains("s3cret"), "{why}");
        }
        let url: ChartUrl = "https://example.com/c?sig=s3cret".parse().unwrap();
        assert_eq!(url.shown(), "https://example.com/c");
        assert!(!format!("{url:?}").contains("s3cret"));
    }
}
