//! `If-Match`: a change only if the release is at a revision that its caller has seen.
//!
//! The entity tag of a release is its revision in quotes. Tiller has no such condition itself, so between
//! the look and the change another caller may come; what makes that unlikely to go wrong is that Tiller
//! refuses to write a revision that exists.

use http::{HeaderMap, HeaderValue, header};

use crate::problem::{Code, Problem};

/// What `If-Match` wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IfMatch {
    /// That the release exists.
    Any,
    /// That it is at one of these revisions.
    Revisions(Vec<i32>),
}

impl IfMatch {
    /// The condition of a request, if it has one.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is not `*` or a list of revisions in quotes.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut revisions = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let value = value.to_str().map_err(|_| malformed())?;
            if value.trim() == "*" {
                return Ok(Some(Self::Any));
            }
            for tag in value.split(',') {
                let revision = tag
                    .trim()
                    .strip_prefix('"')
                    .and_then(|tag| tag.strip_suffix('"'))
                    .and_then(|revision| revision.parse().ok())
                    .ok_or_else(malformed)?;
                revisions.push(revision);
            }
        }
        Ok((!revisions.is_empty()).then_some(Self::Revisions(revisions)))
    }

    /// Checks the condition against the newest revision there is, `None` if there is no release.
    ///
    /// # Errors
    ///
    /// `revision_conflict` if it does not hold.
    pub fn check(&self, newest: Option<i32>) -> Result<(), Problem> {
        match (self, newest) {
            (_, None) => Err(conflict("the release does not exist".to_owned())),
            (Self::Any, Some(_)) => Ok(()),
            (Self::Revisions(wanted), Some(newest)) if wanted.contains(&newest) => Ok(()),
            (Self::Revisions(_), Some(newest)) => {
                Err(conflict(format!("the release is at revision {newest}")))
            }
        }
    }
}

/// The entity tag of a revision.
pub fn entity_tag(revision: i32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits and quotes are a header value")
}

fn malformed() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "If-Match must be * or revisions in quotes, such as \"7\"",
    )
}

fn conflict(detail: String) -> Problem {
    Problem::new(Code::RevisionConflict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<Option<IfMatch>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, value.parse().unwrap());
        }
        IfMatch::from_headers(&headers)
    }

    #[test]
    fn revisions_are_entity_tags() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&["*"]), Ok(Some(IfMatch::Any)));
        assert_eq!(parse(&["\"7\""]), Ok(Some(IfMatch::Revisions(vec![7]))));
        assert_eq!(
            parse(&["\"7\", \"8\"", "\"9\""]),
            Ok(Some(IfMatch::Revisions(vec![7, 8, 9])))
        );
        assert_eq!(entity_tag(7), "\"7\"");
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "7",
            "W/\"7\"",
            "\"x\"",
            "\"7",
            "",
            "\"7\",",
            "\"99999999999\"",
        ] {
            assert_eq!(
                parse(&[value]).unwrap_err().code,
                Code::InvalidRequest,
                "{value}"
            );
        }
    }

    #[test]
    fn the_condition_holds_at_the_revision_it_names() {
        let seven = IfMatch::Revisions(vec![7]);
        assert_eq!(seven.check(Some(7)), Ok(()));
        assert_eq!(IfMatch::Any.check(Some(8)), Ok(()));
        for (condition, newest) in [(&seven, Some(8)), (&seven, None), (&IfMatch::Any, None)] {
            let problem = condition.check(newest).unwrap_err();
            assert_eq!(problem.code, Code::RevisionConflict);
            assert_eq!(problem.status(), 412);
        }
    }
}
