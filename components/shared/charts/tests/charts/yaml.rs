//! The dialect, by examples that go-yaml v2 itself answered, and what holds for every value.

use charts::yaml::{self, Limits, YamlError};
use proptest::{collection::btree_map, prelude::*};
use serde_json::{Value, json};

fn read(text: &str) -> Result<Value, YamlError> {
    yaml::parse(text, &Limits::default())
}

#[track_caller]
fn reads(text: &str, expected: Value) {
    assert_eq!(read(text), Ok(expected), "{text:?}");
}

#[test]
fn booleans_have_many_names() {
    for text in [
        "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
    ] {
        reads(text, json!(true));
    }
    for text in [
        "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
    ] {
        reads(text, json!(false));
    }
    for text in ["yES", "tRUE", "oN", "'yes'", "\"no\"", "|-\n  on"] {
        let expected = text.trim_start_matches("|-\n  ").trim_matches(['\'', '"']);
        reads(text, json!(expected));
    }
}

#[test]
fn null_has_many_names() {
    for text in ["", "~", "null", "Null", "NULL", "# nothing", "---\n"] {
        reads(text, Value::Null);
    }
    for text in ["nULL", "nil", "None"] {
        reads(text, json!(text));
    }
    reads("''", json!(""));
}

#[test]
fn whole_numbers_have_bases() {
    for (text, expected) in [
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("0755", 493),
        ("0o755", 493),
        ("0x1F", 31),
        ("-0xf", -15),
        ("0b11", 3),
        ("-0b11", -3),
        ("1_000", 1000),
        ("0x_f_f", 255),
        ("1__", 1),
    ] {
        reads(text, json!(expected));
    }
}

