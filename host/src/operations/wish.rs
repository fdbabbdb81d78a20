//! How a caller says that a request may be carried out later, or is to be carried out once: `Prefer` (RFC 7240) and
//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use std::time::Duration;

use http::{HeaderMap, Method, Request};
use rest::plan::Plan;
use rest::problem::{Code, Problem};
use rest::relay::Target;
use rest::route::{Part, Resource, Route};

/// The header that a caller prefers things with.
const PREFER: &str = "prefer";

/// The header by which a repeated request is known again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest key, in bytes.
const LONGEST_KEY: usize = 255;

/// The longest a caller may wait for an operation to settle.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Whether the request would change a release, and says something of when or how often.
pub(super) fn is_one<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let says = headers.contains_key(IDEMPOTENCY_KEY) || Preferences::of(headers).respond_async;
    says && Mutation::of(request.method(), request.uri().path()).is_some()
}

/// What a caller wants beside the request itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wish {
    /// By what the request is known again.
    pub(super) key: Option<String>,
    pub(super) preferences: Preferences,
}

impl Wish {
    /// What `headers` say.
    ///
    /// # Errors
    ///
    /// `invalid_request` if the key is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            key: key(headers)?,
            preferences: Preferences::of(headers),
        })
    }
}

/// What is preferred. Preferences that are not known or make no sense are none, as RFC 7240 has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Preferences {
    /// The answer may come before the request is carried out.
    pub(super) respond_async: bool,
    /// It may come that much later, should the request have been carried out by then.
    pub(super) wait: Option<Duration>,
    /// A newer upgrade of the release that says so too may take this one's place.
    pub(super) coalesce: bool,
}

impl Preferences {
    fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let lines = headers.get_all(PREFER).iter();
        let all = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        for preference in all {
            // Parameters come behind a semicolon; none of these has any.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = match preference.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (preference.trim(), ""),
            };
            match name.to_ascii_lowercase().as_str() {
                "coalesce" => preferences.coalesce |= value == "newest",
                "respond-async" => preferences.respond_async = true,
                "wait" if preferences.wait.is_none() => {
                    let seconds = value.parse().ok().map(Duration::from_secs);
                    preferences.wait = seconds.map(|wait| wait.min(LONGEST_WAIT));
                }
                _ => {}
            }
        }
        preferences
    }
}

/// A request that would change a release, as its method and path say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mutation {
    /// The tiller.
    pub(crate) target: Target,
    /// The release, where the path names it.
    pub(crate) release: Option<String>,
    /// What is done, as grants name it.
    pub(crate) action: &'static str,
}

impl Mutation {
    /// None if it changes nothing.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let Ok(Route::Tiller(target, resource)) = Route::parse(path) else {
            return None;
        };
        let (action, release) = match (method, resource) {
            (&Method::POST, Resource::Releases) => ("install", None),
            (&Method::PUT, Resource::Release(release)) => ("upgrade", Some(release)),
            (&Method::DELETE, Resource::Release(release)) => ("uninstall", Some(release)),
            (&Method::POST, Resource::ReleasePart(release, Part::Rollback)) => {
                ("rollback", Some(release))
            }
            (&Method::POST, Resource::ReleasePart(release, Part::Tests)) => ("test", Some(release)),
            _ => return None,
        };
        Some(Self {
            target,
            release,
            action,
        })
    }

    /// Whether `plan` is that of such a request, which a component out of hand might deny.
    pub(crate) fn agrees(&self, plan: &Plan) -> bool {
        let is_named = self.release.is_none() || self.release == plan.release;
        let target = (&plan.cluster, &plan.tiller);
        plan.action == self.action
            && (&self.target.cluster, &self.target.tiller) == target
            && is_named
    }
}

/// The key: a string as structured fields have it, or bare.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return match headers.contains_key(IDEMPOTENCY_KEY) {
            true => Err(no_key("there are several")),
            false => Ok(None),
        };
    };
    let text = value
        .to_str()
        .map_err(|_| no_key("it is not ASCII"))?
        .trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(|| no_key("its quotes do not match"))?,
        None if text.bytes().all(is_bare) => text.to_owned(),
        None => return Err(no_key("what is more than a word must be in quotes")),
    };
    match key.len() {
        0 => Err(no_key("it is empty")),
        1..=LONGEST_KEY => Ok(Some(key)),
        _ => Err(no_key("it is longer than 255 bytes")),
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"\\;,".contains(&byte)
}

