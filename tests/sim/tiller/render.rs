//! From a chart and values to what a release consists of.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata},
    release::Hook,
};

use super::{Options, dispatch::Fault, manifest, template, values, version};

const NOTES: &str = "NOTES.txt";

/// What templates see as `.Release`.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) revision: i32,
    pub(super) is_install: bool,
}

#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) hooks: Vec<Hook>,
    pub(super) manifest: String,
    pub(super) notes: String,
}

/// A manifest that is no YAML comes with all rendered files, which a dry run shows its caller.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) files: String,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            files: String::new(),
        }
    }
}

pub(super) fn render(
    chart: &Chart,
    config: Option<&Config>,
    subject: &Subject<'_>,
    sub_notes: bool,
    options: &Options,
) -> Result<Rendered, Failed> {
    let values = values::coalesced(chart, config)?;
    let metadata = chart.metadata.clone().unwrap_or_default();
    check_versions(&metadata, options)?;

    let release = json!({
        "Name": subject.name,
        "Namespace": subject.namespace,
        "Revision": subject.revision,
        "Service": "Tiller",
        "IsInstall": subject.is_install,
        "IsUpgrade": !subject.is_install,
    });
    let mut templates = BTreeMap::new();
    collect(chart, values, &metadata.name, &mut templates);
    let mut files = BTreeMap::new();
    for (path, (text, values, chart)) in &templates {
        if !is_partial(path) {
            let root = json!({"Values": values, "Release": release, "Chart": chart});
            files.insert(
                path.clone(),
                template::render(path, text, &root).map_err(Fault::from)?,
            );
        }
    }

    let own_notes = format!("{}/templates/{NOTES}", metadata.name);
    let mut notes = Vec::new();
    files.retain(|path, content| {
        let is_notes = path.ends_with(NOTES);
        if is_notes && (sub_notes || *path == own_notes) {
            notes.push(std::mem::take(content));
        }
        !is_notes
    });
    let (hooks, documents) = manifest::sort(&files).map_err(|error| Failed {
        fault: Fault::Refused(error),
        files: with_sources(
            files
                .iter()
                .filter(|(_, content)| !content.trim().is_empty()),
        ),
    })?;
    let documents = documents
        .iter()
        .map(|document| (&document.path, &document.content));
    Ok(Rendered {
        hooks,
        manifest: with_sources(documents),
        notes: notes.join("\n"),
    })
}

fn check_versions(metadata: &Metadata, options: &Options) -> Result<(), Fault> {
    let (tiller, wanted) = (&options.version, &metadata.tiller_version);
    if !wanted.is_empty() && !version::satisfies(tiller, wanted) {
        return Err(Fault::Refused(format!(
            "Chart incompatible with Tiller {tiller}"
        )));
    }
    let kubernetes = options.kubernetes.split('+').next().unwrap_or_default();
    let wanted = &metadata.kube_version;
    if !wanted.is_empty() && !version::satisfies(kubernetes, wanted) {
        return Err(Fault::Refused(format!(
            "Chart requires kubernetesVersion: {wanted} which is incompatible with Kubernetes \
             {kubernetes}"
        )));
    }
    Ok(())
}

/// The templates of a chart and its sub-charts by path, each with the values and the chart it sees.
fn collect<'a>(
    chart: &'a Chart,
    values: Value,
    id: &str,
    templates: &mut BTreeMap<String, (std::borrow::Cow<'a, str>, Value, Value)>,
) {
    for dependency in &chart.dependencies {
        let name = dependency
            .metadata
            .as_ref()
            .map_or("", |metadata| &metadata.name);
        let own = values.get(name).filter(|own| own.is_object()).cloned();
        let own = own.unwrap_or_else(|| Value::Object(Map::new()));
        collect(dependency, own, &format!("{id}/charts/{name}"), templates);
    }
    let metadata = chart.metadata.as_ref().map(describe).unwrap_or_default();
    for template in &chart.templates {
        let text = String::from_utf8_lossy(&template.data);
        let entry = (text, values.clone(), metadata.clone());
        templates.insert(format!("{id}/{}", template.name), entry);
    }
}

fn describe(metadata: &Metadata) -> Value {
    json!({
        "Name": metadata.name,
        "Version": metadata.version,
        "AppVersion": metadata.app_version,
        "Description": metadata.description,
    })
}

fn is_partial(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|base| base.starts_with('_'))
}

fn with_sources<'a>(files: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = String::new();
    for (path, content) in files {
        // Writing to a string cannot fail.
        _ = write!(text, "\n---\n# Source: {path}\n{content}");
    }
    text
}
