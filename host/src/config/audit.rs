//! Where the audit log goes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Where the audit log goes: nowhere but to a file or to standard output.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The file, to which lines are appended. It may be renamed away: the next line makes it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Whether lines go to standard output.
    pub stdout: bool,
    /// Whether a mutation also waits for its line to be on the disk. Without it, the line survives whatever ends this
    /// process, but not what ends the whole machine.
    pub sync: bool,
}

impl AuditConfig {
    /// Whether nothing is written.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.file.is_none() && !self.stdout
    }

    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        if self.sync && self.file.is_none() {
            refused.push(Invalid::new(
                "audit.sync",
                "there is no file to bring to the disk; name one in `audit.file`",
            ));
        }
    }
}
