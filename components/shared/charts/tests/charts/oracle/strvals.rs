//! The assignments of `--set`, `--set-string` and `--set-file`.

use charts::{
    Limits,
    strvals::{SetError, Typing, UserValues},
    yaml,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::{Value, json};

use super::{ask, many};
use crate::support::chain;

/// A line, and the content of the file that it names.
#[derive(Clone, Debug)]
struct Line {
    flag: &'static str,
    line: String,
    content: String,
}

#[derive(Debug)]
struct Case {
    base: Value,
    lines: Vec<Line>,
}

impl Case {
    fn ours(&self) -> Result<Value, SetError> {
        let Value::Object(base) = self.base.clone() else {
            unreachable!("a base is an object");
        };
        let mut values = UserValues::new(&Limits::default()).overlay(base)?;
        for line in &self.lines {
            values = match line.flag {
                "set" => values.set(&line.line, Typing::Typed),
                "set-string" => values.set(&line.line, Typing::Text),
                _ => values.set_content(&line.line, line.content.clone()),
            }?;
        }
        Ok(values.into_table().into())
    }

    fn question(&self) -> Value {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(
                |Line {
                     flag,
                     line,
                     content,
                 }| {
                    let end = if *flag == "set-file" { "=path" } else { "" };
                    json!({ "flag": flag, "line": format!("{line}{end}"), "content": content })
                },
            )
            .collect();
        json!({ "ask": "strvals", "base": self.base, "lines": lines })
    }
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn the_vectors_are_assigned_as_helm_assigns_them() {
    let cases = VECTORS.iter().flat_map(|line| {
        [json!({}), base_with_everything()]
            .into_iter()
            .flat_map(|base| {
                ["set", "set-string"].map(|flag| Case {
                    base: base.clone(),
                    lines: vec![Line {
                        flag,
                        line: (*line).to_owned(),
                        content: String::new(),
                    }],
                })
            })
    });
    let counts = compare(&cases.collect::<Vec<_>>());
    assert_eq!(counts.limits, 0);
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn lines_are_assigned_as_helm_assigns_them() {
    let base = prop_oneof![
        2 => Just(json!({})),
        1 => Just(base_with_everything()),
        3 => table(),
    ];
    let line = prop_oneof![
        5 => (select(vec!["set", "set-string"]), line()),
        1 => (Just("set-file"), key().prop_filter("another end", |key| {
            // What Helm would read from the path, or never read as one.
            !key.ends_with('\\') && !key.replace("\\=", "").contains('=')
        })),
    ];
    let line = (line, ".{0,5}").prop_map(|((flag, line), content)| Line {
        flag,
        line,
        content,
    });
    let cases = (base, vec(line, 1..4)).prop_map(|(base, lines)| Case { base, lines });
    let counts = compare(&many(30_000, cases));
    // Otherwise the generator has lost its way.
    assert!(counts.values > 5_000 && counts.errors > 5_000 && counts.panics > 500);
}

#[derive(Debug, Default)]
struct Counts {
    values: usize,
    errors: usize,
    panics: usize,
    limits: usize,
}

/// Both assign the same or refuse with the same words, unless Helm panics, which we do not, or a limit of ours is
/// passed.
fn compare(cases: &[Case]) -> Counts {
    let theirs = ask(cases.iter().map(Case::question));
    assert_eq!(theirs.len(), cases.len());
    let mut counts = Counts::default();
    let mut wrong = 0;
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = case.ours();
        let their_error = theirs["error"].as_str();
        let count = match (&ours, their_error) {
            (Err(error), _) if error.is_limit().is_some() => &mut counts.limits,
            (Err(_), Some(text)) if text.starts_with("panic: ") => &mut counts.panics,
            (Err(error), Some(text)) if chain(error) == text => &mut counts.errors,
            (Ok(value), None) if *value == theirs["json"] && is_sent(value, &theirs["yaml"]) => {
                &mut counts.values
            }
            _ => {
                wrong += 1;
                if wrong <= 20 {
                    eprintln!("{case:?}\n  ours: {ours:?}\n  Helm's: {theirs}");
                }
                continue;
            }
        };
        *count += 1;
    }
    eprintln!("{counts:?}");
    assert_eq!(wrong, 0, "of {} cases", cases.len());
    counts
}

/// Whether both write the same YAML. There is text that Helm cannot write, and some that it would not read again.
fn is_sent(value: &Value, theirs: &Value) -> bool {
    let odd = |c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    theirs == &yaml::to_string(value) || value.to_string().contains(odd)
}

fn name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        8 => select(vec!["a", "b", "c", "list", "map"]).prop_map(str::to_owned),
        1 => Just(String::new()),
        1 => select(vec![r"a\.b", r"\=", r"x\,y", r"\[", "\"q\"", "'", "é", "\\\\", " ", "-", "\t", "\u{301}", "]", "{", "}"])
            .prop_map(str::to_owned),
    ]
}

