//! Values as Tiller gets them: all that a request says, put together and written anew as Helm's CLI does it.
//!
//! Tiller reads YAML 1.1, in which an unquoted `yes` is a boolean and `0755` is 493, so what is text must be written as
//! such; that is why nothing is sent on as it came, and comments do not survive. It also takes all numbers for 64 bit
//! floats. Those of YAML become that here already, as they do in Helm; those of a JSON object and of an assignment are
//! exact in what is sent, and in what is shown of the release.
//!
//! No values are exactly `{}` and a line break: any other spelling, and leaving the field out most of all,
//! makes Tiller forget the values of the chart or of the last revision.

use charts::{
    Limits,
    strvals::{Typing, UserValues},
    values::{self, Table, ValuesError},
    yaml,
};
use rest::{
    body::{Inline, Values},
    problem::{Code, Problem},
};
use serde_json::Value;
use tiller_api::hapi::chart::Config;

/// How many times longer than the limit values may seem before they are written.
const SLACK: usize = 4;

/// The values as the message that a request must have.
pub(crate) fn config(values: Values) -> Result<Config, Problem> {
    let limits = Limits::default();
    Ok(Config {
        raw: write(merge(values, &limits)?, limits.yaml_bytes)?,
        ..Config::default()
    })
}

/// Files, then what is in the request, then assignments: later ones win.
fn merge(values: Values, limits: &Limits) -> Result<Table, Problem> {
    let mut merged = UserValues::new(limits);
    for (at, text) in values.files.iter().enumerate() {
        let what = format!("failed to parse values_files[{at}]");
        merged = overlay(merged, read(text, limits, &what)?, &what)?;
    }
    let what = "failed to parse values";
    merged = match values.inline {
        Inline::None => merged,
        Inline::Object(object) => overlay(merged, object, what)?,
        Inline::Yaml(text) => overlay(merged, read(&text, limits, what)?, what)?,
    };
    for line in values.set {
        merged = merged
            .set(&line, Typing::Typed)
            .map_err(|error| invalid("failed parsing set data", &error))?;
    }
    for line in values.set_string {
        merged = merged
            .set(&line, Typing::Text)
            .map_err(|error| invalid("failed parsing set_string data", &error))?;
    }
    for (key, content) in values.set_file {
        merged = merged
            .set_content(&key, content)
            .map_err(|error| invalid("failed parsing set_file data", &error))?;
    }
    Ok(merged.into_table())
}

fn read(text: &str, limits: &Limits, what: &str) -> Result<Table, Problem> {
    values::read(text, limits).map_err(|error| match error {
        // That values cannot be read is said already.
        ValuesError::Config(source) => invalid(what, &source),
        error => invalid(what, &error),
    })
}

fn overlay(merged: UserValues, over: Table, what: &str) -> Result<UserValues, Problem> {
    merged.overlay(over).map_err(|error| invalid(what, &error))
}

fn write(table: Table, limit: usize) -> Result<String, Problem> {
    let too_long = || {
        Problem::new(
            Code::InvalidValues,
            format!("the values exceed the limit `yaml_bytes` of {limit}"),
        )
    };
    let table = Value::Object(table);
    if length(&table, 0) > SLACK * limit {
        return Err(too_long());
    }
    let raw = yaml::to_string(&table);
    if raw.len() > limit {
        return Err(too_long());
    }
    Ok(raw)
}

/// About how long a value is when it is written. Text that is nested deeply is mostly indentation: a line that is long
/// is broken at its spaces, and each of its lines is indented.
fn length(value: &Value, indent: usize) -> usize {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| indent + length(item, indent + 2))
            .sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| indent + key.len() + length(value, indent + 2))
            .sum(),
        Value::String(text) => {
            let count = |byte| text.bytes().filter(|other| *other == byte).count();
            let full_lines = text.len() / LINE.saturating_sub(indent).max(1);
            text.len() + (count(b'\n') + count(b' ').min(full_lines)) * indent
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => 1,
    }
}

/// Where lines are broken.
const LINE: usize = 80;

