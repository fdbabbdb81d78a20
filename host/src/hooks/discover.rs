//! Finding the releases that a rule is about.
//!
//! The component looks through one cluster's releases in the name of the hook, so that it sees those which the hook may
//! read and no others, and each that it finds becomes an operation. A cluster that cannot be asked for now is asked again,
//! by itself: the other clusters' releases do not wait for it. What is found is named after the search that found it, so
//! that a search which is made twice leads to the same operations.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use rest::problem::{Code, Problem};
use rules::{DISCOVER, Event, Found, MAX_WANTED, Quest, Rule, Wanted};

use super::payload::collect;
use super::{Hook, Hooks, Making, Unfit, whole};
use crate::access::Identity;
use crate::ingress::RequestId;
use crate::operations::{Answer, Claim, Job, New, Operation, OperationId, Run, Runner, Serve};
use crate::relay::{Caller, Session};

/// The longest answer of the component, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Finds releases for the hooks of an edge.
pub(crate) struct Discoverer {
    hooks: Arc<Hooks>,
    server: Arc<dyn Serve>,
}

impl Discoverer {
    /// For the rules of `hooks`, with the component that `server` runs.
    pub(crate) fn new(hooks: Arc<Hooks>, server: Arc<dyn Serve>) -> Self {
        Self { hooks, server }
    }

    async fn discover(&self, operation: &Operation) -> Result<(Found, Vec<New>), Problem> {
        let Job::Discovery {
            hook,
            rule,
            cluster,
            event,
        } = &operation.job
        else {
            return Err(Problem::new(
                Code::NotDeferrable,
                "the operation is no search for releases",
            ));
        };
        let hook = self.hooks.find(hook).ok_or_else(|| gone("hook", hook))?;
        let named = hook.rules().iter().find(|known| known.name == *rule);
        let quest = Quest {
            rule: Rule::clone(named.ok_or_else(|| gone("rule", rule))?),
            cluster: cluster.clone(),
            event: serde_json::from_value::<Event>(event.clone())
                .map_err(|_| Problem::new(Code::InvalidRequest, "what is stored is no event"))?,
        };
        let found = self.ask(hook, operation, &quest).await?;
        match children(hook, operation, &quest, &found) {
            Ok(children) => Ok((found, children)),
            Err(unfit) => {
                tracing::error!(operation = %operation.id, error = %unfit, "the component that finds releases is out of hand");
                Err(failed())
            }
        }
    }

    async fn ask(
        &self,
        hook: &Hook,
        operation: &Operation,
        quest: &Quest,
    ) -> Result<Found, Problem> {
        let request_id =
            RequestId::parse(&operation.request_id).unwrap_or_else(RequestId::generate);
        let caller = Caller {
            request_id: request_id.clone(),
            identity: Identity::Known(Arc::clone(hook.principal())),
            peer: None,
            authorization: None,
            session: Arc::new(Session::of_hook(hook.told().clone())),
            operation: None,
        };
        let body = serde_json::to_vec(quest).map_err(|_| failed())?;
        let mut request = Request::new(whole(body.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(rest::relay::REQUEST_ID, request_id.to_header());
        let (head, body) = self.server.serve(caller, request).await.into_parts();
        let body = collect(body, MAX_ANSWER).await.ok_or_else(failed)?;
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| failed());
        }
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| failed()))
    }
}

impl Runner for Discoverer {
    fn run<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Run> {
        Box::pin(async {
            match self.discover(&claim.operation).await {
                Ok((found, children)) => Run::Over {
                    answer: told(found),
                    children,
                },
                Err(problem) => Run::failed(&problem),
            }
        })
    }
}

/// What is found as operations. A component that is out of hand could want anything; a search can want upgrades of
/// releases of its own cluster, each once.
fn children(
    hook: &Hook,
    operation: &Operation,
    quest: &Quest,
    found: &Found,
) -> Result<Vec<New>, Unfit> {
    if found.wanted.len() > MAX_WANTED {
        return Err(Unfit::Many);
    }
    let delivery = operation.origin.as_ref().map(|origin| &origin.delivery);
    let making = Making {
        hook: hook.name(),
        principal: hook.principal(),
        delivery: delivery.map(String::as_str).unwrap_or_default(),
        request_id: &operation.request_id,
        parent: Some(&operation.id),
        at: operation.accepted_at,
        expires_at: operation.expires_at,
    };
    let mut releases = BTreeSet::new();
    let wanted = found.wanted.iter().map(|wanted| {
        let Wanted::Request { rule, plan, .. } = wanted else {
            return Err(Unfit::Route);
        };
        if *rule != quest.rule.name {
            return Err(Unfit::Rule);
        }
        let release = plan.release.as_deref().unwrap_or_default();
        if plan.cluster != quest.cluster || !releases.insert(release) {
            return Err(Unfit::Plan);
        }
        let origin = [operation.id.as_str().as_bytes(), release.as_bytes()];
        let id = OperationId::derived(operation.accepted_at, &origin);
        making.operation(id, wanted.clone())
    });
    wanted.collect()
}

/// What was found, for whoever looks at the operation.
fn told(found: Found) -> Answer {
    let found = Found {
        wanted: Vec::new(),
        ..found
    };
    let json = HeaderValue::from_static("application/json");
    Answer {
        status: StatusCode::OK.as_u16(),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
        body: serde_json::to_string(&found).unwrap_or_default(),
    }
}

fn gone(what: &str, name: &str) -> Problem {
    Problem::new(
        Code::HookNotFound,
        format!("the {what} `{name}` is gone from the configuration"),
    )
}

fn failed() -> Problem {
    Problem::new(
        Code::SandboxFailed,
        "the releases could not be looked through",
    )
}

/// Guests see no host but that of the URI.
fn uri() -> Uri {
    Uri::builder()
        .scheme("http")
        .authority("localhost")
        .path_and_query(DISCOVER)
        .build()
        .expect("it is a path")
}

#[cfg(test)]
mod tests;
