//! An answer on its way out, which a caller that takes nothing cannot hold for ever.
//!
//! hyper asks a body for more only when its peer has room, so a body cannot notice by itself that nobody takes it: a
//! timer in it is not polled either. Bodies are therefore reachable from outside, and [`Watch::sweep`] takes away what
//! has lain unasked-for too long, and with it the sandbox and the calls behind it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::relay::{Body, BodyError};

use super::activity::InFlight;
use super::record::{Ending, Record};

/// The body of an answer and what must be given back when it is over.
struct Flow {
    body: Body,
    /// The length announced, if it was.
    announced: Option<u64>,
    record: Record,
    /// When the last frame was handed over; none while the caller waits for the next.
    handed_over: Option<Instant>,
    _in_flight: InFlight,
}

impl Flow {
    fn is_whole(&self) -> bool {
        self.body.is_end_stream() || self.announced == Some(self.record.bytes_sent())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Once all of an announced length is out, hyper does not ask for the end.
        if self.is_whole() {
            self.record.ended(Ending::Complete);
        }
    }
}

type Slot = Mutex<Option<Flow>>;

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Flow>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answers that are under way.
#[derive(Default)]
pub(super) struct Watch(Mutex<Vec<Weak<Slot>>>);

impl Watch {
    /// Puts an answer under watch. `bodiless` says that no body will be asked for, whatever the answer has: one to HEAD.
    pub(super) fn over(
        &self,
        answer: Response<Body>,
        mut record: Record,
        in_flight: InFlight,
        bodiless: bool,
    ) -> Response<Body> {
        record.answered(answer.status());
        let (head, body) = answer.into_parts();
        let announced = if bodiless {
            Some(0)
        } else {
            body.size_hint().exact()
        };
        let slot = Arc::new(Mutex::new(Some(Flow {
            body,
            announced,
            record,
            handed_over: Some(Instant::now()),
            _in_flight: in_flight,
        })));
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&slot));
        Response::from_parts(head, Body::new(Answer(slot)))
    }

    /// Ends every answer that its caller has left lying for longer than `stall`, and forgets those that are over.
    pub(super) fn sweep(&self, stall: Duration) {
        let mut ended = Vec::new();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|slot| {
                let Some(slot) = slot.upgrade() else {
                    return false;
                };
                let mut flow = match slot.try_lock() {
                    Ok(flow) => flow,
                    Err(TryLockError::Poisoned(error)) => error.into_inner(),
                    // It is being asked for at this moment.
                    Err(TryLockError::WouldBlock) => return true,
                };
                let stalled = flow
                    .as_ref()
                    .and_then(|flow| flow.handed_over)
                    .is_some_and(|since| since.elapsed() > stall);
                if stalled {
                    ended.extend(flow.take());
                }
                flow.is_some()
            });
        // Outside the lock: what is dropped here is a whole sandbox.
        for mut flow in ended {
            flow.record.ended(Ending::Stalled);
        }
    }
}

struct Answer(Arc<Slot>);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut slot = lock(&self.0);
        let Some(flow) = slot.as_mut() else {
            return Poll::Ready(Some(Err("the caller took nothing for too long".into())));
        };
        flow.handed_over = None;
        let frame = std::task::ready!(Pin::new(&mut flow.body).poll_frame(cx));
        flow.handed_over = Some(Instant::now());
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                flow.record.sent(length);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "an answer broke off");
                flow.record.ended(Ending::Broken);
                drop(slot.take());
            }
            None => flow.record.ended(Ending::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0)
            .as_ref()
            .is_some_and(|flow| flow.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0)
            .as_ref()
            .map_or_else(SizeHint::default, |flow| flow.body.size_hint())
    }
}
