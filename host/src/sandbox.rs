//! Components, each request in a sandbox of its own.
//!
//! A sandbox is one instance of a component in one store: it starts for a request, holds nothing of another's, and ends
//! with the answer or when nobody waits for it any more. It has no file, socket, secret or environment; its only way out
//! is the relay, in the name of the request's caller ([`Outlet`]). What it may use is bounded from outside: computing,
//! time, memory, and how many there are at once. A guest that exceeds a bound, traps or panics costs its own request only.
//!
//! The guest is hostile for all this module knows: nothing it does may look like a complete answer unless it is one, and
//! nothing it does outlives its request.

mod cache;
mod engine;
mod failure;
mod hooks;
mod manifest;
mod run;
mod state;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use rest::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::config::{Config, Limits};
use crate::relay::{Body, Caller};

use self::cache::Cache;
use self::failure::End;
use self::hooks::Hooks;
use self::manifest::{Manifest, Route};
use self::run::{Budget, Run};
use self::state::{Counted, Memory, MemoryPool, State, Witness};

pub use self::hooks::{Outlet, Refused};
pub use self::manifest::ManifestError;

/// After how many seconds a request that found no sandbox should come again.
const RETRY_AFTER: u32 = 1;

/// Why the components of an application cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A component's file is missing or may not be read.
    #[error(
        "cannot read the component `{id}` from {path}; build it with `cargo xtask wasm`, or correct its source in \
         the manifest",
        path = path.display()
    )]
    Read {
        /// The component's id in the manifest.
        id: String,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A component's file is no component, or imports what this host does not offer.
    #[error("cannot run the component `{id}`")]
    Component {
        /// The component's id in the manifest.
        id: String,
        /// What is wrong with it.
        #[source]
        source: wasmtime::Error,
    },
    /// This machine cannot run components at all.
    #[error("cannot start the WebAssembly engine")]
    Engine(#[source] wasmtime::Error),
}

/// How many sandboxes there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Alive now.
    pub live: usize,
    /// Started since the edge did.
    pub started: u64,
    /// Requests that wait for one.
    pub queued: usize,
    /// Bytes of memory that those alive use together.
    pub memory: u64,
}

/// A component that answers requests.
#[derive(Clone)]
pub struct Component {
    id: Arc<str>,
    pre: ServicePre<State>,
}

impl Component {
    /// Its id in the manifest.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The components of one application, ready to run.
pub struct Sandbox {
    engine: Engine,
    routes: Vec<(Route, Component)>,
    outlet: Arc<dyn Outlet>,
    limits: Limits,
    permits: Arc<Semaphore>,
    memory: Arc<MemoryPool>,
    live: Arc<AtomicUsize>,
    queued: Arc<AtomicUsize>,
    started: AtomicU64,
}

impl Sandbox {
    /// Reads the manifest and makes its components ready, compiling those that are not in the cache; that takes seconds,
    /// on the calling thread. What they send goes to `outlet`.
    ///
    /// # Errors
    ///
    /// When the manifest or a component cannot be used.
    pub fn load(config: &Config, outlet: Arc<dyn Outlet>) -> Result<Self, SandboxError> {
        let manifest = Manifest::load(&config.manifest)?;
        let engine = engine::start(&config.limits).map_err(SandboxError::Engine)?;
        let linker = linker(&engine).map_err(SandboxError::Engine)?;
        let cache = Cache::open(&config.cache_dir());
        let mut components = BTreeMap::new();
        for (id, path) in manifest.components {
            let wasm = fs::read(&path).map_err(|source| SandboxError::Read {
                id: id.clone(),
                path: path.clone(),
                source,
            })?;
            let pre = cache
                .load(&engine, &id, &wasm)
                .and_then(|component| linker.instantiate_pre(&component))
                .and_then(ServicePre::new)
                .map_err(|source| SandboxError::Component {
                    id: id.clone(),
                    source,
                })?;
            let id: Arc<str> = id.into();
            components.insert(Arc::clone(&id), Component { id, pre });
        }
        let routes = manifest
            .routes
            .into_iter()
            .filter_map(|(route, id)| Some((route, components.get(id.as_str())?.clone())))
            .collect();
        Ok(Self {
            engine,
            routes,
            outlet,
            permits: Arc::new(Semaphore::new(config.limits.sandboxes as usize)),
            memory: MemoryPool::new(config.limits.total_memory.bytes()),
            limits: config.limits.clone(),
            live: Arc::default(),
            queued: Arc::default(),
            started: AtomicU64::new(0),
        })
    }

