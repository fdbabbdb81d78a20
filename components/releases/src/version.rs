//! `GET …/version`.

use client::{Failure, READ, Relay, Tiller};
use http::{Response, StatusCode};
use rest::{problem::Code, query, view};
use tiller_api::{
    Method,
    hapi::{
        services::tiller::{GetVersionRequest, GetVersionResponse},
        version::Version,
    },
};

use crate::{body::Body, reply};

/// Answers the version.
pub(crate) async fn show<R: Relay>(
    tiller: &Tiller<R>,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    query::parse(query, &[])?.finish()?;
    let version = read(tiller).await?;
    Ok(reply::json(StatusCode::OK, &view::Version::from(&version)))
}

/// Asks for the version.
pub(crate) async fn read<R: Relay>(tiller: &Tiller<R>) -> Result<Version, Failure> {
    let response: GetVersionResponse = tiller
        .unary(Method::GetVersion, &GetVersionRequest {}, READ)
        .await?;
    response.version.ok_or_else(|| {
        rest::problem::Problem::new(Code::TillerMisbehaved, "Tiller answers without its version")
            .into()
    })
}
