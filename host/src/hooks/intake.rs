//! A delivery from its arrival to its acknowledgement.
//!
//! Verified, read, held against what is known already, stored, acknowledged, in this order: nothing is read that is not the
//! provider's, and nothing is acknowledged that a crash could take away. Whatever fails before it is stored is answered with
//! an error, so that the sender sends it again.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response};
use jiff::Timestamp;
use rest::problem::{Code, Problem};
use rules::{Outcome, Provider, Seen};
use sha2::{Digest, Sha256};

use super::admission::{Making, check_outcome};
use super::answer::Acknowledgement;
use super::hook::Ending;
use super::known::{Again, Names, Standing, standing};
use super::reading::{self, Received};
use super::verify::{Parcel, Refused};
use super::{Hook, Hooks, handshake, headers, no_hook};
use crate::audit::Entry;
use crate::ingress::Certificate;
use crate::net::Causes;
use crate::operations::{Admission, Admitted, Delivery, DeliveryId, Group, Key, Store, StoreError};
use crate::rate::too_many;
use crate::relay::{Body, Caller};

/// How many events are looked up at once.
const AT_ONCE: usize = 16;

/// After how many seconds a delivery that could not be stored should come again.
const RETRY_AFTER: u32 = 5;

/// The scheme of the challenge that goes with a 401 (RFC 9110 §15.5.2): what is wanted differs from hook to hook, and is
/// nobody's business but the provider's.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Webhook realm="tiller-edge""#);

impl Hooks {
    /// Answers what is sent to the hook of that name.
    pub(super) async fn receive(
        &self,
        name: &str,
        caller: Caller,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let hook = self.find(name).ok_or_else(|| no_hook(name))?;
        // A watch is this edge's own, and takes nothing from anybody.
        if hook.provider() == Provider::Watch {
            return Err(no_hook(name));
        }
        let asks = hook.provider() == Provider::Cloudevents;
        match *request.method() {
            Method::POST => {}
            Method::OPTIONS if asks => return handshake::answer(request.headers(), hook.pace()),
            _ => return Ok(not_allowed(asks, &caller)),
        }
        let head = request.headers().clone();
        let query = request.uri().query().map(str::to_owned);
        let certificate = request.extensions().get::<Certificate>().cloned();
        let mut parcel = Parcel {
            headers: &head,
            query: query.as_deref(),
            authorization: caller.authorization.as_ref(),
            certificate: certificate.as_ref().map(|certificate| &certificate.0),
            body: &[],
            now: Timestamp::now(),
        };
        if hook.knows_by_head()
            && let Err(refused) = hook.verify(&parcel).await
        {
            return self.refuse(hook, &caller, &refused).await;
        }
        let payload = self.payloads.read(request, hook.max_body()).await?;
        if !hook.knows_by_head() {
            parcel.body = &payload.bytes;
            parcel.now = Timestamp::now();
            if let Err(refused) = hook.verify(&parcel).await {
                return self.refuse(hook, &caller, &refused).await;
            }
        }
        hook.check_rate().map_err(too_many)?;
        let received = Received {
            id: self.name_delivery(),
            at: Timestamp::now(),
            request_id: caller.request_id,
            peer: caller.peer,
            headers: headers::kept(&head, hook.secret_header()),
            payload: payload.bytes.clone(),
        };
        let taken = self.take(hook, &received, Again::Failed).await?;
        Ok(taken.to_response())
    }

