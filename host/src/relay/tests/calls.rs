//! What is sent, what is refused, and what an answer becomes.

use std::convert::Infallible;

use http::Version;
use http_body::Frame;
use http_body_util::StreamBody;
use rest::problem::{Code, Outcome};

use super::apiserver::{ApiServer, full, grpc, grpc_web, status};
use super::*;

#[tokio::test]
async fn a_call_goes_through_the_service_proxy_with_the_edges_credentials() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"answer")) }).await;
    let relay = Rig::new(&server).relay();
    let answer = soon(relay.handle(&caller(), request(INSTALL, frame(b"\x22\x03web")))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc-web+proto");
    let (body, broken) = read(answer).await;
    assert!(broken.is_none());
    assert_eq!(body, success(b"answer"));

    let [seen] = &server.seen()[..] else {
        panic!("sent more than once");
    };
    assert_eq!(seen.method, Method::POST);
    assert_eq!(
        seen.path,
        "/api/v1/namespaces/kube-system/services/tiller-bridge:grpc-web/proxy\
         /hapi.services.tiller.ReleaseService/InstallRelease"
    );
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.body, frame(b"\x22\x03web"));
    assert_eq!(seen.headers["authorization"], "Bearer edge-s3cret");
    assert_eq!(seen.headers["audit-id"], "request-1");
    assert_eq!(
        seen.headers["x-helm-api-client"],
        tiller_api::CLIENT_VERSION
    );
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert_eq!(relay.stats().calls, 0);
    assert_eq!(relay.stats().message_bytes, 0);
}

#[tokio::test]
async fn only_named_headers_travel_either_way() {
    let server = ApiServer::start(|_| async {
        let mut answer = grpc_web(success(b""));
        for name in [
            "set-cookie",
            "audit-id",
            "x-internal",
            "x-tiller-edge-answered-by",
        ] {
            answer.headers_mut().insert(name, "bridge".parse().unwrap());
        }
        answer
    })
    .await;
    let relay = Rig::new(&server).relay();
    let mut sent = request(LIST, frame(b""));
    for name in [
        "cookie",
        "impersonate-user",
        "x-remote-user",
        "x-forwarded-for",
        "x-anything",
    ] {
        sent.headers_mut().insert(name, "forged".parse().unwrap());
    }
    sent.headers_mut()
        .insert("authorization", "Bearer forged".parse().unwrap());
    sent.headers_mut()
        .insert("x-helm-api-client", "v2.9.1".parse().unwrap());
    let answer = soon(relay.handle(&caller(), sent)).await;

    let mut names: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-tiller-edge-answered-by"]);
    let seen = &server.seen()[0].headers;
    assert!(
        seen.values()
            .all(|value| !value.as_bytes().windows(6).any(|w| w == b"forged"))
    );
    assert_eq!(seen["x-helm-api-client"], "v2.9.1");
}

#[tokio::test]
async fn the_server_may_be_served_under_a_path() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let ca = format!("certificate-authority-data: {}", server.ca_data());
    let rig = Rig::with(
        &format!("{}/k8s/clusters/c-x/", server.url()),
        &ca,
        "{token: t}",
    );
    call(&rig.relay(), LIST).await;
    assert!(
        server.seen()[0]
            .path
            .starts_with("/k8s/clusters/c-x/api/v1/namespaces/"),
    );
}

#[tokio::test]
async fn native_grpc_is_told_to_the_component_as_grpc_web() {
    let server = ApiServer::start(|_| async { grpc(&[b"one", b"two"], Some("5")) }).await;
    let relay = Rig::new(&server).relay();
    let path = LIST.replace("prod/", "prod/tillers/secure/");
    let answer = call(&relay, &path).await;
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc-web+proto");
    let (body, broken) = read(answer).await;
    assert!(broken.is_none());
    let trailers = b"\x80\x00\x00\x00\x2agrpc-status:5\r\ngrpc-message:as%20it%20is\r\n";
    assert_eq!(
        body,
        [&frame(b"one")[..], &frame(b"two"), trailers].concat()
    );

    let seen = &server.seen()[0];
    assert!(
        seen.path
            .contains("/services/https:tiller-deploy:tiller/proxy/")
    );
    assert_eq!(seen.headers["content-type"], "application/grpc");
    assert_eq!(seen.headers["te"], "trailers");
}

#[tokio::test]
async fn a_native_answer_without_status_is_never_whole() {
    let server = ApiServer::start(|_| async { grpc(&[b"one"], None) }).await;
    let relay = Rig::new(&server).relay();
    let path = LIST.replace("prod/", "prod/tillers/secure/");
    let (body, broken) = read(call(&relay, &path).await).await;
    assert_eq!(body, frame(b"one"));
    assert!(
        broken
            .unwrap()
            .to_string()
            .contains("without a gRPC status")
    );
}

#[tokio::test]
async fn a_status_in_the_head_stays_in_the_head() {
    let server = ApiServer::start(|_| async {
        let mut answer = Response::new(full(""));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        headers.insert("grpc-status", "12".parse().unwrap());
        headers.insert("grpc-message", "no".parse().unwrap());
        answer
    })
    .await;
    let relay = Rig::new(&server).relay();
    for path in [LIST, &LIST.replace("prod/", "prod/tillers/secure/")] {
        let answer = call(&relay, path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["grpc-status"], "12");
        assert_eq!(answer.headers()["grpc-message"], "no");
        let (body, broken) = read(answer).await;
        assert!(body.is_empty() && broken.is_none());
    }
}

