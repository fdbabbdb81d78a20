//! Looking at what hooks were sent, and having it delivered again.
//!
//! What a hook is sent says what goes on in registries and source repositories, and about any cluster at that. So only
//! those may look who may see every release, and only those see payloads who may see every release's values. Having
//! something delivered again makes the hook act, so it is for those who may let operations go.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use rest::problem::{Code, Problem};
use rest::query;
use rules::{Provider, Rule};
use serde::Serialize;
use serde_json::Value;

use super::answer::json;
use super::intake::stored;
use super::known::Again;
use super::reading::Received;
use super::{DELIVERIES, Hook, Hooks, LIST, Stats, headers, no_hook};
use crate::access::{Identity, Principal};
use crate::audit::Entry;
use crate::grants::{Action, Attempt, Decision};
use crate::operations::{Delivery, DeliveryId, OperationId};
use crate::relay::{Body, Caller};

/// How many deliveries are listed unless fewer are asked for.
const PAGE: usize = 50;

/// The most that are listed at once.
const MAX_PAGE: usize = 500;

/// What it takes to have something delivered again.
const REDELIVER: Action = Action::Approve;

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    /// The query of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A hook, without anything its deliveries are verified by.
#[derive(Serialize)]
struct HookView<'a> {
    name: &'a str,
    provider: Provider,
    /// Where its provider sends deliveries to.
    path: String,
    /// Whom it acts as.
    principal: &'a str,
    /// What came since the edge started.
    deliveries: Stats,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<&'a [Rule]>,
}

/// A delivery.
#[derive(Serialize)]
struct DeliveryView {
    id: String,
    received_at: Timestamp,
    /// How the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<String>,
    headers: Vec<(String, String)>,
    operations: Vec<OperationId>,
    outcome: Value,
    #[serde(flatten)]
    payload: Option<PayloadView>,
}

/// A payload, as far as the caller may see it.
#[derive(Serialize)]
#[serde(untagged)]
enum PayloadView {
    /// One that is no text.
    Base64 { payload_base64: String },
    /// One that is.
    Text { payload: String },
    /// One that the caller may not see.
    Withheld { payload_withheld: bool },
}

