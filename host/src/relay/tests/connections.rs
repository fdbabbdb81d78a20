//! Connections: how they come up, what their loss means, and that they are shared and given back.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future;
use http::Version;
use rest::problem::{Code, Outcome};
use tokio::net::TcpListener;

use super::apiserver::{ApiServer, Authority, acceptor, grpc_web};
use super::proxies::Proxy;
use super::*;

#[tokio::test]
async fn calls_share_one_connection() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::new(&server).relay();
    for _ in 0..3 {
        read(call(&relay, LIST).await).await;
    }
    assert_eq!(relay.stats().connections, 1);
}

#[tokio::test]
async fn a_full_connection_does_not_make_calls_wait() {
    let server = ApiServer::start(|seen| async move {
        if seen.path.ends_with("/InstallRelease") {
            future::pending::<()>().await;
        }
        grpc_web(success(b""))
    })
    .await;
    let relay = Rig::new(&server).relay();
    let caller = caller();
    let installs = (0..200).map(|_| relay.handle(&caller, request(INSTALL, frame(b""))));
    let mut installs = Box::pin(future::join_all(installs));
    let listed = async {
        while server.seen().len() < 200 {
            tokio::task::yield_now().await;
        }
        call(&relay, LIST).await.status()
    };
    tokio::select! {
        _ = &mut installs => panic!("answered"),
        status = soon(listed) => assert_eq!(status, StatusCode::OK),
    }
    assert_eq!(relay.stats().calls, 200);
    assert!(
        (3..=4).contains(&relay.stats().connections),
        "{:?}",
        relay.stats()
    );
    drop(installs);
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn a_connection_the_server_gives_up_is_replaced() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::new(&server).relay();
    for _ in 0..5 {
        let answer = call(&relay, INSTALL).await;
        assert_eq!(answer.status(), StatusCode::OK);
        read(answer).await;
        server.leave();
    }
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn http1_is_spoken_where_nothing_else_is_offered() {
    let server = ApiServer::start_as("127.0.0.1", &["http/1.1"], |_| async {
        grpc_web(success(b"x"))
    })
    .await;
    let relay = Rig::new(&server).relay();
    let (body, broken) = read(call(&relay, LIST).await).await;
    assert!(broken.is_none());
    assert_eq!(body, success(b"x"));
    assert_eq!(server.seen()[0].version, Version::HTTP_11);
    assert_eq!(
        server.seen()[0].headers["host"],
        server.addr().to_string().as_str()
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_has_not_been_asked() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", free.local_addr().unwrap());
    drop(free);
    let ca = format!("certificate-authority-data: {}", server.ca_data());
    let relay = Rig::with(&url, &ca, "{token: t}").relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::ClusterUnreachable);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(problem.detail.contains("refused"), "{}", problem.detail);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let mut rig = Rig::with(&url, "insecure-skip-tls-verify: true", "{token: t}");
    rig.config.relay.connect_timeout = Duration::from_millis(100);
    let problem = problem(call(&rig.relay(), INSTALL).await).await;
    assert_eq!(problem.code, Code::ClusterUnreachable);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(
        problem.detail.contains("no connection within 100ms"),
        "{}",
        problem.detail
    );
}

#[tokio::test]
async fn a_deadline_before_the_connection_is_up_leaves_nothing_applied() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let relay = Rig::with(&url, "insecure-skip-tls-verify: true", "{token: t}").relay();
    let mut brief = request(INSTALL, frame(b""));
    brief
        .headers_mut()
        .insert("grpc-timeout", "100m".parse().unwrap());
    let problem = problem(soon(relay.handle(&caller(), brief)).await).await;
    assert_eq!(problem.code, Code::DeadlineExceeded);
    assert_eq!(problem.outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_unless_told_to_trust_anything() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let other = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let foreign = format!("certificate-authority-data: {}", other.ca_data());
    let refused = problem(
        call(
            &Rig::with(&server.url(), &foreign, "{token: t}").relay(),
            LIST,
        )
        .await,
    )
    .await;
    assert_eq!(refused.code, Code::ClusterUnreachable);
    assert!(refused.detail.contains("certificate"), "{}", refused.detail);
    assert!(server.seen().is_empty());

    let blind = Rig::with(
        &server.url(),
        "insecure-skip-tls-verify: true",
        "{token: t}",
    )
    .relay();
    assert_eq!(call(&blind, LIST).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_an_authority_the_systems_are_trusted_and_no_others() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let relay = Rig::with(&server.url(), "", "{token: t}").relay();
    let problem = problem(call(&relay, LIST).await).await;
    assert_eq!(problem.code, Code::ClusterUnreachable);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn another_name_than_the_urls_may_be_checked() {
    let server = ApiServer::start_as("kubernetes.default", &["h2"], |_| async {
        grpc_web(success(b""))
    })
    .await;
    let ca = format!("certificate-authority-data: {}", server.ca_data());
    let plain = Rig::with(&server.url(), &ca, "{token: t}").relay();
    assert_eq!(
        problem(call(&plain, LIST).await).await.code,
        Code::ClusterUnreachable
    );
    let named = format!("{ca}, tls-server-name: kubernetes.default");
    let named = Rig::with(&server.url(), &named, "{token: t}").relay();
    assert_eq!(call(&named, LIST).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_authority_file_that_is_missing_is_the_clusters_problem_only() {
    let rig = Rig::with(
        "https://127.0.0.1:1",
        "certificate-authority: /nowhere/ca.crt",
        "{token: t}",
    );
    let problem = problem(call(&rig.relay(), LIST).await).await;
    assert_eq!(problem.code, Code::ClusterUnreachable);
    assert!(!problem.detail.contains("/nowhere"), "{}", problem.detail);
}

/// A server that cuts its connections the first `cuts` times it is called.
async fn cutting(cuts: usize) -> ApiServer {
    let scissors = Arc::new(std::sync::OnceLock::<Box<dyn Fn() + Send + Sync>>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let held = Arc::clone(&scissors);
    let server = ApiServer::start(move |_| {
        let is_cut = calls.fetch_add(1, Ordering::Relaxed) < cuts;
        if is_cut {
            held.get().unwrap()();
        }
        async move {
            if is_cut {
                future::pending::<()>().await;
            }
            grpc_web(success(b""))
        }
    })
    .await;
    assert!(scissors.set(Box::new(server.scissors())).is_ok());
    server
}

#[tokio::test]
async fn a_mutation_whose_connection_is_lost_is_not_sent_again() {
    let server = cutting(1).await;
    let relay = Rig::new(&server).relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::AnswerInterrupted);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_read_whose_connection_is_lost_is_sent_once_more() {
    let server = cutting(1).await;
    let relay = Rig::new(&server).relay();
    assert_eq!(call(&relay, LIST).await.status(), StatusCode::OK);
    assert_eq!(server.seen().len(), 2);

    let server = cutting(9).await;
    let relay = Rig::new(&server).relay();
    let problem = problem(call(&relay, LIST).await).await;
    assert_eq!(problem.code, Code::AnswerInterrupted);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_mutation_that_the_server_refuses_unread_is_sent_once_more() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority, "127.0.0.1", &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let refusing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut answer) = connection.accept().await.unwrap().unwrap();
        answer.send_reset(h2::Reason::REFUSED_STREAM);
        let (_, mut answer) = connection.accept().await.unwrap().unwrap();
        let head = Response::builder()
            .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
            .body(())
            .unwrap();
        let mut body = answer.send_response(head, false).unwrap();
        body.send_data(success(b"answer").into(), true).unwrap();
        assert!(connection.accept().await.is_none(), "a third attempt");
    });
    let ca = format!("certificate-authority-data: {}", authority.data());
    let relay = Rig::with(&url, &ca, "{token: t}").relay();
    let answer = call(&relay, INSTALL).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(read(answer).await.0, success(b"answer"));
    drop(relay);
    soon(refusing).await.unwrap();
}

#[tokio::test]
async fn connections_are_closed_with_the_relay() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let rig = Rig::new(&server);
    let clusters = Arc::new(Clusters::load(&rig.config).unwrap());
    let repositories = Repositories::load(&rig.config).unwrap();
    let relay = Relay::new(
        Arc::clone(&clusters),
        Arc::new(repositories),
        Arc::new(Audit::off()),
        &rig.config,
    );
    read(call(&relay, LIST).await).await;
    assert_eq!(clusters.connections(), 1);
    server.cut();
    let gone = async {
        while clusters.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel() {
    let server = ApiServer::start(|_| async { grpc_web(success(b"")) }).await;
    let proxy = Proxy::http().await;
    let cluster = format!(
        "certificate-authority-data: {}, proxy-url: 'http://edge:s3cret@{}'",
        server.ca_data(),
        proxy.addr()
    );
    let relay = Rig::with(&server.url(), &cluster, "{token: t}").relay();
    assert_eq!(call(&relay, LIST).await.status(), StatusCode::OK);
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with(&format!("CONNECT {} HTTP/1.1", server.addr())),
        "{asked:?}"
    );
    assert!(
        asked[0].contains("Proxy-Authorization: Basic ZWRnZTpzM2NyZXQ="),
        "{asked:?}"
    );
    assert_eq!(server.seen()[0].version, Version::HTTP_2);
}

#[tokio::test]
async fn a_socks_proxy_is_told_the_name() {
    let server =
        ApiServer::start_as("localhost", &["h2"], |_| async { grpc_web(success(b"")) }).await;
    let proxy = Proxy::socks().await;
    let cluster = format!(
        "certificate-authority-data: {}, proxy-url: 'socks5://{}'",
        server.ca_data(),
        proxy.addr()
    );
    let url = format!("https://localhost:{}", server.addr().port());
    let relay = Rig::with(&url, &cluster, "{token: t}").relay();
    assert_eq!(call(&relay, LIST).await.status(), StatusCode::OK);
    assert_eq!(
        proxy.asked(),
        [format!("localhost:{}", server.addr().port())]
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_leaves_nothing_applied_and_shows_no_password() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cluster = format!(
        "insecure-skip-tls-verify: true, proxy-url: 'http://edge:s3cret@{}'",
        free.local_addr().unwrap()
    );
    drop(free);
    let relay = Rig::with("https://10.0.0.1:6443", &cluster, "{token: t}").relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::ClusterUnreachable);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(!problem.detail.contains("s3cret"), "{}", problem.detail);
}
