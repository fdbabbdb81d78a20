//! A server that plays a chart repository, or whatever one leads to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::LOCATION;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::relay::tests::apiserver::{Authority, acceptor};

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the client showed a certificate.
    pub(crate) certified: bool,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.uri.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

type Behaviour = dyn Fn(Seen) -> BoxFuture<'static, Answer> + Send + Sync;

/// The server. Dropping it ends it.
pub(crate) struct Store {
    addr: SocketAddr,
    authority: Option<Arc<Authority>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl Store {
    /// One without TLS.
    pub(crate) async fn http(behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(None, at_once(behaviour)).await
    }

    /// One with TLS and an authority of its own.
    pub(crate) async fn https(behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(Some(Arc::new(Authority::new())), at_once(behaviour)).await
    }

    /// One that takes its time.
    pub(crate) async fn slow<R>(behaviour: impl Fn(Seen) -> R + Send + Sync + 'static) -> Self
    where
        R: Future<Output = Answer> + Send + 'static,
    {
        Self::start(None, Arc::new(move |seen| Box::pin(behaviour(seen)))).await
    }

    /// One that `authority` vouches for, if it has one.
    pub(crate) async fn start(
        authority: Option<Arc<Authority>>,
        behaviour: Arc<Behaviour>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = authority
            .as_ref()
            .map(|authority| acceptor(authority, "127.0.0.1", &["h2", "http/1.1"]));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let noted = Arc::clone(&seen);
        let behaviour: Arc<Behaviour> = Arc::new(move |request: Seen| {
            noted.lock().unwrap().push(request.clone());
            behaviour(request)
        });
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, behaviour) = (tls.clone(), Arc::clone(&behaviour));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(TokioIo::new(stream), false, behaviour).await;
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        let certified = stream.get_ref().1.peer_certificates().is_some();
                        serve(TokioIo::new(stream), certified, behaviour).await;
                    }
                });
            }
        });
        Self {
            addr,
            authority,
            seen,
            serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.authority.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.addr)
    }

    pub(crate) fn authority(&self) -> Option<&Arc<Authority>> {
        self.authority.as_ref()
    }

    /// Everything that has arrived.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn at_once(
    behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Arc<Behaviour> {
    Arc::new(move |seen| {
        let answer = behaviour(&seen);
        Box::pin(async { answer })
    })
}

async fn serve<I>(io: I, certified: bool, behaviour: Arc<Behaviour>)
where
    I: Read + Write + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let behaviour = Arc::clone(&behaviour);
        async move {
            let (head, body) = request.into_parts();
            let seen = Seen {
                uri: head.uri.path_and_query().unwrap().to_string(),
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
                certified,
            };
            Ok::<_, Infallible>(behaviour(seen).await)
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that hangs up is none of its concerns.
    builder.serve_connection(io, service).await.ok();
}

pub(crate) fn ok(body: impl Into<Bytes>) -> Answer {
    Response::new(full(body))
}

pub(crate) fn status(code: u16, body: &'static str) -> Answer {
    let mut answer = ok(body);
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

pub(crate) fn redirect(to: &str) -> Answer {
    let mut answer = status(302, "nothing here");
    answer.headers_mut().insert(LOCATION, to.parse().unwrap());
    answer
}

pub(crate) fn full(body: impl Into<Bytes>) -> UnsyncBoxBody<Bytes, std::io::Error> {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
