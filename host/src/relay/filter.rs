//! Answers as far as their caller may see them.
//!
//! A caller that may see everything gets what Tiller sends as it comes; nobody looks at it. For every other the releases
//! in an answer are looked at one by one: of those that it may not read nothing is passed on, of those whose values it may
//! not see what shows none. An answer of one message is held until it is whole, since it may turn out that it must not be
//! shown at all; a list passes message by message, and only when its reader asks for the next.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream;
use grpc_web::Trailers;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::Timestamp;
use prost::DecodeError;
use rest::relay::{VALUES, WITHHELD};
use tiller_api::wire::{fields, put};
use tiller_api::{Method, withheld};

use super::call::Call;
use super::facts::namespace_or_default;
use super::frames::{FrameError, Frames};
use super::{Body, BodyError, Relay, RelayError, whole};
use crate::access::Principal;
use crate::clusters::Cluster;
use crate::grants::{Action, Attempt, Decision, Policy};

/// What of an answer its caller may see.
pub(super) enum Sight {
    /// As much as depends on the releases in it.
    Judged(Box<View>),
    /// All of it.
    Whole,
}

/// Whether values are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Values {
    /// Those of some releases.
    Depends,
    Shown,
    Withheld,
}

/// Who sees an answer, and what is known of it already.
pub(super) struct View {
    pub(super) policy: Arc<Policy>,
    pub(super) principal: Arc<Principal>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) tiller: String,
    /// Whether every release in it may be read.
    pub(super) readable: bool,
    pub(super) values: Values,
    /// Whether an error ends with its first line, since manifests may come after it.
    pub(super) cuts_errors: bool,
    pub(super) now: Timestamp,
    /// What is answered instead where nothing of the answer may be shown.
    pub(super) refusal: RelayError,
}

impl Sight {
    /// What is shown of `answer`, which is one to `call`.
    ///
    /// # Errors
    ///
    /// When nothing of it may be shown, or it is not what it should be.
    pub(super) async fn show(
        self,
        answer: Response<Body>,
        relay: &Relay,
        call: &Call<'_>,
    ) -> Result<Response<Body>, RelayError> {
        let Self::Judged(view) = self else {
            return Ok(answer);
        };
        let frames = Frames::new(answer, call.method, &relay.answers, call.deadline);
        if call.method == Method::ListReleases {
            return Ok(view.list(frames));
        }
        view.unary(frames, call).await
    }
}

/// What may be shown of a release.
enum Shown {
    Nothing,
    /// So much, without what shows values.
    Part(Vec<u8>),
    Whole,
}

impl View {
    /// An answer of one message.
    async fn unary(
        self,
        mut frames: Frames,
        call: &Call<'_>,
    ) -> Result<Response<Body>, RelayError> {
        let message = frames.next().await.map_err(|error| frames.broken(&error))?;
        let mut answer = BytesMut::new();
        let mut withheld = false;
        if let Some(message) = message {
            let shown = self.message(call.method, &message);
            let shown =
                shown.map_err(|_| frames.misbehaved("Tiller's answer cannot be decoded"))?;
            drop(message);
            if frames
                .next()
                .await
                .map_err(|error| frames.broken(&error))?
                .is_some()
            {
                return Err(frames.misbehaved("the call has more than one answer"));
            }
            let Some(shown) = shown else {
                return Err(self.refusal);
            };
            withheld = shown.withheld;
            put_frame(&mut answer, MESSAGE, &shown.bytes);
        }
        let mut head = frames.head().clone();
        if self.cuts_errors {
            cut_head(&mut head);
        }
        if withheld {
            mark(&mut head);
        }
        match frames.end() {
            Some(end) if self.cuts_errors => answer.extend_from_slice(&cut(end)),
            Some(end) => put_frame(&mut answer, TRAILERS, end),
            None => (),
        }
        let mut response = Response::new(whole(answer.freeze()));
        *response.headers_mut() = head;
        Ok(response)
    }

    /// The messages of a list.
    fn list(self, frames: Frames) -> Response<Body> {
        let mut head = frames.head().clone();
        if self.values != Values::Shown {
            mark(&mut head);
        }
        let pieces = stream::unfold(Some((self, frames)), |state| async {
            let (view, mut frames) = state?;
            let piece = view.piece(&mut frames).await.transpose()?;
            let state = piece.is_ok().then_some((view, frames));
            Some((piece.map(Frame::data).map_err(BodyError::from), state))
        });
        let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
        *response.headers_mut() = head;
        response
    }

    /// The next frame of a list; none after the last.
    async fn piece(&self, frames: &mut Frames) -> Result<Option<Bytes>, ListError> {
        let mut piece = BytesMut::new();
        if frames.has_told_end() {
            return Ok(None);
        }
        while let Some(message) = frames.next().await? {
            if let Some(shown) = self.chunk(&message)? {
                put_frame(&mut piece, MESSAGE, &shown);
                return Ok(Some(piece.freeze()));
            }
        }
        Ok(frames.tell_end().map(|end| {
            put_frame(&mut piece, TRAILERS, &end);
            piece.freeze()
        }))
    }

    /// What is shown of a `hapi.services.tiller.ListReleasesResponse`; none if nothing. How many releases there are, and
    /// which one the next page begins with, is said of those that are not shown as well, so it is left out; that there is
    /// a next page is not.
    fn chunk(&self, message: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let mut shown = Vec::new();
        let mut is_cut = false;
        for field in fields(message) {
            let field = field?;
            if field.is_delimited(RELEASES) {
                match self.release(field.value)? {
                    Shown::Nothing => (),
                    Shown::Part(part) => put(&mut shown, RELEASES, &part),
                    Shown::Whole => shown.extend_from_slice(field.whole),
                }
            }
            is_cut |= field.is_delimited(NEXT) && !field.value.is_empty();
        }
        if is_cut {
            put(&mut shown, NEXT, SOME);
        }
        Ok((!shown.is_empty()).then_some(shown))
    }

