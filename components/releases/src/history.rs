//! `GET …/history`, and the look at the newest revision before a change.

use client::{Failure, READ, Relay, Scope, Tiller};
use http::Response;
use rest::{
    negotiate::ListFormat,
    precondition::IfMatch,
    problem::{Code, Problem},
    query, view,
};
use tiller_api::{Method, hapi::services::tiller::GetHistoryRequest, light};

use crate::{
    body::Body,
    items::{self, End},
};

/// How many revisions unless asked otherwise, as in Helm's CLI. Tiller takes 0 for none at all.
const DEFAULT_MAX: i32 = 256;

/// Answers the revisions, newest first.
pub(crate) async fn show<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let max = fields.integer("max", 1..=i64::from(i32::MAX))?;
    fields.finish()?;
    let max = max
        .and_then(|max| i32::try_from(max).ok())
        .unwrap_or(DEFAULT_MAX);
    let releases = read(tiller, name, max).await?;
    // The memory driver answers so for a name that it does not know.
    if releases.is_empty() {
        return Err(not_found(name).into());
    }
    Ok(items::answer(format, scope, |mut items| async move {
        for release in &releases {
            items.item(&view::Release::from(release)).await;
        }
        items.end(End::Plain).await;
    }))
}

/// The newest revision, `None` if there is no such release.
pub(crate) async fn newest<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
) -> Result<Option<light::Release>, Failure> {
    match read(tiller, name, 1).await {
        Ok(releases) => Ok(releases.into_iter().next()),
        Err(failure) if failure.code() == Some(Code::ReleaseNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Fails if the release is not as the caller, who may have said so, thinks it is.
pub(crate) async fn check<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    condition: Option<&IfMatch>,
) -> Result<(), Failure> {
    if let Some(condition) = condition {
        let newest = newest(tiller, name).await?;
        condition.check(newest.map(|newest| newest.version))?;
    }
    Ok(())
}

/// The problem that there is no such release, in Tiller's words.
pub(crate) fn not_found(name: &str) -> Problem {
    Problem::new(
        Code::ReleaseNotFound,
        format!("release: \"{name}\" not found"),
    )
}

async fn read<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    max: i32,
) -> Result<Vec<light::Release>, Failure> {
    let request = GetHistoryRequest {
        name: name.to_owned(),
        max,
    };
    let response: Result<light::GetHistoryResponse, Failure> =
        tiller.unary(Method::GetHistory, &request, READ).await;
    match response {
        Ok(response) => Ok(response.releases),
        // A name such as `a.v1` reads like a revision's.
        Err(failure) if failure.code() == Some(Code::RevisionNotFound) => {
            Err(not_found(name).into())
        }
        Err(failure) => Err(failure),
    }
}
