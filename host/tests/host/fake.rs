//! A relay that is told what to answer, and tells what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tiller_edge::relay::{Body, Caller};
use tiller_edge::sandbox::{Outlet, Refused};
use tokio::sync::Notify;

/// A relay that answers as the name of the cluster tells it to.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) under_way: AtomicUsize,
    /// What guests were not let.
    pub(crate) refused: Mutex<Vec<Refused>>,
    pub(crate) arrived: Notify,
    pub(crate) left: Notify,
}

/// What arrived.
pub(crate) struct Call {
    pub(crate) caller: Arc<Caller>,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

struct UnderWay(Arc<Fake>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.left.notify_one();
    }
}

impl Outlet for Fake {
    fn send(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let (head, body) = request.into_parts();
            self.under_way.fetch_add(1, Ordering::Relaxed);
            let guard = UnderWay(Arc::clone(&self));
            self.calls.lock().expect("usable").push(Call {
                caller,
                path: path.clone(),
                headers: head.headers,
            });
            self.arrived.notify_one();
            let sent = body.collect().await.expect("whole").to_bytes();
            match path.split('/').nth(2).unwrap_or_default() {
                "hang" => std::future::pending().await,
                "drip" => {
                    let first = stream::iter([Bytes::from_static(b"first")]);
                    let frames = first.chain(stream::pending()).map(move |data| {
                        let _ = &guard;
                        Ok(Frame::data(data))
                    });
                    Response::new(Body::new(StreamBody::new(frames)))
                }
                "cut" => Response::new(Body::new(StreamBody::new(stream::iter([
                    Ok(Frame::data(Bytes::from_static(b"first"))),
                    Err("cut".into()),
                ])))),
                _ => {
                    tokio::task::yield_now().await;
                    let mut answer = Response::new(whole(sent));
                    answer
                        .headers_mut()
                        .insert("authorization", "Bearer leaked".parse().expect("a value"));
                    answer
                }
            }
        })
    }

    fn refused(self: Arc<Self>, _caller: Arc<Caller>, what: Refused) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.refused.lock().expect("usable").push(what) })
    }
}

pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
