//! Values out of sub-charts.

use serde_json::{Value, json};

use super::*;

/// A chart that imports from two sub-charts in every way, the one of which imports from two others.
fn population() -> Chart {
    let a = chart("a").values("adata: {bool: false, int: 55, nested: {deep: true}}\n");
    let b = chart("b").values(
        "bdata: {float: 7.77, text: boba}\n\
         exports:\n\
         \x20 one: {one-a: {one-b: 1965}}\n\
         \x20 two: {two-a: blaster}\n",
    );
    let first = chart("first")
        .requires(
            "dependencies:\n\
             - name: a\n\
             \x20 version: 1.0.0\n\
             \x20 import-values:\n\
             \x20 - {child: adata, parent: from-a}\n\
             \x20 - {child: adata, parent: from-both}\n\
             - name: b\n\
             \x20 version: 1.0.0\n\
             \x20 import-values:\n\
             \x20 - {child: bdata, parent: from-both}\n\
             \x20 - {child: exports.two, parent: exports.two}\n\
             \x20 - one\n",
        )
        .values(
            "# Nobody reads this again.\n\
             data: {bool: true, float: 3.25, int: 100, text: dollywood}\n\
             from-a: {first: 1.337}\n\
             from-both: {first: tiller}\n\
             one-a: {known: true}\n\
             exports: {globals: {global: {all: {word: said}}}}\n",
        )
        .with(a)
        .with(b);
    let second = chart("second").values("exports: {data: {shared: {text: mugwort}}}\n");
    chart("top")
        .requires(
            "dependencies:\n\
             - name: first\n\
             \x20 version: 1.0.0\n\
             \x20 import-values:\n\
             \x20 - {child: data, parent: imported}\n\
             \x20 - {child: data, parent: overridden.deeply}\n\
             \x20 - {child: from-a, parent: from-a}\n\
             \x20 - {child: from-both, parent: from-both}\n\
             \x20 - {child: one-a, parent: .}\n\
             \x20 - two\n\
             \x20 - globals\n\
             - name: second\n\
             \x20 version: 1.0.0\n\
             \x20 import-values: [data]\n",
        )
        .values(
            "imported: {top: helm rocks}\n\
             overridden: {deeply: {bool: false, int: 99, top: 42}}\n\
             from-a: {int: 808}\n\
             from-both: {top: k8s}\n\
             shared: {text: jaberwocky, int: 42}\n",
        )
        .with(first)
        .with(second)
}

#[test]
fn values_are_imported_over_those_that_are_there_and_those_again() {
    let chart = processed(population(), "").expect("a chart");
    let values = own(&chart);
    for (key, expected) in [
        (
            "imported",
            json!({"bool": true, "float": 3.25, "int": 100, "text": "dollywood", "top": "helm rocks"}),
        ),
        (
            "overridden",
            json!({"deeply": {"bool": true, "float": 3.25, "int": 100, "text": "dollywood", "top": 42}}),
        ),
        (
            "from-a",
            json!({"bool": false, "int": 55, "nested": {"deep": true}, "first": 1.337}),
        ),
        (
            "from-both",
            json!({"bool": false, "int": 55, "nested": {"deep": true}, "float": 7.77, "text": "boba", "first": "tiller", "top": "k8s"}),
        ),
        ("one-b", json!(1965)),
        ("known", json!(true)),
        ("two-a", json!("blaster")),
        ("shared", json!({"text": "mugwort", "int": 42})),
        ("global", json!({"all": {"word": "said"}})),
    ] {
        assert_eq!(values[key], expected, "{key}");
    }
}

/// Charts that export a table `d`, of which all is imported.
fn exporting<'n>(names: impl IntoIterator<Item = &'n str>, values: &str) -> Chart {
    let mut requirements = "dependencies:\n".to_owned();
    let mut top = chart("top").values(values);
    for (at, name) in names.into_iter().enumerate() {
        requirements.push_str(&format!(
            "- {{name: {name}, version: '*', condition: {name}.flag, import-values: [d]}}\n"
        ));
        top = top.with(chart(name).values(&format!("exports: {{d: {{k: {}}}}}", at + 1)));
    }
    top.requires(&requirements)
}

