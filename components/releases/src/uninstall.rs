//! `DELETE …/releases/{r}`.

use std::fmt;

use bytes::Bytes;
use client::{Failure, Relay, Tiller, mutation};
use http::{HeaderMap, Response, StatusCode};
use prost::Message;
use rest::{body::Uninstall, precondition::IfMatch, query, time::whole_seconds};
use tiller_api::{Method, hapi::services::tiller::UninstallReleaseRequest, light};

use crate::{apply::released, body::Body, content::Extras, history, plan, reply, skew, upload};

/// Answers a deletion. Its options may be in the query, in a JSON body, or some here and some there.
pub(crate) async fn delete<R: Relay, B>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: B,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let condition = IfMatch::from_headers(headers)?;
    let mut fields = query::parse(query, &[])?;
    fields.merge(upload::read_json(headers, body).await?)?;
    let uninstall = Uninstall::read(fields)?;
    if plan::is_asked(headers) {
        let (target, timeout) = (&tiller.target, uninstall.timeout);
        return Ok(plan::change(target, "uninstall", name, false, timeout));
    }
    history::check(tiller, name, condition.as_ref()).await?;
    skew::check(tiller, Method::UninstallRelease, &uninstall.used()).await?;
    let message = UninstallReleaseRequest {
        name: name.to_owned(),
        disable_hooks: uninstall.disable_hooks,
        purge: uninstall.purge,
        timeout: whole_seconds(uninstall.timeout),
        description: uninstall.description.unwrap_or_default(),
    };
    let answer = tiller
        .unary_bytes(
            Method::UninstallRelease,
            &message,
            mutation(uninstall.timeout),
        )
        .await?;
    // The second field of this answer alone is text.
    let info = light::UninstallReleaseResponse::decode(answer.message.clone())
        .map(|response| response.info)
        .unwrap_or_default();
    let mut view = released(Method::UninstallRelease, answer, Extras::default())?;
    view.info = (!info.is_empty()).then_some(info);
    Ok(reply::json(StatusCode::OK, &view))
}
