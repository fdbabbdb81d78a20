//! Just enough HTTP to ask a process whether it is ready.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects; an error unless somebody listens.
pub(crate) async fn listens(address: &str) -> Result<()> {
    let connected = timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
    connected
        .with_context(|| format!("{address} does not answer"))?
        .with_context(|| format!("nobody listens at {address}"))
        .map(drop)
}

/// Asks for a path in plain text; an error unless the answer is 200.
pub(crate) async fn ok(address: &str, path: &str) -> Result<()> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(Duration::from_secs(5), ask)
        .await
        .with_context(|| format!("{address}{path} does not answer"))??;
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!(
            "{address}{path} answers {}",
            answer.lines().next().unwrap_or("nothing")
        );
    }
    Ok(())
}
