//! One connection: whichever of the two protocols, until it is over, idle, or the edge ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config::Limits;

use super::activity::Activity;
use super::exchange::exchange;
use super::{Handler, Phase, Shared};

/// Streams that one h2 connection may have at once.
const MAX_STREAMS: u32 = 128;

pub(super) async fn serve<H: Handler>(stream: TcpStream, shared: &Arc<Shared<H>>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off delaying");
    }
    drive(stream, shared).await;
    shared.connections.fetch_sub(1, Ordering::Relaxed);
}

async fn drive<H: Handler>(stream: TcpStream, shared: &Arc<Shared<H>>) {
    let activity = Activity::new(&shared.requests);
    let service = service_fn(|request| {
        let (shared, activity) = (Arc::clone(shared), Arc::clone(&activity));
        async move { Ok::<_, std::convert::Infallible>(exchange(&shared, &activity, request).await) }
    });
    let builder = builder(&shared.limits);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let patience = shared.limits.header_timeout;
    let mut idle = std::pin::pin!(activity.idle(patience));
    let mut phase = shared.phase.clone();
    let mut draining = false;
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection failed");
                }
                return;
            }
            () = idle.as_mut() => {
                if leaving {
                    return;
                }
                // A caller that is only between two requests is told; one that says nothing is not waited for again.
                leaving = true;
                connection.as_mut().graceful_shutdown();
                activity.touch();
                idle.set(activity.idle(patience));
            }
            now = reached(&mut phase, if draining { Phase::Ended } else { Phase::Draining }) => {
                if now == Phase::Ended {
                    return;
                }
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Waits for the phase, or a later one; an ingress that was dropped has ended.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) -> Phase {
    phase
        .wait_for(|phase| *phase >= wanted)
        .await
        .map_or(Phase::Ended, |phase| *phase)
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header = u32::try_from(limits.header.bytes()).unwrap_or(u32::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header.length())
        .max_headers(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(header)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}
