//! Answers: plain ones, wrong ones, and ones that never complete.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Response};
use spin_sdk::wasip3::{wit_future, wit_stream};

use crate::{Answer, refused, text};

const CHUNK: usize = 64 << 10;

/// How often this instance was asked: 1, unless instances are reused.
pub(crate) async fn count(_: Request) -> Answer {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    text(format!("{}\n", ASKED.fetch_add(1, Ordering::Relaxed) + 1))
}

/// The request's body, chunk by chunk as it comes.
pub(crate) async fn echo(request: Request) -> Answer {
    // Mapping each frame keeps the body in the guest: untouched, the host may splice it.
    http::Response::new(request.into_body().map_frame(|frame| frame)).into_response()
}

pub(crate) async fn hello(_: Request) -> Answer {
    text("hello\n")
}

/// A body of 64 MiB, made chunk by chunk.
pub(crate) async fn large(_: Request) -> Answer {
    let chunk = Bytes::from(vec![b'.'; CHUNK]);
    let chunks = stream::iter(std::iter::repeat_n(chunk, 1024));
    streamed(chunks)
}

/// No answer, but an error of the component's own.
pub(crate) async fn fail(_: Request) -> Answer {
    Err(ErrorCode::InternalError(Some(
        "the guest gives up".to_owned(),
    )))
}

/// Headers that are the host's to set, as many as it takes; the body names
/// those that it does not.
pub(crate) async fn forge_response_headers(_: Request) -> Answer {
    let headers = Fields::new();
    let mut body = String::new();
    for (name, value) in [
        ("authorization", "Bearer forged"),
        ("connection", "close, x-forged"),
        ("keep-alive", "timeout=1"),
        ("transfer-encoding", "gzip"),
        ("x-request-id", "forged"),
    ] {
        if let Err(error) = headers.append(name, value.as_bytes()) {
            body.push_str(&format!("refused: {name}: {error:?}\n"));
        }
    }
    let (mut writer, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(headers, Some(contents), trailers);
    spin_sdk::wasip3::spawn(async move {
        writer.write_all(body.into_bytes()).await;
    });
    Ok(response)
}

/// No answer, ever.
pub(crate) async fn hang(_: Request) -> Answer {
    pending().await
}

/// A header of 1 MiB.
pub(crate) async fn huge_header(_: Request) -> Answer {
    let built = http::Response::builder()
        .header("x-huge", "h".repeat(1 << 20))
        .body(Full::new(Bytes::from_static(b"huge\n")));
    match built
        .map_err(|error| error.to_string())
        .map(IntoResponse::into_response)
    {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => refused(error),
        Err(error) => refused(error),
    }
}

/// More bytes than its content-length says.
pub(crate) async fn overlong(_: Request) -> Answer {
    of_length("5", "hello, and more\n")
}

/// Fewer bytes than its content-length says.
pub(crate) async fn short(_: Request) -> Answer {
    of_length("1000", "hello\n")
}

/// A header that holds another header and a body.
pub(crate) async fn split_header(_: Request) -> Answer {
    let value = b"a\r\nx-split: yes\r\n\r\n<script>".to_vec();
    match Fields::from_list(&[("x-a".to_owned(), value)]) {
        Ok(_) => text("accepted\n"),
        Err(error) => refused(error),
    }
}

/// One chunk, then nothing, without an end.
pub(crate) async fn stall(_: Request) -> Answer {
    let first = stream::iter([Bytes::from_static(b"first\n")]);
    streamed(first.chain(stream::pending()))
}

/// Three chunks, then a trap, without a content-length that would tell.
pub(crate) async fn trap_mid_stream(_: Request) -> Answer {
    let chunks = (0..).map(|number| match number {
        0..3 => Bytes::from(format!("chunk {number}\n")),
        _ => core::arch::wasm32::unreachable(),
    });
    streamed(stream::iter(chunks))
}

fn of_length(length: &'static str, body: &'static str) -> Answer {
    http::Response::builder()
        .header("content-length", length)
        .body(StreamBody::new(stream::iter([Ok::<_, ErrorCode>(
            Frame::data(Bytes::from(body)),
        )])))
        .expect("constant headers are valid")
        .into_response()
}

fn streamed(chunks: impl futures::Stream<Item = Bytes> + Unpin + 'static) -> Answer {
    let frames = chunks.map(|chunk| Ok::<_, ErrorCode>(Frame::data(chunk)));
    http::Response::new(StreamBody::new(frames)).into_response()
}
