//! The only way out of the sandboxes.
//!
//! A component names a cluster, a tiller and one of Tiller's ten methods; everything else about the call is decided
//! here: where it goes, with which credentials, which of its headers travel, how long it may take, and what may be sent
//! twice. What comes back is either gRPC, streamed as it arrives and told to the component in one form whatever the
//! transport, or a problem that says who failed and whether the call may have run.
//!
//! `rest::relay` is the contract. Anything outside it is refused with `not_relayed`: a component that was taken over
//! can ask for nothing but what its caller could ask for.

mod access;
mod answer;
mod authorise;
mod call;
mod describe;
mod error;
mod exchange;
mod facts;
mod filter;
mod frames;
mod history;
mod inventory;
mod journal;
mod kept;
mod lanes;
mod listen;
mod lookup;
mod manifest;
mod message;
mod principal;
pub(crate) mod probe;
mod record;
mod repositories;
mod session;
mod standing;
mod step;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use rest::problem::Problem;
use rest::repositories::Ask;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::Semaphore;

pub(crate) use self::describe::is_marked;
pub use self::error::{NotACall, RelayError};
pub(crate) use self::history::{History, Recorded};
use self::lanes::Lanes;
pub use self::listen::{ListenError, Listener, listen, run};
use self::lookup::Finds;
use self::manifest::Discovery;
use self::message::Intake;
use self::principal::Identities;
pub use self::session::Session;
pub(crate) use self::standing::Whereabouts;
use crate::access::{Identity, Principal};
use crate::audit::Audit;
use crate::clusters::Clusters;
use crate::config::Config;
use crate::grants::Policy;
use crate::ingress::RequestId;
use crate::net::Gauge;
use crate::operations::Journal;
use crate::rate::Rate;
use crate::repositories::Repositories;

/// What breaks a body.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Every body between the parts of the host.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// On whose behalf a call is made.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The request it serves.
    pub request_id: RequestId,
    /// Who it is.
    pub identity: Identity,
    /// Where the request came from.
    pub peer: Option<SocketAddr>,
    /// The caller's own credential, if it sent one: the whole value of `Authorization`.
    pub authorization: Option<SecretString>,
    /// What the sandbox that serves the request was given so far.
    pub session: Arc<Session>,
    /// The operation that is carried out, if it is one.
    pub operation: Option<Arc<dyn Journal>>,
}

impl Caller {
    /// Whoever is on this host: an administrator.
    #[must_use]
    pub fn local(request_id: RequestId, authorization: Option<SecretString>) -> Self {
        Self {
            request_id,
            identity: Identity::Known(Arc::new(Principal::local())),
            peer: None,
            authorization,
            session: Arc::default(),
            operation: None,
        }
    }
}

/// What a relay has under way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Calls whose answer is not over.
    pub calls: usize,
    /// Open connections to APIServers, idle ones included.
    pub connections: usize,
    /// Bytes of request messages in memory, rounded up to KiB a call.
    pub message_bytes: usize,
}

/// The only way out of the sandboxes.
pub struct Relay {
    clusters: Arc<Clusters>,
    repositories: Arc<Repositories>,
    policy: Arc<Policy>,
    audit: Arc<Audit>,
    rate: Rate,
    identities: Identities,
    discovery: Discovery,
    intake: Intake,
    /// The places for answers that must be looked at.
    answers: Arc<Semaphore>,
    /// Where releases were lately.
    finds: Finds,
    lanes: Lanes,
    longest: Longest,
    calls: Gauge,
}

/// The longest calls may take, whatever they ask for.
#[derive(Clone, Copy, Debug)]
struct Longest {
    read: Duration,
    mutation: Duration,
}

impl Relay {
    /// A relay to `clusters` and `repositories` with the limits and grants of `config`.
    #[must_use]
    pub fn new(
        clusters: Arc<Clusters>,
        repositories: Arc<Repositories>,
        audit: Arc<Audit>,
        config: &Config,
    ) -> Self {
        Self {
            clusters,
            repositories,
            policy: Arc::new(Policy::compile(config)),
            audit,
            rate: Rate::new(&config.rate),
            identities: Identities::default(),
            discovery: Discovery::default(),
            intake: Intake::new(config.limits.queue),
            answers: frames::budget(),
            finds: Finds::default(),
            lanes: Lanes::default(),
            longest: Longest {
                read: config.limits.read_deadline,
                mutation: config.limits.deadline,
            },
            calls: Gauge::default(),
        }
    }

    /// What is under way now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            calls: self.calls.count(),
            connections: self.clusters.connections(),
            message_bytes: self.intake.bytes(),
        }
    }

    /// Answers one call of a component. Every failure is an answer: a problem, or a body that breaks.
    ///
    /// Dropping the future or the answer's body ends the call to the cluster; what Tiller has begun it carries on with.
    pub async fn handle(&self, caller: &Caller, request: Request<Body>) -> Response<Body> {
        for name in request.headers().keys().filter(|name| is_claim(name)) {
            self.forged(caller, name).await;
        }
        if request.method() == Method::GET {
            if request.uri().path() == rest::relay::ACCESS {
                return self.access(caller, request.uri().query()).await;
            }
            if request.uri().path() == rules::HOOK {
                return match caller.session.hook() {
                    Some(hook) => document(hook.clone()),
                    None => self.not_a_call(caller, NotACall::Path).await,
                };
            }
            return match Ask::parse(request.uri().path()) {
                Some(ask) => self.repositories(caller, &ask, request.uri()).await,
                None => self.inventory(caller, request.uri()).await,
            };
        }
        match rest::relay::parse(request.uri().path()) {
            Some((target, method)) => self.call(caller, &target, method, request).await,
            None => self.not_a_call(caller, NotACall::Path).await,
        }
    }

    /// The answer to what is nothing that is asked here; it is taken note of.
    async fn not_a_call(&self, caller: &Caller, why: NotACall) -> Response<Body> {
        let problem = RelayError::NotACall(why).problem(None);
        self.turned_away(caller, record::NO_CALL, &problem).await;
        self.problem(caller, &problem)
    }

    fn problem(&self, caller: &Caller, problem: &Problem) -> Response<Body> {
        let problem = problem.clone().with_request_id(caller.request_id.as_str());
        problem.to_response().map(whole)
    }
}

/// Whether a header by that name would say, to somebody who believed it, that the call is somebody else's or another
/// than it is. None passes to a cluster, and a component that sends one is out of hand. How a change is to be undone is
/// the component's to say.
fn is_claim(name: &HeaderName) -> bool {
    const NAMES: [&str; 5] = ["audit-id", "cookie", "expect", "forwarded", "trailer"];
    const FAMILIES: [&str; 4] = [
        "impersonate-",
        "x-forwarded-",
        "x-remote-",
        "x-tiller-edge-",
    ];
    let name = name.as_str();
    if name == rest::plan::UNDO {
        return false;
    }
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

fn json(view: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(view).expect("strings and numbers always serialise");
    document(text.into())
}

fn document(json: Bytes) -> Response<Body> {
    let mut response = Response::new(whole(json));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
pub(crate) mod tests;
