//! The thread that has the file, and what waits for it.
//!
//! Whatever waits is taken together. First what writes, in one transaction with a savepoint for each; when that is on
//! disk, all of them are answered. Then what only reads or takes a lane, which so never sees what might not stay. Should
//! the transaction fail, none of it has happened: leases are as they were, and whose turn it is is read anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::StoreError;
use super::fault::Fault;
use super::file::{self, File};
use super::lanes::{Lanes, Leases};
use crate::operations::{Asked, Claim, Hold, Lane};

/// How many are taken together.
const BATCH: usize = 256;

/// How much of the log is left before it is moved to its place, in bytes.
const LOG: u64 = 8 << 20;

/// How many pages that nothing is on are given back to the disk at once.
const PAGES: u32 = 1024;

/// How many statements are kept compiled: all but some of the combinations that a list can be asked for by.
const STATEMENTS: usize = 64;

/// What the thread is asked for.
pub(super) enum Order {
    Close(oneshot::Sender<()>),
    Look(Box<dyn FnOnce(&mut Desk) + Send>),
    Write(Box<dyn Write>),
}

/// What is to be written, and who waits for that.
pub(super) trait Write: Send {
    /// Writes it, within a transaction.
    fn write(&mut self, desk: &mut Desk);

    /// Says how that went, the transaction being over.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Work whose outcome somebody waits for.
pub(super) struct Written<F, T> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Written<F, T> {
    pub(super) fn new(work: F, done: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self {
            work: Some(work),
            result: None,
            done,
        }
    }
}

impl<F, T> Write for Written<F, T>
where
    F: FnOnce(&mut Desk) -> Result<T, Fault> + Send,
    T: Send,
{
    fn write(&mut self, desk: &mut Desk) {
        let Some(work) = self.work.take() else {
            return;
        };
        let result = desk.apart(work);
        self.result = Some(result.map_err(|fault| desk.error(&fault)));
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error),
            // What was not written is never said to be.
            (Ok(()), None) => return,
        };
        // What is stored is stored, whoever went away.
        let _ = self.done.send(answer);
    }
}

/// Where the thread works.
pub(super) struct Desk {
    pub(super) sql: Connection,
    pub(super) lanes: Lanes,
    /// When what is being done was begun.
    pub(super) now: Instant,
    /// Whether any operation was changed since others were told.
    pub(super) changed: bool,
    path: Arc<PathBuf>,
    log: PathBuf,
    changes: watch::Sender<u64>,
    /// The leases as they were, if it is not known whose turn it is.
    stale: Option<Leases>,
    /// Why the engine has given up the transaction that is under way, if it has.
    broken: Option<Fault>,
    failing: bool,
}

impl Desk {
    /// In front of a file that was opened just now.
    pub(super) fn new(
        File { sql, edition }: File,
        path: Arc<PathBuf>,
        changes: watch::Sender<u64>,
    ) -> Result<Self, StoreError> {
        sql.set_prepared_statement_cache_capacity(STATEMENTS);
        let mut desk = Self {
            sql,
            lanes: Lanes::new(edition),
            now: Instant::now(),
            changed: false,
            log: file::log(&path),
            path,
            changes,
            stale: Some(Leases::default()),
            broken: None,
            failing: false,
        };
        desk.ready().map_err(|fault| desk.error(&fault))?;
        Ok(desk)
    }

    /// Does what is asked for until it is closed or nobody can ask any more.
    pub(super) fn run(mut self, mut ordered: mpsc::Receiver<Order>) {
        while let Some(first) = ordered.blocking_recv() {
            let more = std::iter::from_fn(|| ordered.try_recv().ok());
            let mut writes = Vec::new();
            let mut looks = Vec::new();
            let mut closing = None;
            for order in std::iter::once(first).chain(more).take(BATCH) {
                match order {
                    Order::Close(done) => closing = Some(done),
                    Order::Look(look) => looks.push(look),
                    Order::Write(write) => writes.push(write),
                }
            }
            self.now = Instant::now();
            self.write(writes);
            self.now = Instant::now();
            looks.into_iter().for_each(|look| look(&mut self));
            self.tell();
            self.tidy();
            if let Some(done) = closing {
                self.close();
                let _ = done.send(());
                return;
            }
        }
        self.close();
    }

    /// The next operation, for who asks.
    pub(super) fn claim(&mut self, asked: &Asked) -> Result<Option<Claim>, Fault> {
        self.ready()?;
        let millis = Timestamp::now().as_millisecond();
        while let Some((lane, head)) = self.lanes.next(self.now, millis, &asked.except) {
            let stored = match self.operation(&head.id) {
                Ok(stored) => stored,
                Err(fault @ Fault::Altered(_)) => {
                    let error = self.error(&fault);
                    error!(%error, lane = lane.as_str(), "nothing more is carried out for this release");
                    None
                }
                Err(fault) => return Err(fault),
            };
            let Some(stored) = stored else {
                self.lanes.block(&lane);
                continue;
            };
            let id = head.id;
            let fence = self.lanes.lease(&lane, Some(id), self.now, asked.lease);
            return Ok(Some(Claim {
                operation: stored.operation,
                lease: asked.lease,
                fence,
            }));
        }
        Ok(None)
    }

