//! `GET …/status`, and the look at a release after it was installed.

use client::{Failure, READ, Relay, Tiller};
use http::{Response, StatusCode};
use rest::{body::revision, query, view};
use tiller_api::{
    Method,
    hapi::services::tiller::{GetReleaseStatusRequest, GetReleaseStatusResponse},
    light,
};

use crate::{body::Body, reply};

/// Answers the status.
pub(crate) async fn show<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let revision = revision(&mut fields)?;
    fields.finish()?;
    let (status, withheld) = read(tiller, name, revision).await?;
    let mut view = view::Release {
        name: status.name.clone(),
        namespace: status.namespace.clone(),
        // Tiller does not say which the newest is.
        revision: (revision > 0).then_some(revision),
        withheld,
        ..view::Release::default()
    };
    add(&mut view, &status);
    Ok(reply::release(StatusCode::OK, &view))
}

/// Asks for the status of a revision, of the newest if 0, and whether its notes are left out.
pub(crate) async fn read<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    version: i32,
) -> Result<(GetReleaseStatusResponse, bool), Failure> {
    let request = GetReleaseStatusRequest {
        name: name.to_owned(),
        version,
    };
    let method = Method::GetReleaseStatus;
    let answer = tiller.unary_bytes(method, &request, READ).await?;
    Ok((answer.decode(method)?, answer.withheld))
}

/// Adds to a view what the status knows better.
pub(crate) fn add(view: &mut view::Release, status: &GetReleaseStatusResponse) {
    let info = status.info.as_ref();
    view.set_info(info.map(light::Info::from).as_ref());
    let Some(status) = info.and_then(|info| info.status.as_ref()) else {
        return;
    };
    view.resources = Some(status.resources.clone());
    view.notes = (!status.notes.is_empty()).then(|| status.notes.clone());
    view.last_test_suite_run = status
        .last_test_suite_run
        .as_ref()
        .map(view::TestSuite::from);
}
