//! Taking a request in that is to be carried out later, or once.
//!
//! Whatever is wrong with it that can be seen without asking a cluster is said at once: its component reads the whole of
//! it and answers with the plan of what it comes to, and calls nobody. What is answered with 202 is on disk.

mod fingerprint;
mod known;
mod planning;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use rest::plan::Plan;
use rest::problem::{Code, Problem};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use self::fingerprint::fingerprint;
use super::api::json;
use super::carry::later;
use super::engine::{Core, refused_by_store, whole};
use super::view::{Sight, path, view};
use super::watching::Watching;
use super::wish::{LONGEST_WAIT, Mutation, Preferences, Wish};
use super::{
    Actor, Admission, Admitted, Answer, Approval, Group, Head, Job, Key, Lane, New, Operation,
    State,
};
use crate::access::{Identity, Principal};
use crate::audit::Entry;
use crate::relay::{Body, Caller};

/// The header that says which preferences were followed.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What of a request's head has to do with what it asks for.
const KEPT: [HeaderName; 3] = [ACCEPT, CONTENT_TYPE, IF_MATCH];

/// Accepts a request, or answers it as it was answered before.
///
/// # Errors
///
/// The problem to answer with.
pub(super) async fn take_in(
    core: &Arc<Core>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let wish = Wish::of(request.headers())?;
    let mutation = Mutation::of(request.method(), request.uri().path())
        .ok_or_else(|| Problem::new(Code::RouteNotFound, "nothing is changed there"))?;
    let actor = actor(core, &caller, &mutation.target.cluster).await?;
    let (request, _room) = read(core, request).await?;
    let head = head(&request);
    let key = wish.key.as_deref().map(|key| {
        let now = Timestamp::now();
        known::key(
            &actor,
            key,
            fingerprint(&head, request.body()),
            later(now, core.config.keys),
        )
    });
    if let Some(key) = &key
        && let Some(answer) =
            known::answer(core, key, &caller.request_id, &wish.preferences).await?
    {
        return Ok(answer);
    }
    let plan = match planning::plan(core, &caller, &request).await {
        Ok(plan) => plan,
        Err(refused) => return Ok(refused),
    };
    if !mutation.agrees(&plan) {
        return Err(Problem::new(
            Code::SandboxFailed,
            "the component plans something else than the request asks for",
        ));
    }
    if let Some(problem) = core.relay.forbids(&actor.principal, &plan) {
        refused(core, &caller, &actor.principal, &plan, &problem).await;
        return Err(problem);
    }
    let coalesce = wish.preferences.coalesce && plan.action == "upgrade" && !plan.dry_run;
    let operation = operation(core, &caller, actor, head, plan, coalesce);
    let id = operation.id.clone();
    let key = key.map(|key| Key {
        operations: vec![id.clone()],
        ..key
    });
    let admission = Admission {
        delivery: None,
        groups: vec![Group {
            key: key.clone(),
            operations: vec![New {
                operation: operation.clone(),
                body: request.into_body(),
            }],
        }],
    };
    let admitted = core.store.admit(admission).await;
    let admitted = admitted.map_err(|error| refused_by_store(&error))?;
    if let (Some(Admitted::Known(_)), Some(key)) = (admitted.first(), &key)
        && let Some(answer) =
            known::answer(core, key, &caller.request_id, &wish.preferences).await?
    {
        return Ok(answer);
    }
    wait(core, &caller, &wish, operation).await
}

/// Answers with what became of an operation that was accepted, or that it was.
async fn wait(
    core: &Arc<Core>,
    caller: &Caller,
    wish: &Wish,
    mut operation: Operation,
) -> Result<Response<Body>, Problem> {
    let preferences = &wish.preferences;
    let patience = match preferences.wait {
        None if preferences.respond_async => None,
        None => Some(core.limits.deadline),
        Some(wait) => Some(wait.min(LONGEST_WAIT)),
    };
    if let Some(patience) = patience {
        let until = Instant::now() + patience;
        let mut watching = Watching::new(core, operation.id.clone());
        loop {
            let looked = watching.look(core).await;
            operation = match looked.map_err(|error| refused_by_store(&error))? {
                Some(operation) => operation,
                None => break,
            };
            if operation.state.is_settled() {
                return Ok(known::settled(&operation, &caller.request_id));
            }
            // It has to wait for something that may take long. Whoever wants to hear at once would rather hear that.
            let is_postponed = operation.state == State::Accepted && operation.attempts > 0;
            if is_postponed && preferences.wait.is_none() {
                break;
            }
            if !watching.may_have_changed(until).await {
                break;
            }
        }
    }
    Ok(accepted(&operation, preferences))
}