fn index() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        12 => (0..4_u8).prop_map(|index| index.to_string()),
        1 => (0..300_u16).prop_map(|index| index.to_string()),
        1 => select(vec!["-1", "+1", "-0", "007", "", "x", "1 ", "1_0", "é\n", "9223372036854775808", "-9223372036854775809", "\\1", "1]0"])
            .prop_map(str::to_owned),
    ]
}

fn key() -> impl Strategy<Value = String> + Clone {
    let step = prop_oneof![
        3 => name().prop_map(|name| format!(".{name}")),
        3 => index().prop_map(|index| format!("[{index}]")),
        1 => select(vec!["[", ".", "[0]x", "]", "", "\\", "..a"]).prop_map(str::to_owned),
    ];
    (name(), vec(step, 0..4)).prop_map(|(name, steps)| name + &steps.concat())
}

fn scalar() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => select(vec![
            "", "1", "-5", "+5", "0", "00", "-0", "-05", "007", "true", "TRUE", "fal\u{17f}e", "nuLL", "null", "nul", "1.5",
            "1e3", "0x1F", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
            "1_000", "x", "yes", "\"true\"", "a b", "a=b", "[1]", "a.b", r"x\,y", r"\{x}", "é", "\n", "\\\\", "\u{212a}",
        ]).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|int| int.to_string()),
        1 => r"[a-z=.\[\]{}\\]{0,6}",
    ]
}

fn value() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => scalar(),
        1 => vec(scalar(), 0..4).prop_map(|items| format!("{{{}}}", items.join(","))),
        1 => (vec(scalar(), 0..3), select(vec!["", "}", "}}", "}x", "\\}"]))
            .prop_map(|(items, end)| format!("{{{}{end}", items.join(","))),
    ]
}

/// Mostly what is meant, and often with a character too many or too few.
fn line() -> impl Strategy<Value = String> {
    let assignment = prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| format!("{key}={value}")),
        1 => key(),
        1 => value(),
    ];
    let separator = select(vec![",", ",", ",", ",", ",", ",", "", ",,", "=", "."]);
    let usual = vec((assignment, separator), 1..4).prop_map(|parts| {
        let mut line: String = parts
            .iter()
            .map(|(assignment, separator)| format!("{assignment}{separator}"))
            .collect();
        if !line.len().is_multiple_of(4) {
            line.pop();
        }
        line
    });
    let hostile = prop_oneof![
        r"[ab01.,=\[\]{}\\ -]{0,16}",
        // Which newer characters are printed as they are depends on the age of Go and Rust.
        "[\0-\u{36f}\u{2000}-\u{203f}\u{4e00}-\u{4eff}\u{1f600}-\u{1f60f}]{0,30}",
        (
            1..30_usize,
            select(vec![
                "a.", "[0]", "{", "}", "a[1].", "=", "\\", "a[0][1]", "."
            ])
        )
            .prop_map(|(count, piece)| piece.repeat(count)),
        (1..60_usize).prop_map(|count| format!("{}=x", vec!["a"; count].join("."))),
        Just(format!("{}=x", vec!["a"; 101].join("."))),
        Just("a[9223372036854775807]=x".to_owned()),
        Just("a[4999]=x,a[4998].b=y".to_owned()),
    ];
    prop_oneof![8 => usual, 1 => hostile].prop_filter("an index that Go can have", |line| {
        // Go would die of a list that the machine has no memory for.
        !line
            .split(|c: char| !c.is_ascii_digit())
            .any(|digits| (5..18).contains(&digits.len()))
            || !line.contains('[')
    })
}

