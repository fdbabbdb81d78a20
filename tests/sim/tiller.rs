//! A Tiller in memory, for tests that need hundreds of them or need one to die at a chosen moment.
//!
//! It follows what was seen of Tiller 2.17 with `-storage=secret`: the ten methods, the texts of its
//! errors, its lifecycle, and the requests that end its process. A request that panics the real one
//! kills this one too: connections break, the port stops listening, calls under way never finish, and
//! records written so far survive until [`Tiller::restart`].
//!
//! It is small where charts are concerned: templates are a subset of Go's, and only the kinds of
//! object that ring 3 installs are known. What it does not know it refuses as Tiller would; it never
//! answers success for something it did not do. It uses nothing of the crates under test to speak
//! gRPC, so that a mistake there cannot cancel itself out.

mod apply;
mod clock;
mod control;
mod dispatch;
mod hooks;
mod install;
mod list;
mod manifest;
mod name;
mod objects;
mod order;
mod read;
mod render;
mod rollback;
mod run_tests;
mod seed;
mod server;
mod status;
mod store;
mod table;
mod template;
mod uninstall;
mod upgrade;
mod values;
mod version;
mod yaml;

#[cfg(test)]
mod client;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiller_api::{Method, hapi};
use tokio::{sync::watch, task::JoinSet};

pub(crate) use self::objects::KINDS;
use self::{control::Holds, objects::Objects, store::Store};
pub use self::{
    control::{Call, Hold, Point},
    dispatch::{Answer, Event},
    seed::Seed,
    server::Server,
    status::{Code, Status},
};

/// What kind of Tiller, in what kind of cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the cluster has controllers and kubelets. With them workloads become ready, jobs
    /// complete and pods end as their annotation `sim/phase` says (`Succeeded` without it). Without
    /// them, as in ring 3, whoever waits for a workload waits until the request's timeout.
    pub controllers: bool,
    /// Revisions kept of a release, 0 for all of them (`--history-max`).
    pub history_max: usize,
    /// Git version of the cluster's APIServer, for charts that ask for one.
    pub kubernetes: String,
    /// Version this Tiller claims, checked against `x-helm-api-client`.
    pub version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controllers: false,
            history_max: 0,
            kubernetes: "v1.35.4".to_owned(),
            version: "v2.17.0".to_owned(),
        }
    }
}

/// A Tiller and the cluster it works on; clones are the same Tiller.
#[derive(Clone, Debug)]
pub struct Tiller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    state: Mutex<State>,
    alive: watch::Sender<bool>,
    calls: Mutex<Vec<Call>>,
    holds: Holds,
    /// One for each server, true while it listens.
    listening: Mutex<Vec<watch::Receiver<bool>>>,
    /// The calls under way. They outlive their callers, as Tiller's do, but not their Tiller.
    work: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct State {
    objects: Objects,
    store: Store,
}

impl Tiller {
    /// A Tiller with an empty store, reached through a [`Server`] or [`Tiller::call`].
    pub fn new(options: Options) -> Self {
        let state = State {
            objects: Objects::default(),
            store: Store::new(options.history_max),
        };
        Self(Arc::new(Inner {
            options,
            state: Mutex::new(state),
            alive: watch::Sender::new(true),
            calls: Mutex::default(),
            holds: Holds::default(),
            listening: Mutex::default(),
            work: Mutex::default(),
        }))
    }

    /// Whether the process runs.
    pub fn is_alive(&self) -> bool {
        *self.0.alive.borrow()
    }

    /// Waits until the process has ended, of itself or by [`Tiller::kill`].
    pub async fn died(&self) {
        // Not an error: this Tiller holds the sender.
        _ = self.0.alive.subscribe().wait_for(|alive| !alive).await;
    }

    /// Ends the process at once and returns when its ports are closed. Calls under way stop where
    /// they are; what they stored stays stored.
    pub async fn kill(&self) {
        self.stop();
        self.servers_listen(false).await;
    }

    /// Starts a dead process again on the same ports, with the records it had stored, and returns
    /// when it listens.
    pub async fn restart(&self) {
        self.0.alive.send_replace(true);
        self.servers_listen(true).await;
    }

    /// Every call that arrived, oldest first, over all lives.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0.calls).clone()
    }

    /// How often `method` was called.
    pub fn count(&self, method: Method) -> usize {
        lock(&self.0.calls)
            .iter()
            .filter(|call| call.method() == Some(method))
            .count()
    }

    /// Forgets the calls so far; a benchmark would otherwise keep all its requests.
    pub fn forget_calls(&self) {
        lock(&self.0.calls).clear();
    }

    /// Holds every call of `method` at `point` until the answer is dropped or released.
    pub fn hold(&self, method: Method, point: Point) -> Hold {
        self.0.holds.add(method, point)
    }

    /// Holds every call of `method` before it does anything.
    pub fn pause(&self, method: Method) -> Hold {
        self.hold(method, Point::Arrival)
    }

    /// Stores releases as if Tiller had installed them, with their objects. Thousands take
    /// milliseconds.
    pub fn seed(&self, releases: impl IntoIterator<Item = Seed>) {
        let mut state = self.state();
        for seed in releases {
            let release = seed.release();
            state.objects.insert(&release.namespace, &release.manifest);
            state.store.put(&release);
        }
    }

    /// Stores a record as it is, however odd.
    pub fn put(&self, release: &hapi::release::Release) {
        self.state().store.put(release);
    }

    /// Whether the cluster has an object, such as `("ConfigMap", "default", "web")`.
    pub fn has_object(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.state().objects.has(kind, namespace, name)
    }

    /// Removes an object behind Tiller's back; false if there was none.
    pub fn remove_object(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.state().objects.remove(kind, namespace, name)
    }

    /// Number of records stored, revisions counted singly.
    pub fn records(&self) -> usize {
        self.state().store.len()
    }

    fn stop(&self) {
        self.0.alive.send_replace(false);
        lock(&self.0.work).abort_all();
    }

    async fn servers_listen(&self, expected: bool) {
        let servers = lock(&self.0.listening).clone();
        for mut server in servers {
            // An error means that the server is gone for good, which is as closed as can be.
            _ = server.wait_for(|listening| *listening == expected).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl Default for Tiller {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

/// A panic while a lock is held fails its test anyway; the others need not fall with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
