//! What holds for every message: it survives the wire, and its light view is its projection.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*};
use prost::Message;
use prost_types::{Any, Timestamp};
use tiller_api::{
    hapi::{
        chart::{Chart, Config, Maintainer, Metadata, Template},
        release::{Hook, Info, Release, Status, TestRun, TestSuite},
        services::tiller::{
            GetHistoryResponse, InstallReleaseRequest, ListReleasesResponse,
            UninstallReleaseResponse,
        },
    },
    light,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_release_survives_the_wire(release in release()) {
        prop_assert_eq!(over_the_wire::<_, Release>(&release), release);
    }

    #[test]
    fn a_request_survives_the_wire(chart in chart(), name in text(), timeout in any::<i64>()) {
        let request = InstallReleaseRequest {
            chart: Some(chart),
            values: Some(Config::default()),
            name,
            timeout,
            ..InstallReleaseRequest::default()
        };
        prop_assert_eq!(over_the_wire::<_, InstallReleaseRequest>(&request), request);
    }

    #[test]
    fn a_light_release_is_the_projection_of_the_full_one(release in release()) {
        let light: light::Release = over_the_wire(&release);
        prop_assert_eq!(light, light::Release::from(&release));
    }

    #[test]
    fn light_answers_are_the_projections_of_the_full_ones(
        releases in vec(release(), 0..4),
        next in text(),
        count in any::<i64>(),
    ) {
        let projected: Vec<_> = releases.iter().map(light::Release::from).collect();
        let uninstalled = UninstallReleaseResponse {
            release: releases.first().cloned(),
            info: next.clone(),
        };
        prop_assert_eq!(
            over_the_wire::<_, light::UninstallReleaseResponse>(&uninstalled),
            light::UninstallReleaseResponse {
                release: projected.first().cloned(),
                info: next.clone(),
            }
        );
        prop_assert_eq!(
            over_the_wire::<_, light::ReleaseResponse>(&uninstalled),
            light::ReleaseResponse { release: projected.first().cloned() }
        );
        let history = GetHistoryResponse { releases: releases.clone() };
        prop_assert_eq!(
            over_the_wire::<_, light::GetHistoryResponse>(&history),
            light::GetHistoryResponse { releases: projected.clone() }
        );
        let list = ListReleasesResponse { count, next: next.clone(), total: count, releases };
        prop_assert_eq!(
            over_the_wire::<_, light::ListReleasesResponse>(&list),
            light::ListReleasesResponse { count, next, total: count, releases: projected }
        );
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = ListReleasesResponse::decode(&bytes[..]);
        let _ = light::ListReleasesResponse::decode(&bytes[..]);
        let _ = InstallReleaseRequest::decode(&bytes[..]);
    }
}

fn over_the_wire<A: Message, B: Message + Default>(message: &A) -> B {
    B::decode(&message.encode_to_vec()[..]).expect("what was encoded")
}

fn text() -> impl Strategy<Value = String> {
    ".{0,8}"
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    option::of(
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }),
    )
}

fn config() -> impl Strategy<Value = Option<Config>> {
    option::of(text().prop_map(|raw| Config {
        raw,
        values: BTreeMap::new(),
    }))
}

prop_compose! {
    fn metadata()(
        texts in vec(text(), 10),
        keywords in vec(text(), 0..3),
        maintainer in option::of((text(), text(), text())),
        annotations in proptest::collection::btree_map(text(), text(), 0..3),
        deprecated in any::<bool>(),
    ) -> Metadata {
        let text = |at: usize| texts[at].clone();
        Metadata {
            name: text(0),
            home: text(1),
            sources: keywords.clone(),
            version: text(2),
            description: text(3),
            keywords,
            maintainers: maintainer
                .map(|(name, email, url)| Maintainer { name, email, url })
                .into_iter()
                .collect(),
            engine: text(4),
            icon: text(5),
            api_version: text(6),
            condition: text(0),
            tags: text(1),
            app_version: text(7),
            deprecated,
            tiller_version: text(8),
            annotations,
            kube_version: text(9),
        }
    }
}

fn chart() -> impl Strategy<Value = Chart> {
    let leaf = (
        option::of(metadata()),
        config(),
        vec((text(), vec(any::<u8>(), 0..20)), 0..3),
    )
        .prop_map(|(metadata, values, files)| Chart {
            metadata,
            values,
            templates: files
                .iter()
                .map(|(name, data)| Template {
                    name: name.clone(),
                    data: data.clone().into(),
                })
                .collect(),
            files: files
                .into_iter()
                .map(|(type_url, value)| Any { type_url, value })
                .collect(),
            dependencies: Vec::new(),
        });
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), vec(inner, 0..2)).prop_map(|(chart, dependencies)| Chart {
            dependencies,
            ..chart
        })
    })
}

prop_compose! {
    fn info()(
        code in any::<i32>(),
        texts in vec(text(), 3),
        times in vec(time(), 5),
        runs in vec((text(), 0..4_i32), 0..3),
    ) -> Info {
        let results = runs
            .into_iter()
            .map(|(name, status)| TestRun { name, status, ..TestRun::default() })
            .collect();
        Info {
            status: Some(Status {
                code,
                resources: texts[0].clone(),
                notes: texts[1].clone(),
                last_test_suite_run: Some(TestSuite {
                    started_at: times[0],
                    completed_at: times[1],
                    results,
                }),
            }),
            first_deployed: times[2],
            last_deployed: times[3],
            deleted: times[4],
            description: texts[2].clone(),
        }
    }
}

prop_compose! {
    fn hook()(
        name in text(),
        manifest in text(),
        events in vec(0..12_i32, 0..3),
        delete_policies in vec(0..3_i32, 0..3),
        last_run in time(),
        weight in any::<i32>(),
        delete_timeout in any::<i64>(),
    ) -> Hook {
        Hook {
            name,
            kind: "Job".into(),
            path: "templates/hook.yaml".into(),
            manifest,
            events,
            last_run,
            weight,
            delete_policies,
            delete_timeout,
        }
    }
}

prop_compose! {
    fn release()(
        name in text(),
        info in option::of(info()),
        chart in option::of(chart()),
        config in config(),
        manifest in text(),
        hooks in vec(hook(), 0..3),
        version in any::<i32>(),
        namespace in text(),
    ) -> Release {
        Release { name, info, chart, config, manifest, hooks, version, namespace }
    }
}