fn table() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3).prop_map(Value::from),
        Just(json!("x")),
        Just(json!([])),
        Just(json!({})),
    ];
    let node = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            btree_map("a|b|c|list|map|", inner.clone(), 0..4)
                .prop_map(|entries| entries.into_iter().collect()),
            vec(inner, 0..4).prop_map(Value::from),
        ]
    });
    btree_map("a|b|c|list|map|", node, 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn base_with_everything() -> Value {
    json!({
        "": {"a": 1, "list": [1]},
        "a": [1, 2, 3],
        "b": null,
        "list": [[null, [1]], {"a": {"b": 1}}, null, []],
        "listOuter": [[[{"exited": "old"}]]],
        "map": {"a": {"b": {"c": 1}}, "list": [1], "null": null, "empty": {}},
        "name1": {"x": 1},
        "text": "x",
    })
}

/// Those of the specification and of Helm's own tests, and where Helm panics.
const VECTORS: &[&str] = &[
    "",
    "name1=null,f=false,t=TRUE",
    "name1=value1",
    "name1=value1,name2=value2",
    "name1=value1,name2=value2,",
    "name1=value1,,,,name2=value2,",
    "name1=,name2=value2",
    "name1,name2=",
    "name1,name2=value2",
    "name1,name2=value2\\,",
    "name1,name2",
    "leading_zeros=00009",
    "zero_int=0",
    "long_int=1234567890",
    "long_int_string=1234567890",
    "boolean=true",
    "is_null=null",
    "a=-5",
    "a=+5",
    "a=-05",
    "a=1.5",
    "a=1e3",
    "a=0x1F",
    "a=9223372036854775807",
    "a=9223372036854775808",
    "a=\"true\"",
    "name1",
    "a=b,c",
    "name1.name2",
    "name1.name2,name1.name3",
    "name1.=name2",
    "name1.,name2",
    "name1.name2=",
    "name1.name2=,",
    "name1.name2=value",
    "outer.inner=value",
    "outer.middle.inner=value",
    "outer.inner1=value,outer.inner2=value2",
    "outer.inner1=value,outer.middle.inner=value",
    r"name1=one\,two,name2=three\,four",
    r"name1=one\=two,name2=three\=four",
    "name1=one two three,name2=three two one",
    r"outer.inner1=one\,two",
    r"a=b\,c",
    r"name1=one\=two",
    "a=b=c",
    "a==b",
    r"a\.b=c",
    r#"nodeSelector."kubernetes\.io/role"=master"#,
    "a=b\\",
    "name1={value1,value2}",
    "name1={value1,value2},name2={value1,value2}",
    "name1={1021,902}",
    "name1.name2={value1,value2}",
    "name1={1021,902",
    "d={1,true,null,x}",
    "a={}",
    "a={x,}",
    r"a={x\,y,z}",
    "a={1,2",
    "a={1,2}b=3",
    "a={b: c}",
    "a=[1,2]",
    "list[0]=foo",
    "list[0].foo=bar",
    "list[0].foo=bar,list[0].hello=world",
    "list[0]=foo,list[1]=bar",
    "list[0]=foo,list[1]=bar,",
    "list[0]=foo,list[3]=bar",
    "illegal[0]name.foo=bar",
    "noval[0]",
    "noval[0]=",
    "nested[0][0]=1",
    "nested[1][1]=1",
    "name1.name2[0].foo=bar,name1.name2[1].foo=bar",
    "name1.name2[1].foo=bar,name1.name2[0].foo=bar",
    "name1.name2[1].foo=bar",
    "a[x]=1",
    "a[0",
    "a[0].b=1,a[0].c=2",
    "n1.n2[1].foo=bar",
    "a[0][0]=1,a[0].b=2",
    "a[0]={1,2}",
    "a.b=1,a=2",
    "a=1,a.b=2",
    "a[1]=x",
    "a={x}",
    "listOuter[0][1][0].type=listValue",
    "listOuter[0][0][1].status=alive",
    "a=true,b=1,c=null,d={1,2}",
    "a..b=1",
    "=x",
    "a[-1]",
    "a[-1]=x",
    "a[-1].b=x",
    "a[-1][0]=x",
    "text.x=1",
    "text[0]=1",
    "b.x=1",
    "b[0]=1",
    "map[0]=1",
    "list[1][0]=1",
    "list[2][0]=1",
    "map.null.x=1",
    "map.",
    "map.a.",
    "map.empty.",
    "map.list[5]",
    "list[2][0]",
    "list[3][0]",
    "list[9][0]",
    ".a=2,.list[0]=2,.list[1]=3",
];
