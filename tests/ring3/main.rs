//! Ring 3: the real thing.
//!
//! Real etcd, kube-apiserver, Tiller 2.17 and Helm's own client, as processes
//! in the network namespace that `cargo xtask test --ring 3` makes. What ring 2
//! simulates is proved here. One cluster and one edge serve every test; tests
//! that break something have them to themselves.

mod access;
mod charts;
mod grants;
mod helm;
mod hooks;
mod hosts;
mod interruptions;
mod kubernetes;
mod oidc;
mod scenario;
mod shared;
mod stage;
mod stores;
mod survival;
