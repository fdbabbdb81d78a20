//! Bodies, read and written whole.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use rest::{
    negotiate::JSON,
    problem::{Code, Outcome, Problem},
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
    client::collect(body, MAX_BODY).await.map_err(|why| {
        problem(
            Code::InvalidDelivery,
            format!("the body cannot be read: {why}"),
        )
    })
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

/// A problem; nothing that is asked here changes anything.
pub(crate) fn problem(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code, detail).with_outcome(Outcome::NotApplied)
}
