//! Callers that forget the `s` in `https`: they are told so, in words that any HTTP client shows.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The type of the TLS record that every connection begins with.
const HANDSHAKE: u8 = 22;

const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 63\r\n\
    connection: close\r\n\
    \r\n\
    This port speaks TLS, and the request came without: use https.\n";

/// How much of a request is read, and for how long, so that the answer arrives: a connection that is closed with bytes
/// unread is reset, and the reset overtakes the answer.
const LINGER: (u64, Duration) = (64 << 10, Duration::from_secs(1));

/// Waits for the first byte. True if it is the beginning of a request, a letter.
pub(super) async fn is_spoken(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [HANDSHAKE];
    let read = stream.peek(&mut first).await?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(first[0].is_ascii_alphabetic())
}

pub(super) async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(ANSWER.as_bytes()).await?;
    stream.shutdown().await?;
    let (most, patience) = LINGER;
    let rest = async { tokio::io::copy(&mut stream.take(most), &mut tokio::io::sink()).await };
    // Whether the caller reads or leaves is its business.
    _ = timeout(patience, rest).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