    /// The component that answers a path. Some answer the host alone, which asks in the name of a hook.
    fn route(&self, caller: &Caller, path: &str) -> Option<&Component> {
        let is_host = caller.session.hook().is_some();
        self.routes
            .iter()
            .filter(|(route, _)| is_host || !route.is_inner())
            .find(|(route, _)| route.matches(path))
            .map(|(_, component)| component)
    }

    /// Answers `request` in a new sandbox, in the name of `caller`. Every failure before the answer's head is a problem;
    /// one after it is an error of the body. Dropping the future or the body ends the sandbox.
    ///
    /// The request's URI should have an authority, since guests do not see `Host`.
    pub async fn serve(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let request_id = caller.request_id.clone();
        match self.attempt(caller, request).await {
            Ok(answer) => answer,
            Err(problem) => problem
                .with_request_id(request_id.as_str())
                .to_response()
                .map(|body| {
                    Full::new(body)
                        .map_err(|never| match never {})
                        .boxed_unsync()
                }),
        }
    }

    /// How many sandboxes there are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            live: self.live.load(Ordering::Relaxed),
            started: self.started.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            memory: self.memory.used(),
        }
    }

    async fn attempt(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let component = self.route(&caller, request.uri().path()).ok_or_else(|| {
            Problem::new(
                Code::RouteNotFound,
                format!("nothing answers {}", request.uri().path()),
            )
        })?;
        let permit = self.permit().await?;
        let budget = self.budget(request.method());
        let witness = Arc::new(Witness::default());
        let id = Arc::clone(&component.id);
        let request_id = caller.request_id.clone();
        let explain = move |end: &End, witness: &Witness| {
            failure::log(end, witness, &id, request_id.as_str());
        };
        let store = State::store(
            &self.engine,
            Hooks::new(
                Arc::clone(&self.outlet),
                Arc::new(caller),
                Arc::clone(&witness),
                budget.wall,
            ),
            &witness,
            Memory::new(self.limits.memory.bytes(), &self.memory),
            Counted::new(&self.live),
        );
        self.started.fetch_add(1, Ordering::Relaxed);
        let run = Run::new(
            component.pre.clone(),
            store,
            request.map(|body| body.map_err(received_error).boxed_unsync()),
            budget,
            Arc::clone(&witness),
            permit,
        );
        let in_answer = explain.clone();
        match run
            .answer(move |end, witness| in_answer(&end, witness))
            .await
        {
            // An answer in the middle of a change of protocols, which is the host's alone to make.
            Ok(answer) if answer.status().is_informational() => {
                let end = End::Guest(wasmtime::format_err!(
                    "the guest answered {}",
                    answer.status()
                ));
                explain(&end, &witness);
                Err(failure::problem(&end, &witness, &self.limits))
            }
            Ok(answer) => Ok(answer.map(BodyExt::boxed_unsync)),
            Err(end) => {
                explain(&end, &witness);
                Err(failure::problem(&end, &witness, &self.limits))
            }
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permits = Arc::clone(&self.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _queued = Counted::new(&self.queued);
        match timeout(self.limits.queue, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Problem::new(
                Code::EdgeBusy,
                format!(
                    "all {} sandboxes were busy for {:?}",
                    self.limits.sandboxes, self.limits.queue
                ),
            )
            .with_retry_after(Some(RETRY_AFTER))),
        }
    }

    fn budget(&self, method: &Method) -> Budget {
        Budget {
            cpu: self.limits.cpu,
            wall: if method.is_safe() {
                self.limits.read_deadline
            } else {
                self.limits.deadline
            },
        }
    }
}

/// The standard library of guests imports WASI 0.2, their HTTP 0.3; both are offered whole, and over an empty context
/// neither gives anything away.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// A caller's body broke off on its way into the sandbox. The guest learns no more than that.
fn received_error(_: crate::relay::BodyError) -> Error {
    Error::ConnectionTerminated
}
