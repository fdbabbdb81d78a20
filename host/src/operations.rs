//! Requests that are accepted now and carried out later, exactly as asked.
//!
//! An operation is on disk before its caller hears of it, and so is every call to Tiller that it makes before the call
//! leaves. A call is made once: when its answer is lost, Tiller's history says what became of it, and only where it
//! proves that nothing happened is it made again. Of one release, one operation runs at a time, in the order in which
//! they were accepted, whichever edge of those that share a [`Store`] carries them out.

mod api;
mod carry;
mod clusters;
mod engine;
mod id;
mod intake;
mod journal;
mod judge;
mod notice;
mod open;
mod operation;
pub(crate) mod reconcile;
mod record;
mod recover;
mod request;
mod runner;
mod standing;
mod step;
mod store;
pub(crate) mod undo;
mod view;
mod watching;
mod wish;
mod worker;

pub use self::engine::{Engine, Parts};
pub use self::id::{Ids, OperationId, UnknownId};
pub use self::journal::{Journal, Mark};
pub use self::open::{OpenError, ids, open};
pub use self::operation::{Actor, Answer, Approval, Head, Job, Lane, Operation, Origin, State};
pub use self::runner::{Run, Runner, Runners, Serve};
pub use self::step::{Step, StepEnd};
pub use self::store::{
    Admission, Admitted, Asked, Claim, Delivery, DeliveryId, Group, Hold, JetStream, Key, New,
    Query, Sqlite, Store, StoreError, Stored,
};
