//! What is left of a release, whatever was in it.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use prost_types::{Any, Timestamp};
use tiller_api::hapi::chart::{Chart, Config, Metadata, Template};
use tiller_api::hapi::release::{Hook, Info, Release, Status, TestRun, TestSuite};
use tiller_api::hapi::services::tiller::GetReleaseStatusResponse;
use tiller_api::wire::put;
use tiller_api::withheld::{release, status};

/// The same release without what shows values, made from the decoded message.
fn cleared(mut release: Release) -> Release {
    if let Some(status) = release.info.as_mut().and_then(|info| info.status.as_mut()) {
        status.notes.clear();
    }
    if let Some(chart) = &mut release.chart {
        *chart = Chart {
            metadata: chart.metadata.take(),
            ..Chart::default()
        };
    }
    release.config = None;
    release.manifest.clear();
    for hook in &mut release.hooks {
        hook.manifest.clear();
    }
    release
}

fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    proptest::option::of(
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }),
    )
}

fn info() -> impl Strategy<Value = Info> {
    let run = (text(), any::<i32>(), text()).prop_map(|(name, status, info)| TestRun {
        name,
        status,
        info,
        ..TestRun::default()
    });
    let suite = vec(run, 0..3).prop_map(|results| TestSuite {
        results,
        ..TestSuite::default()
    });
    let status = (any::<i32>(), text(), text(), proptest::option::of(suite)).prop_map(
        |(code, resources, notes, last_test_suite_run)| Status {
            code,
            resources,
            notes,
            last_test_suite_run,
        },
    );
    (
        proptest::option::of(status),
        moment(),
        moment(),
        moment(),
        text(),
    )
        .prop_map(
            |(status, first_deployed, last_deployed, deleted, description)| Info {
                status,
                first_deployed,
                last_deployed,
                deleted,
                description,
            },
        )
}

fn config() -> impl Strategy<Value = Option<Config>> {
    proptest::option::of(text().prop_map(|raw| Config {
        raw,
        ..Config::default()
    }))
}

fn chart() -> impl Strategy<Value = Chart> {
    let leaf = || {
        (text(), text(), vec(text(), 0..3), config()).prop_map(|(name, version, texts, values)| {
            Chart {
                metadata: Some(Metadata {
                    name,
                    version,
                    keywords: texts.clone(),
                    ..Metadata::default()
                }),
                templates: texts
                    .iter()
                    .map(|text| Template {
                        name: text.clone(),
                        data: text.clone().into(),
                    })
                    .collect(),
                files: texts
                    .into_iter()
                    .map(|text| Any {
                        value: text.clone().into(),
                        type_url: text,
                    })
                    .collect(),
                values,
                ..Chart::default()
            }
        })
    };
    (leaf(), vec(leaf(), 0..2)).prop_map(|(top, dependencies)| Chart {
        dependencies,
        ..top
    })
}

fn hook() -> impl Strategy<Value = Hook> {
    (
        text(),
        text(),
        text(),
        text(),
        vec(any::<i32>(), 0..3),
        moment(),
        any::<i32>(),
        vec(any::<i32>(), 0..3),
        any::<i64>(),
    )
        .prop_map(
            |(name, kind, path, manifest, events, last_run, weight, delete_policies, timeout)| {
                Hook {
                    name,
                    kind,
                    path,
                    manifest,
                    events,
                    last_run,
                    weight,
                    delete_policies,
                    delete_timeout: timeout,
                }
            },
        )
}

fn any_release() -> impl Strategy<Value = Release> {
    (
        text(),
        proptest::option::of(info()),
        proptest::option::of(chart()),
        config(),
        text(),
        vec(hook(), 0..3),
        any::<i32>(),
        text(),
    )
        .prop_map(
            |(name, info, chart, config, manifest, hooks, version, namespace)| Release {
                name,
                info,
                chart,
                config,
                manifest,
                hooks,
                version,
                namespace,
            },
        )
}

const SECRET: &str = "s3cret-c0de";

