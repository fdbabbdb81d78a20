//! A real cluster as processes: etcd, kube-apiserver, two Tillers and the
//! bridge, in the network namespace that this process runs in.
//!
//! `cargo xtask` builds the programs, puts them on the PATH and makes the
//! namespace; outside of one, [`Cluster::start`] refuses. There is neither
//! kubelet nor controller: what a controller would fill in (Endpoints, a pod's
//! address) is written here, and whatever needs only objects stored works.
//!
//! * One Tiller in plain text, with its records in `kube-system`, behind
//!   `tiller-edge bridge`, under the manifests of `deploy/bridge/` as they are.
//! * One with TLS, as `helm init --tiller-tls` leaves it, with its records in
//!   `tools` so that the two do not see each other's. The API server reaches it
//!   as `https:tiller-deploy:tiller`, by `deploy/grpc/` as it is.

mod cluster;
mod deploy;
mod edge;
mod http;
mod kubernetes;
mod nats;
mod objects;
mod pki;
mod process;
mod provider;
mod registry;
mod tiller;

pub use cluster::Cluster;
pub use edge::Edge;
pub use kubernetes::User;
pub use nats::Nats;
pub use process::{Output, Process};
pub use provider::{Provider, Tokens};
pub use registry::{Asked, Chart, Listener, PASSWORD, Registry, Style, USER};
pub use tiller::Tiller;
