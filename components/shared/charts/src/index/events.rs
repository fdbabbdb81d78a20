//! A document as it comes: no tree of it is kept, since an index of 40 MB would make one of a gigabyte.
//!
//! What aliases stand for is repeated in their place, so only what has an anchor is remembered. Everything that comes
//! out is counted, however it came in.

use std::{borrow::Cow, collections::HashMap, ops::Range};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::{IndexError, Limits};
use crate::yaml::{self, Node, Tag, YamlError};

/// The events of the first document.
pub(super) struct Events<'t, 'l> {
    parser: Parser<'t, StrInput<'t>>,
    limits: &'l Limits,
    nodes: usize,
    /// Of repeated scalars.
    bytes: usize,
    depth: usize,
    anchors: HashMap<usize, Anchored>,
    /// What has anchors, those within each other once.
    log: Vec<(Logged<'t>, usize)>,
    /// Anchors of what has not ended, and how deep that lies in the text.
    open: Vec<(usize, usize)>,
    /// How deep the text is.
    raw_depth: usize,
    /// Parts of the log that are being repeated, the innermost last.
    repeats: Vec<Range<usize>>,
}

/// An event, and the line it is in.
pub(super) type Located<'t> = (Item<'t>, usize);

#[derive(Clone)]
pub(super) enum Item<'t> {
    MappingEnd,
    MappingStart,
    Scalar(Scalar<'t>),
    SequenceEnd,
    SequenceStart,
}

#[derive(Clone)]
pub(super) struct Scalar<'t> {
    text: Cow<'t, str>,
    plain: bool,
    tag: Tag,
}

