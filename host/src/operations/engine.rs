//! What takes operations in, carries them out and says what became of them, put together.
//!
//! All parts share one [`Core`]. An edge without a store has an engine too, which refuses what it is asked for: a caller
//! who wants a request to be carried out later, or never twice, must not be served as if it had not said so.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rest::problem::{Code, Problem};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::runner::Serve;
use super::{Ids, Runners, Store, StoreError, worker};
use crate::access::Access;
use crate::audit::Audit;
use crate::config::{Limits, OperationsConfig};
use crate::notices::Notices;
use crate::relay::{Body, Caller, Relay};

/// How far an engine is on its way out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    /// Operations are begun.
    Working,
    /// None is begun; those under way are finished.
    Draining,
    /// Those under way are given up and left to whoever finds them.
    Ended,
}

/// What an engine is made of.
pub struct Parts {
    /// Where operations are kept.
    pub store: Arc<dyn Store>,
    /// What serves their requests.
    pub serve: Arc<dyn Serve>,
    /// What knows callers and grants.
    pub relay: Arc<Relay>,
    /// What knows whether an actor may still act.
    pub access: Arc<Access>,
    /// Where it is written who called one off, resumed or approved one.
    pub audit: Arc<Audit>,
    /// What does the jobs that are neither requests nor notices.
    pub runners: Runners,
    /// Who is told of operations that are over.
    pub notices: Arc<Notices>,
    /// What names operations.
    pub ids: Arc<Ids>,
    /// How operations are carried out.
    pub config: OperationsConfig,
    /// What requests may use.
    pub limits: Limits,
}

/// What all parts of an engine share.
pub(super) struct Core {
    pub(super) store: Arc<dyn Store>,
    pub(super) serve: Arc<dyn Serve>,
    pub(super) relay: Arc<Relay>,
    pub(super) access: Arc<Access>,
    pub(super) audit: Arc<Audit>,
    pub(super) runners: Runners,
    pub(super) notices: Arc<Notices>,
    pub(super) config: OperationsConfig,
    pub(super) limits: Limits,
    pub(super) ids: Arc<Ids>,
    /// What the bodies that are being taken in may use together, in KiB.
    pub(super) bodies: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
}

impl Core {
    /// How far the engine is on its way out.
    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Returns when the engine has come to `phase`.
    pub(super) async fn reaches(&self, phase: Phase) {
        // It is there as long as this is borrowed.
        _ = self.phases().wait_for(|now| *now >= phase).await;
    }
}

/// What all bodies that are being taken in may use together.
const BODIES: usize = 256 << 20;

/// Takes operations in, carries them out and says what became of them. Dropping it ends it at once.
pub struct Engine {
    core: Option<Arc<Core>>,
    working: Option<JoinHandle<()>>,
}

impl Engine {
    /// One without a store.
    #[must_use]
    pub fn off() -> Self {
        Self {
            core: None,
            working: None,
        }
    }

    /// Starts to carry out what is stored, in the current tokio runtime.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let core = Arc::new(Core {
            store: parts.store,
            serve: parts.serve,
            relay: parts.relay,
            access: parts.access,
            audit: parts.audit,
            runners: parts.runners,
            notices: parts.notices,
            config: parts.config,
            limits: parts.limits,
            ids: parts.ids,
            bodies: Arc::new(Semaphore::new(BODIES >> 10)),
            phase: watch::Sender::new(Phase::Working),
        });
        let working = tokio::spawn(worker::work(Arc::clone(&core)));
        Self {
            core: Some(core),
            working: Some(working),
        }
    }

    /// Whether a request is answered by [`Self::handle`]: it asks for operations, or would be one.
    #[must_use]
    pub fn serves<B>(request: &Request<B>) -> bool {
        super::api::is_about(request.uri().path()) || super::wish::is_one(request)
    }

    /// Answers such a request. Every failure is an answer too.
    pub async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let request_id = caller.request_id.clone();
        let answered = self.answer(caller, request).await;
        answered.unwrap_or_else(|problem| refuse(problem.with_request_id(request_id.as_str())))
    }

    /// Begins no further operation, finishes those under way and leaves to recovery what is not over after `patience`.
    /// Who waits for an operation to settle is told how far it is.
    pub async fn drain(&self, patience: Duration) {
        let Some(core) = &self.core else {
            return;
        };
        core.phase.send_replace(Phase::Draining);
        let Some(working) = &self.working else {
            return;
        };
        let over = || async {
            let mut checks = tokio::time::interval(CHECK);
            while !working.is_finished() {
                checks.tick().await;
            }
        };
        if tokio::time::timeout(patience, over()).await.is_err() {
            core.phase.send_replace(Phase::Ended);
            if tokio::time::timeout(FAREWELL, over()).await.is_err() {
                tracing::warn!("operations under way are left as they are");
            }
        }
    }

    /// Lets go of the store. Nothing may be asked of the engine any more.
    pub async fn close(&self) {
        if let Some(core) = &self.core {
            core.store.close().await;
        }
    }

    async fn answer(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let Some(core) = &self.core else {
            let detail = "this edge keeps no operations, so it carries nothing out later";
            return Err(unavailable(detail).with_hint("the operator configures `[operations]`"));
        };
        if super::api::is_about(request.uri().path()) {
            super::api::answer(core, caller, request).await
        } else {
            super::intake::take_in(core, caller, request).await
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(working) = &self.working {
            working.abort();
        }
    }
}

/// How often it is looked whether everything is over.
const CHECK: Duration = Duration::from_millis(20);

/// How long what was given up may take to be stored.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) fn unavailable(detail: impl Into<String>) -> Problem {
    Problem::new(Code::OperationsUnavailable, detail)
}

/// The problem of a store that does not do what it is asked for.
pub(super) fn refused_by_store(error: &StoreError) -> Problem {
    tracing::error!(error = %crate::net::Causes(error), "the store of operations fails");
    match error {
        StoreError::Conflict | StoreError::Lost => {
            Problem::new(Code::OperationStateConflict, error.to_string())
        }
        // What stands in the way may name files and servers: the log has it.
        StoreError::Damaged { .. } | StoreError::Unavailable { .. } => {
            unavailable("operations cannot be stored for now, so nothing was accepted")
                .with_retry_after(Some(5))
        }
    }
}

pub(super) fn refuse(problem: Problem) -> Response<Body> {
    problem.to_response().map(whole)
}

pub(super) fn whole(bytes: bytes::Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