/// What stands before the closing quote, which is the last character.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|char| ['"', '\\'].contains(char))?),
            char => key.push(char),
        }
    }
    None
}

fn no_key(why: &str) -> Problem {
    Problem::new(
        Code::InvalidRequest,
        format!("the Idempotency-Key is not one: {why}"),
    )
    .with_hint("send a new UUID with each request, in quotes, and the same one when it is repeated")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        let seconds = Duration::from_secs;
        for (lines, respond_async, wait, coalesce) in [
            (&["respond-async"][..], true, None, false),
            (
                &["Respond-Async; foo=bar, wait=10"],
                true,
                Some(seconds(10)),
                false,
            ),
            (
                &["wait=\"7\"", "respond-async"],
                true,
                Some(seconds(7)),
                false,
            ),
            (&["wait=7, wait=9"], false, Some(seconds(7)), false),
            (&["wait=86400"], false, Some(LONGEST_WAIT), false),
            (&["wait=soon, return=minimal"], false, None, false),
            (&["respond-async, coalesce=newest"], true, None, true),
            (&["coalesce=oldest"], false, None, false),
            (&[][..], false, None, false),
        ] {
            let expected = Preferences {
                respond_async,
                wait,
                coalesce,
            };
            assert_eq!(
                Preferences::of(&headers(PREFER, lines)),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_key_is_a_quoted_string_or_a_word() {
        for (sent, expected) in [
            (r#""8e03978e-40d5""#, "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (r#""with \"quotes\" and \\""#, r#"with "quotes" and \"#),
            (r#""a, b; c""#, "a, b; c"),
        ] {
            let key = key(&headers(IDEMPOTENCY_KEY, &[sent])).expect("a key");
            assert_eq!(key.as_deref(), Some(expected), "{sent}");
        }
        assert_eq!(key(&HeaderMap::new()), Ok(None));
        let longest = "k".repeat(LONGEST_KEY);
        assert!(key(&headers(IDEMPOTENCY_KEY, &[&longest])).is_ok());
    }

    #[test]
    fn anything_else_is_no_key() {
        let long = "k".repeat(LONGEST_KEY + 1);
        for sent in [
            &["a", "b"][..],
            &[""],
            &["\"\""],
            &["a b"],
            &["\"a"],
            &["\"a\" b"],
            &[r#""a\b""#],
            &["a;b=c"],
            &[&long],
        ] {
            let problem = key(&headers(IDEMPOTENCY_KEY, sent)).expect_err("refused");
            assert_eq!(problem.code, Code::InvalidRequest, "{sent:?}");
        }
    }

    #[test]
    fn what_changes_a_release_is_known_by_method_and_path() {
        for (method, path, action) in [
            (Method::POST, "/v1/clusters/c/releases", Some("install")),
            (Method::PUT, "/v1/clusters/c/releases/r", Some("upgrade")),
            (
                Method::DELETE,
                "/v1/clusters/c/tillers/t/releases/r",
                Some("uninstall"),
            ),
            (
                Method::POST,
                "/v1/clusters/c/releases/r/rollback",
                Some("rollback"),
            ),
            (
                Method::POST,
                "/v1/clusters/c/releases/r/tests",
                Some("test"),
            ),
            (Method::GET, "/v1/clusters/c/releases/r", None),
            (Method::POST, "/v1/clusters/c/releases/r", None),
            (Method::PUT, "/v1/clusters/c/releases/r/rollback", None),
            (Method::POST, "/v1/operations/x/resume", None),
            (Method::POST, "/guests/echo", None),
        ] {
            let mutation = Mutation::of(&method, path);
            assert_eq!(
                mutation.map(|found| found.action),
                action,
                "{method} {path}"
            );
        }
    }
}