/// What a scalar is, texts as they are in the document where that is possible.
pub(super) enum Value<'t> {
    /// With the text it is written with.
    Other(Node, Cow<'t, str>),
    Text(Cow<'t, str>),
}

enum Logged<'t> {
    Alias(usize),
    Item(Item<'t>),
}

/// Where in the log something begins, and where it ends once it has.
struct Anchored {
    start: usize,
    end: Option<usize>,
}

impl<'t, 'l> Events<'t, 'l> {
    pub(super) fn new(text: &'t str, limits: &'l Limits) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            limits,
            nodes: 0,
            bytes: 0,
            depth: 0,
            anchors: HashMap::new(),
            log: Vec::new(),
            open: Vec::new(),
            raw_depth: 0,
            repeats: Vec::new(),
        }
    }

    /// The document's beginning; `None` if it is empty.
    pub(super) fn first(&mut self) -> Result<Option<Located<'t>>, IndexError> {
        loop {
            match self.parse()? {
                Some((Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _)) => {}
                None | Some((Event::StreamEnd | Event::DocumentEnd, _)) => return Ok(None),
                Some((event, line)) => return self.take(event, line).map(Some),
            }
        }
    }

    /// What comes next within the document, which must not have ended.
    pub(super) fn next(&mut self) -> Result<Located<'t>, IndexError> {
        while let Some(repeat) = self.repeats.last_mut() {
            let Some(at) = repeat.next() else {
                self.repeats.pop();
                continue;
            };
            match self.log.get(at) {
                Some((Logged::Alias(anchor), line)) => self.repeat(*anchor, *line)?,
                Some((Logged::Item(item), line)) => {
                    if let Item::Scalar(scalar) = item {
                        self.bytes += scalar.text.len();
                        if self.bytes > self.limits.bytes {
                            return Err(IndexError::limit("bytes", self.limits.bytes));
                        }
                    }
                    let located = (item.clone(), *line);
                    self.count(&located.0)?;
                    return Ok(located);
                }
                None => {}
            }
        }
        match self.parse()? {
            Some((event, line)) => self.take(event, line),
            None => Err(IndexError::NotAMapping),
        }
    }

    /// Reads on to the end of the document.
    pub(super) fn end(&mut self) -> Result<(), IndexError> {
        self.parse().map(|_| ())
    }

    fn parse(&mut self) -> Result<Option<(Event<'t>, usize)>, IndexError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(IndexError::Yaml(YamlError::Syntax(error))),
        }
    }

    fn take(&mut self, event: Event<'t>, line: usize) -> Result<Located<'t>, IndexError> {
        let (item, anchor) = match event {
            Event::Alias(anchor) => {
                if !self.open.is_empty() {
                    self.log(Logged::Alias(anchor), line)?;
                }
                self.repeat(anchor, line)?;
                return self.next();
            }
            Event::MappingEnd => (Item::MappingEnd, 0),
            Event::MappingStart(anchor, _) => (Item::MappingStart, anchor),
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    text,
                    plain: style == ScalarStyle::Plain,
                    tag: tag.map_or(Tag::None, |tag| yaml::short_tag(&tag.handle, &tag.suffix)),
                };
                (Item::Scalar(scalar), anchor)
            }
            Event::SequenceEnd => (Item::SequenceEnd, 0),
            Event::SequenceStart(anchor, _) => (Item::SequenceStart, anchor),
            Event::DocumentEnd
            | Event::DocumentStart(_)
            | Event::Nothing
            | Event::StreamEnd
            | Event::StreamStart => return Err(IndexError::NotAMapping),
        };
        self.remember(&item, anchor, line)?;
        self.count(&item)?;
        Ok((item, line))
    }

    /// Logs what has an anchor, or is within what has. Zero stands for no anchor.
    fn remember(&mut self, item: &Item<'t>, anchor: usize, line: usize) -> Result<(), IndexError> {
        let start = self.log.len();
        if anchor != 0 || !self.open.is_empty() {
            self.log(Logged::Item(item.clone()), line)?;
        }
        let ended = match item {
            Item::MappingStart | Item::SequenceStart => {
                self.raw_depth += 1;
                if anchor != 0 {
                    self.open.push((anchor, self.raw_depth));
                    self.anchors.insert(anchor, Anchored { start, end: None });
                }
                return Ok(());
            }
            Item::MappingEnd | Item::SequenceEnd => {
                let depth = self.raw_depth;
                self.raw_depth = depth.saturating_sub(1);
                self.open.pop_if(|open| open.1 == depth)
            }
            Item::Scalar(_) if anchor != 0 => {
                self.anchors.insert(anchor, Anchored { start, end: None });
                Some((anchor, 0))
            }
            Item::Scalar(_) => None,
        };
        if let Some((anchor, _)) = ended
            && let Some(anchored) = self.anchors.get_mut(&anchor)
        {
            anchored.end = Some(self.log.len());
        }
        Ok(())
    }

    fn log(&mut self, logged: Logged<'t>, line: usize) -> Result<(), IndexError> {
        if self.log.len() >= self.limits.anchored {
            return Err(IndexError::limit("anchored", self.limits.anchored));
        }
        self.log.push((logged, line));
        Ok(())
    }

    fn repeat(&mut self, anchor: usize, line: usize) -> Result<(), IndexError> {
        match self.anchors.get(&anchor) {
            Some(&Anchored {
                start,
                end: Some(end),
            }) => {
                self.repeats.push(start..end);
                Ok(())
            }
            // The parser refuses anchors that it has not seen.
            _ => Err(IndexError::Yaml(YamlError::SelfReference { line })),
        }
    }

    fn count(&mut self, item: &Item<'t>) -> Result<(), IndexError> {
        match item {
            Item::MappingEnd | Item::SequenceEnd => {
                self.depth = self.depth.saturating_sub(1);
                return Ok(());
            }
            Item::MappingStart | Item::SequenceStart => {
                self.depth += 1;
                if self.depth > self.limits.depth {
                    return Err(IndexError::limit("depth", self.limits.depth));
                }
            }
            Item::Scalar(_) => {}
        }
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(IndexError::limit("nodes", self.limits.nodes));
        }
        Ok(())
    }
}

impl<'t> Scalar<'t> {
    pub(super) fn is_merge(&self) -> bool {
        self.text == "<<" && (self.plain && self.tag == Tag::None || self.tag == Tag::Merge)
    }

    pub(super) fn value(self, line: usize) -> Result<Value<'t>, IndexError> {
        let Self { text, plain, tag } = self;
        if tag == Tag::None && (!plain || is_surely_text(&text)) {
            return Ok(Value::Text(text));
        }
        match yaml::resolve(&text, plain, tag, line).map_err(IndexError::Yaml)? {
            Node::String(text) => Ok(Value::Text(text.into())),
            node => Ok(Value::Other(node, text)),
        }
    }
}

/// Whether plain text is text by its looks, as most is. What is not may be text all the same.
fn is_surely_text(text: &str) -> bool {
    let longest_flag = "false".len();
    match text.as_bytes() {
        [] | [b'~', ..] => false,
        [b'0'..=b'9', ..] => text.contains(':') || text.matches('.').nth(1).is_some(),
        [b'+' | b'-' | b'.', ..] => false,
        _ => text.len() > longest_flag,
    }
}
