//! Cases that are often what they should be, and often not.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::{Value, json};

pub(crate) fn number() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "[-+]?[0-9_.]{1,6}([eE][-+]?[0-9]{1,3})?",
        "[-+]?0[xXbBoO_]?[0-9a-fA-F_]{1,5}",
        "[-+.0-9_eExXbo:]{1,8}",
        any::<f64>().prop_map(|float| format!("{float:?}")),
        any::<u64>().prop_map(|int| int.to_string()),
        any::<i64>().prop_map(|int| int.to_string()),
        any::<i64>().prop_map(|int| format!("{int}0")),
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
        "[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?",
        "[-+]?\\.(inf|Inf|INF|nan|NaN|iNf)",
    ]
}

pub(crate) fn scalar() -> impl Strategy<Value = String> + Clone {
    let words: Vec<String> = [
        "a",
        "b",
        "name",
        "~",
        "null",
        "Null",
        "nULL",
        "yes",
        "Yes",
        "yES",
        "no",
        "NO",
        "on",
        "off",
        "y",
        "Y",
        "n",
        "N",
        "true",
        "True",
        "tRUE",
        "FALSE",
        "=",
        "<<",
        "''",
        "\"\"",
        "'yes'",
        "\"1\"",
        "!!str 1",
        "!!int 1",
        "!!int '1'",
        "!!float 1",
        "!!float x",
        "!!bool yes",
        "!!bool 1",
        "!!null ''",
        "!!null x",
        "!foo 1",
        "! 1",
        "! '1'",
        "!!binary aGk=",
        "!!binary '!'",
        "!!timestamp 2001-01-01",
        "!!timestamp x",
        "!!set x",
        "!<tag:yaml.org,2002:str> 1",
        "\"\\u00e9\\n\"",
        "'it''s'",
        "a b",
        "a: b",
        "a:b",
        "-a",
        "a#b",
    ]
    .map(str::to_owned)
    .to_vec();
    prop_oneof![4 => select(words), 2 => number(), 1 => "[a-zA-Z0-9./:_-]{1,10}"]
}

/// Often YAML.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let block = scalar()
        .prop_map(|scalar| format!("{scalar}\n"))
        .prop_recursive(4, 24, 4, |inner| {
            let indented = inner
                .clone()
                .prop_map(|text| text.lines().map(|line| format!("  {line}\n")).collect::<String>());
            let flow = vec(in_flow(), 0..4);
            prop_oneof![
                3 => vec((key(), inner.clone()), 1..4).prop_map(|entries| entries
                    .into_iter()
                    .map(|(key, value)| if value.lines().count() == 1 {
                        format!("{key}: {value}")
                    } else {
                        format!("{key}:\n{}", value.lines().map(|line| format!("  {line}\n")).collect::<String>())
                    })
                    .collect::<String>()),
                2 => vec(inner.clone(), 1..4).prop_map(|items| items
                    .into_iter()
                    .map(|item| {
                        let mut lines = item.lines().map(|line| format!("  {line}\n")).collect::<String>();
                        lines.replace_range(..1, "-");
                        lines
                    })
                    .collect::<String>()),
                1 => flow.prop_map(|items| format!("[{}]\n", items.join(", "))),
                1 => vec((key(), in_flow()), 0..3).prop_map(|entries| {
                    let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                    format!("{{{}}}\n", entries.join(", "))
                }),
                1 => indented.clone().prop_map(|text| format!("|\n{text}")),
                1 => indented.prop_map(|text| format!("x: >-\n{text}")),
                1 => (inner.clone(), scalar()).prop_map(|(base, value)| {
                    let base: String = base.lines().map(|line| format!("  {line}\n")).collect();
                    format!("base: &b\n{base}use:\n  name: {value}\n  <<: *b\n  y: 1\nagain: *b\n")
                }),
            ]
        });
    (block.clone(), block, 0..6).prop_map(|(one, two, form)| match form {
        0 => format!("%YAML 1.1\n---\n{one}...\n"),
        1 => format!("--- # one\n{one}---\n{two}"),
        _ => one,
    })
}

