//! What the Helm 2 client does before it calls Tiller: charts from archives and back, their requirements, the values they
//! get, the indexes they are found in and the versions that are chosen.
//!
//! An archive comes from anywhere, so reading one is bounded everywhere: [`load`] unpacks while it counts
//! and stops at the first of its [`Limits`] that is passed. What it accepts, and the words it refuses with,
//! are Helm 2.17's. The YAML is go-yaml v2's dialect, since that is what Tiller reads values with:
//! `yes` is a boolean here.
//!
//! No files, no network, no clock: the same code runs in a sandbox and in tests.

pub mod index;
pub mod requirements;
pub mod strvals;
pub mod values;
pub mod version;
pub mod yaml;

mod archive;
mod error;
mod fields;
mod limits;
mod load;
mod metadata;
mod pack;
mod path;

pub use error::{ChartError, MetadataError};
pub use limits::Limits;
pub use load::load;
pub use metadata::to_value as metadata_to_value;
pub use pack::{PackError, pack};
