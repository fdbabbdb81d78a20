//! Tiller gone, at each point of a call, and callers that leave.

use bytes::Bytes;
use grpc_web::{Code, Event};
use h2::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::caller::{Stream, request};
use super::*;

#[tokio::test]
async fn nobody_at_tillers_address_means_not_applied() {
    let tiller = Tiller::answering(b"").await;
    let options = before(&tiller);
    tiller.kill();
    until(|| std::net::TcpListener::bind(tiller.addr()).is_ok()).await;
    let bridge = start(options).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    let expected = (14, "tiller_unreachable", "not_applied");
    assert_eq!(answer.by_bridge(), expected);
    let message = answer.status().message;
    assert!(message.contains("Connection refused"), "{message}");
    assert_eq!(bridge.stats().calls_sent, 0);
}

#[tokio::test]
async fn a_tiller_that_swallows_packets_costs_waiting_callers_one_timeout() {
    // Never accepted from: connections are made, TLS handshakes hang.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options {
        listen: "127.0.0.1:0".to_owned(),
        tiller: silent.local_addr().unwrap().to_string(),
        tls: Some(crate::bridge::Tls {
            ca: None,
            identity: None,
            server_name: None,
            verify: crate::bridge::Verify::Nothing,
        }),
        ..Options::default()
    };
    options.times.connect = Duration::from_millis(300);
    let bridge = start(options).await;
    let begun = std::time::Instant::now();
    let calls = (0..20).map(|_| async {
        let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
        let expected = (14, "tiller_unreachable", "not_applied");
        assert_eq!(answer.by_bridge(), expected);
    });
    futures::future::join_all(calls).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn tiller_lost_before_it_answers_may_have_had_the_call() {
    for path in [INSTALL, LIST] {
        let (arrived, mut arrivals) = mpsc::channel(1);
        let tiller = Tiller::start(move |call| {
            let arrived = arrived.clone();
            async move { arrived.send(call).await.unwrap() }
        })
        .await;
        let bridge = start(before(&tiller)).await;
        let mut caller = Caller::h1(&bridge).await;
        let killed = async {
            let call = soon(arrivals.recv()).await;
            tiller.kill();
            call
        };
        let (answer, _call) = tokio::join!(caller.call(path, b""), killed);
        assert_eq!(answer.by_bridge(), (14, "tiller_lost", "unknown"));
        assert_eq!(tiller.seen().len(), 1);
    }
}

#[tokio::test]
async fn tiller_lost_in_mid_answer_ends_it_with_a_trailer_frame() {
    let (answers, mut begun) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let answers = answers.clone();
        async move {
            let mut answer = call.begin();
            answer.message(b"whole");
            // A message of ten bytes of which three come.
            answer.bytes(Bytes::from_static(b"\0\0\0\0\x0aabc"));
            answers.send(answer).await.unwrap();
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let frame = grpc_web::encode_message(b"");
        let response = caller.send(request(INSTALL, frame)).await;
        let mut stream = Stream::new(response.into_body());
        let whole = Event::Message(Bytes::from_static(b"whole"));
        assert_eq!(stream.next().await, Some(whole));
        soon(begun.recv())
            .await
            .unwrap()
            .reset(Reason::INTERNAL_ERROR);
        let Some(Event::Trailers(trailers)) = stream.next().await else {
            panic!("no trailer frame");
        };
        assert_eq!(trailers.get("grpc-status"), Some(&b"14"[..]));
        assert_eq!(trailers.get(rest::relay::OUTCOME), Some(&b"unknown"[..]));
        assert_eq!(stream.next().await, None);
    }
    at_rest(&bridge).await;
    assert_eq!(bridge.stats().calls_failed, 2);
}