/// Of equal keys that were of different types Go takes any, and keys that have no text it refuses only if they
/// are not replaced later.
pub(crate) fn key() -> impl Strategy<Value = String> + Clone {
    in_flow().prop_filter("a plain scalar with a text", |text| {
        let nulls = ["", "~", "null", "Null", "NULL"];
        !text.starts_with(['!', '"', '\'']) && text.len() < 19 && !nulls.contains(&text.as_str())
    })
}

/// What may stand between brackets; go-yaml is stricter there than YAML 1.2 is.
pub(crate) fn in_flow() -> impl Strategy<Value = String> + Clone {
    scalar().prop_filter("a scalar in brackets", |text| {
        !text.starts_with(':') && !text.ends_with(':') && !text.contains(": ") && text != "-"
    })
}

/// Values with text of every style.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (-1000..1000_i32).prop_map(|int| Value::from(f64::from(int) / 8.0)),
        1 => (any::<f64>(), -30..30_i32)
            .prop_map(|(float, exponent)| Value::from(float.signum() * 10_f64.powi(exponent))),
        1 => (any::<bool>(), 0..70_i32).prop_map(|(minus, exponent)| {
            Value::from(if minus { -1.0 } else { 1.0 } * 2_f64.powi(exponent))
        }),
        9 => text().prop_map(Value::from),
        1 => document().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(written_key(), inner, 0..5).prop_map(|entries| entries.into_iter().collect()),
        ]
    });
    prop_oneof![
        20 => nested,
        1 => (text(), vec(any::<bool>(), 1..60)).prop_map(|(text, levels)| {
            levels.into_iter().fold(Value::from(text), |value, is_list| {
                if is_list { json!([value]) } else { json!({ "k": value }) }
            })
        }),
    ]
}

fn text() -> impl Strategy<Value = String> + Clone {
    let line = "[ \t]{0,2}[a-z]{0,5}[ -~é]{0,90}";
    let moment = (
        "[0-9]{4}-[0-9]{1,2}-[0-3]?[0-9]",
        "( {0,2}|[Tt ] ?[0-2]?[0-9]:[0-6]?[0-9]:[0-6]?[0-9]([.,][0-9]{0,10})?)",
        "(Z|[-+][0-2][0-9]:[0-6][0-9])?",
    );
    prop_oneof![
        4 => scalar(),
        2 => "[ -~]{0,20}",
        2 => "[ \n\ta:#-]{0,12}",
        2 => special(0..8),
        1 => any::<String>(),
        1 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
        3 => (vec(line, 1..5), "\n{0,3}", "\n{0,3}")
            .prop_map(|(lines, start, end)| format!("{start}{}{end}", lines.join("\n"))),
        2 => "([a-z,.]{1,12} ){8,40}[a-z]",
        2 => "([!-~é中]{1,12} {1,3}){5,40}",
        1 => "([a-z\t\"]{1,30} {1,3}){5,20}",
        1 => "[a-z ]{60,130}",
        1 => moment.prop_map(|(date, time, zone)| format!("{date}{time}{zone}")),
        1 => "[-+]?[0-9_]{1,3}(:[0-9]{1,2}){1,2}(\\.[0-9_]{0,2})?",
    ]
}

fn written_key() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => scalar(),
        4 => "[aZé]{0,2}[0-9]{0,3}[aZ_.]?[0-9]{0,2}",
        1 => "[a-c]{0,2}[1-9]{17,22}",
        1 => "[a١किⅧ²Ⓐㄱ中ß]{1,3}",
        2 => special(1..5),
        1 => "[a-z ]{100,160}",
        1 => "[\u{e9}\u{a0}\t]{40,130}",
        1 => "[a-z]{1,5}\n[a-z]{0,5}\n?",
        1 => any::<String>(),
        1 => "[a-z]{1000,1100}",
    ]
}

