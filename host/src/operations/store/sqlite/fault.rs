//! What SQLite says, in words that say what to do.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::StoreError;

/// Why the thread did not do something. One that ends a transaction is told to all who waited for that.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// What is stored is not what was stored.
    Altered(String),
    Conflict,
    Lost,
    Sql(Arc<rusqlite::Error>),
}

impl Fault {
    /// As those know it who asked for something of the store at `path`.
    pub(super) fn error(&self, path: &Path) -> StoreError {
        let path = path.display();
        let error = match self {
            Self::Altered(what) => {
                return StoreError::Damaged {
                    what: format!("{what} in {path} is not what was stored: {}", copy(&path)),
                    source: None,
                };
            }
            Self::Conflict => return StoreError::Conflict,
            Self::Lost => return StoreError::Lost,
            Self::Sql(error) => error,
        };
        let source = Some(Box::new(Arc::clone(error)).into());
        let what = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => {
                let what = format!("{path} cannot be read whole: {}", copy(&path));
                return StoreError::Damaged { what, source };
            }
            Some(ErrorCode::NotADatabase) => {
                let what = format!("{path} holds no operations: {}", copy(&path));
                return StoreError::Damaged { what, source };
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
                "another process has {path} open: each edge needs a file of its own, or all of them a store that can be shared"
            ),
            Some(ErrorCode::DiskFull) => {
                format!("there is no room for {path}: once there is, it goes on by itself")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                format!("{path} cannot be written: {WRITABLE}")
            }
            Some(ErrorCode::SystemIoFailure) => format!("the disk of {path} fails"),
            _ => format!("{path} cannot be used"),
        };
        StoreError::Unavailable { what, source }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(Arc::new(error))
    }
}

/// What has to be so that a file can be written.
pub(super) const WRITABLE: &str =
    "its directory must be there, and the user that runs the edge must be able to write to both";

/// What to do about a file that cannot be used as it is.
pub(super) fn copy(path: &impl std::fmt::Display) -> String {
    format!(
        "put a copy of it back, have `sqlite3 {path} .recover` save what can be read, or move it away to begin with none"
    )
}