    /// What is shown of the one message of an answer; none if it must not be shown.
    fn message(&self, method: Method, message: &Bytes) -> Result<Option<Message>, DecodeError> {
        if method == Method::GetReleaseStatus {
            return self.status(message);
        }
        let (mut any, mut hidden, mut withheld) = (false, false, false);
        let mut bytes = Vec::new();
        for field in fields(message) {
            let field = field?;
            if !field.is_delimited(RELEASE) {
                bytes.extend_from_slice(field.whole);
                continue;
            }
            match self.release(field.value)? {
                Shown::Nothing => hidden = true,
                Shown::Part(part) => {
                    withheld = true;
                    any = true;
                    put(&mut bytes, RELEASE, &part);
                }
                Shown::Whole => {
                    any = true;
                    bytes.extend_from_slice(field.whole);
                }
            }
        }
        Ok((any || !hidden).then_some(Message { bytes, withheld }))
    }

    fn status(&self, message: &Bytes) -> Result<Option<Message>, DecodeError> {
        let (name, namespace) = texts(message, 1, 3)?;
        Ok(match self.judge(&name, &namespace) {
            (false, _) => None,
            (true, true) => Some(Message {
                bytes: message.to_vec(),
                withheld: false,
            }),
            (true, false) => Some(Message {
                bytes: withheld::status(message)?,
                withheld: true,
            }),
        })
    }

    fn release(&self, release: &[u8]) -> Result<Shown, DecodeError> {
        let (name, namespace) = texts(release, 1, 8)?;
        Ok(match self.judge(&name, &namespace) {
            (false, _) => Shown::Nothing,
            (true, true) => Shown::Whole,
            (true, false) => Shown::Part(withheld::release(release)?),
        })
    }

    /// Whether a release may be read, and whether its values may be seen.
    fn judge(&self, name: &str, namespace: &str) -> (bool, bool) {
        let namespace = namespace_or_default(namespace);
        let allows = |action| {
            let attempt = Attempt {
                action,
                dry_run: false,
                place: Some(self.cluster.place(Some(&self.tiller))),
                namespace: Some(namespace),
                release: Some(name),
                chart: None,
            };
            let decision = self.policy.decide(&self.principal, &attempt, self.now);
            matches!(decision, Decision::Allowed { .. })
        };
        let readable = self.readable || allows(Action::Read);
        let values = match self.values {
            Values::Depends => readable && allows(Action::GetValues),
            Values::Shown => true,
            Values::Withheld => false,
        };
        (readable, values)
    }
}

/// The one message of an answer, as far as it is shown.
struct Message {
    bytes: Vec<u8>,
    withheld: bool,
}

/// The text fields `first` and `second` of `message`. Old Tillers send text that is not UTF-8; no grant names that.
fn texts(message: &[u8], first: u32, second: u32) -> Result<(String, String), DecodeError> {
    let (mut one, mut other): (&[u8], &[u8]) = (&[], &[]);
    for field in fields(message) {
        let field = field?;
        if field.is_delimited(first) {
            one = field.value;
        }
        if field.is_delimited(second) {
            other = field.value;
        }
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(one), text(other)))
}

pub(super) fn put_frame(answer: &mut BytesMut, flags: u8, payload: &[u8]) {
    let [_, length @ ..] = grpc_web::frame_header(payload.len());
    answer.extend_from_slice(&[flags]);
    answer.extend_from_slice(&length);
    answer.extend_from_slice(payload);
}

/// Says in the head of an answer that there is something it does not show.
fn mark(head: &mut HeaderMap) {
    head.insert(
        HeaderName::from_static(WITHHELD),
        HeaderValue::from_static(VALUES),
    );
}

/// The frame of trailers whose message ends with its first line.
fn cut(payload: &[u8]) -> Bytes {
    let mut kept = Trailers::new();
    for (name, value) in Trailers::parse(payload).iter() {
        match name {
            GRPC_MESSAGE => kept.append(name, Bytes::copy_from_slice(first_line(value))),
            DETAILS => (),
            _ => kept.append(name, Bytes::copy_from_slice(value)),
        }
    }
    kept.encode()
}

/// The same for a status in the head.
fn cut_head(head: &mut HeaderMap) {
    head.remove(DETAILS);
    let message = head
        .get(GRPC_MESSAGE)
        .and_then(|message| HeaderValue::from_bytes(first_line(message.as_bytes())).ok());
    if let Some(message) = message {
        head.insert(GRPC_MESSAGE, message);
    }
}

/// What of a percent-encoded message comes before the first line break.
fn first_line(message: &[u8]) -> &[u8] {
    let end = message
        .windows(LINE_BREAK.len())
        .position(|window| window.eq_ignore_ascii_case(LINE_BREAK));
    message
        .get(..end.unwrap_or(message.len()))
        .unwrap_or(message)
}

/// Why a list breaks off.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a message of the list cannot be decoded")]
    Undecodable(#[from] DecodeError),
}

/// The field of `ListReleasesResponse` that says with which release the next page begins.
const NEXT: u32 = 2;

/// What it says where that must not be told. No release can have that name.
const SOME: &[u8] = b"*";

/// The field of `ListReleasesResponse` with releases.
const RELEASES: u32 = 4;

/// The field of every other answer with a release, or with several.
const RELEASE: u32 = 1;

const MESSAGE: u8 = 0;
const TRAILERS: u8 = 0x80;

const GRPC_MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
const LINE_BREAK: &[u8] = b"%0A";
