//! Trouble on the wire, hop by hop: every connection of a simulated cluster runs through a TCP proxy that can be told to
//! refuse, reset, cut, stall or drip, at a chosen byte of a chosen direction.
//!
//! What an APIServer says (401, 429, 503 and the like) is not here but at
//! [`ApiServer::answer_next`](crate::apiserver::ApiServer::answer_next): those are answers, not accidents.

mod pump;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// The hops of a simulated cluster, from the edge inwards.
#[derive(Debug)]
pub struct Faults {
    /// Between the edge and the APIServer. Refusing here is what a dead APIServer looks like.
    pub edge_to_apiserver: Hop,
    /// Between the APIServer and the bridge.
    pub apiserver_to_bridge: Hop,
    /// Between the bridge and the plain-text port of Tiller.
    pub bridge_to_tiller: Hop,
    /// Between the APIServer and the TLS port of Tiller.
    pub apiserver_to_tiller: Hop,
}

impl Faults {
    /// All hops, from the edge inwards.
    pub fn hops(&self) -> [&Hop; 4] {
        [
            &self.edge_to_apiserver,
            &self.apiserver_to_bridge,
            &self.bridge_to_tiller,
            &self.apiserver_to_tiller,
        ]
    }

    /// Heals every hop.
    pub async fn clear(&self) {
        for hop in self.hops() {
            hop.clear().await;
        }
    }
}

/// Which bytes of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Answers: from Tiller towards the edge.
    Down,
    /// Requests: from the edge towards Tiller.
    Up,
}

/// What goes wrong on a hop. Bytes are counted on each connection from when it opened or the fault was set, whichever was
/// later; on a hop with TLS they are bytes of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Both ends see an orderly end of the connection after so many bytes.
    Cut {
        /// Counted in this direction.
        way: Way,
        /// How many pass.
        after: u64,
    },
    /// Bytes pass in both directions, but so many at a time only.
    Drip {
        /// At a time, at least 1.
        bytes: usize,
        /// Between times.
        every: Duration,
    },
    /// Nobody listens, and open connections are reset.
    Refuse,
    /// Both ends see a reset after so many bytes.
    Reset {
        /// Counted in this direction.
        way: Way,
        /// How many pass.
        after: u64,
    },
    /// After so many bytes no more come in this direction, and nobody is told.
    Stall {
        /// In this direction; the other one goes on.
        way: Way,
        /// How many pass.
        after: u64,
    },
}

/// What has passed a hop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Connections taken since the start.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Bytes towards Tiller.
    pub up: u64,
    /// Bytes towards the edge.
    pub down: u64,
    /// How often a fault has struck a connection: a reset, a cut, or the beginning of a stall.
    pub struck: u64,
}

/// A TCP proxy on one hop. Clones are the same hop; it ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Hop(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    addr: SocketAddr,
    /// Where connections lead; without it nobody listens.
    target: watch::Sender<Option<SocketAddr>>,
    armed: watch::Sender<Armed>,
    listening: watch::Sender<bool>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Armed {
    fault: Option<Fault>,
    once: bool,
    /// Connections are reset when this changes.
    severed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    closed: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    struck: watch::Sender<u64>,
}

impl Hop {
    /// Listens on a loopback address (port 0 for any) and leads to the target, if there is one yet.
    ///
    /// # Errors
    ///
    /// Those of binding the address.
    pub async fn start(listen: SocketAddr, target: Option<SocketAddr>) -> io::Result<Self> {
        let reserved = reusable_socket(listen)?;
        let addr = reserved.local_addr()?;
        let shared = Arc::new(Shared {
            addr,
            target: watch::Sender::new(target),
            armed: watch::Sender::default(),
            listening: watch::Sender::new(false),
            counts: Counts::default(),
        });
        let task = tokio::spawn(shared.clone().run(reserved)).abort_handle();
        let hop = Self(Arc::new(Handle { shared, task }));
        hop.listens(target.is_some()).await;
        Ok(hop)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.shared.addr
    }

    /// Sets a fault until [`Self::clear`], for connections that are open and for new ones.
    pub async fn set(&self, fault: Fault) {
        self.arm(Some(fault), false);
        if fault == Fault::Refuse {
            self.listens(false).await;
        }
    }

    /// Sets a fault that strikes one connection and is gone. Not for [`Fault::Refuse`], which strikes nothing that could
    /// be counted, nor for [`Fault::Drip`], which never ends.
    pub fn once(&self, fault: Fault) {
        assert!(
            !matches!(fault, Fault::Refuse | Fault::Drip { .. }),
            "{fault:?} has no end"
        );
        self.arm(Some(fault), true);
    }

