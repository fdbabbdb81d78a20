//! Named values of a request, whether they came as JSON, as a form or as a query.
//!
//! A reader asks for each field it knows by name and type, and then for [`Fields::finish`], which refuses
//! whatever was not asked for: a misspelt `dry_run` must not install. `null` is the same as leaving a field
//! out. Values of queries and forms are text, so there `true` and `5` are read for what they say.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{
    json,
    problem::{Code, Problem},
    time,
};

/// Most values in a JSON body, nested ones included: as many as a chart's YAML may have.
const MAX_VALUES: usize = 250_000;

/// The longest name that is repeated in an error, in characters.
const SHOWN: usize = 64;

/// What a request's fields are called in errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Of a body.
    Field,
    /// Of a query.
    Parameter,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Parameter => "parameter",
        }
    }
}

/// Fields not read yet.
#[derive(Debug)]
pub struct Fields {
    kind: Kind,
    entries: BTreeMap<String, Entry>,
    known: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    /// Whether `value` is text that may stand for another type.
    text: bool,
}

impl Fields {
    /// No fields.
    pub const fn empty(kind: Kind) -> Self {
        Self {
            kind,
            entries: BTreeMap::new(),
            known: Vec::new(),
        }
    }

    /// The members of a JSON object; none if the body is empty.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is not JSON, nested too deeply or not an object.
    pub fn from_json(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Self::empty(Kind::Field);
        if body.trim_ascii().is_empty() {
            return Ok(fields);
        }
        let value = json::parse(body, MAX_VALUES)
            .map_err(|error| invalid(format!("the body is not valid JSON: {error}")))?;
        let Value::Object(members) = value else {
            return Err(invalid("the body must be a JSON object"));
        };
        for (name, value) in members {
            fields.entries.insert(name, Entry { value, text: false });
        }
        Ok(fields)
    }

