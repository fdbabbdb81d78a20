//! requirements.yaml, read.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;
use tiller_api::hapi::chart::Chart;

use super::{REQUIREMENTS, RequirementsError, TEXT};
use crate::{
    Limits, MetadataError,
    fields::{flag, mapping, text, texts},
    version::{Constraint, ConstraintError},
    yaml::{self, Node},
};

/// A sub-chart that a chart requires.
#[derive(Debug)]
pub(super) struct Requirement {
    pub(super) name: String,
    pub(super) version: Result<Constraint, ConstraintError>,
    /// Paths of values, separated by commas.
    pub(super) condition: String,
    pub(super) tags: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// Empty if it keeps its name.
    pub(super) alias: String,
}

impl Requirement {
    /// What its sub-chart is called in the end.
    pub(super) fn effective_name(&self) -> &str {
        if self.alias.is_empty() {
            &self.name
        } else {
            &self.alias
        }
    }

    /// Steps that it takes to read it.
    pub(super) fn weight(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| 1 + tag.len() / TEXT).sum();
        let imports: usize = self.imports.iter().map(Import::weight).sum();
        let text = self.name.len() + self.condition.len() + self.alias.len();
        1 + tags + imports + text / TEXT
    }
}

/// Values to copy from a sub-chart.
#[derive(Debug)]
pub(super) enum Import {
    /// A mapping that lacks one of the two.
    Incomplete,
    Paths {
        /// Of a table in the sub-chart.
        child: String,
        /// Where to in the parent; `.` is the top.
        parent: String,
    },
}

impl Import {
    fn weight(&self) -> usize {
        match self {
            Self::Incomplete => 1,
            Self::Paths { child, parent } => 1 + (child.len() + parent.len()) / TEXT,
        }
    }
}

/// The requirements of a chart that has a requirements.yaml; of several the last counts, and an empty one is none.
pub(super) fn read(
    chart: &Chart,
    limits: &Limits,
) -> Result<Option<Vec<Requirement>>, RequirementsError> {
    let Some(data) = data(chart) else {
        return Ok(None);
    };
    let requirements = decode(data)
        .and_then(|text| parse(&text, limits.yaml()))
        .map_err(RequirementsError::Unreadable)?;
    requirements
        .into_iter()
        .collect::<Option<_>>()
        .map(Some)
        .ok_or_else(|| {
            let metadata = chart.metadata.as_ref();
            let name = metadata.map_or("", |metadata| &metadata.name);
            RequirementsError::NullRequirement(name.to_owned())
        })
}

/// Whether a chart has a requirements.yaml, which may be none all the same.
pub(super) fn exists(chart: &Chart) -> bool {
    data(chart).is_some()
}

fn data(chart: &Chart) -> Option<&[u8]> {
    chart
        .files
        .iter()
        .rfind(|file| file.type_url == REQUIREMENTS)
        .map(|file| file.value.as_slice())
        .filter(|data| !data.is_empty())
}

/// The text, which go-yaml takes in UTF-16 too.
fn decode(data: &[u8]) -> Result<Cow<'_, str>, MetadataError> {
    let from_units = |units: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, []) = units.as_chunks() else {
            return Err(MetadataError::NotUtf8);
        };
        char::decode_utf16(units.iter().copied().map(unit))
            .collect::<Result<String, _>>()
            .map(Cow::Owned)
            .map_err(|_| MetadataError::NotUtf8)
    };
    match data {
        [0xff, 0xfe, units @ ..] => from_units(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => from_units(units, u16::from_be_bytes),
        data => str::from_utf8(data)
            .map(Cow::Borrowed)
            .map_err(|_| MetadataError::NotUtf8),
    }
}

fn parse(text: &str, limits: yaml::Limits) -> Result<Vec<Option<Requirement>>, MetadataError> {
    let node = yaml::parse_node(text, &limits).map_err(MetadataError::Yaml)?;
    let mut requirements = Vec::new();
    for (key, node) in mapping(node)? {
        if key.eq_ignore_ascii_case("dependencies") {
            requirements = list(node)?;
        } else {
            pass_over(node)?;
        }
    }
    Ok(requirements)
}

fn list(node: Node) -> Result<Vec<Option<Requirement>>, MetadataError> {
    let not_a_list = || MetadataError::Field {
        field: "dependencies",
        expected: "a list of mappings",
    };
    match node {
        Node::Null => Ok(Vec::new()),
        Node::Sequence(items) => items
            .into_iter()
            .map(|item| match item {
                Node::Null => Ok(None),
                Node::Mapping(entries) => requirement(entries).map(Some),
                _ => Err(not_a_list()),
            })
            .collect(),
        _ => Err(not_a_list()),
    }
}

fn requirement(entries: BTreeMap<String, Node>) -> Result<Requirement, MetadataError> {
    let mut version = String::new();
    let mut requirement = Requirement {
        name: String::new(),
        version: Constraint::parse(""),
        condition: String::new(),
        tags: Vec::new(),
        imports: Vec::new(),
        alias: String::new(),
    };
    for (key, node) in entries {
        let Some(&field) = FIELDS.iter().find(|field| field.eq_ignore_ascii_case(&key)) else {
            pass_over(node)?;
            continue;
        };
        match field {
            "alias" => text(&mut requirement.alias, field, node)?,
            "condition" => text(&mut requirement.condition, field, node)?,
            "enabled" => flag(&mut false, field, node)?,
            "import-values" => requirement.imports = imports(field, node)?,
            "name" => text(&mut requirement.name, field, node)?,
            "repository" => text(&mut String::new(), field, node)?,
            "tags" => texts(&mut requirement.tags, field, node)?,
            "version" => text(&mut version, field, node)?,
            _ => {}
        }
    }
    requirement.version = Constraint::parse(&version);
    Ok(requirement)
}

fn imports(field: &'static str, node: Node) -> Result<Vec<Import>, MetadataError> {
    match node.into_value().map_err(MetadataError::Yaml)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.into_iter().map(import).collect()),
        _ => Err(MetadataError::Field {
            field,
            expected: "a list",
        }),
    }
}

fn import(item: Value) -> Import {
    match item {
        Value::Object(mut entries) => match (entries.remove("child"), entries.remove("parent")) {
            (Some(Value::String(child)), Some(Value::String(parent))) => {
                Import::Paths { child, parent }
            }
            _ => Import::Incomplete,
        },
        Value::String(name) => Import::Paths {
            child: format!("exports.{name}"),
            parent: ".".to_owned(),
        },
        // Helm takes anything else for two empty keys.
        _ => Import::Paths {
            child: String::new(),
            parent: String::new(),
        },
    }
}

/// Nobody reads it, but it must have a form in JSON all the same.
fn pass_over(node: Node) -> Result<(), MetadataError> {
    node.into_value().map(drop).map_err(MetadataError::Yaml)
}

const FIELDS: [&str; 8] = [
    "alias",
    "condition",
    "enabled",
    "import-values",
    "name",
    "repository",
    "tags",
    "version",
];
