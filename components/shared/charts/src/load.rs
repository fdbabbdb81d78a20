//! From files to a chart.

use std::collections::BTreeMap;

use prost_types::Any;
use tiller_api::hapi::chart::{Chart, Config, Template};

use crate::{
    ChartError, Limits,
    archive::{Budget, File, unpack},
    metadata,
};

/// Loads a chart from a gzipped tar, with its sub-charts.
///
/// Sub-charts come in the order of their names, equal ones in that of their directories and archives. Nothing is said about
/// requirements.yaml, which is a file among others here.
///
/// # Errors
///
/// [`ChartError`], which for a hostile archive comes as soon as a limit is passed.
pub fn load(archive: &[u8], limits: &Limits) -> Result<Chart, ChartError> {
    let mut budget = Budget::new(limits);
    let files = unpack(archive, &mut budget)?;
    assemble(files, &mut budget, 0)
}

/// Sub-charts by the name of their directory or archive; their files' names begin with it.
type Groups = BTreeMap<String, Vec<File>>;

fn assemble(files: Vec<File>, budget: &mut Budget<'_>, depth: usize) -> Result<Chart, ChartError> {
    if depth > budget.limits.depth {
        return Err(ChartError::Limit {
            limit: "depth",
            value: budget.limits.depth,
        });
    }
    let mut chart = Chart::default();
    let mut groups = Groups::new();
    for file in files {
        sort(file, &mut chart, &mut groups, budget.limits)?;
    }
    let parent = match &chart.metadata {
        None => return Err(ChartError::MissingMetadata),
        Some(metadata) if metadata.name.is_empty() => return Err(ChartError::MissingName),
        Some(metadata) => metadata.name.clone(),
    };
    for (group, files) in groups {
        let subchart = if has_extension(&group, ".tgz") {
            let archive = archive_of(&group, files, &parent)?;
            unpack(&archive, budget).and_then(|files| assemble(files, budget, depth + 1))
        } else {
            assemble(below(files), budget, depth + 1)
        };
        chart
            .dependencies
            .push(subchart.map_err(|source| ChartError::Subchart {
                group,
                parent: parent.clone(),
                source: Box::new(source),
            })?);
    }
    chart
        .dependencies
        .sort_by(|one, other| name(one).cmp(&name(other)));
    Ok(chart)
}

/// Puts a file where it belongs. Of several with one name the last counts, except below templates/ and
/// among the other files, where all are kept.
fn sort(
    file: File,
    chart: &mut Chart,
    groups: &mut Groups,
    limits: &Limits,
) -> Result<(), ChartError> {
    let File { name, data } = file;
    match place(&name) {
        Place::File => chart.files.push(other(name, data)),
        Place::Metadata => {
            let metadata = metadata::parse(&text(&name, data)?, limits.yaml())
                .map_err(ChartError::Metadata)?;
            if !is_api_version(&metadata.api_version) {
                return Err(ChartError::ApiVersion(metadata.api_version));
            }
            chart.metadata = Some(metadata);
        }
        Place::Nowhere => {}
        Place::Subchart(within) => {
            let (group, _) = within.split_once('/').unwrap_or((within, ""));
            groups.entry(group.to_owned()).or_default().push(File {
                name: within.to_owned(),
                data,
            });
        }
        Place::Template => chart.templates.push(Template {
            name,
            data: data.into(),
        }),
        Place::Values => {
            chart.values = Some(Config {
                raw: text(&name, data)?,
                ..Config::default()
            });
        }
        Place::ValuesToml => return Err(ChartError::ValuesToml),
    }
    Ok(())
}

/// What a file is to its chart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place<'n> {
    File,
    Metadata,
    Nowhere,
    /// A sub-chart's, by its name below charts/.
    Subchart(&'n str),
    Template,
    Values,
    ValuesToml,
}

/// What a file is by its name.
pub(crate) fn place(name: &str) -> Place<'_> {
    match name {
        "Chart.yaml" => Place::Metadata,
        "values.toml" => Place::ValuesToml,
        "values.yaml" => Place::Values,
        _ if name.starts_with("templates/") => Place::Template,
        _ => match name.strip_prefix("charts/") {
            None => Place::File,
            Some(_) if is_provenance(name) => Place::File,
            Some(within) if within.starts_with(['.', '_']) => Place::Nowhere,
            Some(within) => Place::Subchart(within),
        },
    }
}

/// Whether a file signs another one, wherever it is.
pub(crate) fn is_provenance(name: &str) -> bool {
    has_extension(name, ".prov")
}

/// Whether a chart is for Helm 2 by its apiVersion.
pub(crate) fn is_api_version(version: &str) -> bool {
    matches!(version, "" | "v1")
}

/// The data of the archive that a group is.
fn archive_of(group: &str, files: Vec<File>, parent: &str) -> Result<Vec<u8>, ChartError> {
    // A group exists because of a file.
    let file = files.into_iter().next().ok_or(ChartError::Empty)?;
    if file.name == group {
        Ok(file.data)
    } else {
        Err(ChartError::SubchartArchive {
            parent: parent.to_owned(),
            expected: group.to_owned(),
            found: file.name,
        })
    }
}

/// The files of a group, relative to its directory. One that is no directory has none.
fn below(files: Vec<File>) -> Vec<File> {
    files
        .into_iter()
        .filter_map(|File { name, data }| {
            let (_, name) = name.split_once('/')?;
            let name = name.to_owned();
            Some(File { name, data })
        })
        .collect()
}

fn name(chart: &Chart) -> Option<&str> {
    chart
        .metadata
        .as_ref()
        .map(|metadata| metadata.name.as_str())
}

fn other(name: String, data: Vec<u8>) -> Any {
    Any {
        type_url: name,
        value: data,
    }
}

fn text(name: &str, data: Vec<u8>) -> Result<String, ChartError> {
    String::from_utf8(data).map_err(|_| ChartError::NotUtf8(name.to_owned()))
}

/// Whether the last part of a path ends so; the whole part may be the extension.
fn has_extension(path: &str, extension: &str) -> bool {
    path.ends_with(extension)
}
