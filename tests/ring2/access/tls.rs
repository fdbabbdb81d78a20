//! TLS at the ingress: what is spoken, new certificates without a restart, and callers that never get so far.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rest::problem::{Code, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::support::pki::{EDGE, Pki, Secure, shown};
use crate::support::{PATIENCE, Plan, Protocol, Stage, get, post, soon, stage, until};

/// A connection that is kept, over HTTP/2.
pub(super) struct Line {
    address: SocketAddr,
    requests: http2::SendRequest<Empty<Bytes>>,
    connection: AbortHandle,
}

impl Line {
    pub(super) async fn open(stage: &Stage, secure: &Secure) -> anyhow::Result<Self> {
        let address = stage.edge().addr();
        let stream = soon(TcpStream::connect(address)).await?;
        let stream = soon(secure.connect(stream, Protocol::H2)).await?;
        let io = TokioIo::new(stream);
        let (requests, connection) = soon(http2::handshake(TokioExecutor::new(), io)).await?;
        Ok(Self {
            address,
            requests,
            connection: tokio::spawn(connection).abort_handle(),
        })
    }

    pub(super) async fn get(&mut self, path: &str) -> hyper::Result<(StatusCode, String)> {
        let mut request = Request::new(Empty::new());
        let uri = format!("https://{}{path}", self.address);
        *request.uri_mut() = uri.parse().expect("a URI");
        soon(async {
            self.requests.ready().await?;
            let answer = self.requests.send_request(request).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
        })
        .await
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// With a certificate of that authority.
pub(super) fn secured(plan: Plan, pki: &Pki) -> Plan {
    let (certificate, key) = (Some(pki.path("edge.pem")), Some(pki.path("edge.key")));
    plan.configure(move |config, _| {
        config.tls.certificate_file = certificate;
        config.tls.key_file = key;
        config.hosts = vec![EDGE.to_owned()];
    })
}

async fn connect(stage: &Stage) -> TcpStream {
    let stream = TcpStream::connect(stage.edge().addr());
    soon(stream).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_served_over_tls_by_either_protocol_and_version() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki)
        .configure(|config, _| config.tls.hsts = Some(Duration::from_secs(180 * 24 * 3600)))
        .start()
        .await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let caller = pki.caller_of(None, &[version]);
        for protocol in [Protocol::H1, Protocol::H2] {
            for (path, status) in [
                ("/v1/clusters/sim/version", 200),
                ("/nonsense", 404),
                ("/healthz", 200),
            ] {
                let ask = get(path).over(protocol).secured(&caller);
                let answer = stage.send(ask).await.expect(status);
                let hsts = answer.header("strict-transport-security");
                assert_eq!(hsts, "max-age=15552000");
            }
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_nothing_of_tls_unless_it_is_configured() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki).start().await;
    let ask = get("/healthz").secured(&pki.caller(None));
    let answer = stage.send(ask).await.expect(200);
    assert!(!answer.headers.contains_key("strict-transport-security"));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_without_a_restart_and_open_connections_stay() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki).start().await;
    let caller = pki.caller(None);
    let now = async || {
        let stream = caller.connect(connect(&stage).await, Protocol::H2);
        shown(&soon(stream).await.expect("TLS is agreed upon"))
    };
    let first = now().await;
    let mut line = Line::open(&stage, &caller).await.expect("a line");
    // Not the key of the certificate: what was there before stays.
    pki.write("edge.key", "nonsense");
    assert_eq!(now().await, first);
    pki.issue_edge();
    soon(async {
        while now().await == first {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (status, _) = line.get("/v1/clusters/sim/version").await.expect("open");
    assert_eq!(status, 200);
    drop(line);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_tls_is_told_what_is_wrong() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki).start().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let opened = stage.attempt(get("/v1/clusters").over(protocol)).await;
        match protocol {
            Protocol::H1 => {
                let answer = opened.expect("an answer").expect(400);
                assert!(answer.text().contains("use https"), "{answer}");
            }
            // It expects frames.
            Protocol::H2 => assert!(opened.is_err()),
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_never_agree_on_tls_hold_nothing() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki)
        .limits(|limits| limits.handshake_timeout = Duration::from_millis(200))
        .start()
        .await;
    let beginnings: [&[u8]; 5] = [
        b"",
        // The head of a record of 512 bytes, and less than it says.
        &[22, 3, 1, 2, 0],
        &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3],
        b"GET / HTTP/1.1\r\n",
        &[0; 64],
    ];
    let mut open = Vec::new();
    for beginning in beginnings.iter().cycle().take(50) {
        let mut stream = connect(&stage).await;
        soon(stream.write_all(beginning)).await.expect("taken");
        open.push(stream);
    }
    let caller = pki.caller(None);
    let ask = get("/v1/clusters/sim/version").secured(&caller);
    stage.send(ask).await.expect(200);
    stage.is_clean().await;
    for mut stream in open {
        let mut rest = Vec::new();
        _ = soon(stream.read_to_end(&mut rest)).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_waits_for_no_handshake() {
    let pki = Pki::new();
    let mut stage = secured(stage(), &pki)
        .limits(|limits| limits.handshake_timeout = PATIENCE)
        .start()
        .await;
    let _silent = connect(&stage).await;
    until("a connection", || {
        stage.edge().stats().ingress.connections == 1
    })
    .await;
    let started = Instant::now();
    assert!(soon(stage.take_edge().drain(PATIENCE)).await);
    assert!(started.elapsed() < PATIENCE / 2);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_of_a_request_is_judged_whatever_name_tls_was_for() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki).start().await;
    let caller = pki.caller(None);
    for (host, is_ours) in [
        (EDGE, true),
        ("edge.example.com:8443", true),
        ("localhost", true),
        ("evil.example", false),
    ] {
        let ask = get("/v1/clusters").header("host", host).secured(&caller);
        let answer = stage.send(ask).await;
        if is_ours {
            answer.expect(200);
        } else {
            answer.refused(Code::InvalidRequest, Outcome::NotApplied);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_same_host_without_tls_is_another_origin() {
    let pki = Pki::new();
    let stage = secured(stage(), &pki).start().await;
    let caller = pki.caller(None);
    for (origin, is_ours) in [
        ("https://edge.example.com", true),
        ("http://edge.example.com", false),
    ] {
        let ask = post("/v1/clusters/sim/releases/web/tests")
            .header("host", EDGE)
            .header("origin", origin);
        let answer = stage.send(ask.secured(&caller)).await;
        let code = answer.problem().code;
        assert_eq!(code != Code::InvalidRequest, is_ours, "{answer}");
    }
    stage.end().await;
}