#[tokio::test]
async fn a_connection_that_tiller_ended_is_replaced() {
    let tiller = Tiller::answering(b"done").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for calls in 1..=3 {
        let answer = caller.call(INSTALL, b"").await;
        assert_eq!(answer.status().code, Code::Ok);
        assert_eq!(tiller.connections(), calls);
        tiller.go_away();
        until(|| bridge.stats().tiller_connections_open == 0).await;
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_replaced_and_calls_on_it_go_on() {
    let (arrived, mut arrivals) = mpsc::channel(2);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let mut options = before(&tiller);
    options.times.reuse = Duration::ZERO;
    let bridge = start(options).await;
    let mut first = Caller::h1(&bridge).await;
    let mut second = Caller::h1(&bridge).await;
    let answers = async {
        let calls = [
            soon(arrivals.recv()).await.unwrap(),
            soon(arrivals.recv()).await.unwrap(),
        ];
        for call in calls {
            call.reply(&[b"done"], "0", "").await;
        }
    };
    let (first, second, ()) =
        tokio::join!(first.call(INSTALL, b""), second.call(INSTALL, b""), answers);
    assert_eq!(
        (first.messages, second.messages),
        (vec!["done".into()], vec!["done".into()])
    );
    assert_eq!(tiller.connections(), 2);
    until(|| bridge.stats().tiller_connections_open <= 1).await;
}

#[tokio::test]
async fn a_call_that_meets_a_connection_on_its_way_out_arrives_once() {
    let tiller = Tiller::answering(b"done").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for calls in 1..=100 {
        let answer = caller.call(INSTALL, b"").await;
        assert_eq!(answer.status().code, Code::Ok);
        assert_eq!(tiller.seen().len(), calls);
        tiller.go_away();
    }
}

#[tokio::test]
async fn a_call_under_way_on_a_connection_that_is_ending_is_not_repeated() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    let ending = async {
        let call = soon(arrivals.recv()).await;
        tiller.go_away();
        tokio::task::yield_now().await;
        tiller.kill();
        call
    };
    let (answer, _call) = tokio::join!(caller.call(INSTALL, b""), ending);
    assert_eq!(answer.by_bridge(), (14, "tiller_lost", "unknown"));
    assert_eq!(tiller.seen().len(), 1);
    assert_eq!(bridge.stats().calls_sent, 1);
}

#[tokio::test]
async fn a_call_that_tiller_refused_unprocessed_is_sent_again_only_if_the_connection_was_old() {
    let count = Arc::<AtomicUsize>::default();
    let tiller = Tiller::start({
        let count = count.clone();
        move |call| {
            let nth = count.fetch_add(1, SeqCst);
            async move {
                match nth {
                    0 | 2 => call.reply(&[], "0", "").await,
                    _ => call.reset(Reason::REFUSED_STREAM),
                }
            }
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    let answers = [
        caller.call(INSTALL, b"").await,
        // Refused on the old connection, taken on a new one.
        caller.call(INSTALL, b"").await,
    ];
    assert!(answers.iter().all(|answer| answer.status().is_ok()));
    assert_eq!(count.load(SeqCst), 3);
    // Refused on both.
    let answer = caller.call(INSTALL, b"").await;
    let expected = (14, "tiller_unreachable", "not_applied");
    assert_eq!(answer.by_bridge(), expected);
    assert_eq!(count.load(SeqCst), 5);
}

#[tokio::test]
async fn other_resets_are_not_repeated() {
    let tiller = Tiller::start(|call| async move { call.reset(Reason::INTERNAL_ERROR) }).await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for calls in 1..=2 {
        let answer = caller.call(INSTALL, b"").await;
        assert_eq!(answer.by_bridge(), (14, "tiller_lost", "unknown"));
        assert_eq!(tiller.seen().len(), calls);
    }
}

#[tokio::test]
async fn what_is_not_tiller_is_told_from_it() {
    let tiller = Tiller::start(|call| async move { call.html(404) }).await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert_eq!(answer.by_bridge(), (13, "not_tiller", "unknown"));
    let message = answer.status().message;
    assert!(
        message.contains("404") && message.contains("text/html"),
        "{message}"
    );
}

#[tokio::test]
async fn answers_that_break_the_protocol_end_in_the_bridges_status() {
    for broken in [
        &b"\0\0\0\0\x02a"[..],
        b"\x01\0\0\0\x01a",
        b"\x80\0\0\0\x0fgrpc-status:0\r\n",
        b"\x07\0\0\0\0",
    ] {
        let tiller = Tiller::start(move |call| async move {
            let mut answer = call.begin();
            answer.bytes(Bytes::from_static(broken));
            answer.end(&[("grpc-status", "0")]);
        })
        .await;
        let bridge = start(before(&tiller)).await;
        let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
        assert_eq!(answer.by_bridge(), (13, "tiller_misbehaved", "unknown"));
        assert!(answer.messages.is_empty());
    }
}

#[tokio::test]
async fn an_end_without_a_status_is_no_success() {
    let tiller = Tiller::start(|call| async move {
        let mut answer = call.begin();
        answer.message(b"a release");
        answer.end_bare();
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert_eq!(answer.by_bridge(), (13, "tiller_misbehaved", "unknown"));
}

#[tokio::test]
async fn a_deadline_ends_the_call_at_both_ends() {
    let (resets, mut reset) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let resets = resets.clone();
        async move { resets.send(call.cancelled().await).await.unwrap() }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for path in [INSTALL, LIST] {
        let answer = caller
            .call_with(path, b"", &[("grpc-timeout", "50m")])
            .await;
        assert_eq!(answer.by_bridge(), (4, "deadline_exceeded", "unknown"));
        assert_eq!(soon(reset.recv()).await, Some(Reason::CANCEL));
    }
}

#[tokio::test]
async fn a_deadline_in_mid_stream_keeps_what_came() {
    let (resets, mut reset) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let resets = resets.clone();
        async move {
            let mut answer = call.begin();
            answer.message(b"one");
            resets.send(answer.cancelled().await).await.unwrap();
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h2(&bridge).await;
    let answer = caller
        .call_with(LIST, b"", &[("grpc-timeout", "200m")])
        .await;
    assert_eq!(answer.messages, ["one"]);
    assert_eq!(answer.by_bridge(), (4, "deadline_exceeded", "unknown"));
    assert_eq!(soon(reset.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn when_the_caller_leaves_before_an_answer_tillers_stream_is_reset() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let arrived = arrived.clone();
        async move { arrived.send(call).await.unwrap() }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let calling = tokio::spawn(async move {
            caller.call(INSTALL, b"").await;
        });
        let call = soon(arrivals.recv()).await.unwrap();
        calling.abort();
        assert_eq!(soon(call.cancelled()).await, Reason::CANCEL);
    }
    at_rest(&bridge).await;
    assert_eq!(bridge.stats().calls_cancelled, 2);
    assert_eq!(tiller.connections(), 1, "the connection to Tiller lives on");
}

#[tokio::test]
async fn when_the_caller_leaves_in_mid_stream_tillers_stream_is_reset() {
    let (answers, mut begun) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let answers = answers.clone();
        async move {
            let mut answer = call.begin();
            answer.message(b"one");
            answers.send(answer).await.unwrap();
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let frame = grpc_web::encode_message(b"");
        let response = caller.send(request(LIST, frame)).await;
        let mut stream = Stream::new(response.into_body());
        assert!(stream.next().await.is_some());
        let mut answer = soon(begun.recv()).await.unwrap();
        drop((stream, caller));
        assert_eq!(soon(answer.cancelled()).await, Reason::CANCEL);
    }
    at_rest(&bridge).await;
    assert_eq!(bridge.stats().calls_cancelled, 2);
}

#[tokio::test]
async fn a_bridge_that_is_dropped_breaks_its_answers() {
    let (answers, mut begun) = mpsc::channel(1);
    let tiller = Tiller::start(move |call| {
        let answers = answers.clone();
        async move {
            let mut answer = call.begin();
            answer.message(b"one");
            answers.send(answer).await.unwrap();
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    let frame = grpc_web::encode_message(b"");
    let response = caller.send(request(LIST, frame)).await;
    let _answer = soon(begun.recv()).await.unwrap();
    drop(bridge);
    let body = http_body_util::BodyExt::collect(response.into_body());
    assert!(soon(body).await.is_err());
}

#[tokio::test]
async fn tiller_restarted_is_found_again() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    assert!(caller.call(LIST, b"").await.status().is_ok());
    tiller.kill();
    until(|| bridge.stats().tiller_connections_open == 0).await;
    until(|| std::net::TcpListener::bind(tiller.addr()).is_ok()).await;
    let tiller = Tiller::answering_at(tiller.addr(), b"back").await;
    assert_eq!(caller.call(LIST, b"").await.messages, ["back"]);
    assert_eq!(tiller.connections(), 1);
}
