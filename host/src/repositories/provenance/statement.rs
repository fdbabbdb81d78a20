//! What a provenance file says: the chart's metadata, and the sums of files.

use charts::yaml::{self, Limits};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{PROVENANCE, ProvenanceError};

/// Of what was signed for an archive, how much an error shows.
const SHOWN: usize = 200;

/// Checks that `text` says of a file `basename` what is true of `archive`.
///
/// The metadata has to be readable, as in Helm, and is not compared with the chart's own.
pub(super) fn check(text: &str, basename: &str, archive: &[u8]) -> Result<(), ProvenanceError> {
    let mut parts = text.split("\n...\n");
    let (Some(metadata), Some(sums)) = (parts.next(), parts.next()) else {
        return Err(ProvenanceError::OnePart);
    };
    read(metadata)?;
    let sums = read(sums)?;
    let files = match sums.get("files") {
        Some(Value::Object(files)) => Some(files),
        Some(Value::Null) | None => None,
        Some(_) => return Err(ProvenanceError::Statement),
    };
    let signed = match files.and_then(|files| files.get(basename)) {
        Some(Value::String(sum)) => sum,
        Some(_) => return Err(ProvenanceError::Statement),
        None => return Err(ProvenanceError::NotListed(basename.to_owned())),
    };
    let actual = format!("sha256:{:x}", Sha256::digest(archive));
    if *signed != actual {
        return Err(ProvenanceError::Mismatch {
            name: basename.to_owned(),
            signed: signed.chars().take(SHOWN).collect(),
            actual,
        });
    }
    Ok(())
}

/// A mapping; nothing at all is an empty one.
fn read(part: &str) -> Result<Value, ProvenanceError> {
    let limits = Limits {
        bytes: PROVENANCE,
        ..Limits::default()
    };
    match yaml::parse(part, &limits).map_err(ProvenanceError::Yaml)? {
        value @ (Value::Object(_) | Value::Null) => Ok(value),
        _ => Err(ProvenanceError::Statement),
    }
}
