//! `GET /v1/clusters` and `GET /v1/clusters/{c}`: what the relay knows, as it says it.

use http::{Response, StatusCode};
use rest::{
    negotiate::{JSON, ListFormat},
    problem::{Code, Problem},
    query,
    relay::{cluster_path, clusters_path},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    body::Body,
    call::Edge,
    failure::{Failure, Scope},
    items::{self, End},
    relay::Relay,
    reply,
};

/// Answers all clusters.
pub(crate) async fn list<R: Relay>(
    edge: &Edge<R>,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let check = check(query)?;
    let document = edge.document(&clusters_path(check)).await?;
    if format == ListFormat::Json {
        return Ok(reply::bytes(StatusCode::OK, JSON, document));
    }
    let list: List = serde_json::from_slice(&document).map_err(|error| {
        Problem::new(
            Code::NotRelayed,
            format!("the relay's list of clusters cannot be read: {error}"),
        )
    })?;
    Ok(items::answer(format, scope, |mut items| async move {
        for cluster in &list.items {
            items.item(cluster).await;
        }
        items.end(End::Plain).await;
    }))
}

/// Answers one cluster.
pub(crate) async fn show<R: Relay>(
    edge: &Edge<R>,
    cluster: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let check = check(query)?;
    let document = edge.document(&cluster_path(cluster, check)).await?;
    Ok(reply::bytes(StatusCode::OK, JSON, document))
}

fn check(query: Option<&str>) -> Result<bool, Problem> {
    let mut fields = query::parse(query, &[])?;
    let check = fields.flag("check")?;
    fields.finish()?;
    Ok(check)
}

/// Members that this version does not know pass as they are.
#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
}
