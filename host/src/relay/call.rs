//! One call: from a component's request to the head of the answer.
//!
//! Who the caller is in this cluster comes first, then the message, read whole. What the message asks for is judged, and
//! written down if it changes anything, before any of it leaves; what leaves is what was judged. The answer is shown as
//! far as the caller may see it, and how it ended is written down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use rest::problem::Problem;
use rest::relay::Target;
use tiller_api::{CLIENT_VERSION_HEADER, Method};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::answer;
use super::exchange::{GRPC_TIMEOUT, attribute, explain, form, outgoing, passed, send};
use super::facts::Facts;
use super::frames::Frames;
use super::journal::{Change, check_lane};
use super::manifest::{self, Proposal};
use super::principal::{self, IdentityError};
use super::record::{Mutation, Record};
use super::{Body, Caller, Relay, RelayError, describe};
use crate::access::{Identity, Principal};
use crate::clusters::{Cluster, SendError, Tiller};
use crate::grants::Place;
use crate::net::{Causes, Held};

/// One call under way: whose it is, where it goes and how long it may take.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    /// Who the caller is at this cluster.
    pub(super) principal: Arc<Principal>,
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) tiller: &'a Tiller,
    pub(super) method: Method,
    client_version: Option<HeaderValue>,
    pub(super) deadline: Instant,
}

impl<'a> Call<'a> {
    /// One that the relay makes on its own account, in the name of `principal`.
    pub(super) fn own(
        caller: &'a Caller,
        principal: Arc<Principal>,
        cluster: &'a Arc<Cluster>,
        tiller: &'a Tiller,
        method: Method,
        deadline: Instant,
    ) -> Self {
        Self {
            caller,
            principal,
            cluster,
            tiller,
            method,
            client_version: None,
            deadline,
        }
    }

    /// Where it goes, as grants name it.
    pub(super) fn place(&self) -> Place<'a> {
        self.cluster.place(Some(self.tiller.name()))
    }
}

impl Relay {
    pub(super) async fn call(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        request: Request<Body>,
    ) -> Response<Body> {
        let started = Instant::now();
        let mut record = Record::new(caller, target, method);
        let result = self
            .attempt(caller, target, method, request, &mut record)
            .await;
        let outcome = match &result {
            Ok(_) => "answered",
            Err(problem) => problem.code.as_str(),
        };
        debug!(
            request_id = %caller.request_id,
            cluster = target.cluster,
            tiller = target.tiller,
            %method,
            outcome,
            elapsed = ?started.elapsed(),
            "relayed a call"
        );
        result.unwrap_or_else(|problem| self.problem(caller, &problem))
    }