/// A release with [`SECRET`] wherever it must not stay.
fn secretive() -> Release {
    let config = || {
        Some(Config {
            raw: SECRET.into(),
            values: [(
                SECRET.into(),
                tiller_api::hapi::chart::Value {
                    value: SECRET.into(),
                },
            )]
            .into(),
        })
    };
    let leaf = Chart {
        metadata: Some(Metadata {
            name: "sub".into(),
            ..Metadata::default()
        }),
        templates: vec![Template {
            name: SECRET.into(),
            data: SECRET.into(),
        }],
        files: vec![Any {
            type_url: SECRET.into(),
            value: SECRET.into(),
        }],
        values: config(),
        ..Chart::default()
    };
    Release {
        name: "web".into(),
        namespace: "a".into(),
        info: Some(Info {
            status: Some(Status {
                code: 1,
                notes: SECRET.into(),
                ..Status::default()
            }),
            ..Info::default()
        }),
        chart: Some(Chart {
            dependencies: vec![leaf.clone()],
            ..leaf
        }),
        config: config(),
        manifest: SECRET.into(),
        hooks: vec![Hook {
            name: "hook".into(),
            manifest: SECRET.into(),
            ..Hook::default()
        }],
        ..Release::default()
    }
}

fn shows_secret(bytes: &[u8]) -> bool {
    bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes())
}

#[test]
fn what_shows_values_is_gone_and_the_rest_is_there() {
    let encoded = secretive().encode_to_vec();
    assert!(shows_secret(&encoded));
    let kept = release(&encoded).unwrap();
    assert!(!shows_secret(&kept));
    assert_eq!(Release::decode(&kept[..]).unwrap(), cleared(secretive()));
}

#[test]
fn a_part_that_comes_twice_is_treated_alike_each_time() {
    let encoded = [secretive().encode_to_vec(), secretive().encode_to_vec()].concat();
    let kept = release(&encoded).unwrap();
    assert!(!shows_secret(&kept));
    let merged = Release::decode(&encoded[..]).unwrap();
    assert_eq!(Release::decode(&kept[..]).unwrap(), cleared(merged));
}

#[test]
fn fields_that_nobody_knows_are_gone() {
    let mut encoded = secretive().encode_to_vec();
    for number in [9, 15, 2000] {
        put(&mut encoded, number, SECRET.as_bytes());
    }
    // A group, and the manifest's number with another wire type.
    encoded.extend(b"\x53\x0a\x0bs3cret-c0de\x54\x28\x01");
    let kept = release(&encoded).unwrap();
    assert!(!shows_secret(&kept));
    assert_eq!(Release::decode(&kept[..]).unwrap(), cleared(secretive()));
}

#[test]
fn text_that_is_not_utf8_stays_as_it_is() {
    let encoded = b"\x0a\x02\xff\xfe\x2a\x02\xff\xfe";
    assert_eq!(release(encoded).unwrap(), b"\x0a\x02\xff\xfe");
}

#[test]
fn a_status_loses_its_notes() {
    let answer = GetReleaseStatusResponse {
        name: "web".into(),
        info: secretive().info,
        namespace: "a".into(),
    };
    let kept = status(&answer.encode_to_vec()).unwrap();
    let expected = GetReleaseStatusResponse {
        info: cleared(secretive()).info,
        ..answer
    };
    assert_eq!(
        GetReleaseStatusResponse::decode(&kept[..]).unwrap(),
        expected
    );
}

proptest! {
    #[test]
    fn a_release_loses_what_shows_values_and_nothing_else(whole in any_release()) {
        let kept = release(&whole.encode_to_vec()).unwrap();
        prop_assert_eq!(Release::decode(&kept[..]).unwrap(), cleared(whole));
    }

    #[test]
    fn any_bytes_are_reduced_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(kept) = release(&bytes) {
            prop_assert!(kept.len() <= bytes.len() + 200);
        }
        if let Ok(kept) = status(&bytes) {
            prop_assert!(kept.len() <= bytes.len() + 200);
        }
    }

    #[test]
    fn a_release_with_a_damaged_byte_never_shows_the_secret(
        place in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut encoded = secretive().encode_to_vec();
        let place = place.index(encoded.len());
        encoded[place] = byte;
        // Where Tiller's own reader would take it for the release, so do we.
        if let (Ok(kept), Ok(damaged)) = (release(&encoded), Release::decode(&encoded[..]))
            && !shows_secret(&cleared(damaged).encode_to_vec())
        {
            prop_assert!(!shows_secret(&kept));
        }
    }
}
