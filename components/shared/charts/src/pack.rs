//! From a chart to an archive.
//!
//! Same chart, same bytes: no times, no owners. What Helm 2.17 loads from it, and installs with the same values,
//! renders to what the chart renders to:
//!
//! - requirements.yaml and requirements.lock are left out at every level. A chart that Tiller stored has its
//!   requirements behind it: aliases are names, disabled sub-charts are gone, imports are in the values. Helm would
//!   miss what is gone, or do all of it again. Only a template that reads these files themselves sees a difference.
//! - Sub-charts are directories, whose names need only be different: Helm goes by Chart.yaml. They are named after
//!   their charts as far as that makes names that Helm neither passes over nor takes for archives. One with a file
//!   called `*.prov` is an archive, since in a directory that file would be its parent's.
//! - Chart.yaml is written anew, since a chart keeps only what it said. Text is quoted where YAML 1.1 would read
//!   something else.
//! - No values.yaml and an empty one stay different, and its text is as it was.
//! - `.helmignore` is among the files and does nothing in an archive. In a directory that the archive was unpacked to
//!   it would.
//! - What would be read back as something else is refused: a file called `templates/x`, a template that is not below
//!   templates/, a name that no tar can hold. No archive makes such charts, a client of its own may.
//! - The order of sub-charts is not Helm's: it loads them in any. That has no effect unless two have one name (or one
//!   is called `global`). Then it had one when the chart was first loaded, too. [`load`](crate::load) keeps the order.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, Write as _},
};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};
use tiller_api::hapi::chart::Chart;

use crate::{
    load::{Place, is_api_version, is_provenance, place},
    metadata, path,
    requirements::{LOCK, REQUIREMENTS},
    yaml,
};

/// Why a chart cannot be an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A chart or sub-chart says that it is for another Helm.
    #[error("Helm loads no chart with apiVersion {0:?}")]
    ApiVersion(String),
    /// The archive could not be written, which in memory does not happen.
    #[error("the archive cannot be written")]
    Archive(#[source] io::Error),
    /// A chart or sub-chart has no metadata or no name.
    #[error("a chart without a name")]
    MissingName,
    /// A file's name would lead out of the archive's top directory, or make something else of the file.
    #[error("no archive can hold a file named {0:?}")]
    Name(String),
}

/// Packs a chart with its sub-charts into a gzipped tar with one top directory.
///
/// [`load`](crate::load) reads the chart back as it was but for its requirements, if it came from there and no limit is
/// in the way: names of files may have become longer. A chart of another origin may have its sub-charts in another
/// order.
///
/// # Errors
///
/// [`PackError`]; never for a chart that was loaded.
pub fn pack(chart: &Chart) -> Result<Vec<u8>, PackError> {
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut archive = Builder::new(gzip);
    let top = Names::default().directory(chart)?;
    add_chart(&mut archive, chart, &top)?;
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
    if !is_api_version(&metadata.api_version) {
        return Err(PackError::ApiVersion(metadata.api_version.clone()));
    }
    let yaml = yaml::to_string(&metadata::to_value(metadata));
    let mut add = |name: &str, place: Place<'_>, data: &[u8]| {
        require_place(name, place)?;
        add_file(archive, top, name, data)
    };
    add("Chart.yaml", Place::Metadata, yaml.as_bytes())?;
    if let Some(values) = &chart.values {
        add("values.yaml", Place::Values, values.raw.as_bytes())?;
    }
    for template in &chart.templates {
        add(&template.name, Place::Template, &template.data)?;
    }
    for file in &chart.files {
        if !matches!(file.type_url.as_str(), REQUIREMENTS | LOCK) {
            add(&file.type_url, Place::File, &file.value)?;
        }
    }
    let mut names = Names::default();
    for dependency in &chart.dependencies {
        if has_provenance(dependency) {
            let name = names.archive(dependency)?;
            let data = pack(dependency)?;
            add_file(archive, top, &format!("charts/{name}"), &data)?;
        } else {
            let name = names.directory(dependency)?;
            add_chart(archive, dependency, &format!("{top}/charts/{name}"))?;
        }
    }
    Ok(())
}

/// Whether a file of the chart would be its parent's if the chart were a directory.
fn has_provenance(chart: &Chart) -> bool {
    let templates = chart.templates.iter().map(|template| &template.name);
    let files = chart.files.iter().map(|file| &file.type_url);
    templates.chain(files).any(|name| is_provenance(name))
        || chart.dependencies.iter().any(has_provenance)
}

/// Whether a file with this name is read back as what it is, under the same name.
fn require_place(name: &str, wanted: Place<'_>) -> Result<(), PackError> {
    let read = path::below_top(&format!("top/{name}"));
    if read.is_ok_and(|read| read == name) && place(name) == wanted && !name.contains('\0') {
        Ok(())
    } else {
        Err(PackError::Name(name.to_owned()))
    }
}

fn add_file(
    archive: &mut Builder<impl io::Write>,
    top: &str,
    name: &str,
    data: &[u8],
) -> Result<(), PackError> {
    let whole = format!("{top}/{name}");
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    archive
        .append_data(&mut header, &whole, data)
        .map_err(PackError::Archive)
}

/// Names of directories and archives next to each other, and how many wanted each.
#[derive(Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    /// A directory named like the chart, or nearly so.
    fn directory(&mut self, chart: &Chart) -> Result<String, PackError> {
        let base = base(chart)?;
        if let Entry::Vacant(free) = self.0.entry(base.clone()) {
            free.insert(1);
            return Ok(base);
        }
        Ok(self.numbered(base))
    }

    /// An archive named like the chart, or nearly so.
    fn archive(&mut self, chart: &Chart) -> Result<String, PackError> {
        let base = base(chart)?;
        Ok(format!("{}.tgz", self.numbered(base)))
    }

    /// Padded, so that equal ones are loaded in this order.
    fn numbered(&mut self, base: String) -> String {
        loop {
            let count = self.0.entry(base.clone()).or_default();
            *count += 1;
            let name = format!("{base}-{count:05}");
            if let Entry::Vacant(free) = self.0.entry(name.clone()) {
                free.insert(1);
                return name;
            }
        }
    }
}

/// The name of a chart, as far as a file may be called that.
fn base(chart: &Chart) -> Result<String, PackError> {
    let name = chart
        .metadata
        .as_ref()
        .map(|metadata| metadata.name.as_str())
        .filter(|name| !name.is_empty())
        .ok_or(PackError::MissingName)?;
    let mut base: String = name
        .chars()
        .take(MAX_DIRECTORY)
        .map(|c| if is_common(c) { c } else { '-' })
        .collect();
    // Helm would pass over such a directory, take it for an archive, or refuse it.
    if base.starts_with(['.', '_']) {
        base.insert(0, '-');
    }
    if base.ends_with(".tgz") || base == "Chart.yaml" {
        base.push('-');
    }
    Ok(base)
}

fn is_common(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Characters. Chart names are free, names of files are not.
const MAX_DIRECTORY: usize = 64;