    async fn attempt(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        request: Request<Body>,
        record: &mut Record,
    ) -> Result<Response<Body>, Problem> {
        let cluster = match self.cluster(caller, &target.cluster) {
            Ok(cluster) => cluster,
            Err(error) => {
                let problem = error.problem(Some(method));
                if error.is_refusal() {
                    let entry = record.refused(&error, &problem.detail);
                    self.refused(caller, entry).await;
                }
                return Err(problem);
            }
        };
        let deadline = Instant::now() + self.time_limit(method, request.headers());
        let relayed = async {
            let principal = timeout_at(deadline, principal::principal(self, caller, &cluster))
                .await
                .map_err(|_| RelayError::Deadline)??;
            record.principal(&principal);
            let tiller = self.tiller(&principal, &cluster, target)?;
            let call = Call {
                caller,
                principal,
                cluster: &cluster,
                tiller,
                method,
                client_version: request.headers().get(CLIENT_VERSION_HEADER).cloned(),
                deadline,
            };
            self.relayed(&call, request, record).await
        };
        let result: Result<_, RelayError> = relayed.await;
        let error = match result {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        log(caller, &cluster, &error);
        let mut problem = error.problem(Some(method));
        if error.is_refusal() {
            let entry = record.refused(&error, &problem.detail);
            self.refused(caller, entry).await;
        }
        // Of one that is hidden no more may be said than of one that is not there.
        if !matches!(error, RelayError::ClusterHidden(_)) {
            problem = problem.with_cluster(cluster.name());
            problem.tiller = target.tiller.as_deref().map(Into::into);
        }
        Err(attribute(problem, &cluster))
    }

    /// The cluster of that name.
    pub(super) fn cluster(&self, caller: &Caller, name: &str) -> Result<Arc<Cluster>, RelayError> {
        // Whom a cluster said that somebody is, that is nobody at another.
        let only = caller.operation.as_ref().and_then(|of| of.cluster());
        if only.is_some_and(|only| only != name) {
            return Err(RelayError::ClusterHidden(name.to_owned()));
        }
        let missing = || match self.clusters.why_unusable(name) {
            // Where one is, whoever has a token that nobody knows is told the same.
            _ if matches!(caller.identity, Identity::PerCluster) => IdentityError::Unknown.into(),
            Some(why) if self.knows(caller, name) => RelayError::unusable(name, why),
            Some(_) | None => RelayError::ClusterNotFound(name.to_owned()),
        };
        self.clusters.get(name).ok_or_else(missing)
    }

    /// Whether the caller may be told of a context of that name, of which nothing but the name is known.
    fn knows(&self, caller: &Caller, name: &str) -> bool {
        let place = Place {
            cluster: name,
            region: None,
            labels: &BTreeMap::new(),
            tiller: None,
        };
        matches!(&caller.identity, Identity::Known(known) if self.policy.sees(known, &place))
    }

    /// The tiller that `target` names, for somebody who may know of the cluster.
    fn tiller<'a>(
        &self,
        principal: &Principal,
        cluster: &'a Cluster,
        target: &Target,
    ) -> Result<&'a Tiller, RelayError> {
        if !self.policy.sees(principal, &cluster.place(None)) {
            return Err(RelayError::ClusterHidden(cluster.name().to_owned()));
        }
        cluster
            .tiller(target.tiller.as_deref())
            .ok_or_else(|| RelayError::TillerNotFound {
                cluster: cluster.name().to_owned(),
                tiller: target.tiller.clone().unwrap_or_default(),
            })
    }

    async fn relayed(
        &self,
        call: &Call<'_>,
        request: Request<Body>,
        record: &mut Record,
    ) -> Result<Response<Body>, RelayError> {
        let held = self.calls.hold();
        self.rate
            .check_cluster(&call.principal, call.cluster.name())
            .map_err(|retry_after| RelayError::RateLimited { retry_after })?;
        let undo = Change::undo(request.headers());
        let message = self.intake.read(request, call.deadline).await?;
        let facts = Facts::read(call.method, message.bytes()).await?;
        record.facts(&facts);
        let sight = self
            .authorise(call, &facts, &message.bytes(), record)
            .await?;
        let answer = if facts.changes() {
            check_lane(call.caller, call, &facts)?;
            let turn = self.turn(call, &facts).await?;
            let mut mutation = self.begin(call, record, turn).await?;
            let change = Change {
                facts: &facts,
                message: message.bytes(),
                undo,
            };
            let frame = &message.frame;
            let answer = self.change(call, &change, frame, &mut mutation, held).await;
            if let Some(release) = &facts.release {
                self.finds.forget(call, release);
            }
            mutation.answered(answer)?
        } else {
            call.send(call.method, message.frame.clone(), held).await?
        };
        drop(message);
        let shown = sight.show(answer, self, call).await?;
        self.remember(call, &facts, shown).await
    }

    /// Sends what was judged, which is in `frame`, if the cluster lets the caller make what comes of it.
    async fn change(
        &self,
        call: &Call<'_>,
        change: &Change<'_>,
        frame: &Bytes,
        mutation: &mut Mutation,
        held: Held,
    ) -> Result<Response<Body>, RelayError> {
        let proposal = Proposal {
            call,
            message: change.message.clone(),
        };
        manifest::check(self, &proposal).await?;
        let mark = call.caller.operation.as_ref().map(|journal| journal.mark());
        let described = describe::described(frame, call.method, &call.principal, mark.as_ref());
        let is_marked = mark.is_some() && described.is_some();
        mutation.is(self.journal(call, change, is_marked).await?);
        let frame = described.unwrap_or_else(|| frame.clone());
        call.send(call.method, frame, held).await
    }

    fn time_limit(&self, method: Method, headers: &HeaderMap) -> Duration {
        let longest = if method.is_mutation() {
            self.longest.mutation
        } else {
            self.longest.read
        };
        headers
            .get(GRPC_TIMEOUT)
            .and_then(|value| value.to_str().ok())
            .and_then(grpc_web::timeout::parse)
            .map_or(longest, |asked| asked.min(longest))
    }
}

impl Call<'_> {
    /// Calls `method` with `frame` and waits for the head of the answer, which is in grpc-web's form whatever the
    /// transport. `held` counts it until it is over.
    async fn send(
        &self,
        method: Method,
        frame: Bytes,
        held: Held,
    ) -> Result<Response<Body>, RelayError> {
        let mut outgoing = outgoing(self.caller, self.tiller, method, frame);
        if let Some(version) = &self.client_version {
            outgoing
                .headers
                .insert(CLIENT_VERSION_HEADER, version.clone());
        }
        let response = send(
            self.caller,
            &self.principal,
            self.cluster,
            method,
            &mut outgoing,
            self.deadline,
        )
        .await?;
        // A 401 is behind us, so nothing is sent again.
        drop(outgoing);
        let Some(form) = form(self.tiller.transport(), response.headers()) else {
            let problem = explain(method, response, self.deadline).await;
            return Err(RelayError::Answered(Box::new(problem)));
        };
        let (head, body) = response.into_parts();
        let mut answer = Response::new(answer::body(body, form, self.deadline, held));
        *answer.headers_mut() = passed(&head.headers);
        Ok(answer)
    }

    /// Asks Tiller something on the relay's own account: what its caller wants may depend on it.
    pub(super) async fn ask(
        &self,
        relay: &Relay,
        method: Method,
        question: &impl prost::Message,
    ) -> Result<Frames, RelayError> {
        let frame = grpc_web::encode_message(&question.encode_to_vec());
        self.ask_frame(relay, method, frame).await
    }

    /// The same with a question that is in its frame already.
    pub(super) async fn ask_frame(
        &self,
        relay: &Relay,
        method: Method,
        frame: Bytes,
    ) -> Result<Frames, RelayError> {
        let answer = self.send(method, frame, relay.calls.hold()).await?;
        Ok(Frames::new(answer, method, &relay.answers, self.deadline))
    }
}

/// What an operator must do something about is logged whole; the rest is the caller's, who is told.
fn log(caller: &Caller, cluster: &Cluster, error: &RelayError) {
    let error = match error {
        RelayError::Lookup(error) => error,
        error => error,
    };
    if let RelayError::Send(SendError::Credentials(_) | SendError::Tls(_)) = error {
        warn!(
            request_id = %caller.request_id,
            cluster = cluster.name(),
            error = %Causes(error),
            "the cluster cannot be called"
        );
    }
}
