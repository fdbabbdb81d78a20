//! A chart that `helm package --sign` packed and signed, once: the key that signed it is gone.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::Entry;

/// The chart's name.
pub const NAME: &str = "web";
/// The chart's version.
pub const VERSION: &str = "1.2.3";
/// The signer, as its key says.
pub const SIGNER: &str = "Chart signer <signer@example.com>";

/// The archive.
pub fn archive() -> Bytes {
    read("web-1.2.3.tgz")
}

/// Its signature.
pub fn provenance() -> Bytes {
    read("web-1.2.3.tgz.prov")
}

/// The file with the archive; its signature is beside it.
pub fn file() -> PathBuf {
    path("web-1.2.3.tgz")
}

/// Both.
pub fn entry() -> Entry {
    Entry::new(NAME, VERSION, archive()).provenance(provenance())
}

/// The file with the signer's key.
pub fn keyring() -> PathBuf {
    path("signer.gpg")
}

/// The file with the key of somebody else.
pub fn strange_keyring() -> PathBuf {
    path("stranger.gpg")
}

fn read(name: &str) -> Bytes {
    let read = std::fs::read(path(name));
    read.expect("a file of this repository").into()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("signed")
        .join(name)
}