    /// Takes in a delivery that is the provider's, and says what comes of it.
    ///
    /// # Errors
    ///
    /// When it cannot be read or stored: then nothing came of it.
    pub(super) async fn take(
        &self,
        hook: &Hook,
        received: &Received,
        again: Again,
    ) -> Result<Acknowledgement, Problem> {
        let taken = self.work(hook, received, again).await;
        let (delivery, request_id) = (&*received.id.0, received.request_id.as_str());
        let hook_name = hook.name();
        match &taken {
            Ok(taken) => {
                let ending = match taken {
                    taken if taken.duplicate => Ending::Duplicate,
                    taken if taken.operations.is_empty() => Ending::Ignored,
                    _ => Ending::Accepted,
                };
                hook.count(ending);
                tracing::info!(
                    hook = hook_name,
                    delivery = taken.delivery,
                    request_id,
                    events = taken.events.len(),
                    operations = taken.operations.len(),
                    duplicate = taken.duplicate,
                    reason = taken.reason,
                    "a delivery"
                );
            }
            Err(problem) => {
                hook.count(Ending::Failed);
                tracing::warn!(
                    hook = hook_name,
                    delivery,
                    request_id,
                    code = problem.code.as_str(),
                    why = problem.detail,
                    "a delivery came to nothing"
                );
            }
        }
        taken
    }

    /// A name for what is delivered now.
    pub(super) fn name_delivery(&self) -> DeliveryId {
        let name = self.parts.ids.next();
        let digits = name.as_str().trim_start_matches("op-");
        DeliveryId(format!("dl-{digits}"))
    }

    /// Where what is delivered is kept.
    ///
    /// # Errors
    ///
    /// If there is no such place.
    pub(super) fn store(&self) -> Result<&Arc<dyn Store>, Problem> {
        self.parts.store.as_ref().ok_or_else(|| {
            Problem::new(Code::OperationsUnavailable, "this edge keeps no operations")
        })
    }

    async fn work(
        &self,
        hook: &Hook,
        received: &Received,
        again: Again,
    ) -> Result<Acknowledgement, Problem> {
        let mut outcome = match reading::read(&*self.parts.server, hook, received).await {
            Ok(outcome) => outcome,
            Err(problem) => return Err(self.unread(hook, received, problem).await),
        };
        let is_rule = |name: &str| hook.rules().iter().any(|rule| rule.name == name);
        if let Err(unfit) = check_outcome(&outcome, is_rule) {
            return Err(out_of_hand(hook, received, &unfit));
        }
        let reason = outcome.reason.take();
        let mut taken = Acknowledgement::new(&received.id.0, reason, &mut outcome.events);
        let standings = self.standings(hook, received, &outcome, again).await?;
        let groups = self.groups(hook, received, outcome.events, &standings, &mut taken)?;
        taken.sum_up();
        if groups.is_empty() && taken.duplicate {
            return self.first(hook, &standings, taken).await;
        }
        let places: Vec<usize> = groups.iter().map(|(place, _)| *place).collect();
        let admission = Admission {
            delivery: Some(self.delivery(hook, received, &taken)),
            groups: groups.into_iter().map(|(_, group)| group).collect(),
        };
        let Some(store) = &self.parts.store else {
            return if places.is_empty() {
                Ok(taken)
            } else {
                Err(self
                    .store()
                    .map_or_else(|problem| problem, |_| unavailable()))
            };
        };
        let admitted = store.admit(admission).await.map_err(stored)?;
        let mut raced = standings;
        for (place, admitted) in places.into_iter().zip(admitted) {
            let told = taken.events.get_mut(place);
            if let (Admitted::Known(key), Some(told)) = (admitted, told) {
                // The same delivery came twice at once, and the other was quicker.
                told.duplicate = true;
                told.operations.clone_from(&key.operations);
                if let Some(standing) = raced.get_mut(place) {
                    *standing = Some(Standing::Known(key));
                }
            }
        }
        taken.sum_up();
        if taken.duplicate {
            return self.first(hook, &raced, taken).await;
        }
        Ok(taken)
    }

