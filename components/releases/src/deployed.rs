//! The chart that a release has, for an upgrade that changes its values alone.

use client::{Failure, READ, Relay, Tiller, undecodable};
use prost::Message;
use rest::problem::{Code, Problem};
use tiller_api::{
    Method,
    hapi::{chart::Chart, release::status::Code as Status, services::tiller::ListReleasesRequest},
    light,
};

use crate::{chart, content};

/// The chart of the newest deployed revision of a release whose newest one is `newest`: as Tiller has it, its requirements
/// being processed already.
pub(crate) async fn chart<R: Relay>(
    tiller: &Tiller<R>,
    newest: &light::Release,
) -> Result<Chart, Failure> {
    let revision = if is_deployed(newest) {
        newest.version
    } else {
        revision(tiller, &newest.name).await?
    };
    let (release, withheld) = content::read(tiller, &newest.name, revision).await?;
    if withheld {
        return Err(content::is_withheld(&release).into());
    }
    let chart = release
        .chart
        .ok_or_else(|| Problem::new(Code::TillerMisbehaved, "Tiller answers without the chart"))?;
    chart::require_metadata(&chart)?;
    Ok(chart)
}

fn is_deployed(release: &light::Release) -> bool {
    let status = release.info.as_ref().and_then(|info| info.status.as_ref());
    status.is_some_and(|status| status.code() == Status::Deployed)
}

/// Where several revisions count as deployed, Tiller upgrades the newest of them.
async fn revision<R: Relay>(tiller: &Tiller<R>, name: &str) -> Result<i32, Failure> {
    let question = ListReleasesRequest {
        // Tiller takes 0 for 512, and less ends it.
        limit: i64::from(i32::MAX),
        filter: format!("^{}$", name.replace('.', "\\.")),
        status_codes: vec![Status::Deployed.into()],
        ..ListReleasesRequest::default()
    };
    let method = Method::ListReleases;
    let mut events = tiller.stream(method, &question, READ).await?;
    let mut newest = None;
    while let Some(message) = events.next().await? {
        let chunk = light::ListReleasesResponse::decode(message)
            .map_err(|error| undecodable(method, &error))?;
        let found = chunk.releases.iter().filter(|found| found.name == name);
        newest = newest.max(found.map(|found| found.version).max());
    }
    newest.ok_or_else(|| {
        let detail = format!("\"{name}\" has no deployed releases");
        Problem::new(Code::NoDeployedRelease, detail).into()
    })
}
