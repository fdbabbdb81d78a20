//! What the audit log says of a call: that it was refused, or what it is about to change and how that ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use grpc_web::Trailers;
use http::{HeaderMap, HeaderName, Response, Uri};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use rest::problem::{Code, Outcome, Problem};
use rest::relay::{DEFAULT_TILLER, Target};
use tiller_api::Method;
use tracing::warn;

use super::call::Call;
use super::facts::Facts;
use super::frames::{is_handlers, verdict};
use super::journal::Journaled;
use super::lanes::Turn;
use super::{Body, BodyError, Caller, NotACall, Relay, RelayError};
use crate::access::{Identity, Principal};
use crate::audit::{Ended, Entry, Pending};
use crate::grants::Action;
use crate::operations::StepEnd;

/// How much of an answer's end is looked at, in bytes: the error of a dry run has manifests in it, that of a mutation
/// has not.
const END: usize = 1 << 20;

/// What is known of a call so far.
pub(super) struct Record {
    entry: Entry,
}

impl Record {
    pub(super) fn new(caller: &Caller, target: &Target, method: Method) -> Self {
        let tiller = target.tiller.as_deref().unwrap_or(DEFAULT_TILLER);
        Self {
            entry: Entry {
                action: method.name().to_owned(),
                rpc: Some(method.name().to_owned()),
                cluster: Some(target.cluster.clone()),
                tiller: Some(tiller.to_owned()),
                ..by(caller)
            },
        }
    }

    /// Who it is.
    pub(super) fn principal(&mut self, principal: &Principal) {
        self.entry.principal = Some(principal.clone());
    }

    /// What is asked for.
    pub(super) fn facts(&mut self, facts: &Facts) {
        let entry = &mut self.entry;
        if let Some(action) = facts.action {
            entry.action = action.as_str().to_owned();
        }
        entry.dry_run = facts.dry_run && facts.action.is_some_and(Action::is_mutation);
        entry.namespace.clone_from(&facts.namespace);
        entry.release.clone_from(&facts.release);
        entry.values_digest.clone_from(&facts.values_digest);
        if let Some(chart) = &facts.chart {
            entry.chart = Some(format!("{}-{}", chart.name, chart.version));
            entry.chart_digest = Some(chart.digest.clone());
        }
    }

    /// Where the chart is from.
    pub(super) fn source(&mut self, source: &str) {
        self.entry.source = Some(source.to_owned());
    }

    /// In which namespace the release was found.
    pub(super) fn found_in(&mut self, namespace: &str) {
        self.entry.namespace = Some(namespace.to_owned());
    }

    /// Which grant allows it.
    pub(super) fn allowed_by(&mut self, grant: &str) {
        self.entry.rule = Some(grant.to_owned());
    }

    /// The release's namespace, where it is known.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.entry.namespace.as_deref()
    }

    /// The line that says why it is refused; `told` is what the caller is told.
    pub(super) fn refused(&self, error: &RelayError, told: &str) -> Entry {
        let mut entry = self.entry.clone();
        if let RelayError::NotAllowed(refused) = error {
            entry.rule.clone_from(&refused.refusal);
        }
        let hidden = matches!(error, RelayError::ClusterHidden(_));
        entry.why = Some(if hidden {
            "no grant reaches the cluster".to_owned()
        } else {
            told.to_owned()
        });
        entry
    }
}

impl Relay {
    /// Writes that something was refused, unless the request has made as many such lines as it may: a component out of
    /// hand must not fill the log.
    pub(crate) async fn refused(&self, caller: &Caller, entry: Entry) {
        if caller.session.may_note() {
            self.audit.refused(entry).await;
        }
    }

    /// Takes note that a guest of `caller` wanted to call something else than the relay.
    pub(crate) async fn elsewhere(&self, caller: &Caller, destination: &Uri) {
        // Neither user information nor path: who knows what a guest puts there.
        let scheme = destination.scheme_str().unwrap_or_default();
        let host = destination.host().unwrap_or_default();
        let port = destination.port().map(|port| format!(":{port}"));
        let destination = format!("{scheme}://{host}{}", port.unwrap_or_default());
        warn!(
            request_id = caller.request_id.as_str(),
            destination, "a component was refused a destination other than the relay"
        );
        let error = RelayError::NotACall(NotACall::Elsewhere);
        let why = format!("{}: {destination}", error.problem(None).detail);
        let entry = Entry {
            action: ELSEWHERE.to_owned(),
            why: Some(why),
            ..by(caller)
        };
        self.refused(caller, entry).await;
    }

    /// Takes note that a guest of `caller` wanted to send a header by which it would pass for somebody else, or which is
    /// the host's to send. Its value may be a secret.
    pub(crate) async fn forged(&self, caller: &Caller, name: &HeaderName) {
        let entry = Entry {
            action: FORGE.to_owned(),
            why: Some(format!("the header `{name}` stays behind")),
            ..by(caller)
        };
        self.refused(caller, entry).await;
    }

    /// Takes note that `caller`, whose request names no cluster, was refused with what `problem` says.
    pub(super) async fn turned_away(&self, caller: &Caller, action: &str, problem: &Problem) {
        let entry = Entry {
            action: action.to_owned(),
            why: Some(problem.detail.clone()),
            ..by(caller)
        };
        self.refused(caller, entry).await;
    }

