//! What a delivery would lead to, without an edge that runs.
//!
//! The component is the real one, and so are the rules, the clusters and the grants of the configuration. Nothing is stored,
//! and no cluster is asked anything.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use rest::plan::Plan;
use rest::problem::Problem;
use rules::{Outcome, Wanted};
use secrecy::SecretString;
use tokio::task::{self, JoinError};

use super::admission::check_outcome;
use super::reading::{self, Received};
use super::verify::Parcel;
use super::{Hook, HooksError, Making, Unfit, headers};
use crate::audit::Audit;
use crate::clusters::{Clusters, ClustersError};
use crate::config::Config;
use crate::grants::{Action, Attempt, Decision, Policy};
use crate::ingress::RequestId;
use crate::net::Causes;
use crate::operations::{DeliveryId, OperationId};
use crate::relay::Relay;
use crate::repositories::{Repositories, RepositoriesError};
use crate::sandbox::{Sandbox, SandboxError};

/// A delivery that is tried.
#[derive(Debug)]
pub(crate) struct Sample {
    /// All its headers but `Authorization`.
    pub(crate) headers: HeaderMap,
    /// The whole value of that.
    pub(crate) authorization: Option<SecretString>,
    /// What follows the question mark.
    pub(crate) query: Option<String>,
    /// Its payload.
    pub(crate) payload: Bytes,
}

/// What it would lead to.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Why it would be refused; none if it proves to be the provider's.
    pub(crate) refused: Option<String>,
    /// What it says and what the rules say to it.
    pub(crate) outcome: Outcome,
    /// What the grants say to what is wanted, in the order of events and of what each wants.
    pub(crate) grants: Vec<Vec<Granted>>,
}

/// What the grants say to something that is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Granted {
    /// It would be allowed.
    Yes,
    /// That depends on what only the cluster knows, such as the release's namespace.
    Depends,
    /// It would be refused, for that reason.
    No(String),
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    /// The clusters cannot be used.
    #[error(transparent)]
    Clusters(#[from] ClustersError),
    /// The configuration has no such hook.
    #[error("the configuration has no hook `{0}`{known}", known = known(.1))]
    Hook(String, Vec<String>),
    /// The hook cannot be used.
    #[error(transparent)]
    Hooks(#[from] HooksError),
    /// A component could not be made ready, for a fault of this program.
    #[error("preparing the components failed")]
    Prepare(#[source] JoinError),
    /// The component does not read the payload.
    #[error("the delivery would be answered with {status}: {problem}", status = .0.code.status(), problem = .0)]
    Read(Box<Problem>),
    /// The repositories cannot be used.
    #[error(transparent)]
    Repositories(#[from] RepositoriesError),
    /// The components cannot be run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The component is out of hand.
    #[error("the component that reads deliveries is out of hand")]
    Unfit(#[from] Unfit),
}

/// Tries `sample` at the hook `name` of `config`.
///
/// # Errors
///
/// When the configuration cannot be used, or the payload cannot be read.
pub(crate) async fn try_out(
    config: Config,
    name: &str,
    sample: Sample,
) -> Result<Trial, TrialError> {
    let found = config.hooks.iter().find(|hook| hook.name == name);
    let Some(found) = found else {
        let known = config.hooks.iter().map(|hook| hook.name.clone()).collect();
        return Err(TrialError::Hook(name.to_owned(), known));
    };
    let hook = Hook::load(found)?;
    let clusters = Arc::new(Clusters::load(&config)?);
    let repositories = Arc::new(Repositories::load(&config)?);
    let policy = Policy::compile(&config);
    let relay = Relay::new(
        Arc::clone(&clusters),
        repositories,
        Arc::new(Audit::off()),
        &config,
    );
    let sandbox = task::spawn_blocking(move || Sandbox::load(&config, Arc::new(relay)))
        .await
        .map_err(TrialError::Prepare)??;
    let at = Timestamp::now();
    let parcel = Parcel {
        headers: &sample.headers,
        query: sample.query.as_deref(),
        authorization: sample.authorization.as_ref(),
        certificate: None,
        body: &sample.payload,
        now: at,
    };
    let refused = hook.verify(&parcel).await.err();
    let received = Received {
        id: DeliveryId("dl-trial".to_owned()),
        at,
        request_id: RequestId::of(&HeaderMap::new()),
        peer: None,
        headers: headers::kept(&sample.headers, hook.secret_header()),
        payload: sample.payload.clone(),
    };
    let outcome = reading::read(&sandbox, &hook, &received)
        .await
        .map_err(|problem| TrialError::Read(Box::new(problem)))?;
    check_outcome(&outcome, |name| {
        hook.rules().iter().any(|rule| rule.name == name)
    })?;
    let making = Making {
        hook: hook.name(),
        principal: hook.principal(),
        delivery: "dl-trial",
        request_id: received.request_id.as_str(),
        parent: None,
        at,
        expires_at: at,
    };
    let mut grants = Vec::new();
    for event in &outcome.events {
        let mut of_event = Vec::new();
        for wanted in &event.wanted {
            making.operation(OperationId::new(at, [0; 10]), wanted.clone())?;
            of_event.push(match wanted {
                Wanted::Discovery { .. } => Granted::Depends,
                Wanted::Request { plan, .. } => granted(&policy, &clusters, &hook, plan, at),
            });
        }
        grants.push(of_event);
    }
    Ok(Trial {
        refused: refused.map(|refused| Causes(&refused).to_string()),
        outcome,
        grants,
    })
}

/// What the grants say to a request with that `plan`.
fn granted(
    policy: &Policy,
    clusters: &Clusters,
    hook: &Hook,
    plan: &Plan,
    now: Timestamp,
) -> Granted {
    let Some(cluster) = clusters.get(&plan.cluster) else {
        return Granted::No(format!("this edge has no cluster `{}`", plan.cluster));
    };
    let Some(tiller) = cluster.tiller(plan.tiller.as_deref()) else {
        return Granted::No("the cluster has no such tiller".to_owned());
    };
    let Ok(action) = plan.action.parse::<Action>() else {
        return Granted::No(format!("there is no action `{}`", plan.action));
    };
    let attempt = Attempt {
        action,
        dry_run: plan.dry_run,
        place: Some(cluster.place(Some(tiller.name()))),
        namespace: plan.namespace.as_deref(),
        release: plan.release.as_deref(),
        chart: None,
    };
    match policy.decide(hook.principal(), &attempt, now) {
        Decision::Allowed { .. } => Granted::Yes,
        Decision::Depends => Granted::Depends,
        Decision::Refused { why, .. } => Granted::No(why),
    }
}

fn known(names: &[String]) -> String {
    if names.is_empty() {
        return "; it has none at all".to_owned();
    }
    format!("; it has {}", names.join(", "))
}
