//! The native half of tiller-edge: everything that holds a socket, a credential or a clock.
//!
//! Components parse what callers send and build what Tiller takes; they hold no secret and see no network. This crate
//! runs them, one sandbox a request ([`sandbox`]), and is their only way out ([`relay`]). [`ingress`] takes requests in,
//! [`edge`] ties the three together and ends them in order. Charts come from [`repositories`]. [`bridge`] is the other end,
//! beside Tiller in its cluster.

pub mod access;
pub mod audit;
pub mod bridge;
pub mod check;
pub mod cli;
pub mod clusters;
pub mod config;
pub mod edge;
pub mod grants;
pub mod hooks;
pub mod ingress;
pub mod log;
pub mod notices;
pub mod operations;
pub mod rate;
pub mod relay;
pub mod repositories;
pub mod sandbox;

mod net;
mod shutdown;
