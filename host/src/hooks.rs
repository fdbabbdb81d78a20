//! Webhooks: deliveries that are verified, read in the sandbox and taken in as operations.
//!
//! `POST /hooks/{name}` needs no token of this edge: what proves where a delivery comes from is in the delivery, and is
//! checked here over the bytes as they arrived (`verify`). Only then is a word of it read, by a component in a sandbox of
//! its own that holds no secret, and what that wants done is held against what a hook may want at all (`admission`). The
//! sender hears of it once the store has it, so that whatever is not acknowledged is sent again, and an event that comes
//! twice leads to one thing.
//!
//! A hook is the principal `hook:` and its name. What its operations may do is decided when they are carried out, by the
//! grants of that principal: a hook without any can want whatever it likes.

mod admission;
mod answer;
mod deliveries;
mod discover;
mod handshake;
mod headers;
mod hook;
mod intake;
mod known;
mod payload;
mod reading;
mod secrets;
mod trial;
mod verify;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rest::problem::{Code, Problem};

use crate::access::AccessError;
use crate::audit::Audit;
use crate::config::{Config, WatchConfig};
use crate::grants::Policy;
use crate::ingress::RequestId;
use crate::operations::{Ids, Serve, Store};
use crate::relay::{Body, Caller};

use self::payload::Payloads;

pub(crate) use self::admission::{Making, Unfit};
pub(crate) use self::discover::Discoverer;
pub use self::hook::{Hook, Stats};
pub(crate) use self::trial::{Granted, Sample, Trial, try_out};

/// Where deliveries are sent to, and the prefix of hooks' names there.
const DELIVERIES: &str = "/hooks/";

/// Where hooks are looked at.
const LIST: &str = "/v1/hooks";

/// Why the hooks of a configuration cannot be used: what an edge does not start with.
#[derive(Debug, thiserror::Error)]
pub enum HooksError {
    /// Pub/Sub's tokens cannot be checked.
    #[error("the hook `{hook}` cannot check the tokens of its issuer")]
    Issuer {
        /// The hook.
        hook: String,
        /// Why.
        #[source]
        source: AccessError,
    },
    /// A file holds no secret that could be used.
    #[error("{path} does not hold a secret for the hook `{hook}`: {why}", path = path.display())]
    NoSecret {
        /// The hook.
        hook: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with what it holds.
        why: &'static str,
    },
    /// A file with a secret cannot be read.
    #[error("cannot read the secret of the hook `{hook}` in {path}", path = path.display())]
    SecretFile {
        /// The hook.
        hook: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What hooks work with.
pub(crate) struct Parts {
    /// Runs the component that reads deliveries.
    pub(crate) server: Arc<dyn Serve>,
    /// Where operations and deliveries are kept; none: nothing can be taken in.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// Names operations and deliveries.
    pub(crate) ids: Arc<Ids>,
    /// Where it is written who was refused.
    pub(crate) audit: Arc<Audit>,
}

/// The hooks of an edge.
pub(crate) struct Hooks {
    hooks: BTreeMap<String, Arc<Hook>>,
    parts: Parts,
    policy: Policy,
    payloads: Payloads,
    /// How long after it was accepted an operation may still be begun.
    deadline: Duration,
}

impl Hooks {
    /// Those of `config`, which was checked.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read.
    pub(crate) fn load(config: &Config, parts: Parts) -> Result<Self, HooksError> {
        let watches = config.watches.iter().map(WatchConfig::hook);
        let hooks = config.hooks.iter().cloned().chain(watches).map(|hook| {
            let hook = Hook::load(&hook)?;
            Ok((hook.name().to_owned(), Arc::new(hook)))
        });
        Ok(Self {
            hooks: hooks.collect::<Result<_, HooksError>>()?,
            parts,
            policy: Policy::compile(config),
            payloads: Payloads::new(config.limits.queue),
            deadline: config.operations.deadline,
        })
    }

    /// The hook of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Hook>> {
        self.hooks.get(name)
    }

    /// Whether requests for `path` are deliveries, whose senders prove themselves otherwise than callers do.
    pub(crate) fn opens(path: &str) -> bool {
        path.starts_with(DELIVERIES)
    }

    /// Whether requests for `path` are answered by [`Self::handle`].
    pub(crate) fn serves(path: &str) -> bool {
        let below = path.strip_prefix(LIST);
        Self::opens(path) || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a delivery, or a request to look at deliveries. Every failure is an answer too.
    pub(crate) async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let request_id = caller.request_id.clone();
        let path = request.uri().path().to_owned();
        let answered = match path.strip_prefix(DELIVERIES) {
            Some(name) => self.receive(name, caller, request).await,
            None => self.manage(&path, caller, request).await,
        };
        answered.unwrap_or_else(|problem| self::problem(problem, &request_id))
    }
}

fn problem(problem: Problem, request_id: &RequestId) -> Response<Body> {
    problem
        .with_request_id(request_id.as_str())
        .to_response()
        .map(whole)
}

fn no_hook(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(
        Code::HookNotFound,
        format!("this edge has no hook `{shown}`"),
    )
}

fn whole(bytes: bytes::Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests;
