//! What a document says, read strictly: Helm refuses an index in which any mapping has a key twice, even where
//! nobody reads it.

use std::{borrow::Cow, collections::HashSet};

use super::{
    IndexError, Limits,
    events::{Events, Item, Located, Value},
    moment::is_rfc3339,
};
use crate::yaml::{Node, YamlError};

/// Reads values of the types that an index has.
pub(super) struct Reader<'t, 'l> {
    events: Events<'t, 'l>,
    limits: &'l Limits,
}

/// A key of a mapping.
#[derive(Clone)]
pub(super) struct Key<'t> {
    /// What Helm calls it.
    pub(super) text: Cow<'t, str>,
    /// How it is written, and its type and value, unless it is a text.
    other: Option<(Cow<'t, str>, (u8, u64))>,
}

/// What a key must not have in common with another in the same mapping.
#[derive(Eq, Hash, PartialEq)]
pub(super) struct Identity<'t> {
    text: Cow<'t, str>,
    value: Option<(u8, u64)>,
}

/// The keys that a mapping had so far.
#[derive(Default)]
pub(super) struct Keys<'t> {
    few: Vec<Identity<'t>>,
    many: HashSet<Identity<'t>>,
}

impl<'t, 'l> Reader<'t, 'l> {
    pub(super) fn new(text: &'t str, limits: &'l Limits) -> Self {
        Self {
            events: Events::new(text, limits),
            limits,
        }
    }

    /// The value that the document is; `None` if it is empty.
    pub(super) fn first(&mut self) -> Result<Option<Located<'t>>, IndexError> {
        self.events.first()
    }

    pub(super) fn end(&mut self) -> Result<(), IndexError> {
        self.events.end()
    }

    pub(super) fn value(&mut self) -> Result<Located<'t>, IndexError> {
        self.events.next()
    }

    /// Calls `each` for every key of a mapping, what `<<` merges included, and `each` reads its value. False if there is
    /// null instead of a mapping.
    pub(super) fn mapping(
        &mut self,
        field: &'static str,
        (item, line): Located<'t>,
        each: &mut dyn FnMut(&mut Self, Key<'t>, usize) -> Result<(), IndexError>,
    ) -> Result<bool, IndexError> {
        match item {
            Item::MappingStart => {
                self.pairs(each)?;
                Ok(true)
            }
            item if is_null(&item, line)? => Ok(false),
            _ => Err(IndexError::field(field, "a mapping", line)),
        }
    }

    /// Calls `each` for every item of a list; null has none.
    pub(super) fn list(
        &mut self,
        field: &'static str,
        (item, line): Located<'t>,
        each: &mut dyn FnMut(&mut Self, Located<'t>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        match item {
            Item::SequenceStart => loop {
                match self.value()? {
                    (Item::SequenceEnd, _) => return Ok(()),
                    item => each(self, item)?,
                }
            },
            item if is_null(&item, line)? => Ok(()),
            _ => Err(IndexError::field(field, "a list", line)),
        }
    }

    /// A text; `None` if it is null. Where Helm is `lenient`, other scalars become text.
    pub(super) fn text(
        &mut self,
        field: &'static str,
        (item, line): Located<'t>,
        lenient: bool,
    ) -> Result<Option<Cow<'t, str>>, IndexError> {
        let expected = || IndexError::field(field, "a text", line);
        let Item::Scalar(scalar) = item else {
            return Err(expected());
        };
        match scalar.value(line)? {
            Value::Text(text) => Ok(Some(text)),
            Value::Other(Node::Null, _) => Ok(None),
            Value::Other(node, _) if lenient => {
                let text = node.into_text().ok_or_else(expected)?;
                Ok(Some(text.into()))
            }
            Value::Other(..) => Err(expected()),
        }
    }

    /// A moment as it is written; `None` if it is null.
    pub(super) fn moment(
        &mut self,
        field: &'static str,
        (item, line): Located<'t>,
    ) -> Result<Option<Cow<'t, str>>, IndexError> {
        match self.text(field, (item, line), false)? {
            Some(text) if !is_rfc3339(&text) => {
                Err(IndexError::field(field, "a time in RFC 3339", line))
            }
            text => Ok(text),
        }
    }

    /// True or false; `None` if it is null.
    pub(super) fn flag(
        &mut self,
        field: &'static str,
        (item, line): Located<'t>,
    ) -> Result<Option<bool>, IndexError> {
        if let Item::Scalar(scalar) = item {
            match scalar.value(line)? {
                Value::Other(Node::Bool(flag), _) => return Ok(Some(flag)),
                Value::Other(Node::Null, _) => return Ok(None),
                Value::Other(..) | Value::Text(_) => {}
            }
        }
        Err(IndexError::field(field, "true or false", line))
    }

    /// Reads what nobody wants to know. It must be sound all the same.
    pub(super) fn skip(&mut self, (item, line): Located<'t>) -> Result<(), IndexError> {
        match item {
            Item::MappingStart => {
                let mut keys = Keys::default();
                self.pairs(&mut |reader, key, line| {
                    keys.insert(key.typed(), line, reader.limits)?;
                    let value = reader.value()?;
                    reader.skip(value)
                })
            }
            Item::Scalar(scalar) => match scalar.value(line)? {
                Value::Other(Node::Float(float), _) if !float.is_finite() => {
                    Err(IndexError::Yaml(YamlError::NotFinite))
                }
                _ => Ok(()),
            },
            Item::SequenceStart => self.list("", (Item::SequenceStart, line), &mut Self::skip),
            Item::MappingEnd | Item::SequenceEnd => Err(IndexError::NotAMapping),
        }
    }

    pub(super) fn limits(&self) -> &'l Limits {
        self.limits
    }

    fn pairs(
        &mut self,
        each: &mut dyn FnMut(&mut Self, Key<'t>, usize) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        loop {
            match self.value()? {
                (Item::MappingEnd, _) => return Ok(()),
                (Item::Scalar(scalar), _) if scalar.is_merge() => {
                    let value = self.value()?;
                    self.merge(value, each)?;
                }
                (Item::Scalar(scalar), line) => {
                    let key = Key::new(scalar.value(line)?)
                        .ok_or(IndexError::Yaml(YamlError::Key { line }))?;
                    each(self, key, line)?;
                }
                (_, line) => return Err(IndexError::Yaml(YamlError::Key { line })),
            }
        }
    }

    /// As no key may be there twice, it does not matter which would win.
    fn merge(
        &mut self,
        (item, line): Located<'t>,
        each: &mut dyn FnMut(&mut Self, Key<'t>, usize) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        match item {
            Item::MappingStart => self.pairs(each),
            Item::SequenceStart => loop {
                match self.value()? {
                    (Item::SequenceEnd, _) => return Ok(()),
                    (Item::MappingStart, _) => self.pairs(each)?,
                    (_, line) => return Err(IndexError::Yaml(YamlError::Merge { line })),
                }
            },
            _ => Err(IndexError::Yaml(YamlError::Merge { line })),
        }
    }
}