#[test]
fn i1_the_first_import_wins_over_later_ones_and_the_charts_own_values() {
    let chart = processed(exporting(["v", "w"], "k: 0"), "").expect("a chart");
    assert_eq!(own(&chart)["k"], 1);
    let chart = processed(exporting(["w", "v"], "k: 0"), "").expect("a chart");
    assert_eq!(own(&chart)["k"], 1);
}

fn computed(chart: &Chart, user: &str) -> Value {
    let user = Config {
        raw: user.to_owned(),
        ..Config::default()
    };
    values::coalesce(chart, Some(&user), &Limits::default()).expect("values")
}

#[test]
fn i2_what_the_caller_says_of_a_sub_chart_is_not_imported() {
    let user = "sub: {exports: {d: {k: 9}}}";
    let chart = processed(exporting(["sub"], ""), user).expect("a chart");
    let values = computed(&chart, user);
    assert_eq!(values["k"], 1);
    assert_eq!(values["sub"]["exports"]["d"]["k"], 9);
}

#[test]
fn i3_the_caller_wins_over_imports() {
    let chart = processed(exporting(["sub"], ""), "k: 5").expect("a chart");
    assert_eq!(computed(&chart, "k: 5")["k"], 5);
}

/// A chart that imports this, as YAML, from a sub-chart.
fn importing(imports: &str) -> Chart {
    chart("top")
        .requires(&format!(
            "dependencies: [{{name: sub, version: '*', import-values: {imports}}}]"
        ))
        .with(chart("sub").values("exports: {d: {k: 1}, s: 5}"))
}

#[test]
fn i4_what_is_no_table_is_not_imported() {
    for imports in [
        "[missing]",
        "[s]",
        "[{child: exports.d.k, parent: .}]",
        "[1, ~, [], true]",
    ] {
        let chart = processed(importing(imports), "").expect("a chart");
        assert_eq!(
            Value::Object(own(&chart)),
            json!({"sub": {"exports": {"d": {"k": 1}, "s": 5}, "global": {}}}),
            "{imports}"
        );
    }
}

#[test]
fn i5_imports_that_would_crash_helm_are_refused() {
    for imports in [
        "[{child: exports.d}]",
        "[{parent: .}]",
        "[{child: 1, parent: x}]",
        "[{child: x, parent: ~}]",
        "[{}]",
    ] {
        let error = processed(importing(imports), "").expect_err(imports);
        assert_eq!(
            chain(&error),
            "an entry of import-values of requirement \"sub\" in chart top needs texts `child` and `parent`"
        );
    }
}

#[test]
fn empty_parts_of_paths_are_keys() {
    let chart = processed(importing("[{child: exports.d, parent: 'a..b'}]"), "").expect("a chart");
    assert_eq!(own(&chart)["a"], json!({"": {"b": {"k": 1}}}));
    let chart = processed(importing("[{child: exports.d, parent: ''}]"), "").expect("a chart");
    assert_eq!(own(&chart)[""], json!({"k": 1}));
}

#[test]
fn i6_nothing_is_imported_from_a_disabled_chart() {
    let chart = processed(exporting(["sub"], "k: 0"), "sub: {flag: false}").expect("a chart");
    assert_eq!(own(&chart)["k"], 0);
}

#[test]
fn an_alias_is_preferred_to_the_name() {
    let requirements = "dependencies: [{name: s, version: '*', alias: z, import-values: [d]}]";
    let sub = |name, k| chart(name).values(&format!("exports: {{d: {{k: {k}}}}}"));
    let renamed = chart("top").requires(requirements).with(sub("s", 1));
    assert_eq!(own(&processed(renamed, "").expect("a chart"))["k"], 1);
    let both = chart("top")
        .requires(requirements)
        .with(sub("s", 1).at("x"))
        .with(sub("z", 2));
    assert_eq!(own(&processed(both, "").expect("a chart"))["k"], 2);
}

