//! Webhooks: what a delivery comes to, and which releases a rule is about.
//!
//! Two questions are answered, both of the host and of nobody else. `POST /hooks/{name}` holds a payload, verified by the
//! host and hostile all the same, against the hook's rules, which the relay tells; nothing of it waits for a cluster.
//! `POST /discover` looks through the releases of one cluster for those that run an image, through the relay and so with the
//! hook's own grants. Both answers are what is wanted, in JSON: what becomes of it, the host decides.
//!
//! [`serve()`] is the whole of it, tested natively against a relay made of memory; in a sandbox the relay is `wasi:http`,
//! which is all that the `component` module adds.

mod answer;
mod chunk;
#[cfg(target_family = "wasm")]
mod component;
mod deliver;
mod discover;
mod list;
mod serve;

pub use serve::serve;