/// Says which operation was accepted, and how far it is.
fn accepted(operation: &Operation, preferences: &Preferences) -> Response<Body> {
    let mut answer = json(StatusCode::ACCEPTED, &view(operation, Sight::Whole));
    answer.headers_mut().insert(LOCATION, location(operation));
    if preferences.respond_async {
        let applied = HeaderValue::from_static("respond-async");
        answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    answer
}

/// In whose name the request will be carried out.
async fn actor(core: &Core, caller: &Caller, cluster: &str) -> Result<Actor, Problem> {
    let (principal, at) = core.relay.whose(caller, cluster).await?;
    if at.is_callers() {
        return Err(Problem::new(
            Code::NotDeferrable,
            format!(
                "the cluster `{cluster}` wants its caller's own credentials, which are not kept"
            ),
        )
        .with_hint("send the request without `Prefer: respond-async` and `Idempotency-Key`")
        .with_cluster(cluster));
    }
    Ok(Actor {
        principal: (*principal).clone(),
        cluster: matches!(caller.identity, Identity::PerCluster).then(|| cluster.to_owned()),
    })
}

/// Reads the body, once there is room for it.
async fn read(
    core: &Core,
    request: Request<Body>,
) -> Result<(Request<Bytes>, OwnedSemaphorePermit), Problem> {
    let (head, body) = request.into_parts();
    let announced = http_body::Body::size_hint(&body).exact();
    let length = announced.unwrap_or_else(|| core.limits.body.bytes());
    let units = length.min(core.limits.body.bytes()).div_ceil(1 << 10);
    let room =
        Arc::clone(&core.bodies).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX));
    let room = timeout(core.limits.queue, room)
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| {
            Problem::new(Code::EdgeBusy, "too many requests are being taken in")
                .with_retry_after(Some(1))
        })?;
    // Why it breaks off is told by whoever broke it off.
    let body = body
        .collect()
        .await
        .map_err(|_| Problem::new(Code::InvalidRequest, "the request's body broke off"))?;
    Ok((Request::from_parts(head, body.to_bytes()), room))
}

fn head(request: &Request<Bytes>) -> Head {
    let mut headers = HeaderMap::new();
    for name in KEPT {
        for value in request.headers().get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    let target = request.uri().path_and_query();
    Head {
        method: request.method().to_string(),
        target: target.map_or_else(String::new, ToString::to_string),
        headers,
    }
}

fn operation(
    core: &Core,
    caller: &Caller,
    actor: Actor,
    head: Head,
    plan: Plan,
    coalesce: bool,
) -> Operation {
    let id = core.ids.next();
    let now = Timestamp::now();
    let lane = match &plan.release {
        Some(release) => Lane::release(&plan.cluster, plan.tiller.as_deref(), release),
        // Nobody else can mean a release whose name Tiller has not made up yet.
        None => Lane::other("install", &[id.as_str()]),
    };
    Operation {
        id,
        state: State::Accepted,
        job: Job::Request { head, plan },
        lane,
        actor,
        origin: None,
        request_id: caller.request_id.to_string(),
        coalesce,
        approval: Approval::None,
        accepted_at: now,
        started_at: None,
        finished_at: None,
        not_before: None,
        expires_at: later(now, core.config.deadline),
        attempts: 0,
        steps: Vec::new(),
        reconciled: false,
        answer: None,
        note: None,
        superseded_by: None,
        children: Vec::new(),
    }
}

fn location(operation: &Operation) -> HeaderValue {
    HeaderValue::from_str(&path(&operation.id)).expect("a name has letters and digits only")
}

/// An answer as it was stored.
fn stored(answer: &Answer) -> Response<Body> {
    let mut response = Response::new(whole(answer.body.clone().into()));
    *response.status_mut() = answer.status();
    response.headers_mut().extend(answer.headers.clone());
    response
}

async fn refused(
    core: &Core,
    caller: &Caller,
    principal: &Principal,
    plan: &Plan,
    problem: &Problem,
) {
    let entry = Entry {
        request_id: caller.request_id.to_string(),
        principal: Some(principal.clone()),
        peer: caller.peer,
        action: plan.action.clone(),
        dry_run: plan.dry_run,
        cluster: Some(plan.cluster.clone()),
        tiller: plan.tiller.clone(),
        namespace: plan.namespace.clone(),
        release: plan.release.clone(),
        why: Some(problem.detail.clone()),
        ..Entry::default()
    };
    core.audit.refused(entry).await;
}
