//! From values to YAML that go-yaml v2, and every later reader, takes for the same values.
//!
//! Whatever some version of YAML could take for something else is quoted: `yes`, `0755`, `1:30`, `2001-01-01`.
//! Text of several lines is written as such where that is safe, for people.

use serde_json::{Map, Value};

use super::{Node, number, scalar};

/// Writes a value as a YAML document, keys sorted; an empty mapping is `{}` and a line break.
pub fn to_string(value: &Value) -> String {
    let mut yaml = String::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => mapping(&mut yaml, entries, 0, ""),
        Value::Array(items) if !items.is_empty() => sequence(&mut yaml, items, 0, ""),
        value => {
            scalar(&mut yaml, value, 0);
            end_line(&mut yaml);
        }
    }
    yaml
}

/// Writes entries, the first after `lead`, the others indented.
fn mapping(yaml: &mut String, entries: &Map<String, Value>, indent: usize, lead: &str) {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        start(yaml, at, indent, lead);
        let key = text(key);
        if key.len() <= MAX_SIMPLE_KEY {
            yaml.push_str(&key);
            yaml.push(':');
            after_key(yaml, value, indent);
        } else {
            yaml.push_str("? ");
            yaml.push_str(&key);
            yaml.push('\n');
            push_indent(yaml, indent);
            yaml.push(':');
            after_dash(yaml, value, indent);
        }
    }
}

/// Writes items, the first after `lead`, the others indented.
fn sequence(yaml: &mut String, items: &[Value], indent: usize, lead: &str) {
    for (at, item) in items.iter().enumerate() {
        start(yaml, at, indent, lead);
        yaml.push('-');
        after_dash(yaml, item, indent);
    }
}

fn start(yaml: &mut String, at: usize, indent: usize, lead: &str) {
    if at == 0 {
        yaml.push_str(lead);
    }
    if at > 0 || lead.is_empty() {
        push_indent(yaml, indent);
    }
}

/// What is nested begins on a line of its own.
fn after_key(yaml: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            yaml.push('\n');
            mapping(yaml, entries, indent + 2, "");
        }
        Value::Array(items) if !items.is_empty() => {
            yaml.push('\n');
            sequence(yaml, items, indent, "");
        }
        value => inline(yaml, value, indent),
    }
}

/// What is nested begins on the same line.
fn after_dash(yaml: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(entries) if !entries.is_empty() => mapping(yaml, entries, indent + 2, " "),
        Value::Array(items) if !items.is_empty() => sequence(yaml, items, indent + 2, " "),
        value => inline(yaml, value, indent),
    }
}

fn inline(yaml: &mut String, value: &Value, indent: usize) {
    yaml.push(' ');
    scalar(yaml, value, indent);
    end_line(yaml);
}

/// Text of several lines has ended its last one.
fn end_line(yaml: &mut String) {
    if !yaml.ends_with('\n') {
        yaml.push('\n');
    }
}

fn scalar(yaml: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Array(_) => yaml.push_str("[]"),
        Value::Bool(flag) => yaml.push_str(if *flag { "true" } else { "false" }),
        Value::Null => yaml.push_str("null"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => match number::from_float(float) {
                Ok(whole) if !whole.is_f64() => yaml.push_str(&whole.to_string()),
                _ => yaml.push_str(&number::print_double(float)),
            },
            _ => yaml.push_str(&number.to_string()),
        },
        Value::Object(_) => yaml.push_str("{}"),
        Value::String(string) if is_literal(string) => literal(yaml, string, indent + 2),
        Value::String(string) => yaml.push_str(&text(string)),
    }
}

/// Whether text reads well, and safely, as a block of lines.
fn is_literal(string: &str) -> bool {
    string.contains('\n')
        && !string.starts_with([' ', '\n'])
        && string.chars().all(|c| c == '\n' || is_printable(c))
        && !string.split('\n').any(|line| line.ends_with(' '))
}

fn literal(yaml: &mut String, string: &str, indent: usize) {
    yaml.push_str(if string.ends_with("\n\n") {
        "|+\n"
    } else if string.ends_with('\n') {
        "|\n"
    } else {
        "|-\n"
    });
    for line in string.strip_suffix('\n').unwrap_or(string).split('\n') {
        if !line.is_empty() {
            push_indent(yaml, indent);
            yaml.push_str(line);
        }
        yaml.push('\n');
    }
}

/// Text on one line, quoted unless it is text to everybody without.
fn text(string: &str) -> String {
    if is_plain(string) {
        return string.to_owned();
    }
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c if u32::from(c) < 0x1_0000 => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

fn is_plain(string: &str) -> bool {
    let Some(first) = string.chars().next() else {
        return false;
    };
    let safe_start = first.is_ascii_alphanumeric() || matches!(first, '/' | '_');
    let safe = |c: char| c.is_ascii_alphanumeric() || " /_-.,:+=@()%".contains(c);
    safe_start
        && string.chars().all(safe)
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        // Dates, times, and numbers to base 60.
        && !(first.is_ascii_digit() && string.contains([':', '-']))
        && matches!(scalar::implicit(string), Node::String(_))
        // Numbers of YAML 1.2 that are text in 1.1.
        && string.parse::<f64>().is_err()
        && !string.starts_with("0o")
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202f}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
        || u32::from(c) >= 0x1_0000 && u32::from(c) & 0xfffe != 0xfffe
}

fn push_indent(yaml: &mut String, indent: usize) {
    yaml.extend(std::iter::repeat_n(' ', indent));
}

/// Readers need not look further for the colon.
const MAX_SIMPLE_KEY: usize = 128;
