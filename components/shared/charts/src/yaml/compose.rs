//! From a text to its nodes, aliases not yet expanded.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Limits, YamlError};

/// The first document of a stream. Nodes refer to each other by index.
pub(super) struct Document<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    /// `None` for an empty stream.
    pub(super) root: Option<usize>,
}

pub(super) struct Node<'a> {
    pub(super) kind: Kind<'a>,
    /// Counted from 1.
    pub(super) line: usize,
}

pub(super) enum Kind<'a> {
    Alias(usize),
    Mapping(Vec<(usize, usize)>),
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
        tag: Tag,
    },
    Sequence(Vec<usize>),
}

/// What matters of a scalar's tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tag {
    Binary,
    Bool,
    Float,
    Int,
    Merge,
    /// None written.
    None,
    Null,
    /// Of somebody else, or `!`: the text stays text.
    Other,
    Str,
    Timestamp,
}

pub(super) fn compose<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, YamlError> {
    if text.len() > limits.bytes {
        return Err(YamlError::Bytes {
            limit: limits.bytes,
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.chars().any(is_control) {
        return Err(YamlError::ControlCharacter);
    }
    let mut composer = Composer {
        document: Document {
            nodes: Vec::new(),
            root: None,
        },
        limits,
        anchors: HashMap::new(),
        open: Vec::new(),
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(YamlError::Syntax)?;
        if !composer.take(event, span)? {
            break;
        }
    }
    Ok(composer.document)
}

struct Composer<'a, 'l> {
    document: Document<'a>,
    limits: &'l Limits,
    anchors: HashMap<usize, usize>,
    /// Lists and mappings not yet closed, and the key that waits for its value.
    open: Vec<(usize, Option<usize>)>,
}

impl<'a> Composer<'a, '_> {
    /// Whether there is more to read.
    fn take(&mut self, event: Event<'a>, span: Span) -> Result<bool, YamlError> {
        match event {
            Event::Alias(anchor) => {
                // The parser refuses anchors that it has not seen.
                let target = self.anchors.get(&anchor).copied().unwrap_or_default();
                self.add(Kind::Alias(target), 0, span)?;
            }
            Event::DocumentEnd => return Ok(false),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::MappingStart(anchor, _) => self.open(Kind::Mapping(Vec::new()), anchor, span)?,
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar {
                    text,
                    plain: style == ScalarStyle::Plain,
                    tag: tag.map_or(Tag::None, |tag| short_tag(&tag.handle, &tag.suffix)),
                };
                self.add(kind, anchor, span)?;
            }
            Event::SequenceStart(anchor, _) => {
                self.open(Kind::Sequence(Vec::new()), anchor, span)?;
            }
            Event::DocumentStart(_) | Event::Nothing | Event::StreamEnd | Event::StreamStart => {}
        }
        Ok(true)
    }

    fn open(&mut self, kind: Kind<'a>, anchor: usize, span: Span) -> Result<(), YamlError> {
        let node = self.add(kind, anchor, span)?;
        if self.open.len() >= self.limits.depth {
            return Err(YamlError::Depth {
                limit: self.limits.depth,
            });
        }
        self.open.push((node, None));
        Ok(())
    }

    fn add(&mut self, kind: Kind<'a>, anchor: usize, span: Span) -> Result<usize, YamlError> {
        let node = self.document.nodes.len();
        if node >= self.limits.nodes {
            return Err(YamlError::Nodes {
                limit: self.limits.nodes,
            });
        }
        self.document.nodes.push(Node {
            kind,
            line: span.start.line(),
        });
        // Zero stands for none.
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        match self.open.last_mut() {
            None => self.document.root = Some(node),
            Some((parent, key)) => match self.document.nodes.get_mut(*parent) {
                Some(Node {
                    kind: Kind::Sequence(items),
                    ..
                }) => items.push(node),
                Some(Node {
                    kind: Kind::Mapping(pairs),
                    ..
                }) => match key.take() {
                    None => *key = Some(node),
                    Some(key) => pairs.push((key, node)),
                },
                _ => {}
            },
        }
        Ok(node)
    }
}

pub(crate) fn short_tag(handle: &str, suffix: &str) -> Tag {
    let name = match handle {
        "" => suffix.strip_prefix(CORE),
        CORE => Some(suffix),
        _ => None,
    };
    match name {
        Some("binary") => Tag::Binary,
        Some("bool") => Tag::Bool,
        Some("float") => Tag::Float,
        Some("int") => Tag::Int,
        Some("merge") => Tag::Merge,
        Some("null") => Tag::Null,
        Some("str") => Tag::Str,
        Some("timestamp") => Tag::Timestamp,
        _ => Tag::Other,
    }
}

pub(crate) fn is_control(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        character => character.is_control(),
    }
}

const CORE: &str = "tag:yaml.org,2002:";
