//! `POST …/rollback`.

use std::fmt;

use bytes::Bytes;
use client::{Failure, Relay, Tiller, mutation};
use http::{HeaderMap, Response, StatusCode};
use rest::{body::Rollback, precondition::IfMatch, time::whole_seconds};
use tiller_api::{Method, hapi::services::tiller::RollbackReleaseRequest};

use crate::{
    apply::{extras, released, shown},
    body::Body,
    history, plan, reply, skew, upload,
};

/// Answers a rollback.
pub(crate) async fn roll_back<R: Relay, B>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: B,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let extras = extras(query)?;
    let condition = IfMatch::from_headers(headers)?;
    let rollback = Rollback::read(upload::read_json(headers, body).await?)?;
    if plan::is_asked(headers) {
        let Rollback {
            dry_run, timeout, ..
        } = rollback;
        let target = &tiller.target;
        return Ok(plan::change(target, "rollback", name, dry_run, timeout));
    }
    history::check(tiller, name, condition.as_ref()).await?;
    skew::check(tiller, Method::RollbackRelease, &rollback.used()).await?;
    let message = RollbackReleaseRequest {
        name: name.to_owned(),
        dry_run: rollback.dry_run,
        disable_hooks: rollback.disable_hooks,
        version: rollback.revision,
        recreate: rollback.recreate_pods,
        timeout: whole_seconds(rollback.timeout),
        wait: rollback.wait,
        force: rollback.force,
        description: rollback.description.unwrap_or_default(),
        cleanup_on_fail: rollback.cleanup_on_fail,
    };
    let answer = tiller
        .unary_bytes(
            Method::RollbackRelease,
            &message,
            mutation(rollback.timeout),
        )
        .await?;
    let view = released(
        Method::RollbackRelease,
        answer,
        shown(extras, rollback.dry_run),
    )?;
    Ok(if rollback.dry_run {
        reply::json(StatusCode::OK, &view)
    } else {
        reply::release(StatusCode::OK, &view)
    })
}
