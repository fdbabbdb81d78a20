//! Payloads, rules and what comes of them.

mod discovery;
mod judging;
mod payloads;
mod refusals;
