//! Values that a caller gives: files, and the assignments of `--set` and its like.

use charts::{
    Limits,
    strvals::{SetError, Typing, UserValues},
    values::{Table, overlay},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::support::chain;

fn table(value: Value) -> Table {
    match value {
        Value::Object(table) => table,
        _ => unreachable!("tests pass objects"),
    }
}

fn set_in(base: Value, line: &str, typing: Typing) -> Result<Value, SetError> {
    UserValues::new(&Limits::default())
        .overlay(table(base))?
        .set(line, typing)
        .map(|values| values.into_table().into())
}

fn set(line: &str) -> Result<Value, SetError> {
    set_in(json!({}), line, Typing::Typed)
}

fn error(line: &str) -> String {
    chain(&set(line).expect_err(line))
}

#[test]
fn lines_assign_what_helm_assigns() {
    for (line, expected) in [
        ("", json!({})),
        (
            "name1=null,f=false,t=TRUE",
            json!({"name1": null, "f": false, "t": true}),
        ),
        (
            "name1=value1,name2=value2",
            json!({"name1": "value1", "name2": "value2"}),
        ),
        (
            "name1=value1,name2=value2,",
            json!({"name1": "value1", "name2": "value2"}),
        ),
        (
            "name1=,name2=value2",
            json!({"name1": "", "name2": "value2"}),
        ),
        ("leading_zeros=00009", json!({"leading_zeros": "00009"})),
        ("zero_int=0", json!({"zero_int": 0})),
        ("long_int=1234567890", json!({"long_int": 1_234_567_890})),
        ("a=-5", json!({"a": -5})),
        ("a=+5", json!({"a": 5})),
        ("a=-05", json!({"a": -5})),
        (
            "a=1.5,b=1e3,c=0x1F",
            json!({"a": "1.5", "b": "1e3", "c": "0x1F"}),
        ),
        ("a=9223372036854775807", json!({"a": i64::MAX})),
        ("a=9223372036854775808", json!({"a": "9223372036854775808"})),
        ("a=\"true\"", json!({"a": "\"true\""})),
        ("name1.name2=", json!({"name1": {"name2": ""}})),
        (r"a=b\,c", json!({"a": "b,c"})),
        (r"name1=one\=two", json!({"name1": "one=two"})),
        ("a=b=c", json!({"a": "b=c"})),
        ("a==b", json!({"a": "=b"})),
        (r"a\.b=c", json!({"a.b": "c"})),
        (
            r#"nodeSelector."kubernetes\.io/role"=master"#,
            json!({"nodeSelector": {"\"kubernetes.io/role\"": "master"}}),
        ),
        ("a=b\\", json!({"a": "b"})),
        ("name1={1021,902}", json!({"name1": [1021, 902]})),
        ("d={1,true,null,x}", json!({"d": [1, true, null, "x"]})),
        ("a={}", json!({"a": [""]})),
        ("a={x,}", json!({"a": ["x", ""]})),
        (r"a={x\,y,z}", json!({"a": ["x,y", "z"]})),
        ("a={1,2}b=3", json!({"a": [1, 2], "b": 3})),
        ("a={1,2},b=3", json!({"a": [1, 2], "b": 3})),
        ("a={b: c}", json!({"a": ["b: c"]})),
        (
            "list[0]=foo,list[3]=bar",
            json!({"list": ["foo", null, null, "bar"]}),
        ),
        ("noval[0]", json!({"noval": []})),
        ("noval[0]=", json!({"noval": [""]})),
        ("noval[-1]", json!({"noval": []})),
        ("nested[1][1]=1", json!({"nested": [null, [null, 1]]})),
        ("nested[0][1]", json!({"nested": [null]})),
        ("a[0].b=1,a[0].c=2", json!({"a": [{"b": 1, "c": 2}]})),
        ("a[0].", json!({"a": [{}]})),
        (
            "n1.n2[1].foo=bar",
            json!({"n1": {"n2": [null, {"foo": "bar"}]}}),
        ),
        ("a[0][0]=1,a[0].b=2", json!({"a": [{"b": 2}]})),
        ("a[0]={1,2}", json!({"a": [[1, 2]]})),
        ("a.b=1,a=2", json!({"a": 2})),
        ("=x", json!({})),
        (".a=x,b=1", json!({"b": 1})),
        ("[1]=x,b=1", json!({"b": 1})),
        ("a=1\n2,b= x ", json!({"a": "1\n2", "b": " x "})),
    ] {
        assert_eq!(set(line), Ok(expected), "{line}");
    }
}

#[test]
fn lines_are_refused_in_helms_words() {
    for (line, expected) in [
        ("name1", r#"key "name1" has no value"#),
        (
            "name1,name2=",
            r#"key "name1" has no value (cannot end with ,)"#,
        ),
        ("a=b,c", r#"key "c" has no value"#),
        (
            "name1=value1,,,,name2=value2,",
            r#"key "" has no value (cannot end with ,)"#,
        ),
        ("name1.name2", r#"key map "name1" has no value"#),
        ("name1.=name2", r#"key map "name1" has no value"#),
        ("name1.,name2", r#"key map "name1" has no value"#),
        ("a.b,", r#"key "b" has no value (cannot end with ,)"#),
        ("a..b=1", r#"key map "a" has no value"#),
        ("a={1,2", "list must terminate with '}'"),
        ("a[0]={1,2", "list must terminate with '}'"),
        ("a=[1,2]", r#"key "2]" has no value"#),
        (
            "illegal[0]name.foo=bar",
            "unexpected data at end of array index: ['n' 'a' 'm' 'e']",
        ),
        (
            "a[x]=1",
            r#"error parsing index: strconv.Atoi: parsing "x": invalid syntax"#,
        ),
        (
            "a[0][99999999999999999999]=1",
            r#"error parsing index: strconv.Atoi: parsing "99999999999999999999": value out of range"#,
        ),
        ("a[0", "error parsing index: EOF"),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn what_ends_helm_with_a_panic_is_an_error() {
    let base = json!({"null": null, "text": "x", "list": ["x"], "map": {"a": 1}});
    for line in [
        "list[-1]=x",
        "list[-1].a=x",
        "list[-1][0]=x",
        "null.a=x",
        "text.a=x",
        "list.a=x",
        "null[0]=x",
        "text[0]=x",
        "map[0]=x",
        "list[0][0]=x",
        "a=1,a.b=2",
        "new.list[0]=1,new.list.a=2",
        "new.text=x,new.text.a=1",
    ] {
        let error = set_in(base.clone(), line, Typing::Typed).expect_err(line);
        assert!(
            matches!(
                error,
                SetError::NegativeIndex(-1)
                    | SetError::NotAList(_)
                    | SetError::NotAMap(_)
                    | SetError::NotANestedList(0)
            ),
            "{line}: {error:?}"
        );
    }
}

#[test]
fn values_that_are_there_are_changed_in_place() {
    let base = json!({"a": [1, 2, 3], "listOuter": [[[{"exited": "old"}]]], "m": {"x": 1}});
    let values = UserValues::new(&Limits::default())
        .overlay(table(base))
        .and_then(|values| values.set("a[1]=x", Typing::Typed))
        .and_then(|values| values.set("listOuter[0][1][0].type=listValue", Typing::Typed))
        .and_then(|values| values.set("listOuter[0][0][1].status=alive", Typing::Typed))
        .and_then(|values| values.set("m.y=2", Typing::Typed))
        .and_then(|values| values.set("m.", Typing::Typed))
        .expect("assignments");
    assert_eq!(
        Value::Object(values.into_table()),
        json!({
            "a": [1, "x", 3],
            "listOuter": [[[{"exited": "old"}, {"status": "alive"}], [{"type": "listValue"}]]],
            "m": {"x": 1, "y": 2},
        })
    );
    assert_eq!(
        set_in(json!({"a": [1, 2, 3]}), "a={x}", Typing::Typed),
        Ok(json!({"a": ["x"]}))
    );
}

/// Only a file can have an empty key.
#[test]
fn an_empty_key_is_changed_and_never_made() {
    let base = json!({"": {"x": [1]}});
    assert_eq!(
        set_in(base.clone(), ".y=2,.x[0]=3,=4", Typing::Typed),
        Ok(json!({"": {"x": [3], "y": 2}}))
    );
    assert_eq!(
        set_in(json!({"": [1, 2]}), "[1]=x,[2]=y", Typing::Typed),
        Ok(json!({"": [1, "x"]}))
    );
}

#[test]
fn text_stays_text() {
    assert_eq!(
        set_in(json!({}), "a=true,b=1,c=null,d={1,2},e=0", Typing::Text),
        Ok(json!({"a": "true", "b": "1", "c": "null", "d": ["1", "2"], "e": "0"}))
    );
}

#[test]
fn content_is_assigned_as_it_is() {
    let set = |key: &str, content: &str| {
        UserValues::new(&Limits::default())
            .set_content(key, content.to_owned())
            .map(|values| Value::Object(values.into_table()))
    };
    assert_eq!(
        set(r"a\.b.c[1]", "{x,\n\\y=z"),
        Ok(json!({"a.b": {"c": [null, "{x,\n\\y=z"]}}))
    );
    assert_eq!(set("a", ""), Ok(json!({"a": ""})));
    assert_eq!(set("a", "true"), Ok(json!({"a": "true"})));
    assert_eq!(set(r"a\=b", "x"), Ok(json!({"a=b": "x"})));
    assert_eq!(set("", "x"), Ok(json!({})));
    for key in ["a=b", "a\\", "a[0]=", "="] {
        assert_eq!(set(key, "x"), Err(SetError::ContentKey), "{key}");
    }
    for (key, expected) in [
        ("a.", r#"key map "a" has no value"#),
        ("a,b", r#"key "a" has no value (cannot end with ,)"#),
        ("a[0", "error parsing index: EOF"),
    ] {
        assert_eq!(chain(&set(key, "x").expect_err(key)), expected);
    }
}

/// V10.
#[test]
fn files_are_merged_and_null_is_kept() {
    let one = json!({"foo": "bar", "baz": {"cool": "stuff"}, "n": {"a": 1}, "l": [1, 2]});
    let two = json!({"foo": "bar", "baz": "stuff", "n": {"a": null, "b": 2}, "l": [3]});
    assert_eq!(
        Value::Object(overlay(table(one.clone()), table(two.clone()))),
        json!({"foo": "bar", "baz": "stuff", "n": {"a": null, "b": 2}, "l": [3]})
    );
    assert_eq!(
        Value::Object(overlay(table(two), table(one))),
        json!({"foo": "bar", "baz": {"cool": "stuff"}, "n": {"a": 1, "b": 2}, "l": [1, 2]})
    );
}

fn small() -> Limits {
    Limits {
        yaml_depth: 5,
        yaml_nodes: 30,
        ..Limits::default()
    }
}

#[test]
fn what_would_be_too_large_is_not_made() {
    let limit = |line: &str| {
        UserValues::new(&Limits::default())
            .set(line, Typing::Typed)
            .expect_err("a limit")
            .is_limit()
    };
    for line in [
        "a[2000000000]=x".to_owned(),
        "a[9223372036854775807]=x".to_owned(),
        "a.b[100000][100000][100000]=x".to_owned(),
        // As long lists are made and replaced over and over.
        "b[0].x[100000]=1,b[0]=1,".repeat(3),
        format!("a={{{}}}", ",".repeat(300_000)),
        "a=1,".repeat(200_000),
    ] {
        assert_eq!(limit(&line), Some("yaml_nodes"), "{:.40}", line);
    }
    for line in [
        "a.".repeat(100_000),
        format!("a{}=1", "[0]".repeat(100_000)),
        format!("{}=1", ["a"; 101].join(".")),
        format!("{}={{}}", ["a"; 100].join(".")),
        "a[0].".repeat(100_000),
        // Empty ones of the 101st level.
        format!("{}[0]", ["a"; 100].join(".")),
        format!("{}[0].", ["a"; 99].join(".")),
        format!("{}[0][0]", ["a"; 99].join(".")),
    ] {
        assert_eq!(limit(&line), Some("yaml_depth"), "{:.40}", line);
    }
    let deepest = format!("{}=1", ["a"; 100].join("."));
    assert!(set(&deepest).is_ok());
}

#[test]
fn files_and_assignments_have_one_limit() {
    let file =
        |keys: std::ops::Range<usize>| table(keys.map(|at| (at.to_string(), json!(1))).collect());
    let values = UserValues::new(&small());
    let values = values.overlay(file(0..10)).expect("21 nodes");
    let error = values.clone().overlay(file(0..10)).expect_err("42 nodes");
    assert_eq!(error.is_limit(), Some("yaml_nodes"));
    assert_eq!(
        error.to_string(),
        "the values exceed the limit `yaml_nodes` of 30"
    );
    let values = values.set("a=1,b=2,c=3,d=4", Typing::Typed).expect("29");
    assert!(values.set("e=5", Typing::Typed).is_err());
    let deep = json!({"a": {"b": {"c": {"d": {"e": {}}}}}});
    let error = UserValues::new(&small()).overlay(table(json!({"x": deep})));
    assert_eq!(error.expect_err("6 levels").is_limit(), Some("yaml_depth"));
}

/// How many mappings and lists are within each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(table) => 1 + table.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(table) => table.values().map(|value| 1 + nodes(value)).sum(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_line_is_assigned_or_refused_within_the_limits(
        lines in vec(prop_oneof![4 => r"[ab.=,\[\]{}\\0-9x-]{0,30}", 1 => any::<String>()], 1..4),
        typing in select(vec![Typing::Text, Typing::Typed]),
    ) {
        let mut values = UserValues::new(&small());
        for line in lines {
            match values.set(&line, typing) {
                Ok(set) => values = set,
                Err(_) => return Ok(()),
            }
        }
        let value = Value::Object(values.into_table());
        prop_assert!(depth(&value) <= 5 && nodes(&value) <= 30, "{value}");
    }

    #[test]
    fn any_text_can_be_assigned(key in "[^\0]{1,10}", text in any::<String>()) {
        let escape = |text: &str| text.chars().flat_map(|c| ['\\', c]).collect::<String>();
        let line = format!("{}={}", escape(&key), escape(&text));
        let expected = json!({&key: &text});
        prop_assert_eq!(set_in(json!({}), &line, Typing::Text), Ok(expected.clone()));
        let values = UserValues::new(&Limits::default()).set_content(&escape(&key), text).expect("a key");
        prop_assert_eq!(Value::Object(values.into_table()), expected);
    }
}
