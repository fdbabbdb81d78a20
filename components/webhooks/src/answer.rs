//! Bodies, read and written whole.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use rest::{
    negotiate::JSON,
    problem::{Code, Problem},
};
use serde::Serialize;

/// Longest body of a request, in bytes: 32 MiB. A hook has its own limit, which is the host's to keep; the largest that any
/// provider sends is 25 MB.
const MAX_BODY: usize = 32 << 20;

/// Reads the body of a request.
pub(crate) async fn collect<B>(body: B) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    read(body, MAX_BODY)
        .await
        .map_err(|why| Problem::new(Code::InvalidDelivery, format!("the body {why}")))
}

/// Reads a body of at most `limit` bytes, or says why not, to be read after what it is.
pub(crate) async fn read<B>(mut body: B, limit: usize) -> Result<Bytes, String>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("broke off: {error}"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if all.len() + data.len() > limit {
            return Err(format!("is longer than {limit} bytes"));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

/// An answer in JSON.
pub(crate) fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(value).expect("it has nothing that JSON has not");
    let mut response = Response::new(Full::new(body.into()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}
