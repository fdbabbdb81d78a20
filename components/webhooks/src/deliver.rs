//! What a delivery comes to.

use bytes::Bytes;
use client::{Edge, Relay};
use http::{HeaderMap, Response};
use http_body_util::Full;
use rest::{
    problem::{Code, Problem},
    relay::{ClusterList, clusters_path},
};
use rules::{HOOK, Hook, ReadError, RuleError};

use crate::answer::{self, problem};

/// Answers what a delivery comes to by the hook's rules.
pub(crate) async fn read<R: Relay>(
    edge: &Edge<R>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, Problem> {
    let hook: Hook = edge.read(HOOK).await?;
    let rules = rules::compile(&hook.rules).map_err(|errors| senseless(&errors))?;
    let events = rules::read(hook.provider, headers, body).map_err(|error| {
        let code = match error {
            ReadError::MediaType(_) => Code::UnsupportedMediaType,
            _ => Code::InvalidDelivery,
        };
        problem(code, error.to_string())
    })?;
    let judged = rules.judge(events);
    let clusters: ClusterList = if judged.asks_for_clusters() {
        edge.read(&clusters_path(false)).await?
    } else {
        ClusterList::default()
    };
    let outcome = judged
        .outcome(&clusters.items)
        .map_err(|error| problem(Code::InvalidDelivery, error.to_string()))?;
    Ok(answer::json(&outcome))
}

/// The host has read the same rules at its start, so that this is no caller's fault.
pub(crate) fn senseless(errors: &[RuleError]) -> Problem {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    problem(
        Code::NotRelayed,
        format!("the hook's rules make no sense: {}", errors.join("; ")),
    )
}
