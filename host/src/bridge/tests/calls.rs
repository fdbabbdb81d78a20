//! What passes between a caller and Tiller, and what does not.

use bytes::Bytes;
use grpc_web::{Code, Event};
use http::StatusCode;
use tokio::sync::mpsc;

use super::caller::{Stream, request};
use super::*;
use crate::bridge::MARKER;

#[tokio::test]
async fn a_call_passes_unchanged_over_http1_and_h2c() {
    let tiller = Tiller::answering(b"a release").await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let answer = caller.call(INSTALL, b"a chart").await;
        assert_eq!(answer.http, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/grpc-web+proto");
        assert_eq!(answer.headers[MARKER], env!("CARGO_PKG_VERSION"));
        assert_eq!(answer.messages, ["a release"]);
        assert_eq!(answer.status().code, Code::Ok);
        assert_eq!(answer.trailer(rest::relay::ANSWERED_BY), None);
    }
    let seen = tiller.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.uri().path(), INSTALL);
        assert_eq!(request.body(), &grpc_web::encode_message(b"a chart"));
        assert_eq!(request.headers()["content-type"], "application/grpc");
        assert_eq!(request.headers()["te"], "trailers");
    }
    assert_eq!(tiller.connections(), 1, "calls share one connection");
}

#[tokio::test]
async fn answers_have_no_length_and_their_status_only_in_the_trailer_frame() {
    let tiller = Tiller::start(|call| async move { call.reply(&[], "2", "no").await }).await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let answer = caller.call(INSTALL, b"").await;
        for absent in ["content-length", "grpc-status", "grpc-message"] {
            assert!(!answer.headers.contains_key(absent), "{absent}");
        }
        assert_eq!(answer.status().code, Code::Unknown);
    }
}

#[tokio::test]
async fn only_the_headers_that_tiller_reads_are_forwarded() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let headers = [
        ("authorization", "Bearer t"),
        ("cookie", "c"),
        ("grpc-encoding", "gzip"),
        ("grpc-timeout", "10S"),
        ("user-agent", "edge/1"),
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
        ("x-tiller-edge-key", "k"),
    ];
    let mut caller = Caller::h1(&bridge).await;
    caller.call_with(INSTALL, b"", &headers).await;
    let seen = tiller.seen();
    let mut names: Vec<_> = seen[0].headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "content-length",
        "content-type",
        "grpc-timeout",
        "te",
        "user-agent",
        "x-helm-api-client",
    ];
    assert_eq!(names, expected);
    let left = seen[0].headers()["grpc-timeout"].to_str().unwrap();
    let left = grpc_web::timeout::parse(left).unwrap();
    assert!(left <= Duration::from_secs(10) && left > Duration::from_secs(5));
}

#[tokio::test]
async fn an_error_keeps_its_percent_encoded_message() {
    let encoded = "release %22x%22 f%C3%BCr%0Anichts, 100%25";
    let tiller =
        Tiller::start(move |call| async move { call.reply(&[], "2", encoded).await }).await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert_eq!(answer.trailer("grpc-message"), Some(encoded));
    assert_eq!(answer.status().message, "release \"x\" für\nnichts, 100%");
}

#[tokio::test]
async fn a_message_of_several_mib_comes_in_the_trailers() {
    let text: &'static str = "manifest.".repeat(300_000).leak();
    let tiller = Tiller::start(move |call| async move { call.reply(&[], "2", text).await }).await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert!(answer.trailer("grpc-message") == Some(text));
}

