//! Values by their paths, whose parts are separated by dots and may be empty.

use serde_json::Value;

use crate::values::Table;

/// A value that is neither null nor a table.
pub(super) fn value<'t>(values: &'t Table, path: &str) -> Option<&'t Value> {
    let (within, key) = match path.rsplit_once('.') {
        Some((path, key)) => (table(values, path)?, key),
        None => (values, path),
    };
    within
        .get(key)
        .filter(|value| !value.is_object() && !value.is_null())
}

/// A table.
pub(super) fn table<'t>(values: &'t Table, path: &str) -> Option<&'t Table> {
    path.split('.')
        .try_fold(values, |table, key| table.get(key)?.as_object())
}
