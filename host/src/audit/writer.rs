//! The thread that writes, and what waits for it.
//!
//! Memory is bounded by places: an attempt has one from before its first line until its last is written. Somebody who
//! finds none waits, and whoever waits too long may not do what it wanted to; an end never waits, since its attempt has a
//! place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::error;

use super::line;
use super::sink::Sink;
use crate::config::AuditConfig;

/// How many attempts may be under way or waiting to be written: many times what any edge serves at once.
pub(super) const PLACES: u32 = 4096;

/// How many lines are written before those are told who wait for them.
const BATCH: usize = 64;

/// How long somebody waits for a line to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is tried again to write what is kept.
const RETRY: Duration = Duration::from_secs(1);

/// How long the end of the process may be held up by a disk that does not answer.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// Why the audit log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("cannot write to the file of `audit.file`, {path}{advice}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What to do about it, where that is known.
        advice: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The line was not written in time.
    #[error("the audit log was not written within {} s", PATIENCE.as_secs())]
    Slow,
    /// Standard output cannot be used.
    #[error("standard output cannot be written to, as `audit.stdout` asks for")]
    Stdout(#[source] io::Error),
    /// There is no thread to write it.
    #[error("no thread writes the audit log")]
    Thread(#[source] io::Error),
    /// A line cannot be written.
    #[error("the audit log cannot be written")]
    Write(#[source] io::Error),
}

/// The right to have lines written.
pub(super) type Place = OwnedSemaphorePermit;

/// A line that must not be lost, and its place until it is written.
pub(super) struct Kept {
    pub(super) line: String,
    _place: Place,
}

/// A line to be written, and what becomes of it if it cannot be.
enum Order {
    /// Whoever ordered it is told and does not go on.
    Begin(String, oneshot::Sender<Result<(), AuditError>>),
    /// It is kept.
    End(Kept),
    /// It is kept; whoever ordered it is told either way.
    Refused(Kept, oneshot::Sender<()>),
}

/// What the thread and those who order lines both see.
#[derive(Debug, Default)]
struct Shared {
    /// Whether what was written last was not.
    failing: AtomicBool,
    /// How many refusals found no place while it failed.
    lost: AtomicU64,
}

/// The thread's handle. Dropping it waits for the thread to write what was ordered.
#[derive(Debug)]
pub(super) struct Writer {
    /// Always there, but for the drop.
    orders: Option<Sender<Order>>,
    places: Arc<Semaphore>,
    /// How many places there are.
    size: u32,
    shared: Arc<Shared>,
    /// Closed when the thread is over.
    over: Mutex<Receiver<()>>,
}

impl Writer {
    /// Opens what `config` names and starts the thread, with places for `size` attempts.
    pub(super) fn open(config: &AuditConfig, size: u32) -> Result<Self, AuditError> {
        let mut sinks = Vec::new();
        if let Some(path) = &config.file {
            sinks.push(Sink::file(path).map_err(|source| unopened(path, source))?);
        }
        if config.stdout {
            sinks.push(Sink::stdout().map_err(AuditError::Stdout)?);
        }
        let (orders, ordered) = mpsc::channel();
        let (alive, over) = mpsc::channel::<()>();
        let shared = Arc::<Shared>::default();
        let mut desk = Desk {
            sinks,
            sync: config.sync,
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                let _alive = alive;
                desk.run(&ordered);
            })
            .map_err(AuditError::Thread)?;
        Ok(Self {
            orders: Some(orders),
            places: Arc::new(Semaphore::new(size as usize)),
            size,
            shared,
            over: Mutex::new(over),
        })
    }

    /// Waits for a place; while nothing can be written there is either one or none.
    pub(super) async fn place(&self) -> Result<Place, AuditError> {
        let place = Arc::clone(&self.places);
        if self.shared.failing.load(Ordering::Relaxed) {
            return place.try_acquire_owned().map_err(|_| AuditError::Slow);
        }
        timeout_at(Instant::now() + PATIENCE, place.acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(AuditError::Slow)
    }

    /// Has the first line of a mutation written.
    pub(super) async fn begin(&self, line: String) -> Result<(), AuditError> {
        let (done, written) = oneshot::channel();
        self.order(Order::Begin(line, done));
        match timeout_at(Instant::now() + PATIENCE, written).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AuditError::Write(io::Error::other("its thread is over"))),
            Err(_) => Err(AuditError::Slow),
        }
    }

    /// Has the last line of a mutation written.
    pub(super) fn end(&self, line: String, place: Place) {
        self.order(Order::End(Kept {
            line,
            _place: place,
        }));
    }

    /// Has the line of a refusal written.
    pub(super) async fn refused(&self, line: String) {
        let Ok(place) = self.place().await else {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let (done, written) = oneshot::channel();
        let kept = Kept {
            line,
            _place: place,
        };
        self.order(Order::Refused(kept, done));
        // The line is the thread's now, whoever waits for it.
        let _ = timeout_at(Instant::now() + PATIENCE, written).await;
    }

    /// Waits until every place is free, which is when everything has ended and is written.
    pub(super) async fn drain(&self, patience: Duration) -> bool {
        let all = self.places.acquire_many(self.size);
        timeout_at(Instant::now() + patience, all).await.is_ok()
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Should the thread be over, whoever waits for the line is told by the end of its channel.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            error!("the audit log's last lines are not written: its place does not answer");
        }
    }
}

