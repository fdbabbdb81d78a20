//! What the relay writes down of an operation's changing calls.

use futures::future::BoxFuture;

use super::{Lane, OperationId, Step, StepEnd, StoreError};

/// An operation as the relay sees it, which makes calls for it.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// What stands in Tiller's description beside the actor.
    fn mark(&self) -> Mark;

    /// The lane in which no other call is made meanwhile.
    fn lane(&self) -> &Lane;

    /// The only cluster that is called for it; none if any may be.
    fn cluster(&self) -> Option<&str> {
        None
    }

    /// Writes that a call is about to leave. It leaves only if that succeeds: then it is on disk, and the operation is still
    /// this edge's to carry out. Returns the step's number.
    fn begin(&self, step: Step) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Takes note of how the call ended; it is stored with what follows.
    fn end(&self, step: usize, end: StepEnd);
}

/// What stands in Tiller's description beside the actor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The operation.
    pub operation: OperationId,
    /// The delivery that it came from.
    pub delivery: Option<String>,
}
