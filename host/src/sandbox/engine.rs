//! The one wasmtime engine of the process, set up so that starting a sandbox costs microseconds.
//!
//! Slots for every sandbox are reserved at start (the pooling allocator); a used slot is wiped by copying back only the
//! pages that were written, found through the kernel's `PAGEMAP_SCAN` where it has it (Linux 6.7 and later). Where a
//! machine cannot reserve the address space, or the kernel lacks the scan, the next slower way is taken and the log says so.
//!
//! Guests are interrupted by epochs: one thread ticks, and a guest that computes gives the thread back at the next tick.
//! The tick bounds only how long other requests wait; what a request may use in all is counted in [`super::run`].

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::Limits;

/// How long a guest may compute before other requests on its thread get their turn.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a slot that is wiped in place instead of being returned to the kernel.
const KEEP_RESIDENT: usize = 2 << 20;

/// One component is several core instances: the program and the adapters that linking added.
const CORE_INSTANCES_PER_SANDBOX: u32 = 8;

/// The largest table a guest may have, in elements: a program's function pointers, generously.
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// Builds the engine and starts its clock, which stops when the last clone of the engine is gone.
///
/// # Errors
///
/// When not even the plainest configuration works, or the clock's thread cannot start.
pub(super) fn start(limits: &Limits) -> wasmtime::Result<Engine> {
    let engine = pooled(limits).or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot reserve memory for {} sandboxes ahead; each will be allocated when it is needed, which is slower. \
             Lower `limits.sandboxes` or raise the limit on address space (ulimit -v)",
            limits.sandboxes
        );
        Engine::new(&base())
    })?;
    let ticking = engine.weak();
    thread::Builder::new()
        .name("sandbox-clock".to_owned())
        .spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;
    Ok(engine)
}

fn pooled(limits: &Limits) -> wasmtime::Result<Engine> {
    let scan = PoolingAllocationConfig::is_pagemap_scan_available();
    if !scan {
        tracing::info!(
            "this kernel has no PAGEMAP_SCAN (Linux 6.7): starting a sandbox will take longer"
        );
    }
    let sandboxes = limits.sandboxes;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(sandboxes)
        .total_core_instances(sandboxes * CORE_INSTANCES_PER_SANDBOX)
        .total_memories(sandboxes * 2)
        .total_tables(sandboxes * 4)
        .total_stacks(sandboxes * 2)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(limits.memory.length().next_multiple_of(WASM_PAGE))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(if scan { Enabled::Yes } else { Enabled::No });
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

const WASM_PAGE: usize = 64 << 10;

fn base() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16));
    config
}