fn unopened(path: &Path, source: io::Error) -> AuditError {
    let advice = match source.kind() {
        io::ErrorKind::NotFound => {
            ": create its directory, writable for the user that runs the edge"
        }
        io::ErrorKind::PermissionDenied => {
            ": the user that runs the edge must be able to write there"
        }
        io::ErrorKind::IsADirectory => ": name a file in that directory",
        _ => "",
    };
    AuditError::Open {
        path: path.to_owned(),
        advice,
        source,
    }
}

/// Where the thread works.
struct Desk {
    sinks: Vec<Sink>,
    sync: bool,
    shared: Arc<Shared>,
}

impl Desk {
    fn run(&mut self, ordered: &Receiver<Order>) {
        loop {
            let order = if self.is_failing() {
                ordered.recv_timeout(RETRY)
            } else {
                ordered.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match order {
                Ok(order) => {
                    let more = ordered.try_iter().take(BATCH);
                    self.write(std::iter::once(order).chain(more).collect());
                }
                Err(RecvTimeoutError::Timeout) => self.write(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.write(Vec::new());
                    return self.close();
                }
            }
        }
    }

    fn write(&mut self, orders: Vec<Order>) {
        self.sinks.iter_mut().for_each(Sink::ready);
        if !self.is_failing() {
            self.confess();
        }
        let mut begun = Vec::new();
        let mut refused = Vec::new();
        for order in orders {
            match order {
                Order::Begin(line, done) => begun.push((self.append(&line), done)),
                Order::End(kept) => self.append_or_keep(kept),
                Order::Refused(kept, done) => {
                    self.append_or_keep(kept);
                    refused.push(done);
                }
            }
        }
        let synced = if self.sync && begun.iter().any(|(written, _)| written.is_ok()) {
            self.sinks.iter_mut().try_for_each(Sink::sync)
        } else {
            Ok(())
        };
        self.shared
            .failing
            .store(self.is_failing(), Ordering::Relaxed);
        // Of all these, nobody may wait any more.
        for done in refused {
            let _ = done.send(());
        }
        for (written, done) in begun {
            let result = written.and_then(|()| synced.as_ref().copied().map_err(like));
            let _ = done.send(result.map_err(AuditError::Write));
        }
    }

    /// Writes to one sink after the other, until one fails.
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.write(line))
    }

    fn append_or_keep(&mut self, kept: Kept) {
        let kept = Arc::new(kept);
        for sink in &mut self.sinks {
            if sink.write(&kept.line).is_err() {
                sink.keep(Arc::clone(&kept));
            }
        }
    }

    /// Says in the log itself that it is not whole.
    fn confess(&mut self) {
        let count = self.shared.lost.swap(0, Ordering::Relaxed);
        if count > 0 && self.append(&line::lost(count)).is_err() {
            self.shared.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn is_failing(&self) -> bool {
        self.sinks.iter().any(Sink::is_failing)
    }

    fn close(&self) {
        let lines: usize = self.sinks.iter().map(Sink::debts).sum();
        let lost = self.shared.lost.load(Ordering::Relaxed);
        if lines > 0 || lost > 0 {
            error!(
                lines,
                lost, "the audit log is not whole: it could not be written until the end"
            );
        }
    }
}

/// An error is one owner's, and all who wait get it.
fn like(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
