//! Tiller 2.17's gRPC API: messages, method table, field availability, light views.
//!
//! The messages are generated from the `.proto` files beside this crate. [`light`] decodes the same
//! bytes without the parts that a list never shows, [`request`] those that say what a call asks for;
//! [`withheld`] leaves out of a release what shows its values; [`Method`] says what each call is and
//! whether it changes anything; [`version`] says what an older Tiller does not know.
//!
//! Tiller drops fields it does not know in silence, so a caller who wants to be told must ask
//! [`version::lacks`] first.

pub mod hapi;
pub mod light;
pub mod method;
pub mod request;
pub mod version;
pub mod wire;
pub mod withheld;

pub use method::{Method, SERVICE};

/// What the metadata `x-helm-api-client` carries on every call but GetVersion.
///
/// Tiller accepts a client whose major and minor version are not newer than its own, so 2.0.0 passes
/// every released Tiller 2; the suffix `unreleased` additionally passes prerelease and canary builds
/// from 2.4 on. The value influences nothing else.
pub const CLIENT_VERSION: &str = "v2.0.0+unreleased";

/// Name of the metadata that carries [`CLIENT_VERSION`].
pub const CLIENT_VERSION_HEADER: &str = "x-helm-api-client";

/// Largest message Tiller 2.3.1 and later accept, in bytes: 20 MiB.
pub const MAX_MESSAGE: usize = 20 << 20;

/// Largest message to accept from a Tiller, in bytes: 32 MiB.
///
/// Chunks of a list overshoot [`MAX_MESSAGE`] by a few bytes a release, and Tillers before 2.9 do
/// not cut lists into chunks at all.
pub const MAX_ANSWER: usize = 32 << 20;
