//! Which sub-charts there are, and under which names.
//!
//! Conditions and tags are looked up in one table that grows on the way down: the caller's values over the top
//! chart's, and those over each chart's on the way. So tags of the top chart are tags of all charts.

use std::{collections::HashSet, rc::Rc};

use serde_json::Value;
use tiller_api::hapi::chart::Config;

use super::{
    RequirementsError, TEXT,
    file::Requirement,
    graph::{Graph, Id},
    lookup,
};
use crate::{
    values::{self, Table},
    version::ConstraintError,
};

/// Leaves out disabled sub-charts and gives the others their names.
pub(super) fn process(graph: &mut Graph<'_>, user: &Config) -> Result<(), RequirementsError> {
    let Some(requirements) = graph.requirements(Graph::TOP)? else {
        return Ok(());
    };
    list(graph, Graph::TOP, &requirements)?;
    let user = values::read(&user.raw, graph.limits).map_err(RequirementsError::Values)?;
    decide(graph, Graph::TOP, &requirements, &user, &mut Vec::new())
}

/// The same for a sub-chart, with the values above it. One that cannot be processed stays as far as it came.
fn process_below(
    graph: &mut Graph<'_>,
    chart: Id,
    above: &Table,
    path: &mut Vec<Rc<str>>,
) -> Result<(), RequirementsError> {
    graph.spend(1)?;
    let Some(requirements) = graph.requirements(chart)? else {
        return Ok(());
    };
    let processed = list(graph, chart, &requirements)
        .and_then(|()| decide(graph, chart, &requirements, above, path));
    match processed {
        Err(error) if error.is_ignored() => Ok(()),
        processed => processed,
    }
}

/// Lists sub-charts anew: first those that no requirement means, then one for each requirement that is met.
fn list(
    graph: &mut Graph<'_>,
    chart: Id,
    requirements: &[Requirement],
) -> Result<(), RequirementsError> {
    let loaded = graph.dependencies(chart);
    let mut listed = Vec::with_capacity(loaded.len());
    for &dependency in &loaded {
        if find(graph, requirements, |requirement| (requirement, dependency))?.is_none() {
            listed.push(dependency);
        }
    }
    for requirement in requirements {
        graph.spend(requirement.weight())?;
        let met = find(graph, &loaded, |&dependency| (requirement, dependency))?;
        if !is_alias(&requirement.alias) {
            return Err(RequirementsError::Alias(requirement.name.clone()));
        }
        if let Some(&dependency) = met {
            listed.push(graph.copy(dependency, &requirement.alias)?);
        }
    }
    graph.set_dependencies(chart, listed);
    Ok(())
}

/// The first of `items` of which the requirement means the sub-chart.
fn find<'i, T>(
    graph: &Graph<'_>,
    items: &'i [T],
    pair: impl Fn(&'i T) -> (&'i Requirement, Id),
) -> Result<Option<&'i T>, RequirementsError> {
    for item in items {
        graph.spend(1)?;
        let (requirement, dependency) = pair(item);
        if *requirement.name == **graph.name(dependency) && accepts(graph, requirement, dependency)?
        {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

fn accepts(
    graph: &Graph<'_>,
    requirement: &Requirement,
    dependency: Id,
) -> Result<bool, RequirementsError> {
    match (graph.version(dependency), &requirement.version) {
        (None, _) => Ok(false),
        (Some(version), Ok(constraint)) => Ok(constraint.matches(version)),
        (Some(_), Err(source @ ConstraintError::TooLong)) => Err(RequirementsError::Constraint {
            requirement: requirement.name.clone(),
            source: source.clone(),
        }),
        (Some(_), Err(_)) => Ok(false),
    }
}

/// Whether a sub-chart may have this alias, or none.
fn is_alias(alias: &str) -> bool {
    alias
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Leaves out what is disabled, of whatever requirement it came, and goes on with the rest.
fn decide(
    graph: &mut Graph<'_>,
    chart: Id,
    requirements: &[Requirement],
    above: &Table,
    path: &mut Vec<Rc<str>>,
) -> Result<(), RequirementsError> {
    let values = graph.coalesce(chart, above)?;
    graph.spend(path.iter().map(|name| 1 + name.len() / TEXT).sum())?;
    let own = path
        .iter()
        .try_fold(&values, |values, name| lookup::table(values, name));
    let disabled: HashSet<&str> = requirements
        .iter()
        .filter(|requirement| !is_enabled(requirement, &values, own))
        .map(Requirement::effective_name)
        .collect();
    let mut kept = graph.dependencies(chart);
    kept.retain(|dependency| !disabled.contains(&**graph.name(*dependency)));
    let weight = values::weight(&values);
    graph.hold(weight)?;
    for &dependency in &kept {
        path.push(Rc::clone(graph.name(dependency)));
        process_below(graph, dependency, &values, path)?;
        path.pop();
    }
    graph.release(weight);
    graph.set_dependencies(chart, kept);
    Ok(())
}

/// Conditions have more say than tags, and who says nothing is enabled. Conditions are paths in the values of the
/// chart, if it has any, and tags are those of all charts.
fn is_enabled(requirement: &Requirement, values: &Table, own: Option<&Table>) -> bool {
    own.and_then(|own| condition(&requirement.condition, own))
        .or_else(|| tags(&requirement.tags, values))
        .unwrap_or(true)
}

/// What the first path with a value says, if that is true or false. Spaces around commas are parts of the paths.
fn condition(condition: &str, values: &Table) -> Option<bool> {
    condition
        .trim()
        .split(',')
        .filter(|path| !path.is_empty())
        .find_map(|path| lookup::value(values, path))
        .and_then(Value::as_bool)
}

/// Whether any of the tags is true, if any is true or false.
fn tags(tags: &[String], values: &Table) -> Option<bool> {
    let said = values.get("tags")?.as_object()?;
    tags.iter()
        .filter_map(|tag| said.get(tag)?.as_bool())
        .reduce(|one, other| one || other)
}