    /// What is known of each event that leads to something.
    async fn standings(
        &self,
        hook: &Hook,
        received: &Received,
        outcome: &Outcome,
        again: Again,
    ) -> Result<Vec<Option<Standing>>, Problem> {
        let Some(store) = &self.parts.store else {
            return Ok(outcome.events.iter().map(|_| None).collect());
        };
        let names = Names::new(hook.name(), &received.payload);
        let mut asked: Vec<BoxFuture<'static, Result<_, StoreError>>> = Vec::new();
        for (place, event) in outcome.events.iter().enumerate() {
            let name = names.of(event.key.as_deref(), place);
            let (store, is_idle) = (Arc::clone(store), event.wanted.is_empty());
            asked.push(Box::pin(async move {
                if is_idle {
                    return Ok(None);
                }
                standing(&*store, name, again).await.map(Some)
            }));
        }
        stream::iter(asked)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .map_err(stored)
    }

    /// The operations of the events that are not known yet, with the places of those.
    fn groups(
        &self,
        hook: &Hook,
        received: &Received,
        events: Vec<Seen>,
        standings: &[Option<Standing>],
        taken: &mut Acknowledgement,
    ) -> Result<Vec<(usize, Group)>, Problem> {
        let provider_id = headers::provider_id(&received.headers);
        let making = Making {
            hook: hook.name(),
            principal: hook.principal(),
            delivery: provider_id.as_deref().unwrap_or(&received.id.0),
            request_id: received.request_id.as_str(),
            parent: None,
            at: received.at,
            expires_at: later(received.at, self.deadline),
        };
        let fingerprint = hex(&Sha256::digest(&received.payload));
        let mut groups = Vec::new();
        let mut seen = HashMap::new();
        let all = events.into_iter().zip(&mut taken.events).zip(standings);
        for (place, ((event, told), standing)) in all.enumerate() {
            let (name, replaces) = match standing {
                None if event.wanted.is_empty() => continue,
                None => (None, None),
                Some(Standing::Known(key)) => {
                    told.duplicate = true;
                    told.operations.clone_from(&key.operations);
                    continue;
                }
                Some(Standing::New { name, replaces }) => (Some(name), replaces.clone()),
            };
            if let Some(earlier) = name.and_then(|name| seen.get(name)) {
                told.duplicate = true;
                told.operations.clone_from(earlier);
                continue;
            }
            let kept = if event.key.is_some() {
                super::known::REMEMBERED
            } else {
                hook.window()
            };
            let made = event.wanted.into_iter().map(|wanted| {
                let made = making.operation(self.parts.ids.next(), wanted);
                made.map_err(|unfit| out_of_hand(hook, received, &unfit))
            });
            let operations = made.collect::<Result<Vec<_>, _>>()?;
            told.operations = operations
                .iter()
                .map(|new| new.operation.id.clone())
                .collect();
            if let Some(name) = name {
                seen.insert(name.clone(), told.operations.clone());
            }
            let key = name.map(|name| Key {
                name: name.clone(),
                fingerprint: fingerprint.clone(),
                operations: told.operations.clone(),
                delivery: Some(received.id.clone()),
                expires_at: later(received.at, kept),
                replaces,
            });
            groups.push((place, Group { key, operations }));
        }
        Ok(groups)
    }

    fn delivery(&self, hook: &Hook, received: &Received, taken: &Acknowledgement) -> Delivery {
        Delivery {
            id: received.id.clone(),
            hook: hook.name().to_owned(),
            received_at: received.at,
            provider_id: headers::provider_id(&received.headers),
            headers: headers::texts(&received.headers),
            outcome: serde_json::to_value(taken).unwrap_or_default(),
            operations: taken.operations.clone(),
            payload: received.payload.clone(),
        }
    }

    /// What the first delivery of those events was told, if it was one delivery and is there still; else `taken`.
    async fn first(
        &self,
        hook: &Hook,
        standings: &[Option<Standing>],
        taken: Acknowledgement,
    ) -> Result<Acknowledgement, Problem> {
        let Some(id) = one_delivery(standings) else {
            return Ok(taken);
        };
        let found = self.store()?.delivery(hook.name(), id).await;
        let first = found
            .map_err(stored)?
            .and_then(|delivery| serde_json::from_value::<Acknowledgement>(delivery.outcome).ok());
        Ok(first.map_or(taken, |first| Acknowledgement {
            duplicate: true,
            ..first
        }))
    }

