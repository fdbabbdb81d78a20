//! `GET /v1/clusters` and `GET /v1/clusters/{c}`: what the relay knows, as it says it.

use client::{Edge, Failure, Relay, Scope};
use http::{Response, StatusCode};
use rest::{
    negotiate::{JSON, ListFormat},
    problem::Problem,
    query,
    relay::{cluster_path, clusters_path},
};

use crate::{body::Body, items, reply};

/// Answers all clusters.
pub(crate) async fn list<R: Relay>(
    edge: &Edge<R>,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let check = check(query)?;
    let document = edge.document(&clusters_path(check)).await?;
    items::relayed(format, scope, document, "clusters")
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
