//! What installs and upgrades have in common: reading the body, and showing what Tiller made of it.

use std::fmt;

use bytes::Bytes;
use client::{Answer, Failure, undecodable};
use http::HeaderMap;
use prost::Message;
use rest::{
    body::{Apply, Verb},
    fields::Fields,
    problem::{Code, Problem},
    query,
    repositories::Source,
    view,
};
use tiller_api::{Method, hapi::services::tiller::InstallReleaseResponse, light};

use crate::{
    content::{self, Extras},
    upload,
};

/// A request to install or upgrade.
pub(crate) struct Request {
    pub(crate) apply: Apply,
    extras: Option<Extras>,
}

impl Request {
    /// Reads query and body.
    pub(crate) async fn read<B>(
        verb: Verb,
        query: Option<&str>,
        headers: &HeaderMap,
        body: B,
    ) -> Result<Self, Problem>
    where
        B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
    {
        let extras = extras(query)?;
        let upload = upload::read(headers, body).await?;
        Ok(Self {
            apply: Apply::read(upload.fields, upload.chart, verb)?,
            extras,
        })
    }

    /// What of the release to show.
    pub(crate) fn extras(&self) -> Extras {
        shown(self.extras, self.apply.dry_run)
    }
}

/// Reads the query of a mutation, which has `fields` at most.
pub(crate) fn extras(query: Option<&str>) -> Result<Option<Extras>, Problem> {
    let mut fields: Fields = query::parse(query, &[])?;
    let extras = Extras::read(&mut fields)?;
    fields.finish()?;
    Ok(extras)
}

/// A dry run shows what was rendered unless asked for something else.
pub(crate) fn shown(extras: Option<Extras>, dry_run: bool) -> Extras {
    match extras {
        Some(extras) => extras,
        None if dry_run => Extras::RENDERED,
        None => Extras::default(),
    }
}

/// The release in the answer to a mutation; the answers of all of them have one shape.
///
/// Old Tillers may answer with text that is not UTF-8. What was done is done, so that is no error: what
/// can be read is shown.
pub(crate) fn released(
    method: Method,
    answer: Answer,
    extras: Extras,
) -> Result<view::Release, Failure> {
    let Answer { message, withheld } = answer;
    if let Ok(InstallReleaseResponse {
        release: Some(release),
    }) = InstallReleaseResponse::decode(message.clone())
    {
        return Ok(content::view(&release, extras, withheld));
    }
    let light = light::ReleaseResponse::decode(message)
        .map_err(|error| undecodable(method, &error))?
        .release
        .ok_or_else(|| {
            Problem::new(Code::TillerMisbehaved, "Tiller answers without the release")
                .with_outcome(rest::problem::Outcome::unproven(method))
        })?;
    let mut view = view::Release::from(&light);
    view.withheld = withheld;
    view.warnings
        .push("Tiller's answer holds text that is not UTF-8; only the summary is shown".into());
    Ok(view)
}

/// Adds to an answer what Tiller does not say about the chart.
pub(crate) fn tell_chart(view: &mut view::Release, source: Option<Source>) {
    if view.chart.as_ref().is_some_and(|chart| chart.deprecated) {
        view.warnings.push("This chart is deprecated".into());
    }
    view.source = source;
}
