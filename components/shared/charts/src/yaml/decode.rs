//! From nodes to values: aliases expanded, merge keys merged, scalars given their types.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::{
    Limits, YamlError,
    compose::{Document, Kind, Tag},
    number, scalar,
};

/// A value with the types that go-yaml gives scalars, which Chart.yaml depends on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Bool(bool),
    Float(f64),
    Int(i64),
    /// Keys have become text.
    Mapping(BTreeMap<String, Self>),
    Null,
    Sequence(Vec<Self>),
    String(String),
    /// Beyond the range of `Int`.
    Uint(u64),
}

impl Node {
    /// The value in JSON, all numbers 64 bit floats.
    pub(crate) fn into_value(self) -> Result<Value, YamlError> {
        Ok(match self {
            Self::Bool(flag) => Value::Bool(flag),
            Self::Float(float) => Value::Number(number::from_float(float)?),
            Self::Int(int) => match i32::try_from(int) {
                Ok(int) => Value::Number(Number::from(int)),
                Err(_) => Value::Number(number::from_float(int as f64)?),
            },
            Self::Mapping(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, node)| Ok((key, node.into_value()?)))
                    .collect::<Result<Map<_, _>, YamlError>>()?,
            ),
            Self::Null => Value::Null,
            Self::Sequence(items) => Value::Array(
                items
                    .into_iter()
                    .map(Self::into_value)
                    .collect::<Result<_, _>>()?,
            ),
            Self::String(text) => Value::String(text),
            Self::Uint(uint) => Value::Number(number::from_float(uint as f64)?),
        })
    }

    /// The text that Helm makes of a key. The rest are no keys.
    pub(crate) fn into_key(self) -> Option<String> {
        match self {
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Float(float) => Some(number::print_key(float)),
            Self::Int(int) => Some(int.to_string()),
            Self::String(text) => Some(text),
            Self::Mapping(_) | Self::Null | Self::Sequence(_) | Self::Uint(_) => None,
        }
    }

    /// The text that Helm makes of a scalar where text belongs.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Float(float) => Some(number::print_single(float)),
            Self::Int(int) => Some(int.to_string()),
            Self::Mapping(_) | Self::Null | Self::Sequence(_) => None,
            Self::String(text) => Some(text),
            Self::Uint(uint) => Some(uint.to_string()),
        }
    }
}

pub(super) fn decode(document: &Document<'_>, limits: &Limits) -> Result<Node, YamlError> {
    let Some(root) = document.root else {
        return Ok(Node::Null);
    };
    let mut decoder = Decoder {
        document,
        limits,
        nodes: 0,
        bytes: 0,
        expanding: vec![false; document.nodes.len()],
    };
    decoder.node(root, 0)
}

struct Decoder<'d> {
    document: &'d Document<'d>,
    limits: &'d Limits,
    nodes: usize,
    /// Of scalars.
    bytes: usize,
    /// Which nodes are being expanded for an alias.
    expanding: Vec<bool>,
}

impl<'d> Decoder<'d> {
    fn node(&mut self, index: usize, depth: usize) -> Result<Node, YamlError> {
        self.count(depth)?;
        match self.kind(index) {
            Kind::Alias(target) => {
                self.expand(index, *target, |decoder| decoder.node(*target, depth))
            }
            Kind::Mapping(pairs) => {
                let mut entries = BTreeMap::new();
                self.mapping(pairs, &mut entries, depth)?;
                Ok(Node::Mapping(entries))
            }
            Kind::Scalar { text, plain, tag } => {
                self.bytes += text.len();
                if self.bytes > self.limits.bytes {
                    return Err(YamlError::Bytes {
                        limit: self.limits.bytes,
                    });
                }
                scalar::resolve(text, *plain, *tag, self.line(index))
            }
            Kind::Sequence(items) => items
                .iter()
                .map(|item| self.node(*item, depth + 1))
                .collect::<Result<_, _>>()
                .map(Node::Sequence),
        }
    }

    /// Adds to `entries`. What comes later replaces what was there, and a merge key merges in its place.
    fn mapping(
        &mut self,
        pairs: &'d [(usize, usize)],
        entries: &mut BTreeMap<String, Node>,
        depth: usize,
    ) -> Result<(), YamlError> {
        for &(key, value) in pairs {
            if self.is_merge(key) {
                self.merge(value, entries, depth)?;
            } else {
                let key = self.key(key, depth)?;
                let value = self.node(value, depth + 1)?;
                entries.insert(key, value);
            }
        }
        Ok(())
    }

    fn merge(
        &mut self,
        value: usize,
        entries: &mut BTreeMap<String, Node>,
        depth: usize,
    ) -> Result<(), YamlError> {
        match self.kind(value) {
            // Earlier ones win.
            Kind::Sequence(items) => items
                .iter()
                .rev()
                .try_for_each(|item| self.merge_one(*item, entries, depth)),
            _ => self.merge_one(value, entries, depth),
        }
    }

    fn merge_one(
        &mut self,
        value: usize,
        entries: &mut BTreeMap<String, Node>,
        depth: usize,
    ) -> Result<(), YamlError> {
        self.count(depth)?;
        match self.kind(value) {
            Kind::Alias(target) => match self.kind(*target) {
                Kind::Mapping(pairs) => self.expand(value, *target, |decoder| {
                    decoder.mapping(pairs, entries, depth)
                }),
                _ => Err(self.not_mergeable(value)),
            },
            Kind::Mapping(pairs) => self.mapping(pairs, entries, depth),
            _ => Err(self.not_mergeable(value)),
        }
    }

    fn key(&mut self, index: usize, depth: usize) -> Result<String, YamlError> {
        let line = self.line(index);
        self.node(index, depth)?
            .into_key()
            .ok_or(YamlError::Key { line })
    }

    fn expand<T>(
        &mut self,
        alias: usize,
        target: usize,
        decode: impl FnOnce(&mut Self) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        match self.expanding.get_mut(target) {
            Some(expanding) if !*expanding => *expanding = true,
            _ => {
                return Err(YamlError::SelfReference {
                    line: self.line(alias),
                });
            }
        }
        let decoded = decode(self);
        if let Some(expanding) = self.expanding.get_mut(target) {
            *expanding = false;
        }
        decoded
    }

    fn count(&mut self, depth: usize) -> Result<(), YamlError> {
        let Limits {
            depth: max_depth,
            nodes: max_nodes,
            ..
        } = *self.limits;
        if depth > max_depth {
            return Err(YamlError::Depth { limit: max_depth });
        }
        self.nodes += 1;
        if self.nodes > max_nodes {
            return Err(YamlError::Nodes { limit: max_nodes });
        }
        Ok(())
    }

    fn is_merge(&self, index: usize) -> bool {
        match self.kind(index) {
            Kind::Scalar { text, plain, tag } => {
                text == "<<" && (*plain && *tag == Tag::None || *tag == Tag::Merge)
            }
            _ => false,
        }
    }

    fn not_mergeable(&self, index: usize) -> YamlError {
        YamlError::Merge {
            line: self.line(index),
        }
    }

    fn kind(&self, index: usize) -> &'d Kind<'d> {
        &self.document.nodes[index].kind
    }

    fn line(&self, index: usize) -> usize {
        self.document.nodes[index].line
    }
}
