//! Reading a whole body, up to a limit.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// Why a body was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CollectError {
    /// It broke off.
    #[error("{0}")]
    Broken(String),
    /// It is longer than the limit. The rest was not read.
    #[error("it is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Reads a body of at most `limit` bytes.
pub async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, CollectError>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CollectError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + all.len() + data.len() > limit {
            return Err(CollectError::TooLarge { limit });
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn body(
        pieces: &'static [&'static str],
    ) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin {
        StreamBody::new(stream::iter(
            pieces
                .iter()
                .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))),
        ))
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        assert_eq!(collect(body(&[]), 9).await.unwrap(), "");
        assert_eq!(collect(body(&["abc"]), 9).await.unwrap(), "abc");
        assert_eq!(
            collect(body(&["a", "", "bc", "d"]), 4).await.unwrap(),
            "abcd"
        );
    }

    #[tokio::test]
    async fn too_much_is_refused_without_reading_on() {
        assert_eq!(
            collect(body(&["abc", "de"]), 4).await,
            Err(CollectError::TooLarge { limit: 4 })
        );
    }
}
