//! An index from its text.

use std::{borrow::Cow, collections::HashSet};

use super::{
    Chart, Index, IndexError, Limits,
    events::Located,
    read::{Key, Keys, Reader},
    version::{Record, Versions},
};
use crate::yaml::{self, YamlError};

pub(super) fn parse(text: &[u8], limits: &Limits) -> Result<Index, IndexError> {
    if text.len() > limits.bytes {
        return Err(IndexError::limit("bytes", limits.bytes));
    }
    let text = str::from_utf8(text).map_err(|_| IndexError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if has_control(text) {
        return Err(IndexError::Yaml(YamlError::ControlCharacter));
    }
    let mut reader = Reader::new(text, limits);
    let mut document = Document::default();
    if let Some(root) = reader.first()? {
        reader.mapping("the index", root, &mut |reader, key, line| {
            document.field(reader, &key, line)
        })?;
        reader.end()?;
    }
    document.finish()
}

#[derive(Default)]
struct Document {
    /// Keys at the top.
    seen: Vec<&'static str>,
    has_version: bool,
    versions: Versions,
    charts: Vec<Chart>,
    records: Vec<Record>,
}

impl Document {
    fn field(
        &mut self,
        reader: &mut Reader<'_, '_>,
        key: &Key<'_>,
        line: usize,
    ) -> Result<(), IndexError> {
        let field = *FIELDS
            .iter()
            .find(|field| **field == key.text)
            .ok_or_else(|| IndexError::unknown(&key.text, line))?;
        if self.seen.contains(&field) {
            return Err(IndexError::duplicate(field, line));
        }
        self.seen.push(field);
        let value = reader.value()?;
        match field {
            "apiVersion" => {
                let version = reader.text(field, value, true)?;
                self.has_version = version.is_some_and(|version| !version.is_empty());
                Ok(())
            }
            "entries" => self.entries(reader, value),
            "generated" => reader.moment(field, value).map(drop),
            "publicKeys" => reader.list(field, value, &mut |reader, item| {
                reader.text(field, item, true).map(drop)
            }),
            // ChartMuseum's, about itself.
            _ => {
                let mut keys = Keys::default();
                reader.mapping(field, value, &mut |reader, key, line| {
                    keys.insert(key.written(), line, reader.limits())?;
                    let value = reader.value()?;
                    reader.skip(value)
                })?;
                Ok(())
            }
        }
    }

    fn entries<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        value: Located<'t>,
    ) -> Result<(), IndexError> {
        let mut names: HashSet<Cow<'t, str>> = HashSet::new();
        reader.mapping("entries", value, &mut |reader, key, line| {
            // Of `yes` and `true`, two texts for one name, Helm would take the last.
            for spelling in key.spellings() {
                if !names.insert(spelling.clone()) {
                    return Err(IndexError::duplicate(spelling, line));
                }
            }
            if self.charts.len() >= reader.limits().charts {
                return Err(IndexError::limit("charts", reader.limits().charts));
            }
            let value = reader.value()?;
            self.chart(reader, &key, value)
        })?;
        Ok(())
    }

    fn chart<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        name: &Key<'t>,
        value: Located<'t>,
    ) -> Result<(), IndexError> {
        let first = self.records.len();
        reader.list("entries", value, &mut |reader, version| {
            let Some(record) = self.versions.read(reader, version)? else {
                return Ok(());
            };
            if self.records.len() >= reader.limits().versions {
                return Err(IndexError::limit("versions", reader.limits().versions));
            }
            self.records.push(record);
            Ok(())
        })?;
        let records = self.records.get_mut(first..).unwrap_or_default();
        // Of equal ones the first stays the first. What is no version is less than any.
        records.sort_by(|one, other| other.parsed.cmp(&one.parsed));
        let small = |number: usize| {
            u32::try_from(number).map_err(|_| IndexError::limit("versions", u32::MAX as usize))
        };
        self.charts.push(Chart {
            name: self.versions.texts.add(&name.text)?,
            first: small(first)?,
            count: small(records.len())?,
        });
        Ok(())
    }

    fn finish(self) -> Result<Index, IndexError> {
        if !self.has_version {
            return Err(IndexError::NoApiVersion);
        }
        let texts = self.versions.texts.finish();
        let mut charts = self.charts;
        charts.sort_unstable_by(|one, other| texts.text(one.name).cmp(texts.text(other.name)));
        Ok(Index {
            texts,
            lists: self.versions.lists.into(),
            charts: charts.into(),
            records: self.records.into(),
        })
    }
}

/// What YAML forbids, most of it by looking at single bytes.
fn has_control(text: &str) -> bool {
    let is_suspect = |byte: &u8| !matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    text.as_bytes().iter().any(is_suspect) && text.chars().any(yaml::is_control)
}

const FIELDS: [&str; 5] = [
    "apiVersion",
    "entries",
    "generated",
    "publicKeys",
    "serverInfo",
];
