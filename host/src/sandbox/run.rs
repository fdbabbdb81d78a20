//! One request in one sandbox, from its head to the last byte of its answer.
//!
//! The guest runs only while somebody asks for its answer: first [`Run::answer`], then [`Answer`], the body that hyper
//! polls. Whoever drops either drops the store, its slot and every call the guest has under way, so a caller that leaves
//! costs nothing from then on.
//!
//! A guest that dies in mid-answer closes its body as one that is done does. So the body never trusts its end while the
//! guest can fail: it drives the guest itself, and turns the guest's death into an error, which callers see as an
//! incomplete body.
//!
//! Budgets are counted outside the guest, between polls: time spent computing, and time passed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Sleep, sleep};
use wasmtime::Store;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::p3::{self};

use crate::relay::BodyError;

use super::failure::End;
use super::state::{State, Witness};

/// How much one run may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Time spent computing.
    pub(super) cpu: Duration,
    /// Time passed.
    pub(super) wall: Duration,
}

/// A request in its sandbox.
pub(super) struct Run {
    guest: BoxFuture<'static, wasmtime::Result<()>>,
    head: oneshot::Receiver<Response<WasiBody>>,
    wall: Pin<Box<Sleep>>,
    cpu: Duration,
    busy: Duration,
    witness: Arc<Witness>,
    // Behind `guest`, since fields are dropped in order: the slot is free before the next request may take it.
    _permit: OwnedSemaphorePermit,
}

impl Run {
    pub(super) fn new(
        component: ServicePre<State>,
        store: Store<State>,
        request: Request<WasiBody>,
        budget: Budget,
        witness: Arc<Witness>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, head) = oneshot::channel();
        Self {
            guest: drive(component, store, request, sender).boxed(),
            head,
            wall: Box::pin(sleep(budget.wall)),
            cpu: budget.cpu,
            busy: Duration::ZERO,
            witness,
            _permit: permit,
        }
    }

    /// Runs the guest until it answers. The body of the answer runs it from there on; `failed` is told if that ends
    /// before the answer does.
    ///
    /// # Errors
    ///
    /// How the guest ended without an answer.
    pub(super) async fn answer(
        mut self,
        failed: impl FnOnce(End, &Witness) + Send + 'static,
    ) -> Result<Response<Answer>, End> {
        let head = future::poll_fn(|cx| {
            if let Poll::Ready(end) = self.poll(cx) {
                return Poll::Ready(Err(end));
            }
            match self.head.poll_unpin(cx) {
                Poll::Ready(Ok(head)) => Poll::Ready(Ok(head)),
                // Without a sender the guest is about to end, which the next poll tells.
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        Ok(head.map(|body| Answer {
            body,
            run: Some(self),
            failed: Some(Box::new(failed)),
        }))
    }

    /// Ready when the run is over, which for one that is not dropped means: too early.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.wall.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Wall);
        }
        let resumed = Instant::now();
        let guest = self.guest.as_mut().poll(cx);
        self.busy += resumed.elapsed();
        match guest {
            Poll::Ready(Ok(())) => Poll::Ready(End::Guest(wasmtime::format_err!(
                "the guest stopped without an answer"
            ))),
            Poll::Ready(Err(error)) => Poll::Ready(End::Guest(error)),
            Poll::Pending if self.busy > self.cpu => Poll::Ready(End::Cpu),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Never ends well: once the answer's head is out, the guest is kept going for as long as its body is wanted.
async fn drive(
    component: ServicePre<State>,
    mut store: Store<State>,
    request: Request<WasiBody>,
    head: oneshot::Sender<Response<WasiBody>>,
) -> wasmtime::Result<()> {
    let service = component.instantiate_async(&mut store).await?;
    store
        .run_concurrent(async |accessor| -> wasmtime::Result<()> {
            // The future borrows the hooks in its type only; boxing it inside the closure lets go of them.
            let (request, received) = accessor.with(|mut access| {
                let (request, received) =
                    p3::Request::from_http(access.data_mut().hooks(), request);
                (request, received.boxed())
            });
            let answer = service.handle(accessor, request).await??;
            let answer = accessor.with(|access| answer.into_http(access, received))?;
            if head.send(answer).is_err() {
                return Ok(());
            }
            future::pending().await
        })
        .await?
}

type Failed = Box<dyn FnOnce(End, &Witness) + Send>;

/// The body of an answer, and the guest that makes it.
pub(super) struct Answer {
    body: WasiBody,
    /// None: over, and the error told.
    run: Option<Run>,
    failed: Option<Failed>,
}

impl Answer {
    fn fail(&mut self, end: End) -> BodyError {
        let error = end.to_string();
        if let Some(run) = self.run.take()
            && let Some(failed) = self.failed.take()
        {
            failed(end, &run.witness);
        }
        error.into()
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(run) = &mut this.run else {
            return Poll::Ready(None);
        };
        let mut frame = Pin::new(&mut this.body).poll_frame(cx);
        if frame.is_pending() {
            if let Poll::Ready(end) = run.poll(cx) {
                return Poll::Ready(Some(Err(this.fail(end))));
            }
            frame = Pin::new(&mut this.body).poll_frame(cx);
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(|error| this.fail(End::Body(error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.run.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