#[tokio::test]
async fn a_status_in_the_headers_moves_into_the_trailer_frame() {
    let tiller = Tiller::start(|call| async move {
        call.trailers_only(&[("grpc-status", "12"), ("grpc-message", "unknown method")]);
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    assert!(!answer.headers.contains_key("grpc-status"));
    assert_eq!(answer.status().code, Code::Unimplemented);
    assert_eq!(answer.trailer("content-type"), None);
    assert_eq!(answer.trailer(rest::relay::ANSWERED_BY), None);
}

#[tokio::test]
async fn tiller_cannot_speak_for_the_bridge() {
    let tiller = Tiller::start(|call| async move {
        call.begin().end(&[
            ("grpc-status", "14"),
            ("x-tiller-edge-answered-by", "bridge"),
            ("x-tiller-edge-outcome", "not_applied"),
            ("custom", "kept"),
            ("details-bin", "AAEC"),
        ]);
    })
    .await;
    let bridge = start(before(&tiller)).await;
    let answer = Caller::h1(&bridge).await.call(INSTALL, b"").await;
    let names: Vec<_> = answer.trailers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grpc-status", "custom", "details-bin"]);
}

#[tokio::test]
async fn a_stream_arrives_message_by_message() {
    let (next, go) = mpsc::channel::<()>(1);
    let go = std::sync::Arc::new(tokio::sync::Mutex::new(go));
    let tiller = Tiller::start(move |call| {
        let go = go.clone();
        async move {
            let mut answer = call.begin();
            for message in ["one", "", "three"] {
                go.lock().await.recv().await;
                answer.message(message.as_bytes());
            }
            go.lock().await.recv().await;
            answer.end(&[("grpc-status", "0")]);
        }
    })
    .await;
    let bridge = start(before(&tiller)).await;
    for mut caller in [Caller::h1(&bridge).await, Caller::h2(&bridge).await] {
        let frame = grpc_web::encode_message(b"");
        let response = caller.send(request(LIST, frame)).await;
        let mut stream = Stream::new(response.into_body());
        for message in ["one", "", "three"] {
            soon(next.send(())).await.unwrap();
            let expected = Event::Message(Bytes::from(message));
            assert_eq!(stream.next().await, Some(expected));
        }
        soon(next.send(())).await.unwrap();
        assert!(matches!(stream.next().await, Some(Event::Trailers(_))));
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn the_health_check_is_forwarded_and_no_other_service() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    let healthy = caller.call("/grpc.health.v1.Health/Check", b"").await;
    assert_eq!(healthy.status().code, Code::Ok);
    for path in [
        "/grpc.health.v1.Health/Watch",
        "/hapi.services.tiller.ReleaseService/Nothing",
        "/hapi.services.tiller.ReleaseService/InstallRelease/",
        "/healthz",
        "/",
    ] {
        let refused = caller.call(path, b"").await;
        let expected = (12, "method_not_forwarded", "not_applied");
        assert_eq!(refused.by_bridge(), expected, "{path}");
    }
    assert_eq!(tiller.seen().len(), 1);
}

#[tokio::test]
async fn requests_of_other_kinds_are_refused_in_plain_text() {
    let tiller = Tiller::answering(b"").await;
    let bridge = start(before(&tiller)).await;
    let mut caller = Caller::h1(&bridge).await;
    for (method, path, content_type, expected) in [
        ("POST", INSTALL, "application/grpc", 415),
        ("POST", INSTALL, "application/grpc-web-text+proto", 415),
        ("POST", INSTALL, "application/json", 415),
        ("PUT", INSTALL, "application/grpc-web+proto", 405),
        ("POST", "/elsewhere", "application/json", 404),
        ("GET", "/", "text/html", 404),
    ] {
        let mut request = request(path, Bytes::from_static(b"{}"));
        *request.method_mut() = method.parse().unwrap();
        let value = content_type.parse().unwrap();
        request.headers_mut().insert("content-type", value);
        let response = caller.send(request).await;
        assert_eq!(
            response.status(),
            expected,
            "{method} {path} {content_type}"
        );
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(headers.contains_key(MARKER));
        assert_eq!(headers[rest::relay::ANSWERED_BY], "bridge");
        soon(http_body_util::BodyExt::collect(response.into_body()))
            .await
            .unwrap();
    }
    assert_eq!(tiller.seen().len(), 0);
}
