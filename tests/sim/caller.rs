//! Whoever calls a simulated APIServer in its own tests: one TLS connection, HTTP/1.1 or HTTP/2.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use grpc_web::{Decoder, Event, Limits, Status};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Cluster;
use crate::cluster::EDGE_TOKEN;

/// The path of Tiller behind the bridge.
pub(crate) const BRIDGE: &str =
    "/api/v1/namespaces/kube-system/services/tiller-bridge:grpc-web/proxy";
/// The path of Tiller's TLS port.
pub(crate) const TILLER: &str =
    "/api/v1/namespaces/kube-system/services/https:tiller-deploy:tiller/proxy";

/// No test waits longer.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("the test hangs")
}

/// Waits for something that other tasks bring about.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

enum Requests {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

pub(crate) struct Caller {
    requests: Requests,
    token: Option<&'static str>,
}

/// An answer that ended as it should.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Caller {
    pub(crate) async fn h1(cluster: &Cluster) -> Self {
        Self::connect(cluster, b"http/1.1", None).await
    }

    pub(crate) async fn h2(cluster: &Cluster) -> Self {
        Self::connect(cluster, b"h2", None).await
    }

    /// With a client certificate and no token.
    pub(crate) async fn with_certificate(cluster: &Cluster, certificate: &str, key: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut caller = Self::connect(cluster, b"h2", Some((certificate, key))).await;
        caller.token = None;
        caller
    }

    async fn connect(
        cluster: &Cluster,
        protocol: &[u8],
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(cluster.ca().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(vec![certificate], key)
                .unwrap(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(cluster.faults().edge_to_apiserver.addr());
        let stream = soon(stream).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let io = TokioIo::new(soon(stream).await.unwrap());
        let requests = if protocol == b"h2" {
            let (requests, connection) = soon(http2::handshake(TokioExecutor::new(), io))
                .await
                .unwrap();
            tokio::spawn(connection);
            Requests::H2(requests)
        } else {
            let (requests, connection) = soon(http1::handshake(io)).await.unwrap();
            tokio::spawn(connection);
            Requests::H1(requests)
        };
        Self {
            requests,
            token: Some(EDGE_TOKEN),
        }
    }

    pub(crate) fn with_token(mut self, token: Option<&'static str>) -> Self {
        self.token = token;
        self
    }

    /// Whether the connection takes no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.requests {
            Requests::H1(requests) => requests.is_closed(),
            Requests::H2(requests) => requests.is_closed(),
        }
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.parse().unwrap();
        if let Some(token) = self.token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let sent = async {
            match &mut self.requests {
                Requests::H1(requests) => {
                    *request.uri_mut() = path.parse().unwrap();
                    let host = "apiserver".parse().unwrap();
                    request.headers_mut().insert("host", host);
                    requests.ready().await?;
                    requests.send_request(request).await
                }
                Requests::H2(requests) => {
                    *request.uri_mut() = format!("https://apiserver{path}").parse().unwrap();
                    requests.ready().await?;
                    requests.send_request(request).await
                }
            }
        };
        soon(sent).await
    }

    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let response = self.send(method, path, headers, Bytes::new()).await;
        Reply::read(response.unwrap()).await.unwrap()
    }

    /// A call through the bridge.
    pub(crate) async fn grpc_web(&mut self, method: &str, message: &[u8]) -> hyper::Result<Reply> {
        let path = format!("{BRIDGE}/hapi.services.tiller.ReleaseService/{method}");
        let response = self
            .call("application/grpc-web+proto", &path, message, &[])
            .await?;
        Reply::read(response).await
    }

    /// A call to Tiller's TLS port.
    pub(crate) async fn grpc(
        &mut self,
        method: &str,
        message: &[u8],
        headers: &[(&str, &str)],
    ) -> hyper::Result<Reply> {
        let path = format!("{TILLER}/hapi.services.tiller.ReleaseService/{method}");
        let response = self
            .call("application/grpc", &path, message, headers)
            .await?;
        Reply::read(response).await
    }

    async fn call(
        &mut self,
        content_type: &str,
        path: &str,
        message: &[u8],
        headers: &[(&str, &str)],
    ) -> hyper::Result<Response<Incoming>> {
        let mut all = vec![
            ("content-type", content_type),
            ("te", "trailers"),
            ("x-helm-api-client", "v2.0.0+unreleased"),
        ];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, grpc_web::encode_message(message))
            .await
    }
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, mut incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let mut trailers = HeaderMap::new();
        while let Some(frame) = soon(incoming.frame()).await {
            match frame?.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            }
        }
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body: body.freeze(),
            trailers,
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// HTTP status and message of a Kubernetes `Status`.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let status = self.json();
        assert_eq!(status["kind"], "Status");
        assert_eq!(status["apiVersion"], "v1");
        assert_eq!(status["code"], self.status.as_u16());
        let message = status["message"].as_str().unwrap();
        (self.status.as_u16(), message.to_owned())
    }

    /// Messages and status of a grpc-web answer.
    pub(crate) fn decoded(&self) -> (Vec<Bytes>, Status) {
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(self.body.clone());
        let mut messages = Vec::new();
        while let Some(event) = decoder.next().unwrap() {
            match event {
                Event::Message(message) => messages.push(message),
                Event::Trailers(trailers) => {
                    return (messages, Status::from_trailers(&trailers).unwrap());
                }
            }
        }
        panic!("no trailer frame");
    }
}
