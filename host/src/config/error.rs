//! Complaints about a configuration: where, what, and what to write instead.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error("cannot read the configuration {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML, has an unknown key, a value of the wrong kind, or one that is refused.
    #[error("{}", Complaints { origin: origin.as_deref(), refused })]
    Refused {
        /// The file, where there is one.
        origin: Option<PathBuf>,
        /// Every complaint, in the order of the keys.
        refused: Vec<Invalid>,
    },
}

impl ConfigError {
    /// A complaint of the TOML reader.
    pub(super) fn syntax(origin: &Path, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span();
        let key = span.clone().and_then(|span| key_at(text, span));
        Self::Refused {
            origin: Some(origin.to_owned()),
            refused: vec![Invalid {
                line: span.map(|span| line_of(text, span.start)),
                key: key.unwrap_or_default(),
                message: error.message().to_owned(),
            }],
        }
    }

    /// The same complaints, with the lines of `text` they are about.
    pub(super) fn located(self, origin: &Path, text: &str) -> Self {
        let Self::Refused { refused, .. } = self else {
            return self;
        };
        let document = DeTable::parse(text).ok();
        let refused = refused.into_iter().map(|invalid| Invalid {
            line: document
                .as_ref()
                .and_then(|table| position_of(table.get_ref(), &invalid.key))
                .map(|position| line_of(text, position)),
            ..invalid
        });
        Self::Refused {
            origin: Some(origin.to_owned()),
            refused: refused.collect(),
        }
    }
}

/// One refused value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    /// The line of the file, from 1; none for a value that stands in no file.
    pub line: Option<usize>,
    /// The key, dotted: `limits.cpu`, `cluster[1].tiller[0].name`. Empty where the text is no TOML at all.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Invalid {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            line: None,
            key: key.into(),
            message: message.into(),
        }
    }
}

struct Complaints<'a> {
    origin: Option<&'a Path>,
    refused: &'a [Invalid],
}

impl fmt::Display for Complaints<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, invalid) in self.refused.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match self.origin {
                Some(origin) => write!(f, "{}", origin.display())?,
                None => f.write_str("configuration")?,
            }
            if let Some(line) = invalid.line {
                write!(f, ":{line}")?;
            }
            if !invalid.key.is_empty() {
                write!(f, ": {}", invalid.key)?;
            }
            write!(f, ": {}", invalid.message)?;
        }
        Ok(())
    }
}

fn line_of(text: &str, position: usize) -> usize {
    let before = text.as_bytes().get(..position).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where the value of a dotted key, or the nearest table that should hold it, begins.
fn position_of(document: &DeTable<'_>, key: &str) -> Option<usize> {
    let mut table = document;
    let mut position = None;
    for part in key.split('.') {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (name, index.parse().ok()),
            None => (part, None),
        };
        let Some((found, value)) = entry(table, name) else {
            return position;
        };
        position = Some(found);
        let value = match (value.get_ref(), index) {
            (DeValue::Array(items), Some(index)) => items.get::<usize>(index)?,
            _ => value,
        };
        if index.is_some() {
            position = Some(value.span().start);
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return position,
        }
    }
    position
}

/// The dotted key of the innermost value around `span`.
fn key_at(text: &str, span: Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let mut key = String::new();
    descend(document.get_ref(), &span, &mut key);
    (!key.is_empty()).then_some(key)
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, key: &mut String) {
    for (name, value) in table.iter() {
        let on_key = encloses(&name.span(), span);
        if !on_key && !holds(value, span) {
            continue;
        }
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(name.get_ref());
        if !on_key {
            descend_value(value, span, key);
        }
        return;
    }
}

fn descend_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, key: &mut String) {
    match value.get_ref() {
        DeValue::Table(inner) => descend(inner, span, key),
        DeValue::Array(items) => {
            if let Some((index, item)) =
                items.iter().enumerate().find(|(_, item)| holds(item, span))
            {
                key.push_str(&format!("[{index}]"));
                descend_value(item, span, key);
            }
        }
        _ => {}
    }
}

/// A table's own span is its header only, so what stands below the header is looked for inside.
fn holds(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    encloses(&value.span(), span)
        || match value.get_ref() {
            DeValue::Table(inner) => inner
                .iter()
                .any(|(name, value)| encloses(&name.span(), span) || holds(value, span)),
            DeValue::Array(items) => items.iter().any(|item| holds(item, span)),
            _ => false,
        }
}

fn encloses(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn entry<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<(usize, &'a Spanned<DeValue<'i>>)> {
    table
        .iter()
        .find(|(key, _)| key.get_ref() == name)
        .map(|(key, value)| (key.span().start, value))
}
