//! Where things of a repository are.
//!
//! An index may refer to anywhere. This says where that is, as Helm understands it, and not whether anybody should go
//! there. It reads references as Go does, since other readers see hosts where Go sees paths, in `\\host`, `///host` or
//! `https:host`.

use std::fmt::Write as _;

use url::Url;

/// Why a reference leads nowhere. It may hold credentials, so it is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is no URL, and no reference to one either.
    #[error("not a URL")]
    Malformed,
    /// It has a scheme and no host.
    #[error("the URL has no host")]
    NoHost,
}

/// Where the index of a repository is: below the repository's path, at the same query.
pub fn index_url(repository: &Url) -> Url {
    let mut url = repository.clone();
    let segments = repository.path().split('/').filter(|part| !part.is_empty());
    let mut path = String::new();
    for segment in segments.chain(["index.yaml"]) {
        path.push('/');
        path.push_str(segment);
    }
    url.set_path(&path);
    url.set_fragment(None);
    url
}

/// Where `reference`, from the index of the repository at `base`, leads.
///
/// An absolute one leads where it says. Others are relative to the directory that `base` is, and have the query of
/// `base` in place of their own, its keys sorted, since that may be what lets one in; hence not if they lead to another
/// host, where Helm would tell it. A fragment is dropped.
///
/// # Errors
///
/// [`ResolveError`].
pub fn resolve(base: &Url, reference: &str) -> Result<Url, ResolveError> {
    let reference = Reference::read(reference)?;
    let Reference {
        scheme,
        authority,
        query,
        ..
    } = reference;
    let mut url = match (scheme, authority) {
        (_, Some(authority)) => {
            let scheme = scheme.unwrap_or_else(|| base.scheme());
            parse(&format!("{scheme}://{authority}{}", reference.path()))?
        }
        (Some(_), None) => return Err(ResolveError::NoHost),
        (None, None) => below(base, &reference.path()),
    };
    if scheme.is_none() && url.origin() == base.origin() {
        let query = sorted(base.query().unwrap_or_default());
        url.set_query(query.as_deref());
    } else {
        url.set_query(query);
    }
    Ok(url)
}

/// A reference taken apart, nothing decoded.
struct Reference<'r> {
    scheme: Option<&'r str>,
    /// What stands after `//`.
    authority: Option<&'r str>,
    path: &'r str,
    query: Option<&'r str>,
}

impl<'r> Reference<'r> {
    fn read(text: &'r str) -> Result<Self, ResolveError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(ResolveError::Malformed);
        }
        let (text, _) = text.split_once('#').unwrap_or((text, ""));
        let (scheme, rest) = scheme(text)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(path) if scheme.is_none() && path.starts_with('/') => (None, rest),
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                (Some(authority), path)
            }
            None => (None, rest),
        };
        let reference = Self {
            scheme,
            authority,
            path,
            query,
        };
        if reference.is_sound() {
            Ok(reference)
        } else {
            Err(ResolveError::Malformed)
        }
    }

    fn is_sound(&self) -> bool {
        let first = self.path.split('/').next().unwrap_or_default();
        let is_host = |text: &str| {
            !text.is_empty() && !text.contains(['\\', ' ', '"', '<', '>', '^', '`', '{', '|', '}'])
        };
        is_escaped(self.path)
            && self.authority.is_none_or(is_host)
            && (self.scheme.is_some() || !first.contains(':'))
    }

    /// The path, with everything escaped that Go escapes.
    fn path(&self) -> String {
        escaped(self.path, |byte| {
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/[]%".contains(&byte)
        })
    }
}

/// The scheme, which ends at the first colon if only letters, digits, `+`, `-` and `.` are before that.
fn scheme(text: &str) -> Result<(Option<&str>, &str), ResolveError> {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some(("", _)) => Err(ResolveError::Malformed),
        Some((scheme, rest)) if is_scheme(scheme) => Ok((Some(scheme), rest)),
        _ => Ok((None, text)),
    }
}

fn parse(url: &str) -> Result<Url, ResolveError> {
    match Url::parse(url) {
        Ok(url) if url.has_host() => Ok(url),
        Ok(_) => Err(ResolveError::NoHost),
        Err(_) => Err(ResolveError::Malformed),
    }
}

/// A path in the directory that `base` is, which ends with one slash whether it is written or not.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_fragment(None);
    if path.starts_with('/') {
        url.set_path(path);
    } else {
        let whole = base.path();
        let directory = whole.strip_suffix('/').unwrap_or(whole);
        url.set_path(&format!("{directory}/{path}"));
    }
    url
}

/// A query as Go writes it. Pairs that Go cannot read it leaves out.
fn sorted(query: &str) -> Option<String> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(key)?, unescape(value)?))
        })
        .collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let escape = |bytes: &[u8]| {
        let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~ ".contains(&byte);
        escaped(bytes, is_kept).replace(' ', "+")
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    if !is_escaped(text) {
        return None;
    }
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

/// Whether two hexadecimal digits stand after every `%`.
fn is_escaped(text: &str) -> bool {
    text.split('%').skip(1).all(|part| {
        part.as_bytes()
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn escaped(text: impl AsRef<[u8]>, is_kept: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::new();
    for &byte in text.as_ref() {
        if is_kept(byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
