//! `GET /v1/access`: who the caller is and what it may do. The relay knows, reads the question itself and answers it.

use client::{Edge, Failure, Relay};
use http::{Response, StatusCode};
use rest::{negotiate::JSON, relay::ACCESS};

use crate::{body::Body, reply};

/// Passes the question on as it is.
pub(crate) async fn show<R: Relay>(
    edge: &Edge<R>,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let path = match query {
        None => ACCESS.to_owned(),
        Some(query) => format!("{ACCESS}?{query}"),
    };
    let document = edge.document(&path).await?;
    Ok(reply::bytes(StatusCode::OK, JSON, document))
}
