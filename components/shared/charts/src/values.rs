//! The values a chart is rendered with: the caller's over the chart's own, down into the sub-charts.
//!
//! This computes what Tiller computes, with its peculiarities: null deletes a default at the level where it
//! meets one, and a sub-chart always has `global`.

use serde_json::{Map, Value, map::Entry};
use tiller_api::hapi::chart::{Chart, Config};

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

/// The values a chart is rendered with.
///
/// Without `config` the chart's own values do not count, only those of its sub-charts: that is what Tiller
/// does. An empty one is something else.
///
/// # Errors
///
/// [`ValuesError`].
pub fn coalesce(
    chart: &Chart,
    config: Option<&Config>,
    limits: &Limits,
) -> Result<Value, ValuesError> {
    let mut coalescer = Coalescer { limits, nodes: 0 };
    let values = match config {
        None => coalescer.dependencies(chart, Table::new(), 0)?,
        Some(config) => {
            let values = coalescer.read(&config.raw, ValuesError::Config)?;
            coalescer.chart(chart, values, 0)?
        }
    };
    Ok(Value::Object(values))
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

struct Coalescer<'l> {
    limits: &'l Limits,
    nodes: usize,
}

impl Coalescer<'_> {
    fn chart(&mut self, chart: &Chart, values: Table, depth: usize) -> Result<Table, ValuesError> {
        let values = match &chart.values {
            Some(defaults) if !defaults.raw.is_empty() => {
                let defaults = self.read(&defaults.raw, |source| ValuesError::Defaults {
                    chart: name(chart).unwrap_or_default().to_owned(),
                    source,
                })?;
                merge(values, defaults)
            }
            _ => values,
        };
        self.dependencies(chart, values, depth)
    }

    fn dependencies(
        &mut self,
        chart: &Chart,
        mut values: Table,
        depth: usize,
    ) -> Result<Table, ValuesError> {
        if depth > self.limits.depth {
            return Err(ValuesError::Limit {
                limit: "depth",
                value: self.limits.depth,
            });
        }
        for dependency in &chart.dependencies {
            let name = name(dependency).ok_or_else(|| {
                ValuesError::MissingMetadata(name(chart).unwrap_or_default().to_owned())
            })?;
            let globals = self.clone_of(values.get(GLOBAL))?;
            let own = match values.entry(name) {
                Entry::Vacant(_) => Table::new(),
                Entry::Occupied(mut entry) => match entry.get_mut() {
                    Value::Object(own) => std::mem::take(own),
                    _ => return Err(ValuesError::TypeMismatch(name.to_owned())),
                },
            };
            let own = with_globals(own, globals);
            let own = self.chart(dependency, own, depth + 1)?;
            values.insert(name.to_owned(), own.into());
        }
        Ok(values)
    }

    fn clone_of(&mut self, value: Option<&Value>) -> Result<Option<Value>, ValuesError> {
        self.count(value.into_iter())?;
        Ok(value.cloned())
    }

    fn read(
        &mut self,
        raw: &str,
        error: impl FnOnce(YamlError) -> ValuesError,
    ) -> Result<Table, ValuesError> {
        let table = table(yaml::parse(raw, &self.limits.yaml()).map_err(error)?)?;
        self.count(table.values())?;
        Ok(table)
    }

    fn count<'v>(&mut self, values: impl Iterator<Item = &'v Value>) -> Result<(), ValuesError> {
        for value in values {
            self.nodes += 1;
            if self.nodes > self.limits.yaml_nodes {
                return Err(ValuesError::Limit {
                    limit: "yaml_nodes",
                    value: self.limits.yaml_nodes,
                });
            }
            match value {
                Value::Array(items) => self.count(items.iter())?,
                Value::Object(entries) => self.count(entries.values())?,
                Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }
}

/// Gives a sub-chart its parent's globals, which win over its own.
///
/// If one of the two is no table, Tiller takes what it has of the sub-chart's for all of its values.
fn with_globals(mut own: Table, parent: Option<Value>) -> Table {
    let own_globals = match own.remove(GLOBAL) {
        None => Table::new(),
        Some(Value::Object(globals)) => globals,
        Some(_) => return Table::new(),
    };
    let globals = match parent {
        None => own_globals,
        Some(Value::Object(parent)) => merge(parent, own_globals),
        Some(_) => return own_globals,
    };
    own.insert(GLOBAL.to_owned(), globals.into());
    own
}

fn table(value: Value) -> Result<Table, ValuesError> {
    match value {
        Value::Null => Ok(Table::new()),
        Value::Object(table) => Ok(table),
        _ => Err(ValuesError::NotATable),
    }
}

fn name(chart: &Chart) -> Option<&str> {
    chart
        .metadata
        .as_ref()
        .map(|metadata| metadata.name.as_str())
}

const GLOBAL: &str = "global";
