//! Lists that come in pages.
//!
//! A registry links from one page to the next. Where the link leads is not followed: of it only the query is taken, so
//! that a page can be no other list and on no other host, whatever a registry or the proxy before it writes.

use http::header::LINK;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::OciError;
use super::session::{Question, Session};

/// How many pages there may be.
pub(super) const PAGES: usize = 200;

/// How many items all pages together may have.
const ITEMS: usize = 100_000;

/// The largest page, in bytes.
const PAGE: usize = 4 << 20;

/// How many items are asked for at once: what most registries allow at most.
pub(super) const FIRST: &str = "n=1000";

/// A page of tags or of repositories.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) tags: Option<Vec<String>>,
    pub(super) repositories: Option<Vec<String>>,
}

impl Session {
    /// What `items` takes from all pages of a list.
    pub(super) async fn list(
        &self,
        what: &'static str,
        path: String,
        scope: &str,
        deadline: Instant,
        items: impl Fn(Page) -> Option<Vec<String>>,
    ) -> Result<Vec<String>, OciError> {
        let wrong = |why| OciError::Protocol { what, why };
        let ask = |query: Option<String>| {
            let path = path.clone();
            async move {
                self.ask(Question {
                    what,
                    path,
                    query: query.as_deref(),
                    accept: "application/json",
                    unless: None,
                    scope,
                    limit: PAGE,
                    deadline,
                })
                .await
            }
        };
        let mut all = Vec::new();
        let mut query = FIRST.to_owned();
        for number in 0..PAGES {
            let mut fetched = ask(Some(query.clone())).await;
            // There are registries that allow smaller pages only.
            if number == 0
                && let Err(OciError::Status { status, .. }) = &fetched
                && *status == StatusCode::BAD_REQUEST
            {
                fetched = ask(None).await;
            }
            let fetched = fetched?;
            let page: Page = serde_json::from_slice(&fetched.body)
                .map_err(|_| wrong("it is not the JSON of a list"))?;
            all.extend(items(page).unwrap_or_default());
            if all.len() > ITEMS {
                return Err(OciError::TooMany(what));
            }
            match next(&fetched.headers) {
                None => return Ok(all),
                Some(next) if next.is_empty() || next == query => {
                    return Err(wrong("its next page is the same again"));
                }
                Some(next) => query = next,
            }
        }
        Err(OciError::TooMany(what))
    }
}

/// The query of the page after this one. `None` if this is the last.
fn next(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter();
    links
        .filter_map(|value| value.to_str().ok())
        .find_map(|value| {
            let mut rest = value;
            while let Some((_, target)) = rest.split_once('<') {
                let (target, parameters) = target.split_once('>')?;
                let end = parameters.find('<').unwrap_or(parameters.len());
                let (parameters, after) = parameters.split_at_checked(end)?;
                if parameters.split([';', ',']).any(is_next) {
                    let target = target.split('#').next().unwrap_or_default();
                    let query = target.split_once('?').map_or("", |(_, query)| query);
                    return Some(query.to_owned());
                }
                rest = after;
            }
            None
        })
}

fn is_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn query(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.append(LINK, HeaderValue::from_str(value).unwrap());
        next(&headers)
    }

    #[test]
    fn only_the_query_of_the_next_page_is_taken() {
        for (value, expected) in [
            ("</v2/_catalog?last=b&n=2>; rel=\"next\"", "last=b&n=2"),
            ("<http://evil.example/x?last=b>;REL=next", "last=b"),
            (
                "</p?a>; rel=\"prev\", </n?b,c>; title=x; rel=\"next\"",
                "b,c",
            ),
            ("</v2/_catalog?last=b#x>; rel=next", "last=b"),
            ("</v2/_catalog>; rel=next", ""),
        ] {
            assert_eq!(query(value).as_deref(), Some(expected), "{value}");
        }
        for value in [
            "",
            "</a?b>",
            "</a?b>; rel=prev",
            "</a?b; rel=next",
            "a?b>; rel=next",
        ] {
            assert_eq!(query(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_link_makes_a_panic(value in "[<>;,=?#\"a-z ]{0,60}") {
            query(&value);
        }
    }
}
