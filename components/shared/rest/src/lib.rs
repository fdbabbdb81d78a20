//! The REST surface without its I/O: what a request means, what an answer looks like.
//!
//! Components use it to read requests and to show releases; the relay uses it to say, in the same
//! words, what went wrong on the way to a cluster. Nothing here waits, sends or holds anything, so
//! all of it is tested natively.

pub mod body;
pub mod fields;
pub mod json;
pub mod negotiate;
pub mod pattern;
pub mod plan;
pub mod precondition;
pub mod problem;
pub mod query;
pub mod relay;
pub mod repositories;
pub mod route;
pub mod time;
pub mod view;