#[test]
fn numbers_are_floats_in_the_end() {
    for (text, expected) in [
        ("1.0", json!(1)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        (".5_0", json!(0.5)),
        ("-.5", json!(-0.5)),
        ("1.", json!(1)),
        ("1e3", json!(1000)),
        ("1E+3", json!(1000)),
        ("08", json!(8)),
        ("09.5", json!(9.5)),
        ("9007199254740993", json!(9_007_199_254_740_992_u64)),
        ("18446744073709551615", json!(1.844_674_407_370_955_2e19)),
        ("1e21", json!(1e21)),
    ] {
        reads(text, expected);
    }
}

#[test]
fn what_only_looks_like_a_number_is_text() {
    for text in [
        "1:30",
        "2001-01-01",
        "1.2.3",
        "0o8",
        "0x",
        "0xg",
        "0b2",
        "1e",
        "e1",
        "+",
        ".",
        "_1",
        "1e400",
        "._5",
        "0x1p3",
        "--1",
        "1-1",
        "infinity",
        "NaN",
        "0 1",
        "1,000",
    ] {
        reads(text, json!(text));
    }
}

#[test]
fn infinity_and_nan_have_no_json() {
    for text in [".inf", "-.Inf", "+.INF", ".nan", "a: [.NaN]"] {
        assert_eq!(read(text), Err(YamlError::NotFinite), "{text}");
    }
}

#[test]
fn keys_become_text() {
    reads(
        "{1: a, on: b, 1.50: c, 0x10: d, x: e, .inf: f, 1e21: g}",
        json!({"1": "a", "true": "b", "1.5": "c", "16": "d", "x": "e", ".inf": "f", "1e+21": "g"}),
    );
    for text in [
        "~: a",
        ": a",
        "{[]: a}",
        "{{}: a}",
        "18446744073709551615: a",
    ] {
        assert!(
            matches!(read(text), Err(YamlError::Key { line: 1 })),
            "{text}"
        );
    }
}

#[test]
fn the_last_of_equal_keys_wins() {
    reads("a: 1\nb: 2\na: 3\n", json!({"a": 3, "b": 2}));
}

#[test]
fn only_the_first_document_counts() {
    reads("a: 1\n---\nb: 2\n", json!({"a": 1}));
    reads("--- # comment\na: 1\n...\n", json!({"a": 1}));
    reads("%YAML 1.1\n---\na: 1\n", json!({"a": 1}));
}

#[test]
fn aliases_are_what_they_stand_for() {
    reads(
        "a: &x {b: 1}\nc: *x\nd: [*x, *x]\n",
        json!({"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}),
    );
    reads(
        "a: &x 1\nb: *x\nc: &x 2\nd: *x\n",
        json!({"a": 1, "b": 1, "c": 2, "d": 2}),
    );
    assert!(matches!(read("a: *x\n"), Err(YamlError::Syntax(_))));
    assert_eq!(
        read("a: &x\n  b: [*x]\n"),
        Err(YamlError::SelfReference { line: 2 })
    );
}

#[test]
fn merge_keys_merge_where_they_stand() {
    reads(
        "b: &b {x: 1, z: 2}\nu: {<<: *b, z: 3}\n",
        json!({"b": {"x": 1, "z": 2}, "u": {"x": 1, "z": 3}}),
    );
    reads(
        "b: &b {x: 1}\nu: {x: 3, <<: *b}\n",
        json!({"b": {"x": 1}, "u": {"x": 1}}),
    );
    reads("{<<: [{x: 1}, {x: 2, z: 2}]}", json!({"x": 1, "z": 2}));
    reads("{'<<': {x: 1}}", json!({"<<": {"x": 1}}));
    for text in [
        "{<<: x}",
        "{<<: [x]}",
        "{<<: [[{}]]}",
        "{a: &a 1, <<: *a}",
        "{<<: ~}",
    ] {
        assert_eq!(read(text), Err(YamlError::Merge { line: 1 }), "{text}");
    }
}

#[test]
fn tags_decide() {
    reads("!!str 1", json!("1"));
    reads("!!int '1'", json!(1));
    reads("!!float 1", json!(1));
    reads("!!bool 'yes'", json!(true));
    reads("!!null ''", Value::Null);
    reads("!!binary aGk=", json!("hi"));
    reads("!<tag:yaml.org,2002:str> 1", json!("1"));
    reads("!!timestamp 2001-01-01", json!("2001-01-01"));
    reads("!mine 1", json!("1"));
    reads("! 1", json!("1"));
    for text in [
        "!!int x",
        "!!float x",
        "!!bool 1",
        "!!null x",
        "!!timestamp x",
    ] {
        assert!(
            matches!(read(text), Err(YamlError::Tag { line: 1, .. })),
            "{text}"
        );
    }
    assert_eq!(read("!!binary '!'"), Err(YamlError::Binary));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    reads("\u{feff}a: 1", json!({"a": 1}));
}

#[test]
fn control_characters_are_refused() {
    for text in ["a: \"\u{0}\"", "\u{7}", "a\u{7f}", "\u{80}", "\u{ffff}"] {
        assert_eq!(read(text), Err(YamlError::ControlCharacter), "{text:?}");
    }
}

#[test]
fn depth_and_nodes_are_limited_exactly() {
    let limits = Limits {
        depth: 3,
        nodes: 8,
        ..Limits::default()
    };
    assert!(yaml::parse("[[[]]]", &limits).is_ok());
    assert_eq!(
        yaml::parse("[[[[]]]]", &limits),
        Err(YamlError::Depth { limit: 3 })
    );
    assert!(yaml::parse("[1,2,3,4,5,6,7]", &limits).is_ok());
    assert_eq!(
        yaml::parse("[1,2,3,4,5,6,7,8]", &limits),
        Err(YamlError::Nodes { limit: 8 })
    );
    assert_eq!(
        yaml::parse("[&a [1,2,3],*a]", &limits),
        Err(YamlError::Nodes { limit: 8 })
    );
    let deep = "a: &a [[]]\nb: &b [*a]\nc: [*b]\n";
    assert_eq!(
        yaml::parse(
            deep,
            &Limits {
                depth: 3,
                nodes: 100,
                ..Limits::default()
            }
        ),
        Err(YamlError::Depth { limit: 3 })
    );
}

#[test]
fn errors_say_where() {
    let error = read("a: 1\nb: [1\n").expect_err("it is no YAML");
    let source = std::error::Error::source(&error)
        .expect("the parser's own")
        .to_string();
    assert!(source.contains("line"), "{source}");
    assert!(!error.to_string().contains("line"));
}

#[test]
fn values_are_written_for_people() {
    let value = json!({
        "b": {"list": [1, "two", {"a": 1, "b": [[], {}, [true]]}], "empty": {}, "none": null},
        "a": "yes",
        "text": "two\nlines\n",
        "octal": "0755",
        "version": "1.2.3",
        "big": 1e21,
        "float": 0.5,
        "whole": 1e7,
        "cmd": "a: b #c",
        "time": "1:30",
        "key with: colon": -1,
        "date": "2001-01-01",
        "tail": "no\nbreak",
        "l10": ["\tx", " x", "- x", "-x", "", "é", "a\u{a0}b", "😀"],
        "l9": u64::MAX,
    });
    let expected = "\
a: \"yes\"
b:
  empty: {}
  list:
  - 1
  - two
  - a: 1
    b:
    - []
    - {}
    - - true
  none: null
big: 1e+21
cmd: 'a: b #c'
date: \"2001-01-01\"
float: 0.5
'key with: colon': -1
l9: 18446744073709551615
l10:
- \"\\tx\"
- ' x'
- '- x'
- -x
- \"\"
- é
- a\u{a0}b
- \"\\U0001F600\"
octal: \"0755\"
tail: |-
  no
  break
text: |
  two
  lines
time: \"1:30\"
version: 1.2.3
whole: 10000000
";
    writes(&value, expected);
    writes(&json!({}), "{}\n");
    writes(&json!([]), "[]\n");
    writes(&json!("a\nb\n"), "|\n  a\n  b\n");
    writes(&Value::Null, "null\n");
}

#[test]
fn lines_are_broken_at_spaces_after_80_characters() {
    let words = "word ".repeat(20);
    let (first, rest) = words.trim_end().split_at(79);
    writes(
        &json!({ "k": words.trim_end() }),
        &format!("k: {first}\n  {}\n", rest.trim_start()),
    );
    let (first, rest) = words.split_at(79);
    writes(
        &json!([[words]]),
        &format!("- - '{first}\n    {}'\n", rest.trim_start()),
    );
    // The second space would be taken for indentation.
    let tabs = format!("\t{}  b", "a".repeat(80));
    writes(
        &json!({ "k": tabs }),
        &format!("k: \"\\t{}\n  \\ b\"\n", "a".repeat(80)),
    );
    let endless = "a".repeat(300);
    writes(&json!([endless]), &format!("- {endless}\n"));
    writes(
        &json!({ words.trim_end(): 1 }),
        &format!("{}: 1\n", words.trim_end()),
    );
}

#[test]
fn blocks_of_lines_keep_what_they_begin_and_end_with() {
    writes(
        &json!(["a\n\n", " a\nb", "\n", "\na"]),
        "\
- |+
  a

- |2-
   a
  b
- |2+

- |2-

  a
",
    );
    for text in ["a \nb", "a\n ", "a\tb\nc", "a\r\nb"] {
        writes(&json!(text), &format!("{text:?}\n"));
    }
}

#[test]
fn keys_that_are_long_or_many_lines_are_marked() {
    let long = "k".repeat(129);
    let value = json!({
        &long[1..]: {"a": 1},
        &long: {"a": 1, "b": [1]},
        "a\nb": [1, "x"],
        "": "",
    });
    let expected = format!(
        "\
\"\": \"\"
? |-
  a
  b
: - 1
  - x
{}:
  a: 1
? {long}
: a: 1
  b:
  - 1
",
        &long[1..]
    );
    writes(&value, &expected);
}

#[test]
fn what_helm_would_lose_is_escaped() {
    writes(
        &json!({"<<": "<<", "a": "a\u{85}b", "b": "a\u{2028}\n b\u{2029}", "c": "\u{7f}\u{9f}\u{ffff}"}),
        "\
\"<<\": <<
a: \"a\\Nb\"
b: \"a\\L\\n b\\P\"
c: \"\\x7F\\x9F\\uFFFF\"
",
    );
    writes(&json!("\u{feff}a b"), "\"\\uFEFF\\x61\\x20\\x62\"\n");
}

#[test]
fn values_may_be_nested_deeper_than_the_stack() {
    let depth = 10_000;
    let mut value = json!("leaf");
    for _ in 0..depth {
        value = Value::Array(vec![value]);
    }
    let text = yaml::to_string(&value);
    assert_eq!(text, format!("{}leaf\n", "- ".repeat(depth)));
}

#[track_caller]
fn writes(value: &Value, expected: &str) {
    assert_eq!(yaml::to_string(value), expected);
    assert_eq!(read(expected).as_ref().map(floats), Ok(floats(value)));
}

/// All numbers as floats, which they are once they are read.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), floats(value)))
            .collect(),
        value => value.clone(),
    }
}

#[test]
fn long_keys_are_read_back() {
    let value = json!({"k".repeat(2000): {"a": 1, "b": [1]}, "l".repeat(2000): "x\ny\n"});
    reads(&yaml::to_string(&value), value);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in value()) {
        prop_assert_eq!(read(&yaml::to_string(&value)), Ok(value));
    }

    #[test]
    fn writing_is_stable(value in value()) {
        let text = yaml::to_string(&value);
        prop_assert_eq!(yaml::to_string(&read(&text).expect("it was written")), text);
    }

    #[test]
    fn any_text_is_refused_or_written_and_read_back(text in "[-a1:{}\\[\\],&*#?|>'\"%!~<. \n\t\u{85}\u{2028}\\\\x]{0,40}") {
        if let Ok(value) = read(&text) {
            prop_assert_eq!(read(&yaml::to_string(&value)), Ok(value));
        }
    }
}

/// Values whose numbers are floats already.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[ \n\t:#a-]{0,10}",
        "[-+.0-9_eExXbo:]{1,8}",
        proptest::sample::select(vec![
            "yes", "null", "~", "<<", "=", "0755", "1:30", "{}", "*a", "&a", "!a", "%a"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("a fraction", |float| float.fract() != 0.0)
            .prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(text.clone(), inner, 0..5).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}
