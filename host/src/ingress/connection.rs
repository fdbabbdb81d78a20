//! One connection: whichever of the two protocols, until it is over, idle, or the edge ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config::Limits;

use super::activity::Activity;
use super::exchange::exchange;
use super::peer::Peer;
use super::tls::Shown;
use super::{Handler, Phase, Shared};

/// Streams that a caller may have opened and reset before anybody looked at them; with more the connection ends
/// (CVE-2023-44487).
const MAX_RESET_UNSEEN: usize = 20;

/// Streams that may have been reset on this side for what the caller did wrong; with more the connection ends
/// (CVE-2025-8671).
const MAX_RESET_FOR_ERRORS: usize = 128;

pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    address: SocketAddr,
    shared: &Arc<Shared<H>>,
) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off delaying");
    }
    begin(stream, address, shared).await;
    shared.connections.fetch_sub(1, Ordering::Relaxed);
}

async fn begin<H: Handler>(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared<H>>) {
    let Some(tls) = &shared.tls else {
        return drive(stream, Peer::new(address, None), None, shared).await;
    };
    let mut phase = shared.phase.clone();
    let secured = tokio::select! {
        secured = tls.accept(stream, address, shared.limits.handshake_timeout) => secured,
        _ = reached(&mut phase, Phase::Draining) => return,
    };
    let Some(secured) = secured else {
        return;
    };
    let certificate = secured.client.as_ref().and_then(Shown::certificate);
    let peer = Peer::new(address, certificate.cloned());
    drive(secured.stream, peer, secured.client, shared).await;
}

async fn drive<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    client: Option<Shown>,
    shared: &Arc<Shared<H>>,
) {
    let peer = Arc::new(peer);
    let activity = Activity::new(&shared.requests);
    let service = service_fn(|request| {
        let (shared, activity, peer) =
            (Arc::clone(shared), Arc::clone(&activity), Arc::clone(&peer));
        async move {
            let answer = exchange(&shared, &activity, &peer, request).await;
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let builder = builder(&shared.limits);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let patience = shared.limits.header_timeout;
    let mut idle = std::pin::pin!(activity.idle(patience));
    let mut lapse = std::pin::pin!(async move {
        match client {
            Some(client) => client.lapse().await,
            None => std::future::pending().await,
        }
    });
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
            () = lapse.as_mut(), if !peer.has_lapsed() => {
                tracing::info!(peer = %peer.address, "a client certificate is good no more");
                peer.lapse();
                connection.as_mut().graceful_shutdown();
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
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(MAX_RESET_UNSEEN)
        .max_local_error_reset_streams(MAX_RESET_FOR_ERRORS)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}
