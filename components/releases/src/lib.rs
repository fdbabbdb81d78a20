//! Releases over REST: requests become calls to a Tiller, its answers become JSON.
//!
//! [`serve()`] is the whole of it: one request in, one answer out, through a [`client::Relay`] that is the only way
//! to anything else. It is tested natively against a relay made of memory; in a sandbox the relay is
//! `wasi:http`, which is all that the `component` module adds.
//!
//! Nothing is kept between requests, and nothing that changes a cluster is ever sent twice.

mod access;
mod apply;
mod archive;
mod atomic;
mod body;
mod chart;
mod clusters;
#[cfg(target_family = "wasm")]
mod component;
mod content;
mod deployed;
mod history;
mod install;
mod items;
mod list;
mod names;
mod plan;
mod reply;
mod repositories;
mod requirements;
mod rollback;
mod serve;
mod skew;
mod status;
mod test_run;
mod uninstall;
mod upgrade;
mod upload;
mod values;
mod version;

pub use body::Body;
pub use serve::serve;
pub use upload::MAX_BODY;
