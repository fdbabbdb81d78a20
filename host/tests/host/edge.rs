//! A whole edge: the library's and the program's, with a component that does as it is asked (`tests/guests`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rest::problem::{Code, Problem};
use tiller_edge::config::Config;
use tiller_edge::edge::Edge;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{PATIENCE, guests, soon};

/// A directory with a manifest and a kubeconfig whose one cluster nobody answers for.
fn home() -> Option<tempfile::TempDir> {
    let component = guests::component()?;
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join("spin.toml"), guests::manifest(&component)).expect("written");
    fs::write(
        home.path().join("kubeconfig"),
        r#"{"clusters": [{"name": "sim", "cluster": {"server": "http://127.0.0.1:1"}}],
            "users": [{"name": "sim", "user": {}}],
            "contexts": [{"name": "sim", "context": {"cluster": "sim", "user": "sim"}}],
            "current-context": "sim"}"#,
    )
    .expect("written");
    Some(home)
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// One request on a connection of its own, sent in full, and all that comes back.
async fn ask(stream: &mut TcpStream, request: &str) -> String {
    soon(stream.write_all(request.as_bytes()))
        .await
        .expect("taken");
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer))
        .await
        .expect("an answer");
    answer
}

fn problem(answer: &str) -> Problem {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("a problem")
}

#[tokio::test]
async fn an_edge_answers_to_its_own_names_only() {
    let Some(home) = home() else { return };
    let config = Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        manifest: home.path().join("spin.toml"),
        kubeconfig: Some(home.path().join("kubeconfig")),
        cache_dir: Some(cache()),
        ..Config::default()
    };
    let edge = soon(Edge::start(config)).await.expect("starts");
    let get = |host: &str| {
        format!("GET /guests/hello HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
    };
    let connect = || async {
        soon(TcpStream::connect(edge.addr()))
            .await
            .expect("connects")
    };
    let answer = ask(&mut connect().await, &get("localhost")).await;
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    let answer = ask(&mut connect().await, &get("evil.example")).await;
    assert_eq!(problem(&answer).code, Code::InvalidRequest);
    let stats = edge.stats();
    assert_eq!((stats.sandbox.started, stats.ingress.served), (1, 2));
    assert!(soon(edge.drain(PATIENCE)).await);
}

/// `tiller-edge serve` as a process.
struct Served {
    process: Child,
    addr: String,
    _home: tempfile::TempDir,
}

impl Served {
    async fn start() -> Option<Self> {
        let home = home()?;
        let mut process = Command::new(env!("CARGO_BIN_EXE_tiller-edge"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .arg("--manifest")
            .arg(home.path().join("spin.toml"))
            .arg("--kubeconfig")
            .arg(home.path().join("kubeconfig"))
            .env("XDG_CACHE_HOME", cache())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let addr = soon(async {
            loop {
                let line = log.next_line().await.expect("readable").expect("not over");
                let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if let Some(addr) = line["addr"].as_str() {
                    return addr.to_owned();
                }
            }
        })
        .await;
        // Read on, so that the process can write.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Some(Self {
            process,
            addr,
            _home: home,
        })
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        soon(TcpStream::connect(&self.addr)).await
    }

    /// A request that lasts until its body is ended, and the beginning of its answer.
    async fn begin(&self) -> TcpStream {
        let mut stream = self.connect().await.expect("connects");
        let head = "POST /guests/echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        soon(stream.write_all(head.as_bytes()))
            .await
            .expect("taken");
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello\r\n") {
            let read = soon(stream.read_buf(&mut seen)).await.expect("an answer");
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&seen));
        }
        stream
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id().expect("runs").to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(soon(sent).await.expect("kill runs").success());
    }

    /// Waits until it takes no connections any more.
    async fn closed(&self) {
        soon(async {
            while self.connect().await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn sigterm_lets_requests_under_way_end() {
    let Some(mut edge) = Served::start().await else {
        return;
    };
    let mut stream = edge.begin().await;
    edge.signal("TERM").await;
    edge.closed().await;
    let rest = ask(&mut stream, "5\r\nworld\r\n0\r\n\r\n").await;
    assert_eq!(rest, "5\r\nworld\r\n0\r\n\r\n");
    assert!(soon(edge.process.wait()).await.expect("ends").success());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let Some(mut edge) = Served::start().await else {
        return;
    };
    let mut stream = edge.begin().await;
    edge.signal("INT").await;
    edge.closed().await;
    edge.signal("TERM").await;
    soon(edge.process.wait()).await.expect("ends");
    let mut rest = Vec::new();
    // Broken off: nothing more, and no end of the answer.
    _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_with_the_reason() {
    let output = Command::new(env!("CARGO_BIN_EXE_tiller-edge"))
        .args(["serve", "--listen", "0.0.0.0:0"])
        .output();
    let output = soon(output).await.expect("runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not a loopback address"), "{said}");
}