    /// Takes a fault back. Stalled connections go on.
    pub async fn clear(&self) {
        self.arm(None, false);
        let target = *self.0.shared.target.borrow();
        self.listens(target.is_some()).await;
    }

    /// Resets the connections that are open now.
    pub fn sever(&self) {
        self.0.shared.armed.send_modify(|armed| armed.severed += 1);
    }

    /// Stops listening and resets what is open, as if the process behind it had been killed.
    pub async fn close(&self) {
        self.stop_listening().await;
        self.sever();
    }

    /// Stops listening, as if the process behind it had ended in order; open connections end when that ends them.
    pub async fn stop_listening(&self) {
        self.0.shared.target.send_replace(None);
        self.listens(false).await;
    }

    /// Leads to this target from now on.
    pub async fn open(&self, target: SocketAddr) {
        self.0.shared.target.send_replace(Some(target));
        let refusing = self.0.shared.armed.borrow().fault == Some(Fault::Refuse);
        self.listens(!refusing).await;
    }

    /// Waits until a fault has struck so many connections since the start.
    pub async fn struck(&self, times: u64) {
        let mut struck = self.0.shared.counts.struck.subscribe();
        // Not an error: this hop holds the sender.
        _ = struck.wait_for(|struck| *struck >= times).await;
    }

    /// What has passed so far.
    pub fn traffic(&self) -> Traffic {
        let counts = &self.0.shared.counts;
        // Read first, so that a concurrent end cannot make the difference negative.
        let closed = counts.closed.load(SeqCst);
        let connections = counts.connections.load(SeqCst);
        Traffic {
            connections,
            open: connections - closed,
            up: counts.up.load(SeqCst),
            down: counts.down.load(SeqCst),
            struck: *counts.struck.borrow(),
        }
    }

    /// Waits until it leads somewhere, or nowhere, and listens accordingly unless it refuses.
    pub(crate) async fn led(&self, somewhere: bool) {
        let mut target = self.0.shared.target.subscribe();
        // Not an error: this hop holds the sender.
        _ = target
            .wait_for(|target| target.is_some() == somewhere)
            .await;
        let refusing = self.0.shared.armed.borrow().fault == Some(Fault::Refuse);
        self.listens(somewhere && !refusing).await;
    }

    fn arm(&self, fault: Option<Fault>, once: bool) {
        self.0.shared.armed.send_modify(|armed| {
            armed.fault = fault;
            armed.once = once;
            if fault == Some(Fault::Refuse) {
                armed.severed += 1;
            }
        });
    }

    async fn listens(&self, expected: bool) {
        let mut listening = self.0.shared.listening.subscribe();
        // Not an error: this hop holds the sender.
        _ = listening.wait_for(|listening| *listening == expected).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// `reserved` is bound but never listens: nobody else is given the port while the hop refuses.
    async fn run(self: Arc<Self>, reserved: TcpSocket) {
        let mut target = self.target.subscribe();
        let mut armed = self.armed.subscribe();
        let mut connections = JoinSet::new();
        let mut listener = None;
        loop {
            let Armed { fault, severed, .. } = *armed.borrow_and_update();
            let refusing = fault == Some(Fault::Refuse);
            let to = target.borrow_and_update().filter(|_| !refusing);
            if to.is_none() {
                listener = None;
            } else if listener.is_none() {
                listener = listen_beside(&reserved)
                    .inspect_err(|error| tracing::error!(%error, "cannot listen again"))
                    .ok();
            }
            self.listening.send_replace(listener.is_some());
            tokio::select! {
                changed = target.changed() => if changed.is_err() { return },
                changed = armed.changed() => if changed.is_err() { return },
                Some((stream, to)) = accept(listener.as_ref(), to) => {
                    self.counts.connections.fetch_add(1, SeqCst);
                    let shared = self.clone();
                    connections.spawn(async move {
                        let _closed = Closed(&shared.counts);
                        pump::connection(&shared, stream, to, severed).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Counts a connection as closed, however it ended.
struct Closed<'a>(&'a Counts);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, SeqCst);
    }
}

async fn accept(
    listener: Option<&TcpListener>,
    to: Option<SocketAddr>,
) -> Option<(TcpStream, SocketAddr)> {
    let (listener, to) = listener.zip(to)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, to)),
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

fn listen_beside(reserved: &TcpSocket) -> io::Result<TcpListener> {
    reusable_socket(reserved.local_addr()?)?.listen(1024)
}

/// Several sockets may share the address, so that one can keep it while none listens.
fn reusable_socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
