//! The way from the proxy to an endpoint, with Go's words for its failures.
//!
//! Like Go's transport: HTTP/1.1 and never h2c in plain text; over TLS what ALPN says, without looking at the
//! certificate; idle connections kept for 90 s; a request with a body is not sent again when such a connection turns out
//! to be closed.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::services::Scheme;
use super::status::Body;

/// What Go says of an HTTP/2 server that was spoken to in HTTP/1.1: it prints the SETTINGS frame it got.
const MALFORMED: &str = r#"net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00""#;

#[derive(Debug)]
pub(super) struct Backends {
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Backends {
    pub(super) fn new(dial_timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(dial_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(unverified())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(90))
            .retry_canceled_requests(false)
            .http2_initial_stream_window_size(4 * 1024 * 1024)
            .http2_initial_connection_window_size(16 * 1024 * 1024)
            .http2_max_header_list_size(10 * 1024 * 1024)
            .build(connector);
        Self { client }
    }

    /// Sends a request whose URI is [`uri`]'s. `Err` has Go's text.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        addr: SocketAddr,
    ) -> Result<Response<Incoming>, String> {
        self.client
            .request(request)
            .await
            .map_err(|error| go_text(&error, addr))
    }
}

pub(super) fn uri(
    scheme: Scheme,
    addr: SocketAddr,
    path_and_query: &str,
) -> Result<Uri, http::Error> {
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    Uri::builder()
        .scheme(scheme)
        .authority(addr.to_string())
        .path_and_query(path_and_query)
        .build()
}

fn go_text(error: &(dyn Error + 'static), addr: SocketAddr) -> String {
    let causes = || std::iter::successors(Some(error), |&error| error.source());
    if let Some(io) = causes().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        // An io::Error that wraps another is not its source.
        let wrapped = std::iter::successors(Some(io), |io| io.get_ref()?.downcast_ref());
        let io = wrapped.last().unwrap_or(io);
        let tls = io
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            return format!("remote error: tls: {alert:?}");
        }
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("dial tcp {addr}: connect: connection refused")
            }
            io::ErrorKind::TimedOut => format!("dial tcp {addr}: i/o timeout"),
            io::ErrorKind::InvalidData if tls.is_some() => {
                "tls: first record does not look like a TLS handshake".to_owned()
            }
            io::ErrorKind::ConnectionReset => {
                format!("read tcp 127.0.0.1:32768->{addr}: read: connection reset by peer")
            }
            io::ErrorKind::BrokenPipe => {
                format!("write tcp 127.0.0.1:32768->{addr}: write: broken pipe")
            }
            _ => "EOF".to_owned(),
        };
    }
    if causes().any(|cause| {
        cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
    }) {
        return MALFORMED.to_owned();
    }
    "EOF".to_owned()
}

fn unverified() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Anyone(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| unreachable!("ring has both versions: {error}"));
    config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// Takes any certificate, as the service proxy does.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
