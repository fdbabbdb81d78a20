//! What is packed is loaded as it was.

use charts::{
    Limits, PackError, load, pack,
    requirements::{check, process},
};
use proptest::{collection::vec, option, prelude::*};
use prost_types::Any;
use tiller_api::hapi::chart::{Chart, Config, Maintainer, Metadata, Template};

use crate::{
    required,
    support::{Build as _, archive, chart},
};

fn named(name: &str) -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        }),
        ..Chart::default()
    }
}

fn loaded(archive: &[u8]) -> Chart {
    load(archive, &Limits::default()).expect("a chart")
}

#[test]
fn a_chart_is_read_back() {
    let chart = loaded(&archive([
        ("x/values.yaml", "a: 1 # one\n"),
        (
            "x/Chart.yaml",
            "name: web\nversion: '1.10'\nappVersion: 'yes'\ndeprecated: on\nannotations: {a: 'b: c'}\n",
        ),
        ("x/templates/z.yaml", "z"),
        ("x/templates/a.yaml", "a"),
        ("x/README.md", "hi"),
        ("x/charts/b/Chart.yaml", "name: sub"),
        ("x/charts/a/Chart.yaml", "name: zebra"),
        ("x/charts/a/charts/c/Chart.yaml", "name: deep"),
    ]));
    assert_eq!(loaded(&pack(&chart).expect("an archive")), chart);
}

#[test]
fn the_same_chart_is_the_same_bytes() {
    let chart = named("web");
    assert_eq!(
        pack(&chart).expect("an archive"),
        pack(&chart).expect("an archive")
    );
}

#[test]
fn sub_charts_of_one_name_stay_apart_and_in_order() {
    let chart = Chart {
        dependencies: ["one", "two", "three"]
            .map(|raw| Chart {
                values: Some(Config {
                    raw: raw.to_owned(),
                    ..Config::default()
                }),
                ..named("sub")
            })
            .to_vec(),
        ..named("web")
    };
    assert_eq!(loaded(&pack(&chart).expect("an archive")), chart);
}

#[test]
fn requirements_are_left_out_everywhere() {
    let files = |chart: Chart| {
        chart
            .requires("dependencies: [{name: gone, version: '*'}]")
            .file("requirements.lock", "digest: x")
            .file("docs/requirements.yaml", "kept: true")
    };
    let top = files(chart("top")).with(files(chart("sub")).with(files(chart("deep"))));
    let read = loaded(&pack(&top).expect("an archive"));
    assert_eq!(read, without_requirements(top));
    assert_eq!(read.files.len(), 1);
    check(&read, &Limits::default()).expect("it requires nothing");
}

#[test]
fn signatures_stay_with_their_chart() {
    let signed = |name| {
        chart(name)
            .file("key.prov", name)
            .file("charts/old-1.0.0.tgz.prov", name)
    };
    let top = signed("top")
        .with(chart("plain"))
        .with(chart("sub").with(signed("deep")))
        .with(signed("zero"))
        .with(chart("zero"))
        .with(signed("zero"))
        .with(chart("zero-00001"));
    assert_eq!(loaded(&pack(&top).expect("an archive")), top);
}

#[test]
fn files_that_would_become_something_else_are_refused() {
    for name in [
        "Chart.yaml",
        "values.yaml",
        "values.toml",
        "templates/a.yaml",
        "charts/a/Chart.yaml",
        "charts/_a",
        "charts/a.tgz",
        "nul\0",
    ] {
        let error = pack(&chart("web").file(name, "")).expect_err(name);
        assert!(matches!(&error, PackError::Name(found) if found == name));
        let parent = chart("top").with(chart("sub").file(name, ""));
        assert!(matches!(pack(&parent), Err(PackError::Name(_))), "{name}");
    }
    for name in [
        "a.yaml",
        "template/a.yaml",
        "charts/a/templates/b",
        "templates",
    ] {
        let mut chart = chart("web");
        chart.templates.push(Template {
            name: name.to_owned(),
            ..Template::default()
        });
        assert!(matches!(pack(&chart), Err(PackError::Name(found)) if found == name));
    }
}

#[test]
fn a_chart_for_another_helm_is_refused() {
    for (version, loads) in [("", true), ("v1", true), ("v2", false), ("V1", false)] {
        let mut sub = chart("sub");
        sub.metadata.get_or_insert_default().api_version = version.to_owned();
        let packed = pack(&chart("top").with(sub));
        match packed {
            Err(PackError::ApiVersion(found)) => assert!(!loads && found == version),
            packed => assert!(loads && packed.is_ok(), "{version}"),
        }
    }
}

#[test]
fn no_values_and_empty_ones_stay_different() {
    let top = chart("top")
        .values("")
        .with(chart("none"))
        .with(chart("some").values("# mine\na:   yes\n"));
    assert_eq!(loaded(&pack(&top).expect("an archive")), top);
}

#[test]
fn names_that_make_no_directory_are_read_back() {
    for name in [
        "_x",
        ".x",
        "a/b",
        r"a\b",
        "..",
        "x.tgz",
        "x.prov",
        "Chart.yaml",
        "ü",
        " ",
        &"n".repeat(500),
    ] {
        let chart = Chart {
            dependencies: vec![named(name)],
            ..named(name)
        };
        assert_eq!(
            loaded(&pack(&chart).expect("an archive")),
            chart,
            "{name:?}"
        );
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../x",
        "/x",
        "a/../b",
        "./a",
        "a//b",
        "",
        ".",
        r"a\b",
        "c:/x",
        "templates/",
    ] {
        let chart = Chart {
            files: vec![Any {
                type_url: name.to_owned(),
                value: Vec::new(),
            }],
            ..named("web")
        };
        assert!(
            matches!(pack(&chart), Err(PackError::Name(found)) if found == name),
            "{name:?}"
        );
    }
}

