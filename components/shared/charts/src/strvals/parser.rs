//! The grammar of assignments.
//!
//! A reader of it follows Helm's step by step, since results of lines that are wrong or end early depend on the order
//! of its steps: which of two errors is told, and what is stored nonetheless.

use std::{mem, num::IntErrorKind, str::Chars};

use serde_json::Value;

use super::{Budget, IndexError, SetError, Typing, quote};
use crate::values::Table;

/// What is assigned.
pub(super) enum Kind {
    /// This, to the key that the line is; nothing once it is assigned.
    Content(Option<String>),
    /// The values in the line.
    Values(Typing),
}

/// A line, as far as it is not read.
pub(super) struct Parser<'p> {
    rest: Chars<'p>,
    kind: Kind,
    budget: &'p mut Budget,
}

impl<'p> Parser<'p> {
    pub(super) fn new(line: &'p str, kind: Kind, budget: &'p mut Budget) -> Self {
        Self {
            rest: line.chars(),
            kind,
            budget,
        }
    }

    /// Reads the line and assigns into `table`.
    pub(super) fn parse(mut self, table: &mut Table) -> Result<(), SetError> {
        while !self.rest.as_str().is_empty() || matches!(self.kind, Kind::Content(Some(_))) {
            self.key(table, 0)?;
        }
        Ok(())
    }

    /// Reads a key in `table`, which is at `depth`, and what is assigned to it.
    fn key(&mut self, table: &mut Table, depth: usize) -> Result<(), SetError> {
        let (key, stop) = self.until(&['=', '[', ',', '.'])?;
        match stop {
            None if key.is_empty() => Ok(()),
            None => Err(SetError::NoValue(quote::text(&key))),
            Some('.') => self.map(table, key, depth + 1),
            Some('[') => self.list(table, key, depth + 1),
            Some(',') => {
                let error = SetError::NoValueBeforeComma(quote::text(&key));
                self.put(table, key, Value::String(String::new()))?;
                Err(error)
            }
            Some(_) => {
                let value = self.value(depth + 1)?;
                self.put(table, key, value)
            }
        }
    }

    /// Reads what is assigned within the mapping of a key.
    fn map(&mut self, table: &mut Table, key: String, depth: usize) -> Result<(), SetError> {
        self.budget.check_collection(depth)?;
        let (mut inner, exists) = match table.get_mut(&key) {
            None => {
                self.budget.spend(2)?;
                (Table::new(), false)
            }
            Some(Value::Object(inner)) => (mem::take(inner), true),
            Some(_) => return Err(SetError::NotAMap(quote::text(&key))),
        };
        let result = self.key(&mut inner, depth);
        if inner.is_empty() {
            return match result {
                Err(error) if error.is_ours() => Err(error),
                _ => Err(SetError::NoMapValue(quote::text(&key))),
            };
        }
        if exists || !key.is_empty() {
            table.insert(key, inner.into());
        }
        result
    }

    /// Reads an index in the list of a key, and what is assigned to the item.
    fn list(&mut self, table: &mut Table, key: String, depth: usize) -> Result<(), SetError> {
        self.budget.check_collection(depth)?;
        let index = self.index()?;
        let (mut items, exists) = match table.get_mut(&key) {
            None => {
                self.budget.spend(2)?;
                (Vec::new(), false)
            }
            Some(Value::Array(items)) => (mem::take(items), true),
            Some(_) => return Err(SetError::NotAList(quote::text(&key))),
        };
        let length = items.len();
        let result = self.item(&mut items, index, depth);
        if key.is_empty() {
            // The list is not stored; an item that it had is another one all the same.
            items.truncate(length);
        }
        if exists || !key.is_empty() {
            table.insert(key, items.into());
        }
        result
    }

    /// Reads what is assigned to an item of a list at `depth`.
    fn item(&mut self, items: &mut Vec<Value>, index: i64, depth: usize) -> Result<(), SetError> {
        let (data, stop) = self.until(&['[', '.', '='])?;
        if !data.is_empty() {
            return Err(SetError::UnexpectedData(quote::chars(&data)));
        }
        match stop {
            None => Ok(()),
            Some('[') => {
                let next = self.index()?;
                self.budget.check_collection(depth + 1)?;
                let item = self.slot(items, index, depth + 1)?;
                let (mut inner, exists) = match item {
                    Value::Array(inner) => (mem::take(inner), true),
                    Value::Null => (Vec::new(), false),
                    _ => return Err(SetError::NotANestedList(index)),
                };
                let result = self.item(&mut inner, next, depth + 1);
                // A list that is new and got no item counts as none.
                if exists || !inner.is_empty() {
                    *self.slot(items, index, depth + 1)? = inner.into();
                }
                result
            }
            Some('.') => {
                self.budget.check_collection(depth + 1)?;
                let mut inner = match self.slot(items, index, depth + 1)? {
                    Value::Object(inner) => mem::take(inner),
                    _ => Table::new(),
                };
                let result = self.key(&mut inner, depth + 1);
                *self.slot(items, index, depth + 1)? = inner.into();
                result
            }
            Some(_) => {
                let value = self.value(depth + 1)?;
                *self.slot(items, index, depth + 1)? = value;
                Ok(())
            }
        }
    }

    fn index(&mut self) -> Result<i64, SetError> {
        match self.until(&[']'])? {
            (digits, Some(_)) => atoi(&digits).map_err(SetError::Index),
            (_, None) => Err(SetError::Index(IndexError::Open)),
        }
    }

