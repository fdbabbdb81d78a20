//! From values to YAML, byte for byte as Helm writes them.
//!
//! Helm has ghodss/yaml turn values into JSON, reads that with go-yaml v2 and has go-yaml write what was read. So the
//! spelling here is go-yaml's: keys in its order, text unquoted where go-yaml itself would read it as text, lines
//! broken after 80 characters where a space is, several lines as a block.
//!
//! Helm loses some values on the way, or writes what it would not read. Here these are text in double quotes, with
//! escapes:
//!
//! - the key `<<`, which go-yaml writes without quotes and reads as a merge key;
//! - text with a next line character (U+0085), which becomes a space in Helm's hands, and with a line or paragraph
//!   separator (U+2028, U+2029), which end lines in YAML 1.1 but not in 1.2;
//! - text with the control characters U+007F to U+009F or the noncharacters U+FFFE and U+FFFF, for which Helm has an
//!   error.
//!
//! It has one for keys of more than some 1000 characters, too, which here are written like all long keys.

mod fold;
mod order;
mod scalar;

use serde_json::Value;

use super::number;

/// Writes a value as a YAML document, as Helm 2 does; an empty mapping is `{}` and a line break.
pub fn to_string(value: &Value) -> String {
    let mut yaml = String::new();
    let mut open = Vec::new();
    open.extend(node(&mut yaml, value, Place::Root));
    // Values may be nested deeper than there is stack.
    while let Some(block) = open.last_mut() {
        let inner = match block.entries.next() {
            Some((key, value)) => {
                block.begin_entry(&mut yaml);
                entry(&mut yaml, key, value, block.indent)
            }
            None => {
                open.pop();
                None
            }
        };
        open.extend(inner);
    }
    end_line(&mut yaml);
    yaml
}

/// A mapping or list of which some entries are written.
struct Block<'v> {
    /// In a list without keys.
    entries: std::vec::IntoIter<(Option<&'v str>, &'v Value)>,
    indent: usize,
    /// Whether the next entry goes on the line that has begun.
    compact: bool,
}

impl Block<'_> {
    fn begin_entry(&mut self, yaml: &mut String) {
        if std::mem::take(&mut self.compact) {
            yaml.push(' ');
        } else {
            begin_line(yaml, self.indent);
        }
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place {
    /// After `-`, or after the `:` of a line of its own, in a block of this indentation.
    Indicator(usize),
    /// After a key and `:`, in a mapping of this indentation.
    Key(usize),
    Root,
}

/// Writes an entry up to what is nested in it, which is returned.
fn entry<'v>(
    yaml: &mut String,
    key: Option<&str>,
    value: &'v Value,
    indent: usize,
) -> Option<Block<'v>> {
    let place = match key {
        None => {
            yaml.push('-');
            Place::Indicator(indent)
        }
        Some(key) if scalar::is_simple_key(key) => {
            scalar::write_key(yaml, key);
            yaml.push(':');
            Place::Key(indent)
        }
        Some(key) => {
            yaml.push_str("? ");
            scalar::write(yaml, key, indent + STEP);
            begin_line(yaml, indent);
            yaml.push(':');
            Place::Indicator(indent)
        }
    };
    node(yaml, value, place)
}

/// Writes what has no entries; what has some is returned.
fn node<'v>(yaml: &mut String, value: &'v Value, place: Place) -> Option<Block<'v>> {
    let entries: Vec<_> = match value {
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Object(entries) => order::sorted(entries)
            .into_iter()
            .map(|(key, value)| (Some(key), value))
            .collect(),
        _ => Vec::new(),
    };
    if entries.is_empty() {
        leaf(yaml, value, place);
        return None;
    }
    let indent = match place {
        Place::Root => 0,
        Place::Key(indent) if value.is_array() => indent,
        Place::Indicator(indent) | Place::Key(indent) => indent + STEP,
    };
    Some(Block {
        entries: entries.into_iter(),
        indent,
        compact: matches!(place, Place::Indicator(_)),
    })
}

fn leaf(yaml: &mut String, value: &Value, place: Place) {
    let indent = match place {
        Place::Root => STEP,
        Place::Indicator(indent) | Place::Key(indent) => {
            yaml.push(' ');
            indent + STEP
        }
    };
    match value {
        Value::Array(_) => yaml.push_str("[]"),
        Value::Bool(flag) => yaml.push_str(if *flag { "true" } else { "false" }),
        Value::Null => yaml.push_str("null"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => yaml.push_str(&number::print_value(float)),
            _ => yaml.push_str(&number.to_string()),
        },
        Value::Object(_) => yaml.push_str("{}"),
        Value::String(text) => scalar::write(yaml, text, indent),
    }
}

fn begin_line(yaml: &mut String, indent: usize) {
    end_line(yaml);
    push_indent(yaml, indent);
}

/// A block of lines may have ended its last one.
fn end_line(yaml: &mut String) {
    if !yaml.is_empty() && !yaml.ends_with('\n') {
        yaml.push('\n');
    }
}

fn push_indent(yaml: &mut String, indent: usize) {
    yaml.extend(std::iter::repeat_n(' ', indent));
}

const STEP: usize = 2;
