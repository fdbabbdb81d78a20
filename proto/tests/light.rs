//! A listed release costs what a summary of it costs.

use allocation_counter::measure;
use prost::Message as _;
use prost_types::Any;
use tiller_api::{
    hapi::{
        chart::{Chart, Config, Metadata, Template},
        release::{Hook, Info, Release, Status},
        services::tiller::ListReleasesResponse,
    },
    light,
};

const MIB: usize = 1 << 20;

#[test]
fn charts_manifests_values_and_hooks_are_not_allocated() {
    let heavy = ListReleasesResponse {
        releases: vec![release(MIB), release(MIB)],
        ..ListReleasesResponse::default()
    }
    .encode_to_vec();
    assert!(heavy.len() > 12 * MIB);
    let lean = ListReleasesResponse {
        releases: vec![release(0), release(0)],
        ..ListReleasesResponse::default()
    }
    .encode_to_vec();

    assert_eq!(allocated_to_decode(&heavy), allocated_to_decode(&lean));
    assert!(allocated_to_decode(&heavy) < 4096);
}

#[test]
fn text_that_is_skipped_need_not_be_utf8() {
    let mut bytes = release(0).encode_to_vec();
    // Field 5, the manifest, as Tillers before 2.12 may have stored it.
    bytes.extend(b"\x2a\x02\xff\xfe");
    assert!(Release::decode(&bytes[..]).is_err());
    let light = light::Release::decode(&bytes[..]).expect("a release");
    assert_eq!(light, light::Release::from(&release(0)));
}

fn allocated_to_decode(bytes: &[u8]) -> u64 {
    let cost = measure(|| {
        let list = light::ListReleasesResponse::decode(bytes).expect("a list");
        assert_eq!(list.releases.len(), 2);
    });
    cost.bytes_total
}

/// A release with that many bytes in each part that a list does not show.
fn release(weight: usize) -> Release {
    let text = "x".repeat(weight);
    Release {
        name: "web".into(),
        info: Some(Info {
            status: Some(Status {
                code: 1,
                notes: text.clone(),
                ..Status::default()
            }),
            ..Info::default()
        }),
        chart: Some(Chart {
            metadata: Some(Metadata {
                name: "nginx".into(),
                version: "1.2.3".into(),
                ..Metadata::default()
            }),
            templates: vec![Template {
                name: "templates/a.yaml".into(),
                data: text.clone().into(),
            }],
            files: vec![Any {
                type_url: "README.md".into(),
                value: text.clone().into(),
            }],
            values: Some(config(&text)),
            dependencies: Vec::new(),
        }),
        config: Some(config(&text)),
        manifest: text.clone(),
        hooks: vec![Hook {
            manifest: text,
            ..Hook::default()
        }],
        version: 3,
        namespace: "default".into(),
    }
}

fn config(raw: &str) -> Config {
    Config {
        raw: raw.into(),
        ..Config::default()
    }
}
