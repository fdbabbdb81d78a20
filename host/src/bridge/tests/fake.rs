//! A Tiller that does as a test tells it, frame by frame.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Serve,
    GoAway,
    Die,
}

pub(super) struct Tiller {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
    connections: Arc<AtomicUsize>,
    order: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Tiller {
    /// Handles each call in a task of its own; dropping the call unanswered resets its stream.
    pub(super) async fn start<F>(handler: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen("127.0.0.1:0", None, handler).await
    }

    /// Answers every call with one message, where another Tiller was.
    pub(super) async fn answering_at(addr: SocketAddr, message: &'static [u8]) -> Self {
        Self::listen(addr, None, move |call| async move {
            call.reply(&[message], "0", "").await;
        })
        .await
    }

    pub(super) async fn start_tls<F>(
        tls: TlsAcceptor,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen("127.0.0.1:0", Some(tls), handler).await
    }

    /// Answers every call with one message.
    pub(super) async fn answering(message: &'static [u8]) -> Self {
        Self::start(move |call| async move { call.reply(&[message], "0", "").await }).await
    }

    async fn listen<F>(
        addr: impl ToSocketAddrs,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |call| Box::pin(handler(call)));
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (order, orders) = watch::channel(Order::Serve);
        let task = tokio::spawn({
            let (seen, connections) = (seen.clone(), connections.clone());
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, SeqCst);
                    let (seen, orders) = (seen.clone(), orders.clone());
                    let (handler, tls) = (handler.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => connection(stream, handler, seen, orders).await,
                            // Handshakes fail where a test wants them to.
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    connection(stream, handler, seen, orders).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self {
            addr,
            seen,
            connections,
            order,
            task,
        }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests that arrived whole.
    pub(super) fn seen(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// Ends the present connections as an idle Tiller does.
    pub(super) fn go_away(&self) {
        self.order.send_replace(Order::GoAway);
        self.order.send_replace(Order::Serve);
    }

    /// Ends at once, with everything that is under way.
    pub(super) fn kill(&self) {
        self.task.abort();
        self.order.send_replace(Order::Die);
    }
}

impl Drop for Tiller {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn connection<T>(
    stream: T,
    handler: Handler,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
    mut orders: watch::Receiver<Order>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    orders.mark_unchanged();
    let Ok(mut connection) = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 22)
        .handshake::<_, Bytes>(stream)
        .await
    else {
        return;
    };
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let (handler, seen) = (handler.clone(), seen.clone());
                tokio::spawn(async move {
                    let (head, mut body) = request.into_parts();
                    let mut message = BytesMut::new();
                    while let Some(data) = body.data().await {
                        let Ok(data) = data else { return };
                        body.flow_control().release_capacity(data.len()).unwrap();
                        message.extend_from_slice(&data);
                    }
                    let request = Request::from_parts(head, message.freeze());
                    seen.lock().unwrap().push(request);
                    handler(Call { respond }).await;
                });
            }
            Ok(()) = orders.changed() => match *orders.borrow_and_update() {
                Order::Die => return,
                Order::GoAway | Order::Serve => connection.graceful_shutdown(),
            },
        }
    }
}

/// One call to answer.
pub(super) struct Call {
    respond: SendResponse<Bytes>,
}

impl Call {
    /// Messages, then a status.
    pub(super) async fn reply(self, messages: &[&[u8]], status: &str, message: &str) {
        let mut answer = self.begin();
        for message in messages {
            answer.message(message);
        }
        answer.end(&[("grpc-status", status), ("grpc-message", message)]);
    }

    /// A status in the headers, with no body.
    pub(super) fn trailers_only(mut self, headers: &[(&str, &str)]) {
        let mut response = head("application/grpc");
        response.headers_mut().extend(map(headers));
        self.respond.send_response(response, true).unwrap();
    }

    /// An answer that no gRPC server gives.
    pub(super) fn html(mut self, status: u16) {
        let mut response = head("text/html");
        *response.status_mut() = status.try_into().unwrap();
        self.respond.send_response(response, true).unwrap();
    }

    pub(super) fn reset(mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    pub(super) fn begin(mut self) -> Answer {
        let head = head("application/grpc");
        Answer {
            stream: self.respond.send_response(head, false).unwrap(),
        }
    }

    /// Waits until the stream is reset from the other side.
    pub(super) async fn cancelled(mut self) -> Reason {
        std::future::poll_fn(|cx| self.respond.poll_reset(cx))
            .await
            .unwrap()
    }
}

/// The answer to one call, as it is given.
pub(super) struct Answer {
    stream: SendStream<Bytes>,
}

impl Answer {
    pub(super) fn message(&mut self, message: &[u8]) {
        self.bytes(grpc_web::encode_message(message));
    }

    pub(super) fn bytes(&mut self, bytes: Bytes) {
        self.stream.send_data(bytes, false).unwrap();
    }

    pub(super) fn end(mut self, trailers: &[(&str, &str)]) {
        self.stream.send_trailers(map(trailers)).unwrap();
    }

    /// Ends the stream without trailers.
    pub(super) fn end_bare(mut self) {
        self.stream.send_data(Bytes::new(), true).unwrap();
    }

    pub(super) fn reset(mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Waits until the stream is reset from the other side.
    pub(super) async fn cancelled(&mut self) -> Reason {
        std::future::poll_fn(|cx| self.stream.poll_reset(cx))
            .await
            .unwrap()
    }
}

fn head(content_type: &'static str) -> Response<()> {
    let mut response = Response::new(());
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", content_type);
    response
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}
