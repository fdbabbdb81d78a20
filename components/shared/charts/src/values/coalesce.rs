//! Values of a chart and of its sub-charts, which see their own part of them and the globals.
//!
//! Where a sub-chart's `global` is no table Tiller loses the rest of its values, and in one such case itself: that is
//! an error here.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::{Value, map::Entry};
use tiller_api::hapi::chart::{Chart, Config};

use super::{TEXT, Table, ValuesError, merge, read, read_defaults, weight_of};
use crate::Limits;

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
    match config {
        None => {
            let mut coalescer = Coalescer::new(limits);
            let values = coalescer.dependencies(chart, Some(Table::new()), 0)?;
            Ok(Value::Object(coalescer.finish(values)))
        }
        Some(config) => {
            let values = read(&config.raw, limits)?;
            coalesce_tree(chart, values, limits).map(Value::Object)
        }
    }
}

/// A chart as far as its values go.
pub(crate) trait Tree<'t>: Copy {
    /// The chart's name, if it has metadata.
    fn name(self) -> Option<&'t str>;

    /// The chart's own values, if it has any text for them.
    fn defaults(self, limits: &Limits) -> Result<Option<Cow<'t, Table>>, ValuesError>;

    /// The sub-charts in their order.
    fn dependencies(self) -> impl ExactSizeIterator<Item = Self>;
}

impl<'t> Tree<'t> for &'t Chart {
    fn name(self) -> Option<&'t str> {
        self.metadata
            .as_ref()
            .map(|metadata| metadata.name.as_str())
    }

    fn defaults(self, limits: &Limits) -> Result<Option<Cow<'t, Table>>, ValuesError> {
        match &self.values {
            Some(defaults) if !defaults.raw.is_empty() => {
                read_defaults(&defaults.raw, self.name().unwrap_or_default(), limits)
                    .map(|table| Some(Cow::Owned(table)))
            }
            _ => Ok(None),
        }
    }

    fn dependencies(self) -> impl ExactSizeIterator<Item = Self> {
        self.dependencies.iter()
    }
}

/// As [`coalesce`], of values that are read.
pub(crate) fn coalesce_tree<'t>(
    tree: impl Tree<'t>,
    values: Table,
    limits: &Limits,
) -> Result<Table, ValuesError> {
    let mut coalescer = Coalescer::new(limits);
    coalescer.count(values.values())?;
    let values = coalescer.chart(tree, Some(values), 0)?;
    Ok(coalescer.finish(values))
}

struct Coalescer<'l> {
    limits: &'l Limits,
    nodes: usize,
    weight: usize,
    /// The sub-chart that is looked at, from the top.
    path: Vec<String>,
    /// Sub-charts without a table: one to each other, and null to those who read them.
    lost: BTreeSet<Vec<String>>,
}

/// Where a table is optional, it is so as in Tiller: without one there is nowhere to put a key.
impl<'l> Coalescer<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            nodes: 0,
            weight: 0,
            path: Vec::new(),
            lost: BTreeSet::new(),
        }
    }

    fn chart<'t>(
        &mut self,
        tree: impl Tree<'t>,
        values: Option<Table>,
        depth: usize,
    ) -> Result<Option<Table>, ValuesError> {
        let values = match tree.defaults(self.limits)? {
            Some(defaults) => {
                self.count(defaults.values())?;
                Some(merge(values.unwrap_or_default(), defaults.into_owned()))
            }
            None => values,
        };
        self.dependencies(tree, values, depth)
    }

    fn dependencies<'t>(
        &mut self,
        tree: impl Tree<'t>,
        values: Option<Table>,
        depth: usize,
    ) -> Result<Option<Table>, ValuesError> {
        if depth > self.limits.depth {
            return Err(ValuesError::Limit {
                limit: "depth",
                value: self.limits.depth,
            });
        }
        let own_name = tree.name().unwrap_or_default();
        let dependencies = tree.dependencies();
        let Some(mut values) = values else {
            return if dependencies.len() == 0 {
                Ok(None)
            } else {
                Err(ValuesError::Globals(own_name.to_owned()))
            };
        };
        for dependency in dependencies {
            let name = dependency
                .name()
                .ok_or_else(|| ValuesError::MissingMetadata(own_name.to_owned()))?;
            self.take(1 + name.len() / TEXT)?;
            let globals = self.clone_of(values.get(GLOBAL))?;
            let own = match values.entry(name) {
                Entry::Vacant(_) => Table::new(),
                Entry::Occupied(mut entry) => match entry.get_mut() {
                    Value::Object(own) => std::mem::take(own),
                    _ => return Err(ValuesError::TypeMismatch(name.to_owned())),
                },
            };
            let own = with_globals(own, globals);
            self.enter(name);
            let own = self.chart(dependency, own, depth + 1)?;
            self.leave(own.is_none());
            values.insert(name.to_owned(), own.unwrap_or_default().into());
        }
        Ok(Some(values))
    }

    /// Begins a sub-chart. What another one of its name has lost is computed again.
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
        while let Some(lost) = self.lost.range(self.path.clone()..).next()
            && lost.starts_with(&self.path)
        {
            let lost = lost.clone();
            self.lost.remove(&lost);
        }
    }

    fn leave(&mut self, is_lost: bool) {
        if is_lost {
            self.lost.insert(self.path.clone());
        }
        self.path.pop();
    }

    /// The values as others read them.
    fn finish(self, values: Option<Table>) -> Table {
        let mut values = values.unwrap_or_default();
        for path in self.lost {
            if let Some((first, path)) = path.split_first()
                && let Some(lost) = path
                    .iter()
                    .fold(values.get_mut(first), |value, key| value?.get_mut(key))
            {
                *lost = Value::Null;
            }
        }
        values
    }

    fn clone_of(&mut self, value: Option<&Value>) -> Result<Option<Value>, ValuesError> {
        self.count(value.into_iter())?;
        Ok(value.cloned())
    }

    /// Counts one value more.
    fn take(&mut self, weight: usize) -> Result<(), ValuesError> {
        self.nodes += 1;
        self.weight += weight;
        for (limit, number, value) in [
            ("yaml_nodes", self.nodes, self.limits.yaml_nodes),
            ("values", self.weight, self.limits.values),
        ] {
            if number > value {
                return Err(ValuesError::Limit { limit, value });
            }
        }
        Ok(())
    }

    fn count<'v>(&mut self, values: impl Iterator<Item = &'v Value>) -> Result<(), ValuesError> {
        for value in values {
            self.take(weight_of(value))?;
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
fn with_globals(mut own: Table, parent: Option<Value>) -> Option<Table> {
    let own_globals = match own.remove(GLOBAL) {
        None => Table::new(),
        Some(Value::Object(globals)) => globals,
        Some(_) => return None,
    };
    let globals = match parent {
        None => own_globals,
        Some(Value::Object(parent)) => merge(parent, own_globals),
        Some(_) => return Some(own_globals),
    };
    own.insert(GLOBAL.to_owned(), globals.into());
    Some(own)
}

const GLOBAL: &str = "global";
