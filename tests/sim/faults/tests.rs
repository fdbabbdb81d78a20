//! A hop in front of an echo.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::caller::{soon, until};

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                _ = tokio::io::copy(&mut reads, &mut writes).await;
            });
        }
    });
    addr
}

async fn hop() -> Hop {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Hop::start(any, Some(echo().await)).await.unwrap()
}

async fn connect(hop: &Hop) -> TcpStream {
    soon(TcpStream::connect(hop.addr())).await.unwrap()
}

async fn says(stream: &mut TcpStream, text: &str) -> io::Result<String> {
    soon(async {
        stream.write_all(text.as_bytes()).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        Ok(String::from_utf8(back).unwrap())
    })
    .await
}

async fn rest(stream: &mut TcpStream) -> (Vec<u8>, io::Result<usize>) {
    let mut rest = Vec::new();
    let end = soon(stream.read_to_end(&mut rest)).await;
    (rest, end)
}

#[tokio::test]
async fn a_healthy_hop_passes_and_counts_everything() {
    let hop = hop().await;
    let mut stream = connect(&hop).await;
    assert_eq!(says(&mut stream, "hello").await.unwrap(), "hello");
    let traffic = hop.traffic();
    assert_eq!((traffic.connections, traffic.open), (1, 1));
    assert_eq!((traffic.up, traffic.down, traffic.struck), (5, 5, 0));
    soon(stream.shutdown()).await.unwrap();
    assert_eq!(rest(&mut stream).await.0, b"");
    until(|| hop.traffic().open == 0).await;
}

#[tokio::test]
async fn refusing_closes_the_port_and_resets_what_is_open() {
    let hop = hop().await;
    let mut stream = connect(&hop).await;
    assert!(says(&mut stream, "a").await.is_ok());
    soon(hop.set(Fault::Refuse)).await;
    assert!(rest(&mut stream).await.1.is_err());
    let refused = soon(TcpStream::connect(hop.addr())).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    soon(hop.clear()).await;
    assert!(says(&mut connect(&hop).await, "b").await.is_ok());
}

#[tokio::test]
async fn a_reset_comes_after_the_bytes_it_was_set_for() {
    let hop = hop().await;
    for way in [Way::Down, Way::Up] {
        soon(hop.set(Fault::Reset { way, after: 3 })).await;
        let mut stream = connect(&hop).await;
        _ = stream.write_all(b"hello").await;
        let (came, end) = rest(&mut stream).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(came.len() <= 3, "{came:?}");
        soon(hop.clear()).await;
    }
    assert_eq!(hop.traffic().struck, 2);
}

#[tokio::test]
async fn a_cut_is_an_orderly_end() {
    let hop = hop().await;
    let way = Way::Down;
    soon(hop.set(Fault::Cut { way, after: 3 })).await;
    let mut stream = connect(&hop).await;
    soon(stream.write_all(b"hello")).await.unwrap();
    let (came, end) = rest(&mut stream).await;
    assert_eq!(came, b"hel");
    assert!(end.is_ok());
}

#[tokio::test]
async fn a_stall_holds_the_rest_until_it_is_cleared() {
    let hop = hop().await;
    let way = Way::Down;
    hop.once(Fault::Stall { way, after: 3 });
    let mut stream = connect(&hop).await;
    soon(stream.write_all(b"hello")).await.unwrap();
    soon(hop.struck(1)).await;
    let mut came = [0; 3];
    soon(stream.read_exact(&mut came)).await.unwrap();
    // Another connection is not struck: it was for once.
    assert!(says(&mut connect(&hop).await, "other").await.is_ok());
    let nothing = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut came));
    assert!(nothing.await.is_err());
    soon(hop.clear()).await;
    soon(stream.read_exact(&mut came[..2])).await.unwrap();
    assert_eq!(&came[..2], b"lo");
}

#[tokio::test]
async fn a_fault_for_once_strikes_one_connection() {
    let hop = hop().await;
    let mut open = connect(&hop).await;
    assert!(says(&mut open, "a").await.is_ok());
    let way = Way::Up;
    hop.once(Fault::Reset { way, after: 1 });
    let broken = says(&mut open, "bb").await;
    assert!(broken.is_err());
    assert!(says(&mut connect(&hop).await, "ccc").await.is_ok());
    assert_eq!(hop.traffic().struck, 1);
}

#[tokio::test]
async fn dripping_is_slow_but_whole() {
    let hop = hop().await;
    let every = Duration::from_millis(2);
    soon(hop.set(Fault::Drip { bytes: 1, every })).await;
    let begun = std::time::Instant::now();
    let text = "0123456789";
    assert_eq!(says(&mut connect(&hop).await, text).await.unwrap(), text);
    assert!(begun.elapsed() >= every * 9);
}

#[tokio::test]
async fn a_hop_without_a_target_refuses_until_it_has_one() {
    let hop = hop().await;
    let mut stream = connect(&hop).await;
    assert!(says(&mut stream, "a").await.is_ok());
    soon(hop.close()).await;
    assert!(rest(&mut stream).await.1.is_err());
    assert!(soon(TcpStream::connect(hop.addr())).await.is_err());
    soon(hop.open(echo().await)).await;
    assert!(says(&mut connect(&hop).await, "b").await.is_ok());
}
