//! What one sandbox has: a store with memory of its own, and nothing of the host's.
//!
//! A store serves one request and is dropped with it, so what a guest remembers or breaks ends there, and the caller on
//! whose behalf it calls out is never in doubt.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rest::problem::Outcome;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::engine::TABLE_ELEMENTS;
use super::hooks::{Hooks, RELAY};

/// How much of a guest's standard error is kept: a panic message, not a log.
const STDERR: usize = 4 << 10;

/// What of a run outlives its store: the traces by which its end is explained.
#[derive(Debug, Default)]
pub(super) struct Witness {
    mutation: AtomicBool,
    stderr: Mutex<Vec<u8>>,
}

impl Witness {
    /// A call that changes something has been handed to the relay.
    pub(super) fn note_mutation(&self) {
        self.mutation.store(true, Ordering::Relaxed);
    }

    /// Whether such a call may have reached a cluster.
    pub(super) fn outcome(&self) -> Outcome {
        if self.mutation.load(Ordering::Relaxed) {
            Outcome::Unknown
        } else {
            Outcome::NotApplied
        }
    }

    /// The beginning of what the guest wrote to standard error.
    pub(super) fn stderr(&self) -> String {
        let bytes = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }

    /// More of what the guest writes there.
    pub(super) fn note(&self, bytes: &[u8]) {
        let mut kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let room = STDERR.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
    }
}

/// The data of one store.
pub(super) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    memory: Memory,
    _live: Counted,
}

impl State {
    /// A store for one request, its clock set so that every poll of the guest returns within a tick.
    pub(super) fn store(
        engine: &Engine,
        hooks: Hooks,
        witness: &Arc<Witness>,
        memory: Memory,
        live: Counted,
    ) -> Store<Self> {
        let wasi = WasiCtxBuilder::new()
            .env(rest::relay::BASE_VARIABLE, RELAY)
            .stderr(Stderr(Arc::clone(witness)))
            .build();
        let mut store = Store::new(
            engine,
            Self {
                wasi,
                table: ResourceTable::new(),
                http: WasiHttpCtx::new(),
                hooks,
                memory,
                _live: live,
            },
        );
        store.limiter(|state| &mut state.memory);
        // Before the first instruction: a deadline of 0 would make every sandbox yield at once.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    pub(super) fn hooks(&mut self) -> &mut Hooks {
        &mut self.hooks
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// A count that is one higher for as long as this lives.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a guest was refused memory. Growth fails with this instead of telling the guest, whose own way of running out of
/// memory looks like any other trap.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum OutOfMemory {
    /// All sandboxes together use what they may.
    #[error("all sandboxes together have used up their memory")]
    Edge,
    /// This one uses what it may.
    #[error("the sandbox has used up its memory")]
    Sandbox,
}

/// Counts the memory of one sandbox against its own limit and that of all together.
pub(super) struct Memory {
    used: u64,
    limit: u64,
    pool: Arc<MemoryPool>,
}

/// The memory of all sandboxes together, in bytes.
pub(super) struct MemoryPool {
    used: AtomicU64,
    limit: u64,
}

impl MemoryPool {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit,
        })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= self.limit)
            })
            .is_ok()
    }
}

impl Memory {
    /// Nothing used yet, `limit` bytes allowed.
    pub(super) fn new(limit: u64, pool: &Arc<MemoryPool>) -> Self {
        Self {
            used: 0,
            limit,
            pool: Arc::clone(pool),
        }
    }

    fn grow(&mut self, bytes: u64) -> Result<(), OutOfMemory> {
        if self.limit - self.used < bytes {
            return Err(OutOfMemory::Sandbox);
        }
        if !self.pool.take(bytes) {
            return Err(OutOfMemory::Edge);
        }
        self.used += bytes;
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.used, Ordering::Relaxed);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        self.grow(bytes)?;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(OutOfMemory::Sandbox.into());
        }
        Ok(true)
    }
}

/// Keeps the beginning of a guest's standard error and swallows the rest.
struct Stderr(Arc<Witness>);

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.note(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_may_use_its_own_limit_and_no_more() {
        let pool = MemoryPool::new(1000);
        let mut memory = Memory::new(100, &pool);
        assert_eq!(memory.grow(60), Ok(()));
        assert_eq!(memory.grow(41), Err(OutOfMemory::Sandbox));
        assert_eq!(memory.grow(40), Ok(()));
        assert_eq!(memory.grow(u64::MAX), Err(OutOfMemory::Sandbox));
    }

    #[test]
    fn all_together_may_use_the_pool_and_give_back_what_they_used() {
        let pool = MemoryPool::new(150);
        let mut first = Memory::new(100, &pool);
        let mut second = Memory::new(100, &pool);
        assert_eq!(first.grow(100), Ok(()));
        assert_eq!(second.grow(60), Err(OutOfMemory::Edge));
        drop(first);
        assert_eq!(second.grow(60), Ok(()));
        assert_eq!(pool.used(), 60);
        drop(second);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn only_the_beginning_of_standard_error_is_kept() {
        let witness = Witness::default();
        witness.note(b"panicked at x\n");
        witness.note(&[b'x'; 2 * STDERR]);
        let kept = witness.stderr();
        assert!(kept.starts_with("panicked at x\n"));
        assert_eq!(kept.len(), STDERR);
    }
}
