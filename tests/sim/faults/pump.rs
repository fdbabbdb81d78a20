//! One connection through a hop.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Armed, Fault, Shared, Way};

/// How a connection ends that both ends did not end themselves.
#[derive(Clone, Copy)]
enum End {
    Cut,
    Reset,
}

/// Passes a connection on, unless it was severed since it was taken.
pub(super) async fn connection(
    shared: &Shared,
    mut edge: TcpStream,
    to: SocketAddr,
    severed_before: u64,
) {
    let Ok(mut tiller) = TcpStream::connect(to).await else {
        // The process behind the hop is gone, though nobody has told the hop yet.
        reset(edge);
        return;
    };
    _ = edge.set_nodelay(true);
    _ = tiller.set_nodelay(true);
    let end = {
        let (edge_reads, edge_writes) = edge.split();
        let (tiller_reads, tiller_writes) = tiller.split();
        let up = pump(shared, Way::Up, edge_reads, tiller_writes);
        let down = pump(shared, Way::Down, tiller_reads, edge_writes);
        tokio::select! {
            end = severed(shared, severed_before) => end,
            end = both(up, down) => match end {
                Ok(()) => return,
                Err(end) => end,
            },
        }
    };
    match end {
        End::Reset => {
            reset(edge);
            reset(tiller);
        }
        End::Cut => {
            tokio::join!(cut(edge), cut(tiller));
        }
    }
}

async fn both(
    up: impl Future<Output = Result<(), End>>,
    down: impl Future<Output = Result<(), End>>,
) -> Result<(), End> {
    tokio::try_join!(up, down).map(drop)
}

async fn severed(shared: &Shared, before: u64) -> End {
    let mut armed = shared.armed.subscribe();
    // Without a sender the hop is gone, which is as severed as can be.
    _ = armed.wait_for(|armed| armed.severed != before).await;
    End::Reset
}

/// Passes bytes on in one direction, until they end or a fault ends the connection.
async fn pump(
    shared: &Shared,
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), End> {
    let mut armed = shared.armed.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    let mut passed = 0;
    loop {
        let now = *armed.borrow_and_update();
        let allowed = match strike(now.fault, way, passed) {
            Some(strike) if strike.left == 0 => {
                if !shared.strikes(now) {
                    passed = 0;
                    continue;
                }
                match strike.end {
                    Some(end) => return Err(end),
                    None => {
                        if now.once {
                            // That the fault is gone now is this connection's own doing.
                            armed.mark_unchanged();
                        }
                        stalled(&mut armed).await;
                        passed = 0;
                        continue;
                    }
                }
            }
            Some(strike) => usize::try_from(strike.left).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let (at_a_time, pause) = match now.fault {
            Some(Fault::Drip { bytes, every }) => (bytes.max(1), every),
            _ => (usize::MAX, Duration::ZERO),
        };
        let most = buffer.len().min(allowed).min(at_a_time);
        let read = tokio::select! {
            changed = armed.changed() => {
                if changed.is_err() {
                    return Err(End::Reset);
                }
                passed = 0;
                continue;
            }
            read = from.read(&mut buffer[..most]) => read,
        };
        let Ok(read @ 1..) = read else {
            return match read {
                // An orderly end is passed on; the other direction goes on.
                Ok(_) => to.shutdown().await.map_err(|_| End::Reset),
                Err(_) => Err(End::Reset),
            };
        };
        to.write_all(&buffer[..read])
            .await
            .map_err(|_| End::Reset)?;
        let read = read as u64;
        passed += read;
        shared.count(way, read);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

struct Strike {
    /// Bytes that still pass.
    left: u64,
    /// `None` for a stall.
    end: Option<End>,
}

fn strike(fault: Option<Fault>, way: Way, passed: u64) -> Option<Strike> {
    let (on, after, end) = match fault? {
        Fault::Cut { way, after } => (way, after, Some(End::Cut)),
        Fault::Reset { way, after } => (way, after, Some(End::Reset)),
        Fault::Stall { way, after } => (way, after, None),
        Fault::Drip { .. } | Fault::Refuse => return None,
    };
    (on == way).then(|| Strike {
        left: after.saturating_sub(passed),
        end,
    })
}

/// Waits for another fault, or none.
async fn stalled(armed: &mut watch::Receiver<Armed>) {
    // Without a sender the hop is gone, and the connection is reset elsewhere.
    _ = armed.changed().await;
}

impl Shared {
    /// Whether this connection is struck: a fault for once may have struck another one meanwhile.
    fn strikes(&self, seen: Armed) -> bool {
        let struck = if seen.once {
            self.armed.send_if_modified(|armed| {
                let mine = armed.once && armed.fault == seen.fault;
                if mine {
                    armed.fault = None;
                }
                mine
            })
        } else {
            true
        };
        if struck {
            self.counts.struck.send_modify(|struck| *struck += 1);
        }
        struck
    }

    fn count(&self, way: Way, bytes: u64) {
        let counter = match way {
            Way::Down => &self.counts.down,
            Way::Up => &self.counts.up,
        };
        counter.fetch_add(bytes, SeqCst);
    }
}

fn reset(stream: TcpStream) {
    _ = stream.set_zero_linger();
}

/// Ends a connection in order: what is still on its way is read, or the system would reset it.
async fn cut(mut stream: TcpStream) {
    _ = stream.shutdown().await;
    let rest = async { while let Ok(1..) = stream.read(&mut [0; 4096]).await {} };
    _ = timeout(Duration::from_secs(5), rest).await;
}
