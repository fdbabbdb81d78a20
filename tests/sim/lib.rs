//! The simulated cluster that ring 2 and the demo stand on, and the scenario that ring 2 and ring 3
//! share.

pub mod apiserver;
pub mod cluster;
pub mod components;
pub mod contract;
pub mod faults;
pub mod identity;
pub mod scenario;
pub mod store;
pub mod survival;
pub mod table;
pub mod tiller;

#[cfg(test)]
mod caller;

pub use cluster::{Cluster, Options, cluster};
pub use store::{Store, store};
