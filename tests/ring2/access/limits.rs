//! Callers that take more than their share of connections, streams, heads or patience.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use super::tls::secured;
use crate::support::pki::Pki;
use crate::support::{Plan, Protocol, Stage, get, soon, stage, until};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A caller that writes what frames it likes.
struct Rude {
    stream: TcpStream,
}

/// What came of a frame.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The reason in a GOAWAY or RST_STREAM.
    fn reason(&self) -> Option<u32> {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let bytes = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a GET, in literals.
fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(4, path), (1, "localhost")] {
        block.extend([name, u8::try_from(value.len()).expect("short")]);
        block.extend(value.as_bytes());
    }
    block
}

impl Rude {
    async fn open(stage: &Stage) -> Self {
        let stream = connect(stage).await;
        let mut rude = Self { stream };
        rude.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        rude.write(&frame(SETTINGS, 0, 0, &[])).await;
        rude
    }

    /// Writes as much as is taken.
    async fn write(&mut self, bytes: &[u8]) {
        _ = soon(self.stream.write_all(bytes)).await;
    }

    /// The next frame; none at the end, or where the connection broke.
    async fn next(&mut self) -> Option<Frame> {
        soon(async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, _, stream @ ..] = head;
            let length = u32::from_be_bytes([0, a, b, c]);
            let mut payload = vec![0; usize::try_from(length).ok()?];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some(Frame {
                kind,
                stream: u32::from_be_bytes(stream),
                payload,
            })
        })
        .await
    }

    /// Reads on to a frame of that kind.
    async fn reaches(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("another frame");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads to the end. The reason of the last GOAWAY, where it arrived.
    async fn ends(mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                reason = frame.reason();
            }
        }
        reason
    }
}

async fn connect(stage: &Stage) -> TcpStream {
    let stream = TcpStream::connect(stage.edge().addr());
    soon(stream).await.expect("connects")
}

/// Whether the edge closes the connection without a word.
async fn is_closed(mut stream: TcpStream) -> bool {
    !matches!(soon(stream.read(&mut [0; 64])).await, Ok(1..))
}

/// Odd numbers: the streams of a caller.
fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

