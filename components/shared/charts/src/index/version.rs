//! One version of a chart, as an index lists it.
//!
//! Chart.yaml's fields and the index's own share one mapping there, and Helm reads them less leniently than Chart.yaml:
//! `version: 1.0` is no text. Unknown keys are ignored, known ones match in any case. Fields that nobody shows must have
//! the right type all the same.

use std::{borrow::Cow, ops::Range};

use super::{
    IndexError,
    events::Located,
    read::{Key, Keys, Reader},
    texts::{Collector, Text},
};
use crate::version::Version;

/// What is kept of a version.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// What the chart calls itself, which is not always what it is listed as.
    pub(super) title: Text,
    pub(super) version: Text,
    /// `None` if Helm would not call it a version.
    pub(super) parsed: Option<Version>,
    pub(super) app_version: Text,
    pub(super) description: Text,
    pub(super) home: Text,
    pub(super) icon: Text,
    pub(super) created: Text,
    pub(super) digest: Text,
    pub(super) keywords: List,
    pub(super) urls: List,
    pub(super) deprecated: bool,
}

/// Which ones of all texts in lists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct List {
    start: u32,
    end: u32,
}

impl List {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Reads versions into one store of texts.
#[derive(Default)]
pub(super) struct Versions {
    pub(super) texts: Collector,
    /// Of keywords and URLs.
    pub(super) lists: Vec<Text>,
    /// The keywords read last, which the next version often has too.
    keywords: List,
    /// A list being read.
    list: Vec<Text>,
}

/// The fields of one version that have been read.
#[derive(Default)]
struct Fields<'t> {
    record: Record,
    /// Whether any was one of Chart.yaml.
    is_chart: bool,
    /// Which ones there were by their very names, a bit each.
    exact: u32,
    /// What the one that counts was called. Of several that differ in case it is the last in the order of their bytes.
    called: [Option<Cow<'t, str>>; FIELDS.len()],
    /// All other keys.
    keys: Keys<'t>,
}

impl Versions {
    /// `None` if there is none: Helm falls over null and over a version without any field of Chart.yaml.
    pub(super) fn read<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        version: Located<'t>,
    ) -> Result<Option<Record>, IndexError> {
        let mut fields = Fields::default();
        reader.mapping("entries", version, &mut |reader, key, line| {
            self.field(reader, &mut fields, key, line)
        })?;
        let Fields {
            mut record,
            is_chart,
            ..
        } = fields;
        record.parsed = Version::parse(self.texts.text(record.version)).ok();
        Ok(is_chart.then_some(record))
    }

    fn field<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        fields: &mut Fields<'t>,
        key: Key<'t>,
        line: usize,
    ) -> Result<(), IndexError> {
        let Fields {
            record,
            is_chart,
            exact,
            called,
            keys,
        } = fields;
        let is_named = |name: &str| name.eq_ignore_ascii_case(&key.text);
        let known = FIELDS
            .iter()
            .zip(called)
            .enumerate()
            .find(|(_, ((name, _), _))| is_named(name));
        let Some((index, ((name, field), called))) = known else {
            keys.insert(key.typed(), line, reader.limits())?;
            let value = reader.value()?;
            return reader.skip(value);
        };
        if key.text == *name {
            let bit = 1 << index;
            if *exact & bit != 0 {
                return Err(IndexError::duplicate(name, line));
            }
            *exact |= bit;
        } else {
            keys.insert(key.clone().typed(), line, reader.limits())?;
        }
        *is_chart |= !matches!(
            field,
            Field::Created | Field::Digest | Field::Removed | Field::Urls
        );
        let counts = called.as_ref().is_none_or(|called| *called < key.text);
        if self.set(reader, record, (name, field), counts)? && counts {
            *called = Some(key.text);
        }
        Ok(())
    }

    /// Reads a field, and keeps it if it `counts`. False if it is null where null says nothing.
    fn set(
        &mut self,
        reader: &mut Reader<'_, '_>,
        record: &mut Record,
        (name, field): (&'static str, &Field),
        counts: bool,
    ) -> Result<bool, IndexError> {
        let value = reader.value()?;
        let is_there = match field {
            Field::Annotations => {
                annotations(reader, name, value)?;
                true
            }
            Field::Created => {
                let moment = reader.moment(name, value)?;
                put(&mut record.created, self.add(moment)?, counts)
            }
            Field::Deprecated => put(&mut record.deprecated, reader.flag(name, value)?, counts),
            Field::Digest => {
                let digest = reader.text(name, value, true)?;
                put(&mut record.digest, self.add(digest)?, counts)
            }
            Field::Keywords => {
                self.list(reader, name, value, false)?;
                if counts {
                    self.keywords = self.keep(self.keywords)?;
                    record.keywords = self.keywords;
                }
                true
            }
            Field::Maintainers => {
                reader.list(name, value, &mut maintainer)?;
                true
            }
            Field::Removed => reader.flag(name, value)?.is_some(),
            Field::Sources => {
                reader.list(name, value, &mut |reader, item| {
                    reader.text(name, item, false).map(drop)
                })?;
                true
            }
            Field::Text(target) => {
                let text = reader.text(name, value, false)?;
                put(target(record), self.add(text)?, counts)
            }
            Field::Unshown => reader.text(name, value, false)?.is_some(),
            Field::Urls => {
                self.list(reader, name, value, true)?;
                if counts {
                    record.urls = self.keep(List::default())?;
                }
                true
            }
        };
        Ok(is_there)
    }

    fn add(&mut self, text: Option<Cow<'_, str>>) -> Result<Option<Text>, IndexError> {
        text.map(|text| self.texts.add(&text)).transpose()
    }

    fn list<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        field: &'static str,
        value: Located<'t>,
        lenient: bool,
    ) -> Result<(), IndexError> {
        self.list.clear();
        reader.list(field, value, &mut |reader, item| {
            let text = reader.text(field, item, lenient)?;
            let text = self.add(text)?;
            self.list.push(text.unwrap_or_default());
            Ok(())
        })
    }

    /// Keeps the list that was read, unless it is that of `before`.
    fn keep(&mut self, before: List) -> Result<List, IndexError> {
        if self.lists.get(before.range()) == Some(&self.list) {
            return Ok(before);
        }
        let small = |length: usize| {
            u32::try_from(length).map_err(|_| IndexError::limit("nodes", u32::MAX as usize))
        };
        let start = small(self.lists.len())?;
        self.lists.append(&mut self.list);
        let end = small(self.lists.len())?;
        Ok(List { start, end })
    }
}

