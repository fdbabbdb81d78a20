//! Sizes, counts, malformed requests, keys.

use std::io::Write;

use bytes::Bytes;
use futures::stream;
use grpc_web::Code;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;

use super::caller::{Answer, request};
use super::*;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_request_of_20_mib_and_an_answer_of_25_mib_pass() {
    let big: &'static [u8] = vec![7; 25 * MIB].leak();
    let tiller = Tiller::answering(big).await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let answer = caller.call(INSTALL, &big[..20 * MIB]).await;
        assert_eq!(answer.status().code, Code::Ok);
        assert_eq!(answer.messages.len(), 1);
        assert!(answer.messages[0] == big);
    }
    let seen = tiller.seen();
    assert!(
        seen.iter()
            .all(|request| request.body().len() == 20 * MIB + 5)
    );
}

#[tokio::test]
async fn a_request_of_25_mib_passes_where_the_limit_allows_it() {
    let tiller = Tiller::answering(b"").await;
    let mut options = before(&tiller);
    options.limits.request = 25 * MIB;
    let bridge = start(options).await;
    let message = vec![7; 25 * MIB];
    let answer = Caller::h1(&bridge).await.call(INSTALL, &message).await;
    assert_eq!(answer.status().code, Code::Ok);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_read_refused_and_never_sent() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let answer = caller.call(INSTALL, &vec![7; 25 * MIB]).await;
        let expected = (8, "message_too_large", "not_applied");
        assert_eq!(answer.by_bridge(), expected);
        // The connection is good for more.
        assert!(caller.call(INSTALL, b"").await.status().is_ok());
    }
    assert_eq!(tiller.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let tiller = Tiller::answering(b"0123456789").await;
    let mut options = before(&tiller);
    options.limits.answer = 9;
    let bridge = start(options).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert_eq!(answer.by_bridge(), (13, "answer_too_large", "unknown"));
}

#[tokio::test]
async fn a_body_that_is_not_one_message_is_refused() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for body in [
        &b""[..],
        b"\0\0\0",
        b"\0\0\0\0\x02a",
        b"\0\0\0\0\0\0\0\0\0\0",
        b"\x01\0\0\0\0",
        b"\x80\0\0\0\0",
        b"\0\xff\xff\xff\xff",
    ] {
        let response = caller
            .send(request(INSTALL, Bytes::from_static(body)))
            .await;
        let answer = Answer::read(response).await;
        let code = answer.by_bridge();
        assert_eq!(code.2, "not_applied");
        assert!(
            ["bad_request", "message_too_large"].contains(&code.1),
            "{body:?}"
        );
    }
    assert_eq!(tiller.seen().len(), 0);
}

#[tokio::test]
async fn a_malformed_timeout_is_refused() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for timeout in ["", "5", "S", "-1S", "123456789S", "1x"] {
        let headers = [("grpc-timeout", timeout)];
        let answer = caller.call_with(INSTALL, b"", &headers).await;
        let expected = (3, "bad_request", "not_applied");
        assert_eq!(answer.by_bridge(), expected, "{timeout}");
    }
    let headers = [("grpc-timeout", "99999999H")];
    let answer = caller.call_with(INSTALL, b"", &headers).await;
    assert!(answer.status().is_ok(), "beyond all clocks is no limit");
}

#[tokio::test]
async fn a_request_that_stalls_is_given_up() {
    let tiller = Tiller::answering(b"").await;
    let mut options = before(&tiller);
    options.times.read = Duration::from_millis(50);
    let bridge = start(options).await;
    let mut caller = Caller::h2(&bridge).await;
    let begun = futures::StreamExt::chain(
        stream::iter([Ok(Frame::data(Bytes::from_static(b"\0\0")))]),
        stream::pending(),
    );
    let request = request(INSTALL, Bytes::new()).map(|_| StreamBody::new(begun).boxed_unsync());
    let answer = Answer::read(caller.send(request).await).await;
    let expected = (1, "request_interrupted", "not_applied");
    assert_eq!(answer.by_bridge(), expected);
    assert_eq!(tiller.seen().len(), 0);
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let mut options = before(&tiller);
    options.limits.calls = 1;
    let bridge = start(options).await;
    let mut first = Caller::h1(&bridge).await;
    let mut second = Caller::h1(&bridge).await;
    let first = async { first.call(INSTALL, b"").await };
    let second = async {
        let call = soon(arrivals.recv()).await.unwrap();
        let refused = second.call(INSTALL, b"").await;
        call.reply(&[], "0", "").await;
        refused
    };
    let (first, refused) = tokio::join!(first, second);
    assert_eq!(refused.by_bridge(), (14, "bridge_busy", "not_applied"));
    assert!(first.status().is_ok());
}

#[tokio::test]
async fn with_shared_keys_only_their_holders_are_served() {
    let tiller = Tiller::answering(b"").await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"first-key\nsecond-key\n").unwrap();
    let mut options = before(&tiller);
    options.shared_key_file = Some(file.path().to_owned());
    let bridge = start(options).await;
    let mut caller = Caller::h1(&bridge).await;
    for key in ["first-key", "second-key"] {
        let headers = [(crate::bridge::KEY_HEADER, key)];
        let answer = caller.call_with(INSTALL, b"", &headers).await;
        assert!(answer.status().is_ok());
    }
    let refused = [
        caller.call(INSTALL, b"").await,
        caller
            .call_with(INSTALL, b"", &[(crate::bridge::KEY_HEADER, "first-kez")])
            .await,
    ];
    for answer in refused {
        assert_eq!(answer.by_bridge(), (16, "wrong_key", "not_applied"));
    }
    assert_eq!(caller.get("/readyz").await.0, 200, "probes have no key");
    let calls = tiller
        .seen()
        .iter()
        .filter(|seen| seen.uri().path() == INSTALL)
        .count();
    assert_eq!(calls, 2);
}