/// What is asked for, below the list of hooks.
enum Asked<'p> {
    Hooks,
    Hook(&'p str),
    Deliveries(&'p str),
    Delivery(&'p str, DeliveryId),
    Redelivery(&'p str, DeliveryId),
}

impl Hooks {
    /// Answers a request for a path at or below [`LIST`].
    pub(super) async fn manage(
        &self,
        path: &str,
        caller: Caller,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let asked = Asked::parse(path).ok_or_else(|| {
            let shown: String = path.chars().take(200).collect();
            Problem::new(Code::RouteNotFound, format!("there is no route {shown}"))
        })?;
        let changes = matches!(asked, Asked::Redelivery(..));
        let fits = match *request.method() {
            Method::GET | Method::HEAD => !changes,
            Method::POST => changes,
            _ => false,
        };
        if !fits {
            return Err(Problem::new(
                Code::MethodNotAllowed,
                if changes {
                    "a delivery is delivered again with POST"
                } else {
                    "hooks and deliveries are only looked at, with GET"
                },
            ));
        }
        let query = request.uri().query();
        let principal = self.permit(&caller, Action::Read).await?;
        match asked {
            Asked::Hooks => {
                let items = self.hooks.values();
                Ok(json(&List {
                    items: items.map(|hook| HookView::new(hook, false)).collect(),
                    next: None,
                }))
            }
            Asked::Hook(name) => Ok(json(&HookView::new(self.named(name)?, true))),
            Asked::Deliveries(name) => self.list(self.named(name)?, query).await,
            Asked::Delivery(name, id) => {
                let delivery = self.one(self.named(name)?, &id).await?;
                let shown = self.may(&principal, Action::GetValues);
                Ok(json(&DeliveryView::whole(delivery, shown)))
            }
            Asked::Redelivery(name, id) => {
                let hook = self.named(name)?;
                let again = again(query)?;
                self.permit(&caller, REDELIVER).await?;
                self.redeliver(hook, &id, again, caller).await
            }
        }
    }

    async fn list(&self, hook: &Hook, query: Option<&str>) -> Result<Response<Body>, Problem> {
        let mut fields = query::parse(query, &[])?;
        let limit = fields.string("limit")?;
        let before = fields.string("before")?.map(DeliveryId);
        fields.finish()?;
        let limit = match limit.as_deref().map(str::parse) {
            None => PAGE,
            Some(Ok(limit @ 1..=MAX_PAGE)) => limit,
            Some(_) => {
                return Err(Problem::new(
                    Code::InvalidRequest,
                    format!("`limit` is a number from 1 to {MAX_PAGE}"),
                ));
            }
        };
        let store = self.store()?;
        let found = store.deliveries(hook.name(), before.as_ref(), limit).await;
        let found = found.map_err(stored)?;
        let last = found.last().filter(|_| found.len() == limit);
        let next = last.map(|last| format!("before={}&limit={limit}", last.id.0));
        let items = found.into_iter().map(DeliveryView::light).collect();
        Ok(json(&List { items, next }))
    }

    /// What it says, who sent it and by which rules is all as it was; what fits today's rules is done.
    async fn redeliver(
        &self,
        hook: &Hook,
        id: &DeliveryId,
        again: Again,
        caller: Caller,
    ) -> Result<Response<Body>, Problem> {
        let delivery = self.one(hook, id).await?;
        tracing::info!(
            hook = hook.name(),
            delivery = id.0,
            request_id = caller.request_id.as_str(),
            "somebody has something delivered again"
        );
        let received = Received {
            id: self.name_delivery(),
            at: Timestamp::now(),
            request_id: caller.request_id,
            peer: caller.peer,
            headers: headers::of_texts(&delivery.headers),
            payload: delivery.payload,
        };
        let taken = self.take(hook, &received, again).await?;
        Ok(taken.to_response())
    }

    async fn one(&self, hook: &Hook, id: &DeliveryId) -> Result<Delivery, Problem> {
        let found = self.store()?.delivery(hook.name(), id).await;
        found.map_err(stored)?.ok_or_else(|| {
            Problem::new(
                Code::DeliveryNotFound,
                "the hook has no delivery of that id, or keeps it no more",
            )
        })
    }

    fn named(&self, name: &str) -> Result<&Hook, Problem> {
        self.find(name)
            .map(|hook| &**hook)
            .ok_or_else(|| no_hook(name))
    }

    /// Who it is that may do this wherever it is.
    async fn permit(
        &self,
        caller: &Caller,
        action: Action,
    ) -> Result<std::sync::Arc<Principal>, Problem> {
        let principal = match &caller.identity {
            Identity::Known(principal) if self.may(principal, action) => {
                return Ok(std::sync::Arc::clone(principal));
            }
            Identity::Known(principal) => Some(Principal::clone(principal)),
            Identity::PerCluster => None,
        };
        let why = format!("only those may that may {action} at every cluster, whatever it is");
        let entry = Entry {
            request_id: caller.request_id.to_string(),
            principal,
            peer: caller.peer,
            action: "deliveries".to_owned(),
            why: Some(why.clone()),
            ..Entry::default()
        };
        self.parts.audit.refused(entry).await;
        Err(Problem::new(Code::NotAllowed, why))
    }

    fn may(&self, principal: &Principal, action: Action) -> bool {
        let attempt = Attempt {
            action,
            dry_run: false,
            place: None,
            namespace: None,
            release: None,
            chart: None,
        };
        let decision = self.policy.decide(principal, &attempt, Timestamp::now());
        matches!(decision, Decision::Allowed { .. })
    }
}

impl<'p> Asked<'p> {
    fn parse(path: &'p str) -> Option<Self> {
        let rest = path.strip_prefix(LIST)?;
        if rest.is_empty() {
            return Some(Self::Hooks);
        }
        let id = |segment: &str| {
            let decoded = percent_decode_str(segment).decode_utf8().ok()?;
            Some(DeliveryId(decoded.into_owned()))
        };
        let segments: Vec<&str> = rest.strip_prefix('/')?.split('/').take(5).collect();
        match segments[..] {
            [hook] => Some(Self::Hook(hook)),
            [hook, "deliveries"] => Some(Self::Deliveries(hook)),
            [hook, "deliveries", delivery] => Some(Self::Delivery(hook, id(delivery)?)),
            [hook, "deliveries", delivery, "redeliver"] => {
                Some(Self::Redelivery(hook, id(delivery)?))
            }
            _ => None,
        }
    }
}

impl<'a> HookView<'a> {
    fn new(hook: &'a Hook, whole: bool) -> Self {
        Self {
            name: hook.name(),
            provider: hook.provider(),
            path: format!("{DELIVERIES}{}", hook.name()),
            principal: &hook.principal().name,
            deliveries: hook.stats(),
            rules: whole.then(|| hook.rules()),
        }
    }
}

impl DeliveryView {
    fn light(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.0,
            received_at: delivery.received_at,
            provider_id: delivery.provider_id,
            headers: delivery.headers,
            operations: delivery.operations,
            outcome: delivery.outcome,
            payload: None,
        }
    }

    fn whole(mut delivery: Delivery, shown: bool) -> Self {
        let payload = std::mem::take(&mut delivery.payload);
        Self {
            payload: Some(if shown {
                PayloadView::of(&payload)
            } else {
                PayloadView::Withheld {
                    payload_withheld: true,
                }
            }),
            ..Self::light(delivery)
        }
    }
}

impl PayloadView {
    fn of(payload: &Bytes) -> Self {
        match str::from_utf8(payload) {
            Ok(text) => Self::Text {
                payload: text.to_owned(),
            },
            Err(_) => Self::Base64 {
                payload_base64: STANDARD.encode(payload),
            },
        }
    }
}

/// Whether what was done is to be done once more.
fn again(query: Option<&str>) -> Result<Again, Problem> {
    let mut fields = query::parse(query, &[])?;
    let force = fields.flag("force")?;
    fields.finish()?;
    Ok(if force { Again::Always } else { Again::Failed })
}