    /// Adds a value that is text. A name that is there already makes a list.
    pub fn push_text(&mut self, name: String, value: String) {
        let value = Value::String(value);
        match self.entries.get_mut(&name) {
            None => {
                self.entries.insert(name, Entry { value, text: true });
            }
            Some(entry) => match &mut entry.value {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }

    /// Adds a text that has a name of its own within a field.
    ///
    /// # Errors
    ///
    /// `invalid_request` if the field has one of that name, or is something else.
    pub fn push_member(
        &mut self,
        name: &str,
        member: String,
        value: String,
    ) -> Result<(), Problem> {
        let entry = self
            .entries
            .entry(name.to_owned())
            .or_insert_with(|| Entry {
                value: Value::Object(Map::new()),
                text: true,
            });
        match &mut entry.value {
            Value::Object(members) if !members.contains_key(&member) => {
                members.insert(member, Value::String(value));
                Ok(())
            }
            Value::Object(_) => {
                let name = format!("{name}.{}", shown(&member));
                Err(invalid(format!("`{name}` is given twice")))
            }
            _ => Err(invalid(format!("`{name}` is given twice"))),
        }
    }

    /// Adds the fields of another part of the request.
    ///
    /// # Errors
    ///
    /// `invalid_request` if both have the same field.
    pub fn merge(&mut self, other: Self) -> Result<(), Problem> {
        for (name, entry) in other.entries {
            if self.entries.contains_key(&name) {
                return Err(invalid(format!("`{}` is given twice", shown(&name))));
            }
            self.entries.insert(name, entry);
        }
        Ok(())
    }

    /// Takes a field as it is.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.entry(name).map(|entry| entry.value)
    }

    /// Takes a text. Empty counts as left out.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else.
    pub fn string(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok((!text.is_empty()).then_some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// Takes a boolean, false if left out. A parameter without a value is true.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let Some(entry) = self.entry(name) else {
            return Ok(false);
        };
        match entry.value {
            Value::Bool(value) => Ok(value),
            Value::String(text) if entry.text && matches!(text.as_str(), "true" | "1" | "") => {
                Ok(true)
            }
            Value::String(text) if entry.text && matches!(text.as_str(), "false" | "0") => {
                Ok(false)
            }
            other => Err(self.wrong(name, "true or false", &other)),
        }
    }

    /// Takes a whole number within a range.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else or outside of the range.
    pub fn integer(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let number = match &entry.value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) if entry.text => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                Err(self.wrong(name, &wanted, &entry.value))
            }
        }
    }

    /// Takes a duration: text as [`time::parse_duration`] reads it, or a number of seconds.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else, zero, negative or too long.
    pub fn duration(&mut self, name: &'static str) -> Result<Option<Duration>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let duration = match &value {
            Value::String(text) => time::parse_duration(text),
            Value::Number(number) => number
                .as_u64()
                .ok_or(time::DurationError)
                .and_then(time::from_seconds),
            _ => Err(time::DurationError),
        };
        duration
            .map(Some)
            .map_err(|error| invalid(format!("{} `{name}` {error}", self.kind.as_str())))
    }

    /// Takes a list of texts: a JSON array, one text, or a repeated parameter, each split at commas.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else.
    pub fn list(&mut self, name: &'static str) -> Result<Vec<String>, Problem> {
        let mut items = Vec::new();
        for text in self.texts(name)? {
            let parts = text.split(',').map(str::trim);
            items.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
        }
        Ok(items)
    }

    /// Takes texts as they are: a JSON array, one text, or a repeated parameter.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Problem> {
        let values = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(self.wrong(name, "a string or a list of strings", &other)),
            })
            .collect()
    }

    /// Takes texts that have names of their own: a JSON object, or what [`Fields::push_member`] added.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is something else.
    pub fn members(&mut self, name: &'static str) -> Result<BTreeMap<String, String>, Problem> {
        let members = match self.take(name) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(members)) => members,
            Some(other) => return Err(self.wrong(name, "an object of strings", &other)),
        };
        members
            .into_iter()
            .map(|(member, value)| match value {
                Value::String(text) => Ok((member, text)),
                other => {
                    let name = format!("{name}.{}", shown(&member));
                    Err(self.wrong(&name, "a string", &other))
                }
            })
            .collect()
    }

    /// Takes one of some words; the first if left out.
    ///
    /// # Errors
    ///
    /// `invalid_request` if it is none of them.
    pub fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.string(name)? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(self.no_word(name, &text, words.iter().map(|(word, _)| *word))),
        }
    }

    /// The error about a word that is none of those known.
    pub fn no_word(
        &self,
        name: &str,
        word: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> Problem {
        let known: Vec<_> = known.collect();
        let near = nearest(word, &known).map_or_else(
            || ";".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        invalid(format!(
            "{} `{name}` cannot be `{}`{near} it is one of {}",
            self.kind.as_str(),
            shown(word),
            known.join(", ")
        ))
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// `invalid_request` if a field was not asked for; names it and the known one most like it.
    pub fn finish(self) -> Result<(), Problem> {
        let Some(name) = self.entries.keys().next() else {
            return Ok(());
        };
        let kind = self.kind.as_str();
        let shown = shown(name);
        Err(invalid(match nearest(name, &self.known) {
            Some(near) => format!("unknown {kind} `{shown}`; did you mean `{near}`?"),
            None if self.known.is_empty() => format!("unknown {kind} `{shown}`; there are none"),
            None => format!(
                "unknown {kind} `{shown}`; there are {}",
                self.known.join(", ")
            ),
        }))
    }

    fn entry(&mut self, name: &'static str) -> Option<Entry> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.entries
            .remove(name)
            .filter(|entry| !entry.value.is_null())
    }

    fn wrong(&self, name: &str, wanted: &str, value: &Value) -> Problem {
        let kind = self.kind.as_str();
        let got = match value {
            Value::Array(_) if kind == "parameter" => "given more than once".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            Value::String(text) => format!("`{}`", shown(text)),
            other => other.to_string(),
        };
        invalid(format!("{kind} `{name}` must be {wanted}, and is {got}"))
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

/// As much of it as belongs into an error.
pub(crate) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
    }
}

/// The known name most like `name`, if any is like it at all. `dryRun`, `dry-run` and `dry_run` are alike.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > SHOWN {
        return None;
    }
    let name = folded(name);
    known
        .iter()
        .map(|known| (distance(&name, &folded(known)), *known))
        .filter(|(distance, known)| *distance <= (name.len().max(known.len()) / 2).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Levenshtein's.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut last = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = replaced.min(last + 1).min(diagonal + 1);
            last = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
