//! Indexes of repositories, and what is found in them.

use std::collections::BTreeSet;

use charts::{
    index::{Entry, Index, IndexError, Limits, LookupError, Search},
    version::Version,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{ask, cases::in_flow, many};

#[test]
#[ignore = "needs Go; run with --ignored"]
fn indexes_are_read_as_helm_reads_them() {
    let texts = many(
        8_000,
        prop_oneof![2 => index(0), 2 => index(3), 1 => index(30)],
    );
    let questions = texts.iter().map(
        |text| json!({ "ask": "index", "index": text, "lookups": lookups(), "searches": SEARCHES }),
    );
    let mut counts = [0; 4];
    for (text, theirs) in texts.iter().zip(ask(questions)) {
        let ours = Index::parse(text.as_bytes(), &Limits::default());
        let outcome = match (&ours, theirs["error"].as_str()) {
            // It crashes over null, which is no reason to.
            (_, Some(error)) if error.starts_with("panic: ") => 3,
            (Err(IndexError::NoApiVersion), None) => {
                assert!(is_legacy(&theirs), "{text}\n{theirs}");
                2
            }
            (Err(error), Some(theirs)) => {
                if theirs == "no API version specified" {
                    assert_eq!(error.to_string(), theirs, "{text}");
                }
                1
            }
            (Ok(index), None) => {
                same_charts(text, index, &theirs);
                same_lookups(text, index, &theirs);
                same_searches(text, index, &theirs);
                0
            }
            (ours, theirs) => panic!("{text:?}\n{text}\n  ours: {ours:?}\n  Helm's: {theirs:?}"),
        };
        counts[outcome] += 1;
    }
    let [read, refused, legacy, crashes] = counts;
    eprintln!(
        "{read} read and {refused} refused alike; {legacy} without a version; {crashes} crashes"
    );
    assert!(read > 1_000 && refused > 1_000);
}

fn same_charts(text: &str, index: &Index, theirs: &Value) {
    let is_version =
        |entry: &Value| Version::parse(entry["version"].as_str().expect("text")).is_ok();
    // Helm's order of those that are no versions is one of chance.
    let order = |list: Vec<Value>| {
        let (sorted, rest): (Vec<_>, Vec<_>) = list.into_iter().partition(is_version);
        let rest: BTreeSet<String> = rest.iter().map(Value::to_string).collect();
        (sorted, rest)
    };
    let theirs = theirs["charts"].as_object().expect("charts");
    let names: Vec<&str> = index.names().collect();
    assert_eq!(names, theirs.keys().collect::<Vec<_>>(), "{text}");
    for (name, theirs) in theirs {
        let ours: Vec<Value> = index
            .versions(name)
            .expect("it is a name")
            .map(shown)
            .collect();
        let theirs = theirs.as_array().expect("a list").iter().map(without_title);
        assert_eq!(order(ours), order(theirs.collect()), "{text}");
    }
}

fn same_lookups(text: &str, index: &Index, theirs: &Value) {
    for ((name, version), theirs) in lookups().iter().zip(list(&theirs["lookups"])) {
        if theirs["panic"].is_string() {
            continue;
        }
        let found = index.get(name, version);
        if matches!(found, Err(LookupError::NoVersions)) {
            // There may be a null, which Helm gets to only after the constraint.
            assert!(theirs["error"].is_string(), "{text}\n{name} {version}");
            continue;
        }
        let ours = match found {
            Ok(entry) => shown(entry),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let theirs = without_title(theirs);
        if Version::parse(version).is_err() && ours["error"].is_null() {
            // There may be several, in an order of chance.
            assert_eq!(
                ours["version"], theirs["version"],
                "{text}\n{name} {version}"
            );
        } else {
            assert_eq!(ours, theirs, "{text}\n{name} {version}");
        }
    }
}

/// Unless there are several that are the same version, or none, which Helm shows in an order of chance, or names that it
/// shows in lower case.
fn same_searches(text: &str, index: &Index, theirs: &Value) {
    for name in index.names() {
        let versions: Vec<_> = index
            .versions(name)
            .expect("it is a name")
            .map(|entry| Version::parse(entry.version))
            .collect();
        if name.contains(char::is_uppercase)
            || versions.iter().any(Result::is_err)
            || versions.windows(2).any(|pair| pair.first() == pair.last())
        {
            return;
        }
    }
    for (search, theirs) in SEARCHES.iter().zip(list(&theirs["searches"])) {
        if theirs["panic"].is_string() {
            continue;
        }
        for (all, kind) in [(true, "all"), (false, "shown")] {
            let found: Vec<Value> = index
                .search(Search {
                    repository: "stable",
                    text: search,
                    all,
                })
                .map(|entry| json!([entry.name, entry.version]))
                .collect();
            assert_eq!(
                Value::from(found),
                theirs[kind],
                "{text}\n{search:?} {kind}"
            );
        }
    }
}

fn shown(entry: Entry<'_>) -> Value {
    json!({
        "version": entry.version,
        "app_version": entry.app_version,
        "description": entry.description,
        "home": entry.home,
        "icon": entry.icon,
        "keywords": entry.keywords.iter().collect::<Vec<_>>(),
        "deprecated": entry.deprecated,
        "has_created": entry.created.is_some(),
        "digest": entry.digest.unwrap_or_default(),
        "urls": entry.urls.iter().collect::<Vec<_>>(),
    })
}

fn without_title(entry: &Value) -> Value {
    let mut entry: Map<String, Value> = entry.as_object().expect("an entry").clone();
    entry.remove("title");
    entry.into()
}

/// What Helm makes of an index without apiVersion: charts that are called like its keys.
fn is_legacy(theirs: &Value) -> bool {
    let charts = theirs["charts"].as_object().expect("charts");
    charts.keys().all(|name| {
        [
            "entries",
            "serverInfo",
            "apiVersion",
            "generated",
            "publicKeys",
        ]
        .contains(&name.as_str())
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn lookups() -> Vec<(&'static str, &'static str)> {
    let names = ["web", "api", "1", "true", "none"];
    let versions = [
        "",
        "*",
        "1",
        "1.0.0",
        "1.x",
        "^1",
        ">0.0.0-0",
        "<1.2",
        "1.2.0-rc.1",
        "1.0.0+b",
        "latest",
        "2.0",
    ];
    names
        .into_iter()
        .flat_map(|name| versions.map(|version| (name, version)))
        .collect()
}

const SEARCHES: [&str; 10] = [
    "",
    "web",
    "WEB",
    "stable/",
    "stable/api",
    "server",
    "Ä",
    "\u{b}",
    "b\u{b}s",
    "zzz",
];

/// `weird` of a hundred values are not what they should be.
fn index(weird: u32) -> BoxedStrategy<String> {
    let top = |key: &'static str, value: BoxedStrategy<String>| {
        mostly(value, weird).prop_map(move |value| format!("{key}: {value}\n"))
    };
    let version = top(
        "apiVersion",
        select(vec!["v1", "v1", "v1", "'1'", "1", "v2"])
            .prop_map(str::to_owned)
            .boxed(),
    );
    let generated = top("generated", moment().boxed());
    let keys = top("publicKeys", flow_list("a|b|1|yes"));
    let info = top(
        "serverInfo",
        "\\{\\}|\\{a: 1\\}|\\{a: \\[1\\], b: \\{c: d\\}\\}|~".boxed(),
    );
    let extra = select(vec![
        "x: 1\n",
        "serverinfo: {}\n",
        "apiVersion: v1\n",
        "generated: ~\n",
        "serverInfo: {a: 1, a: 2}\n",
        "serverInfo: {a: .inf}\n",
        "serverInfo: {1: x, '1': y}\n",
        "serverInfo: {1: x, 0x1: y}\n",
        "serverInfo: &s {a: &t [1], b: *t}\npublicKeys: [*t]\n",
        "serverInfo: {<<: {a: 1}, a: 2}\n",
        "serverInfo: {<<: {a: 1}, b: 2}\n",
        "1: 2\n",
        "~: 2\n",
        "a-1.0.0.tgz: {url: x, checksum: y}\n",
    ])
    .prop_map(str::to_owned);
    let weird_f = f64::from(weird) / 100.0;
    (
        maybe(1.0 - weird_f / 2.0, version),
        maybe(0.5, generated),
        maybe(0.97, entries(weird)),
        maybe(0.1, keys),
        maybe(0.1, info),
        maybe(weird_f, extra),
    )
        .prop_map(|(version, generated, entries, keys, info, extra)| {
            [version, generated, entries, keys, info, extra].concat()
        })
        .boxed()
}

fn entries(weird: u32) -> BoxedStrategy<String> {
    let name = select(vec![
        "web", "web", "api", "db", "stable", "\"1\"", "yes", "k8s-web",
    ])
    .prop_map(str::to_owned);
    let chart = (mostly(name.boxed(), weird), versions(weird))
        .prop_map(|(name, versions)| format!("  {name}:{versions}"));
    prop_oneof![
        1 => select(vec!["entries: {}\n", "entries: ~\n", "entries:\n"]).prop_map(str::to_owned),
        1 => select(vec!["entries: []\n", "entries: x\n", "entries: {web: {}}\n", "entries: {web: x}\n"])
            .prop_map(str::to_owned),
        30 => vec(chart, 1..4).prop_map(|charts| format!("entries:\n{}", charts.concat())),
    ]
    .boxed()
}

fn versions(weird: u32) -> BoxedStrategy<String> {
    let none = select(vec![
        " []\n",
        "\n",
        " ~\n",
        " [~]\n",
        " [{}]\n",
        " [{urls: [a]}]\n",
        " [1]\n",
    ])
    .prop_map(str::to_owned);
    let version = (vec(field(weird), 1..8), fixed(weird)).prop_map(|(fields, mut all)| {
        // A key that is there twice would make nearly all of them errors.
        let mut keys: BTreeSet<String> = all.iter().map(|(key, _)| key.clone()).collect();
        all.extend(
            fields
                .into_iter()
                .filter(|(key, _)| keys.insert(key.clone())),
        );
        all
    });
    let doubled = version.clone().prop_map(|mut fields| {
        fields.extend(fields.first().cloned());
        fields
    });
    let version = prop_oneof![200 => version, weird => doubled];
    let block = version.clone().prop_map(|fields| {
        let lines: String = fields
            .iter()
            .map(|(key, value)| format!("    {key}: {value}\n"))
            .collect();
        lines.replacen("    ", "  - ", 1)
    });
    let flow = version.prop_map(|fields| {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        format!("  - {{{}}}\n", pairs.join(", "))
    });
    let version =
        prop_oneof![2 => block, 2 => flow, weird.div_ceil(20) => Just("  - ~\n".to_owned())];
    prop_oneof![
        12 => vec(version, 1..5).prop_map(|versions| format!("\n{}", versions.concat())),
        1 => none,
    ]
    .boxed()
}

type Field = (String, String);

/// Name and version, which nearly all have.
fn fixed(weird: u32) -> BoxedStrategy<Vec<Field>> {
    let version = select(vec![
        "1.0.0",
        "1.0.0+a",
        "1.0.0+b",
        "1.0.1",
        "1.2.0",
        "1.2.0-rc.1",
        "v1.3.0",
        "2.0.0-alpha",
        "0.1.0",
        "'1.0'",
        "'2'",
        "1.10.0",
        "0.0.0",
        "latest",
        "1.x",
        "2.0.0",
        "3.1.4",
    ])
    .prop_map(str::to_owned);
    let name = select(vec!["web", "api", "web", "Web", "x"]).prop_map(str::to_owned);
    let version = mostly(version.boxed(), weird).prop_map(|value| ("version".to_owned(), value));
    let name = mostly(name.boxed(), weird).prop_map(|value| ("name".to_owned(), value));
    let both = (name, version.clone()).prop_map(|(name, version)| vec![name, version]);
    prop_oneof![
        200 => both,
        weird.div_ceil(10) => version.prop_map(|version| vec![version]),
        weird.div_ceil(10) => Just(Vec::new()),
    ]
    .boxed()
}

fn field(weird: u32) -> BoxedStrategy<Field> {
    let of = |keys: &[&'static str], value: BoxedStrategy<String>| {
        let key = select(keys.to_vec()).prop_map(str::to_owned);
        (key, mostly(value, weird))
    };
    let text =
        "a web server|Server \u{c4}|~|''|\"b\\vc\"|x y|http://h/x\\.png|1\\.2\\.3|2020-01-01"
            .boxed();
    prop_oneof![
        4 => of(&["appVersion", "description", "home", "icon", "engine", "tillerVersion", "kubeVersion"], text.clone()),
        1 => of(&["Description", "appversion", "HOME", "Icon", "Name", "VERSION"], text),
        2 => of(&["digest"], "sha256:00ff|abc|123|1e3|yes|~|''|0123|\\.5|1\\.5|[0-9a-f]{64}".boxed()),
        2 => of(&["created"], moment().boxed()),
        2 => of(&["urls"], flow_list("a\\.tgz|http://h/a\\.tgz|1|yes|~|1\\.5")),
        2 => of(&["keywords", "sources"], flow_list("web|b|http server|~|''")),
        1 => of(&["maintainers"], flow_list("\\{name: a, email: b\\}|~|\\{\\}|\\{Name: a, name: b, x: 1\\}|\\{URL: ~\\}")),
        1 => of(&["deprecated", "removed"], "yes|no|true|false|~|off".boxed()),
        1 => of(&["annotations"], "\\{\\}|~|\\{a: b\\}|\\{name: 1, Home: yes\\}|\\{a: ~\\}|\\{1: a\\}".boxed()),
        1 => of(&["checksum", "1", "yes", "unknown"], "1|x|\\[a, 1\\]|\\{a: \\{b: 1\\}\\}|~".boxed()),
    ]
    .boxed()
}

fn moment() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => "20[0-2][0-9]-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[-+]0[0-9]:[0-5][0-9])",
        1 => Just("~".to_owned()),
        1 => "'2016-02-29T23:59:59Z'",
    ]
}

fn flow_list(items: &'static str) -> BoxedStrategy<String> {
    vec(items, 0..4)
        .prop_map(|items| format!("[{}]", items.join(", ")))
        .boxed()
}

fn mostly(value: BoxedStrategy<String>, weird: u32) -> BoxedStrategy<String> {
    let other = prop_oneof![
        4 => in_flow(),
        1 => vec(in_flow(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        1 => (in_flow(), in_flow()).prop_map(|(key, value)| format!("{{{key}: {value}}}")),
        2 => "2[0-9]{3}-[012][0-9]-[0-3][0-9][Tt ][012][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,2})?(Z|z|[-+][012][0-9]:?[0-6][0-9])?",
    ];
    prop_oneof![1000 => value, weird => other].boxed()
}

fn maybe(weight: f64, text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::option::weighted(weight.clamp(0.001, 0.999), text).prop_map(Option::unwrap_or_default)
}
