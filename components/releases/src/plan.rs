//! The plan of a request that is to be carried out later.
//!
//! All of the request is read and checked for which nobody else has to be asked, in the code that would carry it out, so
//! that what is accepted now is not refused for its form later.

use std::time::Duration;

use bytes::Bytes;
use client::Failure;
use http::{HeaderMap, Response, StatusCode};
use rest::{
    body::{Apply, ChartRef},
    plan::{PLAN, Plan},
    relay::Target,
    time::whole_seconds,
};

use crate::{body::Body, chart, reply, requirements, values};

/// Whether only the plan is asked for.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.contains_key(PLAN)
}

/// Answers with the plan of an install or upgrade.
pub(crate) fn apply(
    target: &Target,
    action: &str,
    release: Option<&str>,
    apply: Apply,
) -> Result<Response<Body>, Failure> {
    let values = values::config(apply.values)?;
    if let ChartRef::Archive(archive) = apply.chart {
        prepare(&archive, &values)?;
    }
    Ok(answer(&Plan {
        release: release.map(Into::into),
        namespace: apply.namespace,
        dry_run: apply.dry_run,
        ..of(target, action, apply.timeout)
    }))
}

/// Answers with the plan of what is done to a release that exists.
pub(crate) fn change(
    target: &Target,
    action: &str,
    release: &str,
    dry_run: bool,
    timeout: Duration,
) -> Response<Body> {
    answer(&Plan {
        release: Some(release.into()),
        dry_run,
        ..of(target, action, timeout)
    })
}

fn prepare(archive: &Bytes, values: &tiller_api::hapi::chart::Config) -> Result<(), Failure> {
    let mut chart = chart::load(archive)?;
    Ok(requirements::prepare(&mut chart, values)?)
}

fn of(target: &Target, action: &str, timeout: Duration) -> Plan {
    Plan {
        action: action.to_owned(),
        cluster: target.cluster.clone(),
        tiller: target.tiller.clone(),
        timeout: whole_seconds(timeout).unsigned_abs(),
        ..Plan::default()
    }
}

fn answer(plan: &Plan) -> Response<Body> {
    reply::json(StatusCode::OK, plan)
}
