//! A Kubernetes APIServer, as far as whoever calls its service proxy can tell.
//!
//! It follows what was seen of kube-apiserver 1.16, 1.21 and 1.35: who may connect and what they may do, how a service's
//! name and port are resolved, what the proxy does to headers and bodies, and the exact texts of its refusals, which
//! differ between versions. It refuses with Kubernetes' own words and has no others: what it does not know is 404.
//!
//! Left out, since nothing here depends on it: rewriting of HTML and of `Location`, the delayed flushing of old versions,
//! pods, nodes, aggregated APIs, and everything that is stored. Reviews and discovery are there, and impersonation with
//! the permissions that it needs.

mod access;
mod backend;
mod discovery;
mod listen;
mod proxy;
mod review;
mod route;
mod services;
mod status;
mod version;

#[cfg(test)]
mod tests;

pub use self::access::{Rule, Subject, User};
pub use self::services::{Endpoint, Port, Service};
pub use self::version::Kubernetes;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::access::Access;
use self::backend::Backends;
use self::services::Services;

/// What kind of APIServer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its version, which decides the texts of its refusals.
    pub kubernetes: Kubernetes,
    /// Whether it offers HTTP/2; many a load balancer in front of one does not.
    pub http2: bool,
    /// How long it tries to connect to an endpoint. The real one tries for 30 s.
    pub dial_timeout: Duration,
    /// Who may do what. Everybody else may do nothing but ask for the version.
    pub rules: Vec<Rule>,
    /// The services of the cluster.
    pub services: Vec<Service>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubernetes: Kubernetes::default(),
            http2: true,
            dial_timeout: Duration::from_secs(30),
            rules: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// A request as the APIServer's audit log has it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who the APIServer took the caller for.
    pub user: String,
    /// As whom it was let act, which is itself unless it asked for another; none if it was refused.
    pub acting: Option<User>,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub uri: String,
    /// The headers as they came, credentials included.
    pub headers: HeaderMap,
    /// The protocol it came in.
    pub version: http::Version,
}

/// An answer that the APIServer, or something in front of it, gives instead of the backend's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 429 in plain text, as while it shuts down.
    ShuttingDown,
    /// 401, as after a token expired.
    Unauthorized,
    /// What it says when its connection to a backend fails with this text of Go's, such as `EOF`.
    Unreachable(String),
    /// What a load balancer says: this status, this content type, this body.
    Balancer(u16, &'static str, &'static str),
}

/// When such an answer is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// Instead of asking the backend.
    BeforeBackend,
    /// After the backend has carried out the call and answered.
    AfterBackend,
}

/// A running APIServer; dropping it ends it.
#[derive(Debug)]
pub struct ApiServer {
    addr: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Debug)]
struct State {
    kubernetes: Kubernetes,
    http2: bool,
    access: Access,
    services: Services,
    backends: Backends,
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<(When, Answer)>>,
    /// Connections end in order when this changes.
    away: watch::Sender<u64>,
}

impl ApiServer {
    /// Listens on a free loopback port with this certificate; its ALPN is set here.
    ///
    /// # Errors
    ///
    /// Those of binding a port.
    pub async fn start(options: Options, tls: Arc<rustls::ServerConfig>) -> io::Result<Self> {
        let state = Arc::new(State {
            kubernetes: options.kubernetes,
            http2: options.http2,
            access: Access::new(options.rules),
            services: Services::new(options.services),
            backends: Backends::new(options.dial_timeout),
            seen: Mutex::default(),
            answers: Mutex::default(),
            away: watch::Sender::default(),
        });
        let (addr, task) = listen::start(state.clone(), tls).await?;
        Ok(Self { addr, state, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every request that came, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// Takes this token for that user from now on.
    pub fn add_token(&self, token: &str, user: User) {
        self.state.access.add_token(token, user);
    }

    /// Answers whoever sends this token with 401 from now on.
    pub fn revoke_token(&self, token: &str) {
        self.state.access.revoke_token(token);
    }

    /// Takes whoever shows this certificate (DER) for that user.
    pub fn add_certificate(&self, certificate: &[u8], user: User) {
        self.state.access.add_certificate(certificate, user);
    }

    /// Replaces the rules of who may do what.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.state.access.set_rules(rules);
    }

    /// Adds a service, or replaces the one of the same namespace and name.
    pub fn put_service(&self, service: Service) {
        self.state.services.put(service);
    }

    /// Removes a service; nothing happens if there is none.
    pub fn remove_service(&self, namespace: &str, name: &str) {
        self.state.services.remove(namespace, name);
    }

    /// Answers the next proxied request with this, once; called again, the one after it.
    pub fn answer_next(&self, when: When, answer: Answer) {
        lock(&self.state.answers).push_back((when, answer));
    }

    /// Ends every open connection in order, as it does while draining: over HTTP/2 with GOAWAY.
    pub fn go_away(&self) {
        self.state.away.send_modify(|times| *times += 1);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A panic while a lock is held fails its test anyway; the others need not fall with it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
