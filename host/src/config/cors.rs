//! Which web pages may call.

use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::{Invalid, units};

/// Which web pages of other origins may call. None, unless named.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Their origins, such as `https://console.example.com`, or `https://*.example.com` for every host below that one.
    pub origins: Vec<String>,
    /// The headers that their requests may have, besides those that every page may send.
    pub headers: Vec<String>,
    /// Whether a browser may send along what it holds for this edge: client certificates.
    pub credentials: bool,
    /// How long a browser may remember what it was told.
    #[serde(with = "units::duration")]
    pub max_age: Duration,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            headers: ["authorization", "content-type", "if-match", "x-request-id"]
                .map(str::to_owned)
                .to_vec(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl CorsConfig {
    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        for (index, origin) in self.origins.iter().enumerate() {
            if OriginPattern::parse(origin).is_none() {
                refused.push(Invalid::new(
                    format!("cors.origins[{index}]"),
                    format!(
                        "`{origin}` is not an origin such as \"https://console.example.com\", \
                         \"http://localhost:3000\" or \"https://*.example.com\": scheme, host and port, nothing after them"
                    ),
                ));
            }
        }
        for (index, header) in self.headers.iter().enumerate() {
            if header.parse::<HeaderName>().is_err() {
                refused.push(Invalid::new(
                    format!("cors.headers[{index}]"),
                    format!(
                        "`{header}` is not the name of a header; each is named, `*` stands for none"
                    ),
                ));
            }
        }
    }
}

/// A scheme, a host and a port, as a browser tells where a page is from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads `scheme://host[:port]`; `null` and everything else is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        Self::new(scheme, rest)
    }

    /// Of a scheme and `host[:port]`.
    pub(crate) fn new(scheme: &str, authority: &str) -> Option<Self> {
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = authority.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if !authority.chars().all(allowed) {
            return None;
        }
        let authority: http::uri::Authority = authority.parse().ok()?;
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => usual,
            _ => authority.port_u16()?,
        };
        (!authority.host().is_empty()).then(|| Self {
            scheme,
            host: authority.host().to_owned(),
            port,
        })
    }
}

/// An origin, or every host below one.
#[derive(Clone, Debug)]
pub(crate) struct OriginPattern {
    origin: Origin,
    /// Hosts below that of `origin` are meant, and not itself.
    below: bool,
}

impl OriginPattern {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix("https://*.") else {
            return Some(Self {
                origin: Origin::parse(text)?,
                below: false,
            });
        };
        let origin = Origin::new("https", rest)?;
        // Below a name of one label is everybody.
        let is_name = origin.host.contains('.')
            && origin.host.split('.').all(|label| !label.is_empty())
            && origin.host.parse::<std::net::Ipv4Addr>().is_err();
        is_name.then_some(Self {
            origin,
            below: true,
        })
    }

    pub(crate) fn matches(&self, origin: &Origin) -> bool {
        if !self.below {
            return self.origin == *origin;
        }
        self.origin.scheme == origin.scheme
            && self.origin.port == origin.port
            && origin
                .host
                .strip_suffix(&self.origin.host)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|below| !below.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        let pattern = OriginPattern::parse(pattern).expect("a pattern");
        Origin::parse(origin).is_some_and(|origin| pattern.matches(&origin))
    }

    #[test]
    fn an_origin_is_the_same_however_it_is_written() {
        for (pattern, origin) in [
            ("https://a.example.com", "https://a.example.com"),
            ("https://a.example.com:443", "https://a.example.com"),
            ("HTTPS://A.Example.com", "https://a.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://10.0.0.1", "http://10.0.0.1:80"),
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://b.a.example.com"),
            ("https://*.example.com:8443", "https://a.example.com:8443"),
        ] {
            assert!(matches(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        for (pattern, origin) in [
            ("https://a.example.com", "http://a.example.com"),
            ("https://a.example.com", "https://a.example.com:8443"),
            ("https://a.example.com", "https://b.a.example.com"),
            ("https://a.example.com", "https://a.example.com.evil.org"),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://evilexample.com"),
            ("https://*.example.com", "http://a.example.com"),
            ("https://*.example.com", "https://a.example.com:8443"),
            ("https://*.example.com", "https://a.example.com.evil.org"),
            ("https://*.example.com", "https://evil.org/a.example.com"),
            ("https://*.example.com", "https://evil.org#.example.com"),
            ("https://*.example.com", "https://user@a.example.com"),
            ("https://a.example.com", "null"),
            ("https://a.example.com", ""),
            ("https://a.example.com", "https://a.example.com:"),
        ] {
            assert!(!matches(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn what_is_no_origin_or_would_let_everybody_in_is_refused() {
        for origin in [
            "*",
            "null",
            "https://*",
            "https://*.com",
            "https://*.",
            "https://*.example..com",
            "https://*.10.0.0.1",
            "http://*.example.com",
            "https://a.*.example.com",
            "https://*a.example.com",
            "https://a.example.com/",
            "https://a.example.com/path",
            "https://user@a.example.com",
            "https://b\u{fc}cher.example",
            "a.example.com",
            "ftp://a.example.com",
            "https://",
            "https://a.example.com:99999",
        ] {
            let text = format!("[cors]\norigins = [\"https://fine.example.com\", {origin:?}]");
            let complaint = Config::parse(&text, Path::new("edge.toml")).expect_err(origin);
            let complaint = complaint.to_string();
            assert!(
                complaint.starts_with("edge.toml:2: cors.origins[1]: "),
                "{complaint}"
            );
        }
        let text = "[cors]\nheaders = [\"x-mine\", \"a b\"]";
        let complaint = Config::parse(text, Path::new("edge.toml")).expect_err("refused");
        assert!(complaint.to_string().contains("cors.headers[1]"));
    }
}
