//! Reading a request: whole, within its limits, before anything is answered.
//!
//! Over HTTP/1.1 the APIServer breaks a call whose answer begins while its request is still on the way, so a request that
//! is refused is read to its end as well, and thrown away.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::failure::Failure;

/// Five bytes before each message: flags and length.
const FRAME_HEADER: usize = 5;

/// Reads a body of one uncompressed message of at most `limit` bytes, and gives it as it came, frame header included.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Failure> {
    let most = limit + FRAME_HEADER;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut read = BytesMut::with_capacity(announced.min(most));
    while let Some(data) = next(&mut body, patience).await? {
        if read.len() + data.len() > most {
            drop(read);
            discard(body, limit, patience).await;
            return Err(Failure::RequestTooLarge { limit });
        }
        read.extend_from_slice(&data);
    }
    grpc_web::unary_message(&read, limit).map_err(Failure::RequestMisframed)?;
    Ok(read.freeze())
}

/// Reads what is left of a body whose call is refused anyway, up to `limit` bytes. A caller that sends more than that
/// loses its connection.
pub(super) async fn discard(mut body: Incoming, limit: usize, patience: Duration) {
    let mut left = limit;
    while let Ok(Some(data)) = next(&mut body, patience).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

async fn next(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = match timeout(patience, body.frame()).await {
            Err(_) => return Err(Failure::RequestStalled { waited: patience }),
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => frame.map_err(Failure::RequestBroken)?,
        };
        // Trailers of a request mean nothing in grpc-web.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}