#[tokio::test]
async fn what_is_no_call_goes_nowhere() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::new(&server).relay();
    let post = |path: &str, kind: &str, body: Bytes| {
        Request::post(format!("http://relay.internal{path}"))
            .header(CONTENT_TYPE, kind)
            .body(whole(body))
            .unwrap()
    };
    let kind = grpc_web::CONTENT_TYPE;
    let two = Bytes::from([frame(b"a"), frame(b"b")].concat());
    let compressed = Bytes::from_static(b"\x01\0\0\0\0");
    let short = Bytes::from_static(b"\0\0\0\0\x05abc");
    let mut encoded = post(LIST, kind, frame(b""));
    encoded
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    let mut long = request(LIST, frame(b""));
    long.headers_mut()
        .insert("content-length", (21 << 20).into());
    let mut put = request(LIST, frame(b""));
    *put.method_mut() = Method::PUT;
    let secrets = "/clusters/prod/api/v1/namespaces/kube-system/secrets";
    let health = "/clusters/prod/grpc.health.v1.Health/Check";
    for (what, request) in [
        (
            "another path of the APIServer",
            post(secrets, kind, frame(b"")),
        ),
        ("another service", post(health, kind, frame(b""))),
        (
            "a path out of the service",
            post(&format!("{LIST}/../../x"), kind, frame(b"")),
        ),
        ("native gRPC", post(LIST, "application/grpc", frame(b""))),
        (
            "grpc-web in base64",
            post(LIST, "application/grpc-web-text", frame(b"")),
        ),
        ("JSON", post(LIST, "application/json", frame(b""))),
        ("no message", post(LIST, kind, Bytes::new())),
        ("two messages", post(LIST, kind, two)),
        ("a compressed message", post(LIST, kind, compressed)),
        ("half a message", post(LIST, kind, short)),
        ("an encoded body", encoded),
        ("a body that is too long", long),
        ("another method", put),
    ] {
        let problem = problem(soon(relay.handle(&caller(), request)).await).await;
        assert_eq!(problem.code, Code::NotRelayed, "{what}");
        assert_eq!(problem.outcome, Outcome::NotApplied, "{what}");
    }
    assert!(server.seen().is_empty());
    assert_eq!(relay.stats(), Stats::default());
}

#[tokio::test]
async fn a_message_that_breaks_off_is_not_sent() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::new(&server).relay();
    let pieces = [
        Ok(Frame::data(frame(b"whole"))),
        Err(BodyError::from("the sandbox died")),
    ];
    let mut broken = request(INSTALL, Bytes::new());
    broken.headers_mut().remove("content-length");
    *broken.body_mut() = StreamBody::new(futures::stream::iter(pieces)).boxed_unsync();
    let problem = problem(soon(relay.handle(&caller(), broken)).await).await;
    assert_eq!(problem.code, Code::NotRelayed);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn unknown_clusters_and_tillers_are_told_apart() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::new(&server).relay();
    let cluster = problem(call(&relay, &LIST.replace("prod", "other")).await).await;
    assert_eq!(cluster.code, Code::ClusterNotFound);
    let tiller = problem(call(&relay, &LIST.replace("prod/", "prod/tillers/none/")).await).await;
    assert_eq!(tiller.code, Code::TillerNotFound);
    assert_eq!(tiller.cluster.as_deref(), Some("prod"));
    assert_eq!(tiller.tiller.as_deref(), Some("none"));
}

#[tokio::test]
async fn a_mutation_that_may_have_run_is_sent_once_and_its_outcome_unknown() {
    let server =
        ApiServer::start(|_| async { status(503, "error trying to reach service: EOF") }).await;
    let relay = Rig::new(&server).relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::EndpointUnreachable);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert_eq!(problem.cluster.as_deref(), Some("prod"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_of_something_else_is_not_quoted() {
    let server = ApiServer::start(|_| async {
        Response::builder()
            .status(502)
            .header(CONTENT_TYPE, "text/html")
            .body(full("<html>login s3cret</html>"))
            .unwrap()
    })
    .await;
    let relay = Rig::new(&server).relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::IntermediaryError);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert!(!problem.detail.contains("s3cret"), "{}", problem.detail);
}

#[tokio::test]
async fn a_success_in_another_form_is_no_success() {
    for kind in [
        "application/json",
        "application/grpc-web-text",
        "text/plain",
    ] {
        let server = ApiServer::start(move |_| async move {
            Response::builder()
                .header(CONTENT_TYPE, kind)
                .body(full("{}"))
                .unwrap()
        })
        .await;
        let relay = Rig::new(&server).relay();
        let problem = problem(call(&relay, INSTALL).await).await;
        assert_eq!(problem.code, Code::IntermediaryError, "{kind}");
        assert_eq!(problem.outcome, Outcome::Unknown, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_never_explains_itself_does_not_hold_the_call() {
    let server = ApiServer::start(|_| async {
        let start = futures::stream::iter([Ok(Bytes::from_static(b"<html>"))]);
        let body = futures::StreamExt::chain(start, futures::stream::pending());
        let mut answer = super::apiserver::streamed(body);
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, "text/html".parse().unwrap());
        answer
    })
    .await;
    let relay = Rig::new(&server).relay();
    let mut brief = request(LIST, frame(b""));
    brief
        .headers_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let problem = problem(soon(relay.handle(&caller(), brief)).await).await;
    assert_eq!(problem.code, Code::IntermediaryError);
}

#[tokio::test]
async fn a_body_without_length_is_bounded_too() {
    let endless = futures::stream::repeat_with(|| {
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; 1 << 20])))
    });
    let body = StreamBody::new(endless)
        .map_err(|never| match never {})
        .boxed_unsync();
    let request = Request::post("http://relay.internal/")
        .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
        .body(body)
        .unwrap();
    let intake = Intake::new(Duration::from_secs(1));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let error = soon(intake.read(request, deadline))
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, RelayError::NotACall(NotACall::TooLarge)));
    assert_eq!(intake.bytes(), 0);
}
