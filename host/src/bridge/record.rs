//! What is remembered of a call: one log line at its end, and the counters.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use grpc_web::{Code, Status};
use http::HeaderMap;
use tiller_api::Method;
use tokio::time::Instant;

use super::stats::{Counters, Entered};

/// One call. Dropped before it ended, it counts as cancelled by its caller.
pub(super) struct Record {
    counters: Arc<Counters>,
    method: Option<Method>,
    audit_id: Option<String>,
    begun: Instant,
    messages: u64,
    bytes: usize,
    ended: bool,
    _open: Entered,
}

impl Record {
    /// Begins a call; no method means the health check, or a path that is refused.
    pub(super) fn begin(
        counters: Arc<Counters>,
        method: Option<Method>,
        headers: &HeaderMap,
    ) -> Self {
        let _open = counters.calls.enter();
        let audit_id = headers.get("audit-id").and_then(|id| id.to_str().ok());
        Self {
            method,
            // The APIServer's id of the request, which its audit log has too.
            audit_id: audit_id.map(|id| id.chars().take(64).collect()),
            begun: Instant::now(),
            messages: 0,
            bytes: 0,
            ended: false,
            counters,
            _open,
        }
    }

    pub(super) fn count_sent(&self) {
        self.counters.sent.fetch_add(1, Relaxed);
    }

    pub(super) fn count_message(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(super) fn end_by_tiller(&mut self, status: Option<&Status>) {
        self.ended = true;
        // Tiller's message is the caller's; it may be a whole manifest.
        let status = status.map(|status| status.code.name());
        tracing::info!(
            method = self.method(),
            status,
            messages = self.messages,
            bytes = self.bytes,
            audit_id = self.audit_id,
            ms = self.elapsed_ms(),
            "call"
        );
    }

    pub(super) fn end_by_bridge(&mut self, status: &Status, outcome: &str) {
        self.ended = true;
        self.counters.failed.fetch_add(1, Relaxed);
        tracing::warn!(
            method = self.method(),
            status = status.code.name(),
            error = status.message,
            outcome,
            messages = self.messages,
            bytes = self.bytes,
            audit_id = self.audit_id,
            ms = self.elapsed_ms(),
            "call failed"
        );
    }

    fn method(&self) -> &'static str {
        self.method.map_or("-", Method::name)
    }

    fn elapsed_ms(&self) -> u128 {
        self.begun.elapsed().as_millis()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.counters.cancelled.fetch_add(1, Relaxed);
            tracing::info!(
                method = self.method(),
                status = Code::Cancelled.name(),
                messages = self.messages,
                bytes = self.bytes,
                audit_id = self.audit_id,
                ms = self.elapsed_ms(),
                "caller left"
            );
        }
    }
}