#[test]
fn i7_values_are_written_anew_with_those_of_sub_charts_in_them() {
    let top = chart("top")
        .requires("dependencies: [{name: sub, version: '*'}]")
        .values("# mine\nb: 1.0\na: 'x'\n")
        .with(chart("sub").values("c: [1, {d: ~}]"));
    let top = processed(top, "").expect("a chart");
    assert_eq!(
        raw(&top),
        "a: x\nb: 1\nsub:\n  c:\n  - 1\n  - d: null\n  global: {}\n"
    );
    let top = processed(chart("top").requires("# nothing\n"), "").expect("a chart");
    assert_eq!(raw(&top), "{}\n");
}

#[test]
fn a_sub_charts_values_are_written_anew_if_it_has_sub_charts() {
    let alone = chart("alone").requires("{}").values("a:   1");
    let parent = chart("parent")
        .requires("{}")
        .values("a:   1")
        .with(chart("deep"));
    let top = chart("top").with(alone.clone()).with(parent);
    let top = processed(top, "").expect("a chart");
    assert_eq!(top.values, None);
    assert_eq!(top.dependencies[0], alone);
    assert_eq!(raw(&top.dependencies[1]), "a: 1\ndeep:\n  global: {}\n");
}

#[test]
fn v5_to_v6_a_null_is_lost_where_there_are_requirements() {
    let top = chart("top")
        .values("sub: {foo: null}")
        .with(chart("sub").values("foo: bar"));
    let untouched = processed(top.clone(), "").expect("a chart");
    assert_eq!(computed(&untouched, "")["sub"], json!({"global": {}}));
    let top = top.requires("dependencies: [{name: sub, version: '*'}]");
    let top = processed(top, "").expect("a chart");
    assert_eq!(raw(&top), "sub:\n  global: {}\n");
    assert_eq!(
        computed(&top, "")["sub"],
        json!({"foo": "bar", "global": {}})
    );
}

#[test]
fn v7_to_v9_hold_after_processing() {
    let top = chart("top")
        .requires("dependencies: [{name: sub, version: '*'}]")
        .values(
            "{global: {a: p}, sub: {global: {a: s, b: s}, probe: {get: null, exec: /bin/true}}}",
        )
        .with(chart("sub").values("{global: {c: d, a: dd}, probe: {get: {path: /}}}"));
    let top = processed(top, "").expect("a chart");
    let written = own(&top);
    assert_eq!(
        written["sub"]["global"],
        json!({"a": "p", "b": "s", "c": "d"})
    );
    assert_eq!(written["sub"]["probe"], json!({"exec": "/bin/true"}));
    assert_eq!(
        computed(&top, "global: {a: user}")["sub"]["global"]["a"],
        "user"
    );
}

#[test]
fn values_that_cannot_be_read_stay() {
    let top = chart("top").values("[").with(
        chart("sub")
            .requires("{}")
            .values("deep: 5")
            .with(chart("deep")),
    );
    assert_eq!(processed(top.clone(), ""), Ok(top));
}

#[test]
fn a_shared_chart_is_written_as_often_as_it_is_there() {
    // The second time its null is gone already, and the default that the null deleted is back.
    let unlisted = chart("unlisted")
        .requires("{}")
        .values("deep: {k: null}")
        .with(chart("deep").values("k: 1"));
    let middle = chart("middle").with(unlisted);
    let requirements = |count| {
        let one = |at| format!("- {{name: middle, version: '*', alias: m{at}}}\n");
        let all: String = (0..count).map(one).collect();
        format!("dependencies:\n{all}")
    };
    let written = |count| {
        let top = chart("top")
            .requires(&requirements(count))
            .with(middle.clone());
        let top = processed(top, "").expect("a chart");
        raw(&top.dependencies[0].dependencies[0]).to_owned()
    };
    assert_eq!(written(1), "deep:\n  global: {}\n");
    assert_eq!(written(2), "deep:\n  global: {}\n  k: 1\n");
}
