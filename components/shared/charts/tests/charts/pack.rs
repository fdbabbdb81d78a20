//! What is packed is loaded as it was.

use charts::{Limits, PackError, load, pack};
use proptest::{collection::vec, option, prelude::*};
use prost_types::Any;
use tiller_api::hapi::chart::{Chart, Config, Maintainer, Metadata, Template};

use crate::support::archive;

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
    fn any_chart_that_was_loaded_is_read_back(chart in chart()) {
        // Once through an archive, so that it is one that was loaded.
        let chart = loaded(&pack(&chart).expect("an archive"));
        prop_assert_eq!(loaded(&pack(&chart).expect("an archive")), chart);
    }

    #[test]
    fn nothing_is_lost(chart in chart()) {
        let mut read = loaded(&pack(&chart).expect("an archive"));
        let mut chart = chart;
        sort(&mut read);
        sort(&mut chart);
        prop_assert_eq!(read, chart);
    }
}

fn sort(chart: &mut Chart) {
    chart.dependencies.iter_mut().for_each(sort);
    chart
        .dependencies
        .sort_by_cached_key(prost::Message::encode_to_vec);
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

fn chart() -> impl Strategy<Value = Chart> {
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