    /// Writes what `call` is about to change, now that it is its `turn`.
    pub(super) async fn begin(
        &self,
        call: &Call<'_>,
        record: &Record,
        turn: Option<Turn>,
    ) -> Result<Mutation, RelayError> {
        let pending = self.audit.begin(record.entry.clone()).await;
        Ok(Mutation {
            pending: pending.map_err(RelayError::Audit)?,
            method: call.method,
            step: None,
            _turn: turn,
        })
    }
}

/// A line about something that `caller` wants.
fn by(caller: &Caller) -> Entry {
    let principal = match &caller.identity {
        Identity::Known(principal) => Some(Principal::clone(principal)),
        Identity::PerCluster => None,
    };
    let mark = caller.operation.as_ref().map(|journal| journal.mark());
    Entry {
        request_id: caller.request_id.as_str().to_owned(),
        principal,
        peer: caller.peer,
        operation: mark.as_ref().map(|mark| mark.operation.to_string()),
        delivery: mark.and_then(|mark| mark.delivery),
        ..Entry::default()
    }
}

/// A change that is written down, and not yet how it ended.
pub(super) struct Mutation {
    pending: Pending,
    method: Method,
    step: Option<Journaled>,
    _turn: Option<Turn>,
}

impl Mutation {
    /// Writes how it ended into that step as well.
    pub(super) fn is(&mut self, step: Option<Journaled>) {
        self.step = step;
    }

    /// Writes how it ended once that is known: now, or when `answer` is read.
    pub(super) fn answered(
        self,
        answer: Result<Response<Body>, RelayError>,
    ) -> Result<Response<Body>, RelayError> {
        match answer {
            Err(error) => {
                let problem = error.problem(Some(self.method));
                self.end(problem.outcome, problem.code, false);
                Err(error)
            }
            Ok(answer) if answer.headers().contains_key("grpc-status") => {
                self.ended(answer.headers(), None);
                Ok(answer)
            }
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let watched = Watched {
                    body,
                    head: head.headers.clone(),
                    scan: Scan::default(),
                    mutation: Some(self),
                };
                Ok(Response::from_parts(head, watched.boxed_unsync()))
            }
        }
    }

    fn ended(self, head: &HeaderMap, trailers: Option<&Trailers>) {
        match verdict(self.method, head, trailers) {
            None => {
                self.pending.end(Ended::Applied, None);
                if let Some(step) = self.step {
                    step.end(StepEnd::Applied);
                }
            }
            Some(problem) => {
                let is_tillers = is_handlers(head, trailers);
                self.end(problem.outcome, problem.code, is_tillers);
            }
        }
    }

    /// `is_over` says that Tiller carried it out and failed at it.
    fn end(self, outcome: Outcome, code: Code, is_over: bool) {
        let (ended, step_end) = match outcome {
            Outcome::NotApplied => (Ended::NotApplied, StepEnd::NotApplied),
            Outcome::Unknown if is_over => (Ended::Unknown, StepEnd::Failed),
            Outcome::Unknown => (Ended::Unknown, StepEnd::Lost),
        };
        self.pending.end(ended, Some(code.as_str()));
        if let Some(step) = self.step {
            step.end(step_end);
        }
    }
}

/// An answer that is watched for its end. Given up before that, nobody knows how it ended.
struct Watched {
    body: Body,
    head: HeaderMap,
    scan: Scan,
    mutation: Option<Mutation>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref().map(Bytes::as_ref),
            Some(Err(_)) | None => None,
        };
        let trailers = data.and_then(|data| this.scan.push(data));
        if (data.is_none() || trailers.is_some())
            && let Some(mutation) = this.mutation.take()
        {
            mutation.ended(&this.head, trailers.as_ref());
        }
        Poll::Ready(frame)
    }
}

/// Finds the trailers in grpc-web's frames as they pass.
#[derive(Debug, Default)]
struct Scan {
    header: Vec<u8>,
    /// What of the frame's payload is still to come.
    left: usize,
    /// The payload of the trailers so far.
    trailers: Option<BytesMut>,
}

impl Scan {
    /// Looks at the next piece; the trailers if they end in it.
    fn push(&mut self, mut piece: &[u8]) -> Option<Trailers> {
        while !piece.is_empty() {
            if self.left == 0 {
                let missing = HEADER - self.header.len();
                let (header, rest) = piece.split_at(missing.min(piece.len()));
                self.header.extend_from_slice(header);
                piece = rest;
                if let [flags, length @ ..] = &self.header[..]
                    && length.len() == HEADER - 1
                {
                    self.left = length
                        .iter()
                        .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                    self.trailers = (flags & TRAILERS != 0).then(BytesMut::new);
                    self.header.clear();
                }
            } else {
                let (payload, rest) = piece.split_at(self.left.min(piece.len()));
                self.left -= payload.len();
                piece = rest;
                if let Some(trailers) = &mut self.trailers {
                    let room = END.saturating_sub(trailers.len());
                    trailers.extend_from_slice(&payload[..room.min(payload.len())]);
                }
            }
            if self.left == 0
                && self.header.is_empty()
                && let Some(trailers) = self.trailers.take()
            {
                return Some(Trailers::parse(&trailers));
            }
        }
        None
    }
}

/// What a line calls a call that goes elsewhere than to the relay.
const ELSEWHERE: &str = "connect";

/// What a line calls a header that is not a component's to send.
const FORGE: &str = "forge";

/// What a line calls what is no call at all.
pub(super) const NO_CALL: &str = "call";

const HEADER: usize = 5;

const TRAILERS: u8 = 0x80;