async fn serves(stage: &Stage) {
    stage.get("/v1/clusters/sim/version").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_gets_no_more_connections_than_it_may_have() {
    let stage = stage()
        .limits(|limits| limits.connections_per_address = Some(8))
        .start()
        .await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(connect(&stage).await);
    }
    until("eight connections", || {
        stage.edge().stats().ingress.connections == 8
    })
    .await;
    for _ in 0..20 {
        assert!(is_closed(connect(&stage).await).await);
    }
    // Another address is another caller.
    let socket = TcpSocket::new_v4().expect("a socket");
    let other: SocketAddr = "127.0.0.2:0".parse().expect("an address");
    socket.bind(other).expect("all of 127.0.0.0/8 is here");
    let connected = soon(socket.connect(stage.edge().addr())).await;
    let mut stream = connected.expect("connects");
    let asked =
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    soon(asked).await.expect("taken");
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer))
        .await
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    open.clear();
    stage.is_clean().await;
    serves(&stage).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_no_more_streams_than_it_may() {
    let stage = stage().limits(|limits| limits.streams = 4).start().await;
    let mut rude = Rude::open(&stage).await;
    let settings = rude.reaches(SETTINGS).await;
    let mut told = settings.payload.chunks_exact(6);
    assert!(
        told.any(|setting| setting == [0, 3, 0, 0, 0, 4]),
        "{settings:?}"
    );
    // Bodies that do not come keep them open.
    for stream in streams().take(12) {
        let head = frame(HEADERS, END_HEADERS, stream, &head("/guests/echo"));
        rude.write(&head).await;
    }
    let mut refused = Vec::new();
    for _ in 0..8 {
        let frame = rude.reaches(RST_STREAM).await;
        assert_eq!(frame.reason(), Some(REFUSED_STREAM));
        refused.push(frame.stream);
    }
    refused.sort_unstable();
    assert_eq!(refused, streams().skip(4).take(8).collect::<Vec<_>>());
    until("four requests", || {
        stage.edge().stats().ingress.requests == 4
    })
    .await;
    assert!(stage.edge().stats().sandbox.started <= 4);
    drop(rude);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let stage = stage().start().await;
    let before = stage.edge().stats().sandbox.started;
    let mut rude = Rude::open(&stage).await;
    let mut burst = Vec::new();
    for stream in streams().take(2000) {
        burst.extend(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &head("/guests/hang"),
        ));
        burst.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    rude.write(&burst).await;
    let reason = rude.ends().await;
    assert!(
        matches!(reason, None | Some(ENHANCE_YOUR_CALM)),
        "{reason:?}"
    );
    let started = stage.edge().stats().sandbox.started - before;
    assert!(started < 200, "{started} sandboxes for one connection");
    stage.is_clean().await;
    serves(&stage).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_the_edge_must_reset_end_the_connection() {
    let stage = stage().start().await;
    let before = stage.edge().stats().sandbox.started;
    let mut rude = Rude::open(&stage).await;
    let mut burst = Vec::new();
    for stream in streams().take(2000) {
        burst.extend(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &head("/guests/hang"),
        ));
        // An increment of nothing is an error of the stream.
        burst.extend(frame(WINDOW_UPDATE, 0, stream, &[0; 4]));
    }
    rude.write(&burst).await;
    let reason = rude.ends().await;
    assert!(reason.is_none_or(|reason| reason != 0), "{reason:?}");
    let started = stage.edge().stats().sandbox.started - before;
    assert!(started < 400, "{started} sandboxes for one connection");
    stage.is_clean().await;
    serves(&stage).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_ends_the_connection() {
    let stage = stage()
        .limits(|limits| limits.header_timeout = Duration::from_millis(300))
        .start()
        .await;
    // Much at once.
    let mut rude = Rude::open(&stage).await;
    rude.write(&frame(HEADERS, END_STREAM, 1, &head("/guests/hang")))
        .await;
    let more = [0x00, 0x01, b'x', 0x7e].into_iter().chain([b'y'; 126]);
    let more = frame(CONTINUATION, 0, 1, &more.collect::<Vec<u8>>());
    for _ in 0..8192 {
        rude.write(&more).await;
    }
    rude.ends().await;
    // Little at a time.
    let mut rude = Rude::open(&stage).await;
    rude.write(&frame(HEADERS, END_STREAM, 1, &head("/guests/hang")))
        .await;
    rude.ends().await;
    assert_eq!(stage.edge().stats().ingress.served, 0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let pki = Pki::new();
    let slow =
        |plan: Plan| plan.limits(|limits| limits.header_timeout = Duration::from_millis(300));
    let drip = async |mut stream: Box<dyn crate::support::pki::Io>| {
        let head = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: {}",
            "y".repeat(10_000)
        );
        for byte in head.as_bytes() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("it was waited for");
    };
    let stage = slow(secured(stage(), &pki)).start().await;
    let caller = pki.caller(None);
    for protocol in [Protocol::H1, Protocol::H2] {
        let stream = caller.connect(connect(&stage).await, protocol);
        let stream = soon(stream).await.expect("TLS is agreed upon");
        soon(drip(Box::new(stream))).await;
    }
    stage.end().await;
    let stage = slow(self::stage()).start().await;
    soon(drip(Box::new(connect(&stage).await))).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_or_too_many_are_refused() {
    let stage = stage()
        .limits(|limits| {
            limits.header = tiller_edge::config::Size::KIB * 8;
            limits.headers = 20;
        })
        .start()
        .await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let large = get("/v1/clusters").header("x-large", &"y".repeat(12 << 10));
        // A refusal, or the end of the connection.
        if let Ok(answer) = stage.attempt(large.over(protocol)).await {
            answer.expect(431);
        }
    }
    let mut many = get("/v1/clusters");
    for _ in 0..40 {
        many = many.header("x-many", "y");
    }
    stage.send(many).await.expect(431);
    stage.get("/v1/clusters").await.expect(200);
    stage.end().await;
}