impl<'t> Key<'t> {
    /// Where keys have types, `1` and `0x1` are the same, and `1` and `"1"` are not.
    pub(super) fn typed(self) -> Identity<'t> {
        Identity {
            text: self.text,
            value: self.other.map(|(_, value)| value),
        }
    }

    /// Where all keys are texts, `1` and `"1"` are the same, and `1` and `0x1` are not.
    pub(super) fn written(self) -> Identity<'t> {
        Identity {
            text: self.other.map_or(self.text, |(written, _)| written),
            value: None,
        }
    }

    /// What Helm calls it and, if that is something else, how it is written.
    pub(super) fn spellings(&self) -> impl Iterator<Item = &Cow<'t, str>> {
        let written = self.other.as_ref().map(|(written, _)| written);
        std::iter::once(&self.text).chain(written.filter(|written| **written != self.text))
    }

    fn new(value: Value<'t>) -> Option<Self> {
        let (node, written) = match value {
            Value::Text(text) => return Some(Self { text, other: None }),
            Value::Other(node, written) => (node, written),
        };
        let value = match node {
            Node::Bool(flag) => (0, u64::from(flag)),
            // Both zeros are the same.
            Node::Float(float) => (1, (float + 0.0).to_bits()),
            Node::Int(int) => (2, int.cast_unsigned()),
            _ => return None,
        };
        Some(Self {
            text: node.into_key()?.into(),
            other: Some((written, value)),
        })
    }
}

impl<'t> Keys<'t> {
    pub(super) fn insert(
        &mut self,
        key: Identity<'t>,
        line: usize,
        limits: &Limits,
    ) -> Result<(), IndexError> {
        let Self { few, many } = self;
        if few.len() + many.len() >= limits.keys {
            return Err(IndexError::limit("keys", limits.keys));
        }
        if few.contains(&key) || many.contains(&key) {
            return Err(IndexError::duplicate(&key.text, line));
        }
        if few.len() < FEW {
            few.push(key);
        } else {
            many.insert(key);
        }
        Ok(())
    }
}

fn is_null(item: &Item<'_>, line: usize) -> Result<bool, IndexError> {
    match item {
        Item::Scalar(scalar) => Ok(matches!(
            scalar.clone().value(line)?,
            Value::Other(Node::Null, _)
        )),
        _ => Ok(false),
    }
}

/// How many keys are compared one by one.
const FEW: usize = 24;
