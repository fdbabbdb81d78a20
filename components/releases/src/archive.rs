//! Chart archives that the relay fetches.
//!
//! The relay is asked by the names that the caller gave and answers with the bytes as they came and with where they
//! came from. It alone knows addresses and credentials, and it alone decides what may be fetched: whatever it refuses
//! passes as it is.

use bytes::Bytes;
use charts::Limits;
use client::{CollectError, Edge, Failure, Relay, collect, not_relayed, unreadable};
use http::{HeaderMap, header};
use rest::{
    problem::{Code, Outcome, Problem},
    relay::encode_segment,
    repositories::{Ask, SOURCE, Source},
};

/// The media type of an archive.
const GZIP: &str = "application/gzip";

/// Fetches an archive of at most [`Limits::archive`] bytes.
pub(crate) async fn fetch<R: Relay>(
    edge: &Edge<R>,
    ask: &Ask,
    parameters: &[(&str, &str)],
) -> Result<(Bytes, Source), Failure> {
    let response = edge.ask(&question(ask, parameters)).await?;
    let source = source(response.headers())?;
    let limit = Limits::default().archive;
    let archive = collect(response.into_body(), limit)
        .await
        .map_err(|error| match error {
            CollectError::Broken(_) => unreadable(&error, Outcome::NotApplied),
            CollectError::TooLarge { limit } => Problem::new(
                Code::ChartLimitExceeded,
                format!("the chart exceeds the limit `archive` of {limit}"),
            )
            .into(),
        })?;
    Ok((archive, source))
}

/// The path that asks this, with those of the parameters that are not empty.
pub(crate) fn question(ask: &Ask, parameters: &[(&str, &str)]) -> String {
    let mut path = ask.path();
    let mut separator = '?';
    for (name, value) in parameters {
        if !value.is_empty() {
            path.push(separator);
            path.push_str(name);
            path.push('=');
            path.push_str(&encode_segment(value));
            separator = '&';
        }
    }
    path
}

/// What an archive says about itself; something else than an archive says nothing.
fn source(headers: &HeaderMap) -> Result<Source, Failure> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !kind.eq_ignore_ascii_case(GZIP) {
        return Err(not_relayed(
            format!("the relay was asked for a chart and answers {kind:?}"),
            Outcome::NotApplied,
        ));
    }
    headers
        .get(SOURCE)
        .and_then(|source| Source::from_header(source.as_bytes()))
        .ok_or_else(|| {
            not_relayed(
                "the relay does not say where the chart came from".to_owned(),
                Outcome::NotApplied,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_encoded_and_says_only_what_is_said() {
        assert_eq!(
            question(
                &Ask::Url,
                &[("url", "https://x/a b.tgz?c=d&e"), ("cluster", "a/b")]
            ),
            "/archive?url=https%3A%2F%2Fx%2Fa%20b.tgz%3Fc%3Dd%26e&cluster=a%2Fb"
        );
        assert_eq!(
            question(&Ask::Url, &[("url", ""), ("version", ">=1 +2")]),
            "/archive?version=%3E%3D1%20%2B2"
        );
        assert_eq!(question(&Ask::Repositories, &[]), "/repositories");
    }
}
