//! A component's way through the relay.
//!
//! A component reaches nothing but the relay: it asks it for documents and makes calls of a Tiller through it. Both are
//! here, with what is wrong when there is no answer, and over any [`Relay`], so that components are tested natively against
//! one that is made of memory. In a sandbox it is the host's client, which the target for components alone has.
//!
//! Each request is sent once, and nothing that changes a cluster is ever sent twice.

mod call;
mod collect;
mod events;
mod failure;
#[cfg(target_family = "wasm")]
mod host;
mod relay;

pub use call::{
    Answer, Edge, READ, STREAM, Tiller, base, mutation, not_relayed, undecodable, unreadable,
};
pub use collect::{CollectError, collect};
pub use events::Events;
pub use failure::{Failure, Relayed, Scope};
#[cfg(target_family = "wasm")]
pub use host::Host;
pub use relay::{Relay, SendError};