    /// Keeps a delivery that could not be read, for the operator to see, where another try will not do better.
    async fn unread(&self, hook: &Hook, received: &Received, problem: Problem) -> Problem {
        let (true, Some(store)) = (problem.code.status().is_client_error(), &self.parts.store)
        else {
            return problem;
        };
        let taken = Acknowledgement {
            delivery: received.id.0.clone(),
            reason: Some(problem.detail.clone()),
            ..Acknowledgement::default()
        };
        let admission = Admission {
            delivery: Some(self.delivery(hook, received, &taken)),
            groups: Vec::new(),
        };
        if let Err(error) = store.admit(admission).await {
            tracing::warn!(error = %Causes(&error), "a delivery could not be kept");
        }
        problem
    }

    /// The answer to what does not prove to be the provider's, which is taken note of.
    async fn refuse(
        &self,
        hook: &Hook,
        caller: &Caller,
        refused: &Refused,
    ) -> Result<Response<Body>, Problem> {
        hook.count(Ending::Refused);
        let why = Causes(refused).to_string();
        tracing::warn!(
            hook = hook.name(),
            request_id = caller.request_id.as_str(),
            peer = caller.peer.map(tracing::field::display),
            reason = refused.as_str(),
            why,
            "a delivery is refused"
        );
        if let Refused::Unavailable(_) = refused {
            return Err(Problem::new(
                Code::IdentityUnavailable,
                "who sent the delivery cannot be found out now",
            )
            .with_retry_after(Some(RETRY_AFTER)));
        }
        let entry = Entry {
            request_id: caller.request_id.to_string(),
            peer: caller.peer,
            action: "deliver".to_owned(),
            why: Some(format!("hook {}: {why}", hook.name())),
            ..Entry::default()
        };
        self.parts.audit.refused(entry).await;
        let refused = Problem::new(Code::DeliveryRefused, "the delivery is not accepted");
        let mut answer = super::problem(refused, &caller.request_id);
        answer.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        Ok(answer)
    }
}

/// The delivery that brought all of it, if one did.
fn one_delivery(standings: &[Option<Standing>]) -> Option<&DeliveryId> {
    let mut deliveries = standings.iter().flatten().map(|standing| match standing {
        Standing::Known(key) => key.delivery.as_ref(),
        Standing::New { .. } => None,
    });
    let first = deliveries.next()??;
    deliveries
        .all(|other| other == Some(first))
        .then_some(first)
}

/// What a store that does not do its part is answered with.
pub(super) fn stored(error: StoreError) -> Problem {
    tracing::warn!(error = %Causes(&error), "the store of operations failed");
    unavailable()
}

fn unavailable() -> Problem {
    Problem::new(
        Code::OperationsUnavailable,
        "what was delivered cannot be stored now; nothing of it was taken in",
    )
    .with_retry_after(Some(RETRY_AFTER))
}

fn out_of_hand(hook: &Hook, received: &Received, unfit: &super::Unfit) -> Problem {
    tracing::error!(
        hook = hook.name(),
        delivery = received.id.0,
        why = %unfit,
        "the component that reads deliveries is out of hand"
    );
    Problem::new(
        Code::SandboxFailed,
        "the delivery came to something that no delivery can come to",
    )
}

fn not_allowed(asks: bool, caller: &Caller) -> Response<Body> {
    let problem = Problem::new(Code::MethodNotAllowed, "deliveries are sent with POST");
    let mut answer = super::problem(problem, &caller.request_id);
    let allow = if asks { "OPTIONS, POST" } else { "POST" };
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

pub(super) fn later(at: Timestamp, by: std::time::Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
