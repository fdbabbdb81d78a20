//! Just enough HTTP to ask a process whether it is ready, and a client for
//! those that ask for more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Over TLS or without it.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the authority in that file, and no other.
pub(crate) fn client(ca: &Path) -> Result<Client> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

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
