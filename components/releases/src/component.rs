//! The component: `wasi:http` in, `wasi:http` out.

use std::env;

use client::Host;
use rest::relay::BASE_VARIABLE;
use spin_sdk::{
    http::{IntoResponse, Request},
    http_service,
    wasip3::http::types::{ErrorCode, Response as WasiResponse},
};

use crate::serve;

#[http_service]
async fn handle(request: Request) -> Result<WasiResponse, ErrorCode> {
    let base = env::var(BASE_VARIABLE).ok();
    serve(Host, base, request).await.into_response()
}