fn put<T>(target: &mut T, value: Option<T>, counts: bool) -> bool {
    let is_there = value.is_some();
    if let Some(value) = value
        && counts
    {
        *target = value;
    }
    is_there
}

/// Helm takes an annotation that is called like one of Chart.yaml's texts for that, and is lenient with it.
fn annotations<'t>(
    reader: &mut Reader<'t, '_>,
    field: &'static str,
    value: Located<'t>,
) -> Result<(), IndexError> {
    let mut keys = Keys::default();
    let is_lenient = |key: &str| {
        FIELDS.iter().any(|(name, field)| {
            matches!(field, Field::Text(_) | Field::Unshown) && name.eq_ignore_ascii_case(key)
        })
    };
    reader.mapping(field, value, &mut |reader, key, line| {
        let lenient = is_lenient(&key.text);
        keys.insert(key.typed(), line, reader.limits())?;
        let value = reader.value()?;
        reader.text(field, value, lenient).map(drop)
    })?;
    Ok(())
}

fn maintainer<'t>(reader: &mut Reader<'t, '_>, maintainer: Located<'t>) -> Result<(), IndexError> {
    let field = "maintainers";
    let mut keys = Keys::default();
    reader.mapping(field, maintainer, &mut |reader, key, line| {
        let is_text = ["name", "email", "url"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&key.text));
        keys.insert(key.typed(), line, reader.limits())?;
        let value = reader.value()?;
        if is_text {
            reader.text(field, value, false).map(drop)
        } else {
            reader.skip(value)
        }
    })?;
    Ok(())
}

/// How a field is read, and where it is kept.
enum Field {
    Annotations,
    Created,
    Deprecated,
    Digest,
    Keywords,
    Maintainers,
    Removed,
    Sources,
    Text(fn(&mut Record) -> &mut Text),
    /// A text that is not kept.
    Unshown,
    Urls,
}

const FIELDS: [(&str, Field); 21] = [
    ("annotations", Field::Annotations),
    ("apiVersion", Field::Unshown),
    ("appVersion", Field::Text(|record| &mut record.app_version)),
    ("condition", Field::Unshown),
    ("created", Field::Created),
    ("deprecated", Field::Deprecated),
    ("description", Field::Text(|record| &mut record.description)),
    ("digest", Field::Digest),
    ("engine", Field::Unshown),
    ("home", Field::Text(|record| &mut record.home)),
    ("icon", Field::Text(|record| &mut record.icon)),
    ("keywords", Field::Keywords),
    ("kubeVersion", Field::Unshown),
    ("maintainers", Field::Maintainers),
    ("name", Field::Text(|record| &mut record.title)),
    ("removed", Field::Removed),
    ("sources", Field::Sources),
    ("tags", Field::Unshown),
    ("tillerVersion", Field::Unshown),
    ("urls", Field::Urls),
    ("version", Field::Text(|record| &mut record.version)),
];
