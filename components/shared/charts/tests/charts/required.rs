//! Charts with requirements that are often met, and often not.

use charts::yaml;
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use serde_json::{Value, json};
use tiller_api::hapi::chart::Chart;

use crate::support::{Build as _, chart};

/// A chart with sub-charts, down to four levels.
pub(crate) fn tree() -> impl Strategy<Value = Chart> {
    let leaf = (name(), version(), values())
        .prop_map(|(name, version, values)| with_values(chart(name).at(version), values));
    leaf.prop_recursive(3, 14, 4, |inner| {
        (
            name(),
            version(),
            values(),
            vec(inner, 0..4),
            requirements(),
            0..40_usize,
        )
            .prop_map(
                |(name, version, values, dependencies, requirements, chance)| {
                    let mut parent = with_values(chart(name).at(version), values);
                    for (at, dependency) in dependencies.into_iter().enumerate() {
                        let is_new = parent.dependencies.iter().all(|other| {
                            other.metadata.as_ref().map(|m| &m.name)
                                != dependency.metadata.as_ref().map(|m| &m.name)
                        });
                        // Two of one name are rare.
                        if is_new || chance == at {
                            parent = parent.with(dependency);
                        }
                    }
                    match requirements {
                        Some(requirements) => {
                            let file = requirements.file(&parent);
                            parent.requires(&file)
                        }
                        None => parent,
                    }
                },
            )
    })
}

/// Values that a caller may have for it.
pub(crate) fn user() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => table().prop_map(|table| yaml::to_string(&table)),
        4 => Just(String::new()),
        1 => select(vec!["[", "- a", "a: &x 1\nb: *x\n", "~", "text"]).prop_map(str::to_owned),
    ]
}

fn with_values(chart: Chart, values: Option<String>) -> Chart {
    match values {
        Some(raw) => chart.values(&raw),
        None => chart,
    }
}

fn name() -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![
        20 => select(vec!["a", "b", "c", "d"]),
        1 => select(vec!["z", "tags", "global", "x.y", "A"]),
    ]
}

fn version() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just("1.0.0"),
        2 => select(vec!["1.1.0", "2.0.0", "1.0.0-rc.1", "v1.2", "1", "", "none", "1.0.0+x"]),
    ]
}

fn values() -> impl Strategy<Value = Option<String>> {
    let raw = prop_oneof![
        12 => table().prop_map(|table| yaml::to_string(&table)),
        2 => table().prop_map(|table| format!("# mine\n{table}\n")),
        1 => Just("# nothing\n".to_owned()),
        1 => Just(String::new()),
    ];
    let raw = prop_oneof![60 => raw, 1 => select(vec!["[", "- a", "5"]).prop_map(str::to_owned)];
    option::weighted(0.8, raw)
}

/// Values in which the names of charts, tags and conditions meet.
fn table() -> impl Strategy<Value = Value> {
    let key = || {
        prop_oneof![
            6 => select(vec!["a", "b", "c", "d", "z", "y", "x", "on", "enabled"]),
            2 => select(vec!["tags", "exports", "data", "k", "global"]),
            1 => select(vec!["", "t1", "A", "yes", "1"]),
        ]
        .prop_map(str::to_owned)
    };
    let leaf = prop_oneof![
        4 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (0..3).prop_map(Value::from),
        1 => select(vec![json!("true"), json!([1]), json!(0.5), json!(1e21), json!(""), json!("x\ny\n"), json!({})]),
    ];
    let node = leaf.prop_recursive(3, 20, 4, move |inner| {
        btree_map(key(), inner, 0..4).prop_map(Value::from_iter)
    });
    let tags = btree_map("t[123]", any::<bool>(), 0..3).prop_map(|tags| json!(tags));
    let exports = btree_map("data|e", node.clone(), 0..3).prop_map(|exports| json!(exports));
    let entry = prop_oneof![
        // A scalar where a chart's values belong makes an error of the whole.
        8 => (select(vec!["a", "b", "c", "d", "z", "y"]), btree_map(key(), node.clone(), 0..4))
            .prop_map(|(key, table)| (key.to_owned(), json!(table))),
        3 => (select(vec!["on", "off", "k", "data", "x"]), node.clone())
            .prop_map(|(key, value)| (key.to_owned(), value)),
        2 => tags.prop_map(|tags| ("tags".to_owned(), tags)),
        2 => exports.prop_map(|exports| ("exports".to_owned(), exports)),
        1 => (select(vec!["a", "b", "c", "d"]), select(vec![json!(5), json!(null), json!({"k": 1})]))
            .prop_map(|(key, globals)| (key.to_owned(), json!({ "global": globals }))),
        1 => (key(), node).prop_map(|(key, value)| (key, value)),
    ];
    vec(entry, 0..5).prop_map(|entries| entries.into_iter().collect())
}