    /// Reads a value that will be at `depth`.
    fn value(&mut self, depth: usize) -> Result<Value, SetError> {
        self.budget.check_depth(depth)?;
        let typing = match &mut self.kind {
            Kind::Content(content) => return Ok(content.take().unwrap_or_default().into()),
            Kind::Values(typing) => *typing,
        };
        if let Some(rest) = self.rest.as_str().strip_prefix('{') {
            self.rest = rest.chars();
            return self.values(typing, depth + 1);
        }
        let (text, _) = self.until(&[','])?;
        Ok(typed(text, typing))
    }

    /// Reads the rest of a list of values that will be at `depth`.
    fn values(&mut self, typing: Typing, depth: usize) -> Result<Value, SetError> {
        self.budget.check_depth(depth)?;
        let mut values = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}'])?;
            let Some(stop) = stop else {
                return Err(SetError::OpenList);
            };
            self.budget.spend(1)?;
            values.push(typed(text, typing));
            if stop == '}' {
                let rest = self.rest.as_str();
                self.rest = rest.strip_prefix(',').unwrap_or(rest).chars();
                return Ok(values.into());
            }
        }
    }

    /// Reads up to one of `stops` and past it; what is escaped is none. `None` is the end of the line.
    ///
    /// The key of a content ends as if there were a `=`.
    fn until(&mut self, stops: &[char]) -> Result<(String, Option<char>), SetError> {
        let mut text = String::new();
        let is_content = matches!(self.kind, Kind::Content(_));
        while let Some(c) = self.rest.next() {
            match c {
                '=' if is_content && stops.contains(&'=') => return Err(SetError::ContentKey),
                c if stops.contains(&c) => return Ok((text, Some(c))),
                '\\' => match self.rest.next() {
                    Some(escaped) => text.push(escaped),
                    None if is_content => return Err(SetError::ContentKey),
                    None => return Ok((text, None)),
                },
                c => text.push(c),
            }
        }
        let ends_key = is_content && stops.contains(&'=');
        Ok((text, ends_key.then_some('=')))
    }

    /// Stores a value, unless its key is empty.
    fn put(&mut self, table: &mut Table, key: String, value: Value) -> Result<(), SetError> {
        if !key.is_empty() {
            self.budget.spend(2)?;
            table.insert(key, value);
        }
        Ok(())
    }

    /// Where an item of a list is, or will be at `depth`.
    fn slot<'v>(
        &mut self,
        items: &'v mut Vec<Value>,
        index: i64,
        depth: usize,
    ) -> Result<&'v mut Value, SetError> {
        self.budget.check_depth(depth)?;
        if index < 0 {
            return Err(SetError::NegativeIndex(index));
        }
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let length = at.saturating_add(1);
        self.budget.spend(length.saturating_sub(items.len()))?;
        if items.len() < length {
            items.resize(length, Value::Null);
        }
        items.get_mut(at).ok_or(SetError::NegativeIndex(index))
    }
}

/// The value that text is.
fn typed(text: String, typing: Typing) -> Value {
    if typing == Typing::Text {
        return Value::String(text);
    }
    if is_word(&text, "true") {
        return Value::Bool(true);
    }
    if is_word(&text, "false") {
        return Value::Bool(false);
    }
    if is_word(&text, "null") {
        return Value::Null;
    }
    let is_octal = text.starts_with('0') && text.len() > 1;
    match text.parse::<i64>() {
        Ok(int) if !is_octal => Value::Number(int.into()),
        _ => Value::String(text),
    }
}

/// Whether text is a word in lower case, in any case. Go takes the long s for one too.
fn is_word(text: &str, word: &str) -> bool {
    text.chars().count() == word.len()
        && text
            .chars()
            .zip(word.chars())
            .all(|(c, lower)| c.to_ascii_lowercase() == lower || c == '\u{17f}' && lower == 's')
}

/// A decimal number with a sign or none, as Go reads it.
fn atoi(text: &str) -> Result<i64, IndexError> {
    let syntax = || IndexError::Syntax(quote::text(text));
    let range = || IndexError::Range(quote::text(text));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with('+') {
        return Err(syntax());
    }
    // What is beyond 64 bits is told before what is no digit behind it, and within them after it.
    let magnitude: u64 = digits.parse().map_err(|error: std::num::ParseIntError| {
        if *error.kind() == IntErrorKind::PosOverflow {
            range()
        } else {
            syntax()
        }
    })?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).ok_or_else(range)
    } else {
        i64::try_from(magnitude).map_err(|_| range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_read_as_go_reads_them() {
        for (text, index) in [
            ("0", 0),
            ("007", 7),
            ("+5", 5),
            ("-5", -5),
            ("-0", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(atoi(text), Ok(index));
        }
        for text in [
            "",
            "+",
            "-",
            "x",
            "1_0",
            "++1",
            "+-1",
            " 1",
            "1 ",
            "0x1",
            "9223372036854775808x",
            "é",
        ] {
            assert_eq!(atoi(text), Err(IndexError::Syntax(quote::text(text))));
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999x",
        ] {
            assert_eq!(atoi(text), Err(IndexError::Range(quote::text(text))));
        }
    }

    #[test]
    fn words_have_any_case() {
        for text in ["false", "FALSE", "fAlSe", "fal\u{17f}e"] {
            assert_eq!(typed(text.into(), Typing::Typed), Value::Bool(false));
        }
        assert_eq!(typed("fals".into(), Typing::Typed), Value::from("fals"));
    }
}
