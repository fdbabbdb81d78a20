//! A TLS server that plays the APIServer: it notes what it is sent and answers as a test says.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Answer = Response<AnswerBody>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The client's certificate, if it showed one.
    pub(crate) certificate: Option<Vec<u8>>,
}

type Behaviour = dyn Fn(Seen) -> BoxFuture<'static, Answer> + Send + Sync;

/// What becomes of all connections.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Serve,
    /// Finish what is under way, as after GOAWAY. Counted, so that each order is a new one.
    Leave(usize),
    /// Close the sockets.
    Cut(usize),
}

/// The server. Dropping it ends it.
pub(crate) struct ApiServer {
    addr: SocketAddr,
    authority: Arc<Authority>,
    seen: Arc<Mutex<Vec<Seen>>>,
    order: watch::Sender<Order>,
    serving: JoinHandle<()>,
}

/// Who vouches for the server and for clients.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// `certificate-authority-data`.
    pub(crate) fn data(&self) -> String {
        BASE64_STANDARD.encode(self.pem())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for `name`, and its key, as PEM.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.certify(name);
        (certificate.pem(), key.serialize_pem())
    }

    fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

impl ApiServer {
    /// A server with HTTP/2 and HTTP/1.1 that answers with what `behaviour` gives.
    pub(crate) async fn start<F, R>(behaviour: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self::start_as("127.0.0.1", &["h2", "http/1.1"], behaviour).await
    }

    /// The same under the name `name`, offering `protocols`.
    pub(crate) async fn start_as<F, R>(name: &str, protocols: &[&str], behaviour: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        let authority = Arc::new(Authority::new());
        let acceptor = acceptor(&authority, name, protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (order, orders) = watch::channel(Order::Serve);
        let noted = Arc::clone(&seen);
        let behaviour: Arc<Behaviour> = Arc::new(move |request| {
            noted.lock().unwrap().push(Seen::clone(&request));
            Box::pin(behaviour(request))
        });
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, orders) = (acceptor.clone(), orders.clone());
                tokio::spawn(serve(stream, acceptor, orders, Arc::clone(&behaviour)));
            }
        });
        Self {
            addr,
            authority,
            seen,
            order,
            serving,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.addr)
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// `certificate-authority-data`.
    pub(crate) fn ca_data(&self) -> String {
        self.authority.data()
    }

    /// Everything that has arrived.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Sends GOAWAY on every connection.
    pub(crate) fn leave(&self) {
        self.order.send_modify(|order| {
            *order = match order {
                Order::Leave(count) => Order::Leave(*count + 1),
                _ => Order::Leave(0),
            }
        });
    }

    /// Closes every socket as if the process had died.
    pub(crate) fn cut(&self) {
        self.order.send_modify(|order| {
            *order = match order {
                Order::Cut(count) => Order::Cut(*count + 1),
                _ => Order::Cut(0),
            }
        });
    }

    /// Something that closes every socket.
    pub(crate) fn scissors(&self) -> impl Fn() + Send + Sync + 'static + use<> {
        let order = self.order.clone();
        move || order.send_modify(|order| *order = Order::Cut(usize::MAX))
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// TLS for a server that `authority` vouches for.
pub(crate) fn acceptor(authority: &Authority, name: &str, protocols: &[&str]) -> TlsAcceptor {
    let (certificate, key) = authority.certify(name);
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    mut orders: watch::Receiver<Order>,
    behaviour: Arc<Behaviour>,
) {
    orders.mark_unchanged();
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|certificate| certificate.to_vec());
    let service = service_fn(move |request: Request<Incoming>| {
        let behaviour = Arc::clone(&behaviour);
        let certificate = certificate.clone();
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return Ok::<_, Infallible>(status(400, ""));
            };
            let request = Seen {
                method: head.method,
                path: head.uri.path_and_query().unwrap().to_string(),
                version: head.version,
                headers: head.headers,
                body: body.to_bytes(),
                certificate,
            };
            Ok(behaviour(request).await)
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            changed = orders.changed() => {
                let order = *orders.borrow_and_update();
                match order {
                    _ if changed.is_err() => return,
                    Order::Cut(_) => return,
                    Order::Leave(_) => connection.as_mut().graceful_shutdown(),
                    Order::Serve => (),
                }
            }
        }
    }
}

/// A grpc-web answer with that body.
pub(crate) fn grpc_web(body: impl Into<Bytes>) -> Answer {
    Response::builder()
        .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
        .body(full(body))
        .unwrap()
}

/// A native gRPC answer of `frames`, then trailers with `status` if there is one.
pub(crate) fn grpc(frames: &[&'static [u8]], status: Option<&'static str>) -> Answer {
    let data = frames
        .iter()
        .map(|message| Ok(Frame::data(grpc_web::encode_message(message))))
        .collect::<Vec<_>>();
    let trailers = status.map(|status| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers.insert("grpc-message", "as%20it%20is".parse().unwrap());
        Ok(Frame::trailers(trailers))
    });
    Response::builder()
        .header(CONTENT_TYPE, "application/grpc+proto")
        .body(StreamBody::new(stream::iter(data.into_iter().chain(trailers))).boxed_unsync())
        .unwrap()
}

/// A grpc-web answer that comes piece by piece.
pub(crate) fn streamed(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Answer {
    Response::builder()
        .header(CONTENT_TYPE, grpc_web::CONTENT_TYPE)
        .body(BodyExt::boxed_unsync(StreamBody::new(
            pieces.map(|piece| piece.map(Frame::data)),
        )))
        .unwrap()
}

/// The APIServer's own answer: a Kubernetes `Status`.
pub(crate) fn status(code: u16, message: &str) -> Answer {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
    });
    Response::builder()
        .status(code)
        .header(CONTENT_TYPE, "application/json")
        .body(full(body.to_string()))
        .unwrap()
}

/// A JSON answer.
pub(crate) fn json(code: u16, body: &serde_json::Value) -> Answer {
    Response::builder()
        .status(code)
        .header(CONTENT_TYPE, "application/json")
        .body(full(body.to_string()))
        .unwrap()
}

pub(crate) fn full(body: impl Into<Bytes>) -> AnswerBody {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