/// What is written into a requirements.yaml once it is known what could be required.
#[derive(Clone, Debug)]
enum Requirements {
    /// Of the sub-chart at an index, under a name of its own where there is none.
    Of(Vec<(usize, Entry)>),
    Text(&'static str),
}

#[derive(Clone, Debug)]
struct Entry {
    name: Option<&'static str>,
    version: &'static str,
    alias: Option<&'static str>,
    condition: Option<String>,
    tags: Option<Vec<&'static str>>,
    imports: Option<Vec<&'static str>>,
    more: Option<&'static str>,
}

impl Requirements {
    fn file(&self, parent: &Chart) -> String {
        let entries = match self {
            Self::Of(entries) => entries,
            Self::Text(text) => return (*text).to_owned(),
        };
        let mut file = "dependencies:\n".to_owned();
        for (at, entry) in entries {
            let dependencies = &parent.dependencies;
            let wanted = dependencies.get(at % dependencies.len().max(1));
            let wanted = wanted.and_then(|dependency| dependency.metadata.as_ref());
            let Some(name) = entry
                .name
                .or_else(|| wanted.map(|metadata| metadata.name.as_str()))
            else {
                continue;
            };
            file.push_str(&format!("- name: {name}\n  version: {}\n", entry.version));
            if let Some(alias) = entry.alias {
                file.push_str(&format!("  alias: {alias}\n"));
            }
            if let Some(condition) = &entry.condition {
                file.push_str(&format!("  condition: {condition:?}\n"));
            }
            if let Some(tags) = &entry.tags {
                file.push_str(&format!("  tags: [{}]\n", tags.join(", ")));
            }
            if let Some(imports) = &entry.imports {
                file.push_str(&format!("  import-values: [{}]\n", imports.join(", ")));
            }
            if let Some(more) = entry.more {
                file.push_str(&format!("  {more}\n"));
            }
        }
        file
    }
}

fn requirements() -> impl Strategy<Value = Option<Requirements>> {
    let entries = vec((any::<usize>(), entry()), 0..5).prop_map(Requirements::Of);
    let text = select(vec![
        "",
        "# nothing\n",
        "{}",
        "dependencies:\n",
        "dependencies: []\nother: 1\n",
        "[",
        "- a",
        "dependencies: {}",
        "dependencies: [x]",
        "dependencies: [~]",
        "dependencies: [{name: a, tags: x}]",
        "dependencies: [{name: a, enabled: 1}]",
        "dependencies: [{name: [a]}]",
        "a: .inf",
        "{dependencies: [{name: a, version: 1, alias: &z z}, {name: *z}]}",
    ])
    .prop_map(Requirements::Text);
    option::weighted(0.85, prop_oneof![30 => entries, 1 => text])
}

prop_compose! {
    fn entry()(
        name in option::weighted(0.03, name()),
        version in prop_oneof![
            10 => select(vec!["'*'", "1.0.0", "~1.0.0", "^1", "'1.x'", "'>=0.1.0-0'"]),
            2 => select(vec!["1.0", "1", "~", "''", "'>1, <3'", "bad", "'^2 || 1'", "=1.0.0", "v1.0.0", "yes"]),
        ],
        alias in option::weighted(0.3, prop_oneof![
            30 => select(vec!["z", "y", "a", "b", "x_1", "tags"]),
            2 => select(vec!["1", "yes", "~", "''"]),
            1 => select(vec!["bad$", "'a.b'", "\"z\\n\""]),
        ]),
        condition in option::weighted(0.5, condition()),
        tags in option::weighted(0.3, vec(select(vec!["t1", "t2", "t3", "1", "~"]), 0..3)),
        imports in option::weighted(0.4, vec(import(), 0..4)),
        more in option::weighted(0.1, select(vec![
            "enabled: no", "repository: 1", "Tags: [t1]", "unknown: {a: [1]}", "Condition: a.on", "ALIAS: w",
        ])),
    ) -> Entry {
        Entry { name, version, alias, condition, tags, imports, more }
    }
}

fn condition() -> impl Strategy<Value = String> {
    let path = vec(
        prop_oneof![
            6 => select(vec!["a", "b", "c", "d", "z", "y"]),
            3 => select(vec!["on", "enabled", "x"]),
            1 => select(vec!["", "tags", "t1"]),
        ],
        1..4,
    )
    .prop_map(|parts| parts.join("."));
    vec(path, 1..4).prop_flat_map(|paths| {
        prop_oneof![
            6 => Just(paths.join(",")),
            1 => Just(paths.join(", ")),
            1 => Just(format!(" {} ", paths.join(",,"))),
        ]
    })
}

fn import() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => select(vec!["data", "e", "k", "'x.y'"]),
        8 => select(vec![
            "{child: exports.data, parent: .}",
            "{child: exports, parent: z}",
            "{child: a, parent: a}",
            "{child: data, parent: b.c}",
            "{child: b, parent: data.x}",
            "{child: global, parent: global}",
            "{child: on, parent: y..x}",
            "{child: exports.data, parent: ''}",
        ]),
        1 => select(vec!["1", "~", "[]", "yes", "{child: a, parent: b, other: 1}"]),
        1 => select(vec!["{child: a}", "{child: 1, parent: b}", "{}"]),
    ]
}
