//! Fields of Chart.yaml and requirements.yaml.
//!
//! Helm reads both into structures that are lenient in three ways: keys match in any case, unknown keys are
//! ignored, and a number or boolean where text belongs becomes text, as Go would print it. `version: 1.10`
//! is version 1.1.

use std::collections::BTreeMap;

use crate::{MetadataError, yaml::Node};

/// A text; null leaves what was there.
pub(crate) fn text(
    target: &mut String,
    field: &'static str,
    node: Node,
) -> Result<(), MetadataError> {
    match node {
        Node::Null => Ok(()),
        node => match node.into_text() {
            Some(text) => {
                *target = text;
                Ok(())
            }
            None => Err(MetadataError::Field {
                field,
                expected: "a text",
            }),
        },
    }
}

/// A list of texts. Null leaves in its place what was there, which is something if the key was there in another case.
pub(crate) fn texts(
    target: &mut Vec<String>,
    field: &'static str,
    node: Node,
) -> Result<(), MetadataError> {
    let list = || MetadataError::Field {
        field,
        expected: "a list of texts",
    };
    let mut before = std::mem::take(target).into_iter();
    *target = match node {
        Node::Null => Vec::new(),
        Node::Sequence(items) => items
            .into_iter()
            .map(|item| match (item, before.next()) {
                (Node::Null, before) => Ok(before.unwrap_or_default()),
                (item, _) => item.into_text().ok_or_else(list),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(list()),
    };
    Ok(())
}

/// True or false; null leaves what was there.
pub(crate) fn flag(
    target: &mut bool,
    field: &'static str,
    node: Node,
) -> Result<(), MetadataError> {
    match node {
        Node::Null => Ok(()),
        Node::Bool(flag) => {
            *target = flag;
            Ok(())
        }
        _ => Err(MetadataError::Field {
            field,
            expected: "true or false",
        }),
    }
}

/// The entries of a mapping, in the order of their keys; null has none.
pub(crate) fn mapping(node: Node) -> Result<BTreeMap<String, Node>, MetadataError> {
    match node {
        Node::Null => Ok(BTreeMap::new()),
        Node::Mapping(entries) => Ok(entries),
        _ => Err(MetadataError::NotAMapping),
    }
}
