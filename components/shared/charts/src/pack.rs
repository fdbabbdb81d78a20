//! From a chart to an archive.
//!
//! Same chart, same bytes: no times, no owners. Chart.yaml is written anew, since a release keeps only what it
//! said; everything else is as it was.

use std::{
    collections::HashSet,
    io::{self, Write as _},
};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};
use tiller_api::hapi::chart::Chart;

use crate::{metadata, path, yaml};

/// Why a chart cannot be an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The archive could not be written, which in memory does not happen.
    #[error("the archive cannot be written")]
    Archive(#[source] io::Error),
    /// A chart or sub-chart has no metadata or no name.
    #[error("a chart without a name")]
    MissingName,
    /// A file's name would lead out of the archive's top directory, or mean another file than it does.
    #[error("no archive can hold a file named {0:?}")]
    Name(String),
}

/// Packs a chart with its sub-charts into a gzipped tar with one top directory.
///
/// [`load`](crate::load) reads the chart back as it was, if it came from there and no limit is in the way: names
/// of files may have become longer. A chart of another origin may have its sub-charts in another order.
///
/// # Errors
///
/// [`PackError`]; never for a chart that was loaded.
pub fn pack(chart: &Chart) -> Result<Vec<u8>, PackError> {
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut archive = Builder::new(gzip);
    add_chart(&mut archive, chart, &directory(chart, &mut HashSet::new())?)?;
    let mut gzip = archive.into_inner().map_err(PackError::Archive)?;
    gzip.flush().map_err(PackError::Archive)?;
    gzip.finish().map_err(PackError::Archive)
}

fn add_chart(
    archive: &mut Builder<impl io::Write>,
    chart: &Chart,
    top: &str,
) -> Result<(), PackError> {
    let metadata = chart.metadata.as_ref().ok_or(PackError::MissingName)?;
    let yaml = yaml::to_string(&metadata::to_value(metadata));
    add_file(archive, top, "Chart.yaml", yaml.as_bytes())?;
    if let Some(values) = &chart.values {
        add_file(archive, top, "values.yaml", values.raw.as_bytes())?;
    }
    for template in &chart.templates {
        add_file(archive, top, &template.name, &template.data)?;
    }
    for file in &chart.files {
        add_file(archive, top, &file.type_url, &file.value)?;
    }
    let mut taken = HashSet::new();
    for dependency in &chart.dependencies {
        let directory = directory(dependency, &mut taken)?;
        add_chart(archive, dependency, &format!("{top}/charts/{directory}"))?;
    }
    Ok(())
}

fn add_file(
    archive: &mut Builder<impl io::Write>,
    top: &str,
    name: &str,
    data: &[u8],
) -> Result<(), PackError> {
    let whole = format!("{top}/{name}");
    // What it would be read as.
    if !path::below_top(&format!("top/{name}")).is_ok_and(|read| read == name) {
        return Err(PackError::Name(name.to_owned()));
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    archive
        .append_data(&mut header, &whole, data)
        .map_err(PackError::Archive)
}

/// A directory named like the chart, or nearly so.
fn directory(chart: &Chart, taken: &mut HashSet<String>) -> Result<String, PackError> {
    let name = chart
        .metadata
        .as_ref()
        .map(|metadata| metadata.name.as_str())
        .filter(|name| !name.is_empty())
        .ok_or(PackError::MissingName)?;
    let mut directory: String = name
        .chars()
        .take(MAX_DIRECTORY)
        .map(|c| if is_common(c) { c } else { '-' })
        .collect();
    // Helm would pass over such a directory, take it for an archive, or refuse it.
    if directory.starts_with(['.', '_']) {
        directory.insert(0, '-');
    }
    if directory.ends_with(".tgz") || directory == "Chart.yaml" {
        directory.push('-');
    }
    let base = directory.clone();
    let mut count = 1;
    while !taken.insert(directory.clone()) {
        count += 1;
        // Padded, so that they are loaded in this order.
        directory = format!("{base}-{count:05}");
    }
    Ok(directory)
}

fn is_common(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Characters. Chart names are free, names of files are not.
const MAX_DIRECTORY: usize = 64;