    pub(super) fn renew(&mut self, lane: &Lane, fence: u64, lease: Duration) -> Result<(), Fault> {
        if !self.lanes.is_owner(lane, fence) {
            return Err(Fault::Lost);
        }
        self.lanes.renew(lane, self.now, lease);
        Ok(())
    }

    pub(super) fn hold(&mut self, lane: &Lane, lease: Duration) -> Result<Option<Hold>, Fault> {
        if self.lanes.is_taken(lane, self.now) {
            return Ok(None);
        }
        let fence = self.lanes.lease(lane, None, self.now, lease);
        Ok(Some(Hold {
            lane: lane.clone(),
            fence,
        }))
    }

    /// Gives a lane up that `fence` has.
    pub(super) fn give_up(&mut self, lane: &Lane, fence: u64) {
        if self.lanes.is_owner(lane, fence) {
            self.lanes.end(lane);
            self.changed = true;
        }
    }

    /// As those know it who asked for something.
    pub(super) fn error(&self, fault: &Fault) -> StoreError {
        fault.error(&self.path)
    }

    /// Writes all of it and answers all who wait for it.
    fn write(&mut self, mut writes: Vec<Box<dyn Write>>) {
        if writes.is_empty() {
            return;
        }
        let leases = self.lanes.leases();
        let committed = self.ready().and_then(|()| self.commit(&mut writes));
        self.note(&committed);
        if committed.is_err() {
            self.changed = false;
            self.stale = Some(self.stale.take().unwrap_or(leases));
            // Whether this is good enough shows when it is used again.
            let _ = self.sql.execute_batch("ROLLBACK");
        }
        for write in writes {
            let committed = committed.as_ref().copied();
            write.answer(committed.map_err(|fault| self.error(fault)));
        }
    }

    fn commit(&mut self, writes: &mut [Box<dyn Write>]) -> Result<(), Fault> {
        self.sql.execute_batch("BEGIN IMMEDIATE")?;
        for write in writes {
            write.write(self);
            if let Some(fault) = self.broken.take() {
                return Err(fault);
            }
        }
        Ok(self.sql.execute_batch("COMMIT")?)
    }

    /// Does `work` so that nothing of it stays if it fails, and all else does.
    fn apart<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.sql.execute_batch("SAVEPOINT apart")?;
        let result = work(self);
        let end = match &result {
            Ok(_) => "RELEASE apart",
            Err(_) => "ROLLBACK TO apart; RELEASE apart",
        };
        let ended = self.sql.execute_batch(end).map_err(Fault::from);
        if self.sql.is_autocommit() {
            // Then there is no transaction that anything else could be a part of.
            let why = result.as_ref().err().or_else(|| ended.as_ref().err());
            self.broken = why.cloned();
        }
        ended.or_else(|fault| if result.is_ok() { Err(fault) } else { Ok(()) })?;
        result
    }

    /// Finds out whose turn it is, if that is not known.
    fn ready(&mut self) -> Result<(), Fault> {
        let Some(leases) = self.stale.take() else {
            return Ok(());
        };
        match self.heads() {
            Ok(heads) => {
                self.lanes.restore(leases, heads);
                Ok(())
            }
            Err(fault) => {
                self.stale = Some(leases);
                Err(fault)
            }
        }
    }

    /// Tells the operator when it begins to fail and when that is over, and not every time.
    fn note(&mut self, committed: &Result<(), Fault>) {
        match committed {
            Err(fault) if !self.failing => {
                let error = self.error(fault);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                error!(%error, source, "operations cannot be stored: none is accepted until they can");
            }
            Ok(()) if self.failing => {
                info!(file = %self.path.display(), "operations are stored again");
            }
            _ => {}
        }
        self.failing = committed.is_err();
    }

    fn tell(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// What nobody has to wait for: everybody is answered.
    fn tidy(&self) {
        if std::fs::metadata(&self.log).map_or(0, |log| log.len()) < LOG {
            return;
        }
        let tidied = self
            .sql
            .execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))
            .map_err(Fault::from)
            .and_then(|()| file::checkpoint(&self.sql));
        if let Err(fault) = tidied {
            let error = self.error(&fault);
            warn!(%error, "the log of operations grows: it cannot be moved to its place");
        }
    }

    fn close(self) {
        let path = Arc::clone(&self.path);
        if let Err(fault) = file::close(self.sql) {
            let error = fault.error(Path::new(&*path));
            warn!(%error, "the file of operations was not closed; nothing is lost by that");
        }
    }
}
