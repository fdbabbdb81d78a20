//! Chart.yaml, read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tiller_api::hapi::chart::{Maintainer, Metadata};

use crate::{
    MetadataError,
    fields::{flag, mapping, text, texts},
    yaml::{self, Node},
};

pub(crate) fn parse(text: &str, limits: yaml::Limits) -> Result<Metadata, MetadataError> {
    let node = yaml::parse_node(text, &limits).map_err(MetadataError::Yaml)?;
    let mut metadata = Metadata::default();
    for (key, node) in mapping(node)? {
        set(&mut metadata, &key, node)?;
    }
    Ok(metadata)
}

/// What Chart.yaml would say, without empty fields: an object.
pub fn to_value(metadata: &Metadata) -> Value {
    let Metadata {
        name,
        home,
        sources,
        version,
        description,
        keywords,
        maintainers,
        engine,
        icon,
        api_version,
        condition,
        tags,
        app_version,
        deprecated,
        tiller_version,
        annotations,
        kube_version,
    } = metadata;
    let maintainers = maintainers.iter().map(|Maintainer { name, email, url }| {
        object([
            ("name", name.as_str().into()),
            ("email", email.as_str().into()),
            ("url", url.as_str().into()),
        ])
    });
    let annotations: Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    object([
        ("name", name.as_str().into()),
        ("home", home.as_str().into()),
        ("sources", sources.as_slice().into()),
        ("version", version.as_str().into()),
        ("description", description.as_str().into()),
        ("keywords", keywords.as_slice().into()),
        ("maintainers", maintainers.collect()),
        ("engine", engine.as_str().into()),
        ("icon", icon.as_str().into()),
        ("apiVersion", api_version.as_str().into()),
        ("condition", condition.as_str().into()),
        ("tags", tags.as_str().into()),
        ("appVersion", app_version.as_str().into()),
        ("deprecated", (*deprecated).into()),
        ("tillerVersion", tiller_version.as_str().into()),
        ("annotations", annotations.into()),
        ("kubeVersion", kube_version.as_str().into()),
    ])
}

fn set(metadata: &mut Metadata, key: &str, node: Node) -> Result<(), MetadataError> {
    let Some(&field) = FIELDS.iter().find(|field| field.eq_ignore_ascii_case(key)) else {
        // Nobody reads it, but it must have a form in JSON all the same.
        node.into_value().map_err(MetadataError::Yaml)?;
        return Ok(());
    };
    match field {
        "annotations" => annotations(&mut metadata.annotations, field, node)?,
        "apiVersion" => text(&mut metadata.api_version, field, node)?,
        "appVersion" => text(&mut metadata.app_version, field, node)?,
        "condition" => text(&mut metadata.condition, field, node)?,
        "deprecated" => flag(&mut metadata.deprecated, field, node)?,
        "description" => text(&mut metadata.description, field, node)?,
        "engine" => text(&mut metadata.engine, field, node)?,
        "home" => text(&mut metadata.home, field, node)?,
        "icon" => text(&mut metadata.icon, field, node)?,
        "keywords" => texts(&mut metadata.keywords, field, node)?,
        "kubeVersion" => text(&mut metadata.kube_version, field, node)?,
        "maintainers" => maintainers(&mut metadata.maintainers, node)?,
        "name" => text(&mut metadata.name, field, node)?,
        "sources" => texts(&mut metadata.sources, field, node)?,
        "tags" => text(&mut metadata.tags, field, node)?,
        "tillerVersion" => text(&mut metadata.tiller_version, field, node)?,
        "version" => text(&mut metadata.version, field, node)?,
        _ => {}
    }
    Ok(())
}

fn annotations(
    target: &mut BTreeMap<String, String>,
    field: &'static str,
    node: Node,
) -> Result<(), MetadataError> {
    let expected = "a mapping of texts to texts";
    let not_texts = || MetadataError::Field { field, expected };
    match node {
        Node::Null => target.clear(),
        Node::Mapping(entries) => {
            for (key, node) in entries {
                let value = match node {
                    Node::Null => String::new(),
                    node => node.into_text().ok_or_else(not_texts)?,
                };
                target.insert(key, value);
            }
        }
        _ => return Err(not_texts()),
    }
    Ok(())
}

fn maintainers(target: &mut Vec<Maintainer>, node: Node) -> Result<(), MetadataError> {
    let list = || MetadataError::Field {
        field: "maintainers",
        expected: "a list of mappings",
    };
    *target = match node {
        Node::Null => Vec::new(),
        Node::Sequence(items) => items
            .into_iter()
            .map(|item| match item {
                Node::Mapping(entries) => maintainer(entries),
                _ => Err(list()),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(list()),
    };
    Ok(())
}

fn maintainer(entries: BTreeMap<String, Node>) -> Result<Maintainer, MetadataError> {
    let mut maintainer = Maintainer::default();
    for (key, node) in entries {
        if key.eq_ignore_ascii_case("name") {
            text(&mut maintainer.name, "maintainers.name", node)?;
        } else if key.eq_ignore_ascii_case("email") {
            text(&mut maintainer.email, "maintainers.email", node)?;
        } else if key.eq_ignore_ascii_case("url") {
            text(&mut maintainer.url, "maintainers.url", node)?;
        } else {
            node.into_value().map_err(MetadataError::Yaml)?;
        }
    }
    Ok(maintainer)
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Null | Value::Number(_) => false,
    };
    fields
        .into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}

const FIELDS: [&str; 17] = [
    "annotations",
    "apiVersion",
    "appVersion",
    "condition",
    "deprecated",
    "description",
    "engine",
    "home",
    "icon",
    "keywords",
    "kubeVersion",
    "maintainers",
    "name",
    "sources",
    "tags",
    "tillerVersion",
    "version",
];
