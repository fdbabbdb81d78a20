//! `WWW-Authenticate`: how a registry wants to be asked.
//!
//! The header is a list of challenges, each of which is a scheme and a list of parameters, with commas between all of
//! them. A header that is not formed like that is passed over as a whole.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How many headers are read, how long one may be, and how many parts it may have.
const HEADERS: usize = 8;
const LENGTH: usize = 8 << 10;
const PARTS: usize = 64;

/// The token service that a registry names.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    /// Its URL.
    pub(super) realm: String,
    /// What the registry is called there.
    pub(super) service: Option<String>,
}

impl Challenge {
    /// The first one for a bearer token.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .take(HEADERS)
            .filter_map(|value| parse(value.to_str().ok()?))
            .flatten()
            .find_map(Parsed::bearer)
    }
}

/// One challenge of any scheme.
struct Parsed<'h> {
    scheme: &'h str,
    parameters: Vec<(&'h str, String)>,
}

impl Parsed<'_> {
    fn bearer(self) -> Option<Challenge> {
        if !self.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        // What is said twice is not said at all.
        let one = |wanted: &str| {
            let mut values = self
                .parameters
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.clone());
            values.next().filter(|_| values.next().is_none())
        };
        Some(Challenge {
            realm: one("realm")?,
            service: one("service"),
        })
    }
}

fn parse(value: &str) -> Option<Vec<Parsed<'_>>> {
    if value.len() > LENGTH {
        return None;
    }
    let mut challenges: Vec<Parsed<'_>> = Vec::new();
    let mut rest = value;
    for _ in 0..PARTS {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(challenges);
        }
        let (name, after) = token(rest)?;
        rest = blank(after);
        let Some(after) = rest.strip_prefix('=') else {
            challenges.push(Parsed {
                scheme: name,
                parameters: Vec::new(),
            });
            continue;
        };
        rest = blank(after);
        // A token that ends in `=` belongs to a scheme without parameters.
        let padding = rest.trim_start_matches('=');
        if padding.is_empty() || padding.starts_with(',') {
            rest = padding;
            continue;
        }
        let (text, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => token(rest).map(|(text, after)| (text.to_owned(), after))?,
        };
        challenges.last_mut()?.parameters.push((name, text));
        rest = after;
    }
    None
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    (!token.is_empty()).then_some((token, rest))
}

/// What stands before the closing quote, and what behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut unquoted = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some((unquoted, characters.as_str())),
            '\\' => unquoted.push(characters.next()?),
            character => unquoted.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn challenge(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn a_token_service_is_found_among_other_challenges() {
        for values in [
            [r#"Bearer realm="https://a/t",service="r""#].as_slice(),
            &[
                r#"bearer Realm = "https://a/t" , SERVICE=r, scope="repository:x:pull,push",error="e""#,
            ],
            &[r#"Basic realm="x", Bearer realm="https://a/t",service="r", Digest"#],
            &[r#"Negotiate, Bearer realm="https://a/t",service="r""#],
            &[r#"Negotiate YWJj==, Bearer realm="https://a/t",service="r""#],
            &[
                r#"Basic realm="Bearer realm=\"no\"""#,
                r#"Bearer realm="https://a/t",service="r""#,
            ],
            &[
                r#"Broken ""#,
                r#",, Bearer realm="https:\/\/a/t",, service="r","#,
            ],
        ] {
            assert_eq!(
                challenge(values),
                bearer("https://a/t", Some("r")),
                "{values:?}"
            );
        }
        assert_eq!(challenge(&[r#"Bearer realm="x""#]), bearer("x", None));
    }

    #[test]
    fn what_is_not_well_formed_is_passed_over() {
        let long = format!("Bearer realm=\"{}\"", "x".repeat(LENGTH));
        let many = format!("Bearer realm=\"x\"{}", ",a=b".repeat(PARTS));
        for value in [
            "",
            "Bearer",
            "Basic realm=\"x\"",
            "realm=\"x\"",
            "Bearer service=\"x\"",
            "Bearer realm=\"x",
            "Bearer realm=\"x\\",
            "Bearer realm=\"x\", (",
            "Bearer realm=\"a\", realm=\"b\"",
            "Bearer realm=",
            &long,
            &many,
        ] {
            assert_eq!(challenge(&[value]), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_its_quotes(realm in "[ -~]{0,40}", service in "[ -~]{0,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let value = format!("Bearer realm=\"{}\",service=\"{}\"", quote(&realm), quote(&service));
            prop_assert_eq!(challenge(&[&value]), bearer(&realm, Some(&service)));
        }

        #[test]
        fn no_header_makes_a_panic(value in "(Bearer|realm|service|[ -~\t]|=|\"|,|\\\\){0,60}") {
            challenge(&[&value]);
        }

        #[test]
        fn no_bytes_make_a_panic(value in proptest::collection::vec(0x80..=0xff_u8, 0..20)) {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(&value).unwrap());
            prop_assert_eq!(Challenge::of(&headers), None);
        }
    }
}
