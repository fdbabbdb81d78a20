//! Requests on one connection: what one of them breaks is its own.

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{is_reset, strict};
use crate::support::{Stage, soon};

async fn connect(stage: &Stage) -> TokioIo<TcpStream> {
    let stream = soon(TcpStream::connect(stage.edge().addr())).await;
    TokioIo::new(stream.expect("the edge listens"))
}

fn request(stage: &Stage, behaviour: &str) -> Request<Empty<Bytes>> {
    let addr = stage.edge().addr();
    Request::get(format!("http://{addr}/guests/{behaviour}"))
        .header("host", addr.to_string())
        .body(Empty::new())
        .expect("valid")
}

async fn read(answer: Response<Incoming>) -> hyper::Result<(u16, Bytes)> {
    let status = answer.status().as_u16();
    let body = soon(answer.into_body().collect()).await?;
    Ok((status, body.to_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_takes_no_other_with_it() {
    let stage = strict().await;
    let handshake = http2::handshake(TokioExecutor::new(), connect(&stage).await);
    let (requests, connection) = soon(handshake).await.expect("h2");
    let connection = tokio::spawn(connection);
    let asked = (0..30).map(|number| {
        let mut requests = requests.clone();
        let behaviour = ["hello", "trap-mid-stream", "panic", "stall", "short"][number % 5];
        let request = request(&stage, behaviour);
        async move {
            let answer = match soon(requests.send_request(request)).await {
                Ok(answer) => read(answer).await,
                Err(error) => Err(error),
            };
            (behaviour, answer)
        }
    });
    for (behaviour, answer) in join_all(asked).await {
        match (behaviour, answer) {
            ("hello", Ok(answer)) => assert_eq!(answer, (200, "hello\n".into())),
            ("panic", Ok((status, _))) => assert_eq!(status, 500),
            (_, Err(error)) => assert!(is_reset(&error), "{behaviour}: {error:?}"),
            (_, Ok(answer)) => panic!("{behaviour}: {answer:?}"),
        }
    }
    assert!(!connection.is_finished(), "the connection lives");
    drop(requests);
    connection.abort();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_on_after_a_problem() {
    let stage = strict().await;
    let handshake = http1::handshake(connect(&stage).await);
    let (mut requests, connection) = soon(handshake).await.expect("h1");
    let connection = tokio::spawn(connection);
    for (behaviour, status) in [
        ("panic", 500),
        ("spin", 422),
        ("two-frames", 500),
        ("hello", 200),
    ] {
        soon(requests.ready()).await.expect("open");
        let answer = soon(requests.send_request(request(&stage, behaviour))).await;
        let (answered, _) = read(answer.expect("an answer")).await.expect("whole");
        assert_eq!(answered, status, "{behaviour}");
    }
    drop(requests);
    connection.abort();
    stage.end().await;
}
