//! Values as Tiller gets them.
//!
//! Tiller reads YAML 1.1, in which an unquoted `yes` is a boolean and `0755` is 493. An object is therefore
//! sent as JSON, where text is always quoted. And JSON is YAML only nearly: quoted text must not have in it
//! what YAML takes for line breaks or refuses as control characters, so those are escaped, and keys too long
//! to be implicit ones make the whole a block document. Exponents need a sign, which `serde_json` writes.
//!
//! No values are exactly `{}` and a line break: any other spelling, and leaving the field out most of all,
//! makes Tiller forget the values of the chart or of the last revision.

use std::io::{self, Write};

use charts::{Limits, values, yaml};
use rest::{
    body::Values,
    problem::{Code, Problem},
};
use serde::Serialize;
use serde_json::{Map, Serializer, Value, ser::Formatter};
use tiller_api::hapi::chart::Config;

/// How no values are written.
const NONE: &str = "{}\n";

/// Longest implicit key in YAML, in characters, less what quoting may add to it.
const MAX_KEY: usize = 1024 / 6;

/// The values as the message that a request must have.
pub(crate) fn config(values: Values) -> Result<Config, Problem> {
    Ok(Config {
        raw: match values {
            Values::None => NONE.to_owned(),
            Values::Object(object) => checked(json(object))?,
            Values::Yaml(text) => checked(text)?,
        },
        ..Config::default()
    })
}

/// The text, if it is a map; written anew only if that map is empty.
fn checked(text: String) -> Result<String, Problem> {
    match values::read(&text, &Limits::default()) {
        Ok(map) if map.is_empty() => Ok(NONE.to_owned()),
        Ok(_) => Ok(text),
        Err(error) => Err(Problem::new(Code::InvalidValues, chain(&error))),
    }
}

fn json(object: Map<String, Value>) -> String {
    if object.is_empty() {
        return NONE.to_owned();
    }
    let value = Value::Object(object);
    if has_long_key(&value) {
        return yaml::to_string(&value);
    }
    let mut json = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut json, YamlSafe))
        .expect("a value is JSON, and a vector takes it");
    json.push(b'\n');
    String::from_utf8(json).expect("JSON is UTF-8")
}

fn has_long_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_long_key),
        Value::Object(entries) => entries
            .iter()
            .any(|(key, value)| key.chars().count() > MAX_KEY || has_long_key(value)),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

/// An error and its sources, as Helm writes them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// JSON that is YAML 1.1.
struct YamlSafe;

impl Formatter for YamlSafe {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(needs_escape) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            if let Some(escaped) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(escaped))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Line breaks of YAML 1.1, control characters, the byte order mark and what is no character. All of them
/// are in the basic plane, so one `\u` does.
fn needs_escape(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(values: Values) -> String {
        config(values).unwrap().raw
    }

    fn object(value: Value) -> Values {
        match value {
            Value::Object(object) => Values::Object(object),
            _ => unreachable!("tests pass objects"),
        }
    }

    /// V11, V12: a chart's own values and those of the last revision depend on the spelling.
    #[test]
    fn h0_no_values_are_exactly_braces_and_a_line_break() {
        for values in [
            Values::None,
            object(json!({})),
            Values::Yaml(String::new()),
            Values::Yaml("{}".into()),
            Values::Yaml("# nothing\n".into()),
            Values::Yaml("---\n".into()),
        ] {
            assert_eq!(raw(values.clone()), "{}\n", "{values:?}");
        }
    }

    /// V16, V17.
    #[test]
    fn h8_text_stays_text_in_yaml_1_1() {
        let values = json!({"a": "yes", "b": "0755", "c": "1e3", "d": "null", "e": "~", "on": "off", "n": "2001-01-01", "z": 1});
        let raw = raw(object(values.clone()));
        assert_eq!(yaml::parse(&raw, &yaml::Limits::default()).unwrap(), values);
        assert!(raw.starts_with("{\"a\":\"yes\",\"b\":\"0755\""), "{raw}");
    }

    #[test]
    fn h8_what_yaml_would_fold_or_refuse_is_escaped() {
        let values = json!({"a": "x\u{85}y\u{2028}z\u{7f}\u{feff}\u{fffe}\n\t\u{1}\u{1f600}/é"});
        let raw = raw(object(values.clone()));
        assert_eq!(
            raw,
            "{\"a\":\"x\\u0085y\\u2028z\\u007f\\ufeff\\ufffe\\n\\t\\u0001\u{1f600}/é\"}\n"
        );
        assert_eq!(yaml::parse(&raw, &yaml::Limits::default()).unwrap(), values);
    }

    #[test]
    fn h8_exponents_have_their_sign() {
        let raw = raw(object(
            json!({"a": 1e300, "b": 1.5e-9, "c": 2.5, "d": -7, "e": 1e16}),
        ));
        assert_eq!(
            raw,
            "{\"a\":1e+300,\"b\":1.5e-9,\"c\":2.5,\"d\":-7,\"e\":1e+16}\n"
        );
    }

    #[test]
    fn h8_a_key_too_long_for_a_line_is_written_as_a_block() {
        let key = "k".repeat(2000);
        let values = json!({"a": {&key: [1, "yes"]}});
        let raw = raw(object(values.clone()));
        assert_eq!(yaml::parse(&raw, &yaml::Limits::default()).unwrap(), values);
    }

    #[test]
    fn null_is_kept_as_it_deletes_a_default() {
        assert_eq!(raw(object(json!({"a": null}))), "{\"a\":null}\n");
    }

    #[test]
    fn yaml_is_sent_as_it_was_given() {
        let text = "# mine\nmode: 0755\nyes: on\n";
        assert_eq!(raw(Values::Yaml(text.into())), text);
    }

    #[test]
    fn what_could_not_be_shown_again_is_not_sent() {
        let deep = (0..120).fold(json!(1), |inner, _| json!({"a": inner}));
        let problem = config(object(deep)).unwrap_err();
        assert_eq!(problem.code, Code::InvalidValues);
    }

    #[test]
    fn yaml_that_is_no_map_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            "- a\n",
            "5",
            "text",
            "a: [",
            "a: b: c",
            "\u{1}",
            deep.as_str(),
            "a: &a [*a]",
        ] {
            let problem = config(Values::Yaml(text.into())).unwrap_err();
            assert_eq!(problem.code, Code::InvalidValues, "{:.20}", text);
            assert_eq!(problem.status(), 422);
        }
    }
}
