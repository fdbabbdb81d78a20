//! Values that parents take from their sub-charts.
//!
//! Every chart with a requirements.yaml gets new values: its own with those of its sub-charts within, and above all of
//! them what it imports, of which the first import has the most say. Sub-charts come first, so that what they import
//! can be imported again.

use serde_json::{Map, Value};

use super::{
    RequirementsError,
    file::{Import, Requirement},
    graph::{Graph, Id, within},
    lookup,
};
use crate::values::{self, Table};

/// Replaces the values of all charts with requirements.
pub(super) fn process(graph: &mut Graph<'_>) -> Result<(), RequirementsError> {
    let mut parents = vec![Graph::TOP];
    add_parents(graph, Graph::TOP, &mut parents)?;
    parents
        .into_iter()
        .rev()
        .try_for_each(|chart| import(graph, chart))
}

/// Adds the sub-charts that have sub-charts, each as often as it is in the tree.
fn add_parents(
    graph: &Graph<'_>,
    chart: Id,
    parents: &mut Vec<Id>,
) -> Result<(), RequirementsError> {
    for dependency in graph.dependencies(chart) {
        graph.spend(1)?;
        if !graph.dependencies(dependency).is_empty() {
            parents.push(dependency);
            add_parents(graph, dependency, parents)?;
        }
    }
    Ok(())
}

/// Replaces the values of a chart. If they cannot be computed, they stay.
fn import(graph: &mut Graph<'_>, chart: Id) -> Result<(), RequirementsError> {
    let Some(requirements) = graph.requirements(chart)? else {
        return Ok(());
    };
    let values = match graph.coalesce(chart, &Table::new()) {
        Err(error) if error.is_ignored() => return Ok(()),
        values => values?,
    };
    let mut imported = Table::new();
    for requirement in requirements.iter() {
        graph.spend(requirement.weight())?;
        let Some(name) = name_of(graph, chart, requirement)? else {
            continue;
        };
        let exported = lookup::table(&values, name);
        for import in &requirement.imports {
            let Import::Paths { child, parent } = import else {
                return Err(RequirementsError::Import {
                    chart: graph.name(chart).to_string(),
                    requirement: requirement.name.clone(),
                });
            };
            let Some(table) = exported.and_then(|exported| lookup::table(exported, child)) else {
                continue;
            };
            graph.spend(values::weight(table) + values::weight(&imported))?;
            imported = values::merge(imported, nest(graph, parent, table.clone())?);
            within("values", values::weight(&imported), graph.limits.values)?;
        }
    }
    graph.write(chart, values::merge(imported, values))
}

/// Under which name the chart has what it requires, if it has it: the alias, if both are there.
fn name_of<'r>(
    graph: &Graph<'_>,
    chart: Id,
    requirement: &'r Requirement,
) -> Result<Option<&'r str>, RequirementsError> {
    let dependencies = graph.dependencies(chart);
    graph.spend(dependencies.len())?;
    let has = |name: &str| {
        dependencies
            .iter()
            .any(|dependency| **graph.name(*dependency) == *name)
    };
    Ok([&requirement.alias, &requirement.name]
        .into_iter()
        .map(String::as_str)
        .find(|name| has(name)))
}

/// The table below a path.
fn nest(graph: &Graph<'_>, path: &str, table: Table) -> Result<Table, RequirementsError> {
    if path == "." {
        return Ok(table);
    }
    let depth = path.split('.').count();
    within("yaml_depth", depth, graph.limits.yaml_depth)?;
    Ok(path.rsplit('.').fold(table, |table, key| {
        Map::from_iter([(key.to_owned(), Value::Object(table))])
    }))
}