/// Characters that are written in other ways than most.
fn special(len: std::ops::Range<usize>) -> impl Strategy<Value = String> + Clone {
    let characters = concat!(
        "\0\u{7}\u{8}\t\u{b}\u{c}\r\u{1b}\u{1f}\u{7f}\u{80}\u{85}\u{9f}\u{a0}é中\u{2027}\u{2028}\u{2029}",
        "\u{202a}\u{d7ff}\u{e000}\u{feff}\u{fffd}\u{fffe}\u{ffff}\u{10000}😀\u{10ffff}",
    );
    let special = select(characters.chars().collect::<Vec<_>>());
    let plain = select("ab \n:#'\"\\-1".chars().collect::<Vec<_>>());
    vec(prop_oneof![special, plain], len).prop_map(String::from_iter)
}

/// Values in which names of sub-charts, globals and nulls meet.
pub(crate) fn table() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3).prop_map(Value::from),
        Just(json!([1]))
    ];
    let node = leaf.prop_recursive(4, 24, 4, |inner| {
        btree_map("sub|deep|global|a|b", inner, 0..4)
            .prop_map(|entries| entries.into_iter().collect())
    });
    btree_map("sub|deep|global|a|b", node, 0..4).prop_map(|entries| entries.into_iter().collect())
}

pub(crate) fn metadata() -> impl Strategy<Value = String> {
    let key = select(vec![
        "name",
        "Name",
        "NAME",
        "home",
        "sources",
        "version",
        "Version",
        "description",
        "keywords",
        "maintainers",
        "engine",
        "icon",
        "apiVersion",
        "apiversion",
        "condition",
        "tags",
        "appVersion",
        "appversion",
        "deprecated",
        "tillerVersion",
        "annotations",
        "kubeVersion",
        "unknown",
        "1",
        "yes",
    ]);
    let value = prop_oneof![
        4 => scalar(),
        1 => vec(in_flow(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        1 => (in_flow(), in_flow()).prop_map(|(k, v)| format!("{{{k}: {v}}}")),
        1 => (in_flow(), in_flow()).prop_map(|(k, v)| format!("[{{name: {k}, email: {v}, URL: x}}]")),
        1 => Just("[{name: a}, ~]".to_owned()),
        1 => Just("v1".to_owned()),
    ];
    vec((key, value), 0..5).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect()
    })
}

pub(crate) fn files() -> impl Strategy<Value = Vec<(String, String)>> {
    let part = prop_oneof![
        6 => select(vec![
            "Chart.yaml", "values.yaml", "values.toml", "templates", "charts", "a", "b", "README.md", "_x", ".x",
            "x.tgz", "x.prov", "web", "", ".", "..", "c:",
        ]).prop_map(str::to_owned),
        1 => "[a-z.]{1,3}",
    ];
    let weird = (
        vec(part, 1..5),
        prop_oneof![8 => Just("/"), 1 => Just("\\")],
    )
        .prop_map(|(parts, delimiter)| parts.join(delimiter));
    let usual = select(vec![
        "web/Chart.yaml",
        "web/values.yaml",
        "web/templates/a.yaml",
        "web/templates/NOTES.txt",
        "web/README.md",
        "web/charts/sub/Chart.yaml",
        "web/charts/sub/values.yaml",
        "web/charts/sub/templates/x.yaml",
        "web/charts/sub/charts/deep/Chart.yaml",
        "web/charts/other/Chart.yaml",
        "web/charts/_ignored/x",
        "web/charts/sub-1.0.0.tgz.prov",
        "web/requirements.yaml",
    ])
    .prop_map(str::to_owned);
    let content = |name: &str| {
        if name.ends_with("Chart.yaml") {
            "name: web\nversion: 1.10\n".to_owned()
        } else {
            format!("of: {name}\n")
        }
    };
    (vec(usual, 0..8), vec(weird, 0..2)).prop_map(move |(mut usual, weird)| {
        usual.extend(weird);
        usual.push("web/Chart.yaml".to_owned());
        usual
            .into_iter()
            .filter(|name| !name.is_empty())
            .map(|name| {
                let content = content(&name);
                (name, content)
            })
            .collect()
    })
}