#[test]
fn a_chart_without_a_name_is_refused() {
    for chart in [Chart::default(), named("")] {
        assert!(matches!(pack(&chart), Err(PackError::MissingName)));
        let parent = Chart {
            dependencies: vec![chart],
            ..named("web")
        };
        assert!(matches!(pack(&parent), Err(PackError::MissingName)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_chart_that_was_loaded_is_read_back(chart in any_chart()) {
        // Once through an archive, so that it is one that was loaded.
        let chart = loaded(&pack(&chart).expect("an archive"));
        prop_assert_eq!(loaded(&pack(&chart).expect("an archive")), chart);
    }

    #[test]
    fn nothing_is_lost(chart in any_chart()) {
        let mut read = loaded(&pack(&chart).expect("an archive"));
        let mut chart = chart;
        sort(&mut read);
        sort(&mut chart);
        prop_assert_eq!(read, chart);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_was_processed_is_not_processed_again(tree in required::tree(), user in required::user()) {
        let user = Config { raw: user, ..Config::default() };
        let mut processed = tree.clone();
        if process(&mut processed, &user, &Limits::default()).is_err() {
            processed = tree;
        }
        let read = loaded(&pack(&processed).expect("an archive"));
        prop_assert_eq!(&read, &without_requirements(processed));
        prop_assert_eq!(check(&read, &Limits::default()), Ok(()));
        let mut again = read.clone();
        prop_assert_eq!(process(&mut again, &user, &Limits::default()), Ok(()));
        prop_assert_eq!(again, read);
    }

    #[test]
    fn any_name_is_read_back_or_refused(name in any_name()) {
        let top = chart("top").with(chart("sub").file(&name, "x"));
        match pack(&top) {
            Ok(archive) => prop_assert_eq!(loaded(&archive), without_requirements(top)),
            Err(error) => prop_assert!(matches!(&error, PackError::Name(found) if *found == name)),
        }
    }
}

/// The chart as it is read back: without what is left out, and with its sub-charts in the order of their names.
pub(crate) fn without_requirements(mut chart: Chart) -> Chart {
    let left_out = ["requirements.yaml", "requirements.lock"];
    chart
        .files
        .retain(|file| !left_out.contains(&file.type_url.as_str()));
    chart.dependencies = chart
        .dependencies
        .into_iter()
        .map(without_requirements)
        .collect();
    chart
        .dependencies
        .sort_by_key(|below| below.metadata.clone().map(|metadata| metadata.name));
    chart
}

fn sort(chart: &mut Chart) {
    chart.dependencies.iter_mut().for_each(sort);
    chart
        .dependencies
        .sort_by_cached_key(prost::Message::encode_to_vec);
}

/// Names of files, many of which no archive can hold.
pub(crate) fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        ".{0,8}",
        "[./\\\\\0a-c]{0,6}",
        "[a-c/]{95,105}",
        "[a-cü]{40,200}",
        "(charts|templates)/[a-z._/]{1,6}",
        "[a-z]{0,3}\\.prov",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<String>(),
        "[ \n:#a-]{0,10}",
        proptest::sample::select(vec!["yes", "1.10", "~", "null", "0755", "1e3"])
            .prop_map(str::to_owned),
    ]
}

prop_compose! {
    fn metadata()(
        name in "[a-zA-Z._/-]{1,8}",
        texts in vec(text(), 10),
        keywords in vec(text(), 0..3),
        maintainer in option::of((text(), text(), text())),
        annotations in proptest::collection::btree_map(text(), text(), 0..3),
        deprecated in any::<bool>(),
        api_version in prop_oneof![Just(String::new()), Just("v1".to_owned())],
    ) -> Metadata {
        let text = |at: usize| texts[at].clone();
        Metadata {
            name,
            home: text(0),
            sources: keywords.clone(),
            version: text(1),
            description: text(2),
            keywords,
            maintainers: maintainer
                .map(|(name, email, url)| Maintainer { name, email, url })
                .into_iter()
                .collect(),
            engine: text(3),
            icon: text(4),
            api_version,
            condition: text(5),
            tags: text(6),
            app_version: text(7),
            deprecated,
            tiller_version: text(8),
            annotations,
            kube_version: text(9),
        }
    }
}

pub(crate) fn any_chart() -> impl Strategy<Value = Chart> {
    let data = || vec(any::<u8>(), 0..20);
    let leaf = (
        metadata(),
        option::of(text()),
        vec(("[a-z]{1,4}(/[a-z.]{1,3}x)?|n{90,200}", data()), 0..4),
        vec(("(a|README|docs/[a-z]{1,4})\\.md|x{90,200}", data()), 0..4),
    )
        .prop_map(|(metadata, values, templates, files)| Chart {
            metadata: Some(metadata),
            values: values.map(|raw| Config {
                raw,
                ..Config::default()
            }),
            templates: templates
                .into_iter()
                .map(|(name, data)| Template {
                    name: format!("templates/{name}"),
                    data: data.into(),
                })
                .collect(),
            files: files
                .into_iter()
                .map(|(type_url, value)| Any { type_url, value })
                .collect(),
            dependencies: Vec::new(),
        });
    leaf.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(chart, dependencies)| Chart {
            dependencies,
            ..chart
        })
    })
}
