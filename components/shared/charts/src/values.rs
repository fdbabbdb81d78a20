//! The values a chart is rendered with: the caller's over the chart's own, down into the sub-charts.
//!
//! This computes what Tiller computes, with its peculiarities: null deletes a default at the level where it
//! meets one, and a sub-chart always has `global`.

mod coalesce;

use serde_json::{Map, Value};

pub use self::coalesce::coalesce;
pub(crate) use self::coalesce::{Tree, coalesce_tree};
use crate::{
    Limits,
    yaml::{self, YamlError},
};

/// A mapping of values.
pub type Table = Map<String, Value>;

/// Why values were not computed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// The caller's values cannot be read.
    #[error("values cannot be read")]
    Config(#[source] YamlError),
    /// A chart's own values cannot be read.
    #[error("default values of chart {chart} cannot be read")]
    Defaults {
        /// Its name.
        chart: String,
        /// Why.
        #[source]
        source: YamlError,
    },
    /// The values hold a `global` that is no mapping for a sub-chart with sub-charts and without values of its
    /// own. Tiller does not survive it.
    #[error("the values of {0} hold a `global` that is not a mapping of keys to values")]
    Globals(String),
    /// One of the [`Limits`] is passed, by the values of all charts together.
    #[error("the values exceed the limit `{limit}` of {value}")]
    Limit {
        /// Its name: the field's.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// A sub-chart has no metadata.
    #[error("a sub-chart of {0} has no metadata")]
    MissingMetadata(String),
    /// Values are no mapping.
    #[error("values are not a mapping of keys to values")]
    NotATable,
    /// What the values hold for a sub-chart is no mapping.
    #[error("type mismatch on {0}")]
    TypeMismatch(String),
}

impl ValuesError {
    /// The name of the limit that was passed, if that was it.
    pub fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Config(source) | Self::Defaults { source, .. } => source.is_limit(),
            Self::Limit { limit, .. } => Some(limit),
            _ => None,
        }
    }
}

/// Reads the own values of the chart that has this name.
pub(crate) fn read_defaults(raw: &str, name: &str, limits: &Limits) -> Result<Table, ValuesError> {
    table(
        yaml::parse(raw, &limits.yaml()).map_err(|source| ValuesError::Defaults {
            chart: name.to_owned(),
            source,
        })?,
    )
}

/// Reads values; nothing is an empty table.
///
/// # Errors
///
/// [`ValuesError::Config`] or [`ValuesError::NotATable`].
pub fn read(raw: &str, limits: &Limits) -> Result<Table, ValuesError> {
    table(yaml::parse(raw, &limits.yaml()).map_err(ValuesError::Config)?)
}

/// Merges `over` and `under`; where both have a key, `over` has the say, and with null it has none of it.
pub fn merge(over: Table, under: Table) -> Table {
    let mut merged = Table::new();
    let mut over = over;
    for (key, value) in under {
        match (over.remove(&key), value) {
            (None, value) => {
                merged.insert(key, value);
            }
            (Some(Value::Null), _) => {}
            (Some(Value::Object(over)), Value::Object(under)) => {
                merged.insert(key, merge(over, under).into());
            }
            (Some(value), _) => {
                merged.insert(key, value);
            }
        }
    }
    merged.extend(over.into_iter().filter(|(_, value)| !value.is_null()));
    merged
}

/// Puts `over` over `base`, as Helm's CLI does with one file of values after the other: mappings are merged, anything
/// else is replaced. Null is a value like others here; it deletes a default when [`merge`] meets it.
pub fn overlay(base: Table, over: Table) -> Table {
    let mut merged = base;
    for (key, value) in over {
        let value = match (merged.remove(&key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => overlay(base, over).into(),
            (_, value) => value,
        };
        merged.insert(key, value);
    }
    merged
}

/// What a table weighs by [`Limits::values`].
pub(crate) fn weight(table: &Table) -> usize {
    let mut weight = table_weight(table);
    visit(table, 1, &mut |value, _| weight += weight_of(value));
    weight
}

/// How many values a table has, and how deep they are within each other.
pub(crate) fn shape(table: &Table) -> (usize, usize) {
    let (mut nodes, mut deepest) = (0, 0);
    visit(table, 1, &mut |_, depth| {
        nodes += 1;
        deepest = deepest.max(depth);
    });
    (nodes, deepest)
}

fn visit(table: &Table, depth: usize, see: &mut impl FnMut(&Value, usize)) {
    fn value(one: &Value, depth: usize, see: &mut impl FnMut(&Value, usize)) {
        see(one, depth);
        match one {
            Value::Array(items) => items.iter().for_each(|item| value(item, depth + 1, see)),
            Value::Object(entries) => visit(entries, depth + 1, see),
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
    }
    table.values().for_each(|one| value(one, depth, see));
}

/// What a value weighs without those in it.
fn weight_of(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / TEXT,
        Value::Object(entries) => 1 + table_weight(entries),
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) => 1,
    }
}

/// Keys weigh something if they are long.
fn table_weight(table: &Table) -> usize {
    table.keys().map(|key| key.len() / TEXT).sum()
}

fn table(value: Value) -> Result<Table, ValuesError> {
    match value {
        Value::Null => Ok(Table::new()),
        Value::Object(table) => Ok(table),
        _ => Err(ValuesError::NotATable),
    }
}

/// Bytes of text that weigh as much as a value.
const TEXT: usize = 64;