fn invalid(what: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::InvalidValues, format!("{what}: {}", chain(error)))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(values: Values) -> String {
        config(values).unwrap().raw
    }

    fn object(value: Value) -> Values {
        let Value::Object(object) = value else {
            unreachable!("tests pass objects");
        };
        Values {
            inline: Inline::Object(object),
            ..Values::default()
        }
    }

    fn yaml_text(text: &str) -> Values {
        Values {
            inline: Inline::Yaml(text.to_owned()),
            ..Values::default()
        }
    }

    /// As Tiller reads them.
    fn seen(raw: &str) -> Value {
        yaml::parse(raw, &yaml::Limits::default()).unwrap()
    }

    fn refusal(values: Values) -> String {
        let problem = config(values).unwrap_err();
        assert_eq!(problem.code, Code::InvalidValues);
        assert_eq!(problem.status(), 422);
        problem.detail
    }

    /// V11, V12: a chart's own values and those of the last revision depend on the spelling.
    #[test]
    fn h0_no_values_are_exactly_braces_and_a_line_break() {
        let nothing = || vec![String::new(), "# nothing\n".to_owned()];
        for values in [
            Values::default(),
            object(json!({})),
            yaml_text(""),
            yaml_text("{}"),
            yaml_text("# nothing\n"),
            yaml_text("---\n"),
            yaml_text("null"),
            Values {
                files: nothing(),
                set: vec![String::new(), "=x".to_owned()],
                ..Values::default()
            },
        ] {
            assert_eq!(raw(values.clone()), "{}\n", "{values:?}");
        }
    }

    /// V16, V17.
    #[test]
    fn h8_text_stays_text_in_yaml_1_1() {
        let values = json!({"a": "yes", "b": "0755", "c": "1e3", "d": "null", "e": "~", "on": "off", "n": "2001-01-01", "z": 1});
        assert_eq!(seen(&raw(object(values.clone()))), values);
        let quoted = "a: 'yes'\nb: \"0755\"\nc: 'no'\n";
        assert_eq!(
            seen(&raw(yaml_text(quoted))),
            json!({"a": "yes", "b": "0755", "c": "no"})
        );
        assert_eq!(raw(yaml_text("mode: 0755\n")), "mode: 493\n");
        let texts = Values {
            set_string: vec!["a=yes,b=0755,c={null,1e3}".into()],
            set_file: [("d".into(), "on".into())].into(),
            ..Values::default()
        };
        assert_eq!(
            seen(&raw(texts)),
            json!({"a": "yes", "b": "0755", "c": ["null", "1e3"], "d": "on"})
        );
    }

    #[test]
    fn h8_what_yaml_would_fold_or_refuse_is_read_as_it_was() {
        let text = "x\u{85}y\u{2028}z\u{7f}\u{feff}\u{fffe}\n\t\u{1}\u{1f600}/é";
        let long = "k".repeat(2000);
        for values in [
            json!({"a": text}),
            json!({text: 1}),
            json!({"a": {&long: [1, "yes"]}}),
            json!({"a": format!("{long} {long}\n  {long}\n\n")}),
        ] {
            assert_eq!(seen(&raw(object(values.clone()))), values);
        }
    }

    #[test]
    fn h8_numbers_stay_numbers() {
        let values = json!({"a": 1e300, "b": 1.5e-9, "c": 2.5, "d": -7, "e": 1e16, "f": 1e21});
        let raw = raw(object(values.clone()));
        let Value::Object(seen) = seen(&raw) else {
            unreachable!("it is a mapping");
        };
        for (key, value) in seen {
            assert_eq!(value.as_f64(), values[&key].as_f64(), "{raw}");
        }
    }

    /// V18.
    #[test]
    fn integers_are_exact_unless_they_come_as_yaml() {
        assert_eq!(
            raw(yaml_text("a: 9007199254740993")),
            "a: 9007199254740992\n"
        );
        let exact = "a: 9007199254740993\n";
        assert_eq!(raw(object(json!({"a": 9_007_199_254_740_993_i64}))), exact);
        let set = Values {
            set: vec!["a=9007199254740993".into()],
            ..Values::default()
        };
        assert_eq!(raw(set), exact);
    }

    #[test]
    fn null_is_kept_as_it_deletes_a_default() {
        assert_eq!(raw(object(json!({"a": null}))), "a: null\n");
        assert_eq!(raw(yaml_text("a:\n")), "a: null\n");
        let set = Values {
            set: vec!["a=null".into()],
            ..Values::default()
        };
        assert_eq!(raw(set), "a: null\n");
    }

    #[test]
    fn later_values_win_over_earlier_ones() {
        let values = Values {
            files: vec![
                "a: file 0\nb: {x: file 0}\nc: file 0\nd: 1\ne: 1\nl: [1, 2]\n".into(),
                "a: file 1\nb: {w: file 1}\nnothing: null\n".into(),
            ],
            inline: Inline::Yaml("a: inline\nc: inline\n".into()),
            set: vec!["a=set,d=set,l[1]=set".into(), "a=set again".into()],
            set_string: vec!["d=1,e=2".into()],
            set_file: [
                ("b.z".into(), "{x,y}\n".into()),
                ("e".into(), "file".into()),
            ]
            .into(),
        };
        assert_eq!(
            seen(&raw(values)),
            json!({
                "a": "set again",
                "b": {"x": "file 0", "w": "file 1", "z": "{x,y}\n"},
                "c": "inline",
                "d": "1",
                "e": "file",
                "l": [1, "set"],
                "nothing": null,
            })
        );
    }

    #[test]
    fn what_is_wrong_is_told_as_helm_tells_it_with_the_fields_name() {
        let with = |change: fn(&mut Values)| {
            let mut values = Values::default();
            change(&mut values);
            refusal(values)
        };
        for (detail, expected) in [
            (
                with(|values| values.files = vec!["a: 1".into(), "- a".into()]),
                "failed to parse values_files[1]: values are not a mapping of keys to values",
            ),
            (
                with(|values| values.inline = Inline::Yaml("5".into())),
                "failed to parse values: values are not a mapping of keys to values",
            ),
            (
                with(|values| values.set = vec!["a=b,c".into()]),
                "failed parsing set data: key \"c\" has no value",
            ),
            (
                with(|values| values.set_string = vec!["a[x]=b".into()]),
                "failed parsing set_string data: error parsing index: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (
                with(|values| values.set_file = [("a.".into(), String::new())].into()),
                "failed parsing set_file data: key map \"a\" has no value",
            ),
            (
                with(|values| values.set = vec!["a[2000000000]=x".into()]),
                "failed parsing set data: the values exceed the limit `yaml_nodes` of 250000",
            ),
        ] {
            assert_eq!(detail, expected);
        }
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
            let detail = refusal(yaml_text(text));
            assert!(detail.starts_with("failed to parse values: "), "{detail}");
        }
    }

    fn nested(depth: usize, value: Value) -> Values {
        object((0..depth).fold(json!({"a": value}), |inner, _| json!({"a": inner})))
    }

    #[test]
    fn what_could_not_be_shown_again_is_not_sent() {
        let detail = refusal(nested(120, json!(1)));
        assert!(detail.contains("`yaml_depth` of 100"), "{detail}");
        let many: Vec<_> = (0..250_000).collect();
        let detail = refusal(object(json!({"a": many})));
        assert!(detail.contains("`yaml_nodes` of 250000"), "{detail}");
        let long = "x".repeat(9 << 20);
        let detail = refusal(object(json!({"a": long})));
        assert!(detail.contains("`yaml_bytes` of 8388608"), "{detail}");
    }

    /// Megabytes would become gigabytes.
    #[test]
    fn text_that_would_be_mostly_indentation_is_not_written() {
        for text in ["a\n", "a ", "aa bb cc "] {
            let detail = refusal(nested(90, json!(text.repeat(1 << 20))));
            assert!(detail.contains("`yaml_bytes`"), "{detail}");
        }
        let prose = "a sentence of some words\n".repeat(10_000);
        assert!(config(nested(3, json!(prose))).is_ok());
    }
}
