//! Bytes that real Tillers stored and real clients sent.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use prost::Message as _;
use prost_types::{Any, Timestamp};
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata, Template},
    release::{Info, Release, Status, status::Code},
    services::tiller::{InstallReleaseRequest, UpdateReleaseRequest},
};

/// A release as its record holds it.
const RELEASE: &str = "CgN3ZWISJgoCCAESBgiAoPj6BRoGCICg+PoFKhBJbnN0YWxsIGNvbXBsZXRlGhAKDgoFbmdpbngiBTEuMi4zIg4KDHJlcGxpY2FzOiAyCio3Ci0tLQojIFNvdXJjZTogbmdpbngvdGVtcGxhdGVzL2NtLnlhbWwKa2luZDogQ29uZmlnTWFwCjgBQgdkZWZhdWx0";

/// The same, as records are stored since they are compressed.
const COMPRESSED: &str = "H4sIAAAAAAACA+NiLk9NElLjYuJgFGLjaFjw4xerFJTWEvDMKy5JzMlRSM7PLchJLUmVEuDi42LNS8/Mq1BiNdQz0jNW4uPiKUotyMlMTiy2UjDi0jLn0tXV5VJWCM4vLUpOtVIAK9YvSQUakFiSWqyfnKtXmZibw5WdmZdipeCcn5eWme6bWMBlwejEnpKalliaUwIASlM7+ZMAAAA=";

/// The smallest complete request to install a chart.
const INSTALL: &str = "0a450a0e0a056e67696e782205312e322e3312190a1074656d706c617465732f612e79616d6c1205613a20310a22070a05783a20310a2a0f0a09524541444d452e6d641202686912050a037b7d0a2203776562320764656661756c7440ac02";

#[test]
fn a_stored_release_is_read_and_written_alike() {
    let bytes = STANDARD.decode(RELEASE).expect("base64");
    assert_eq!(bytes.len(), 147);
    assert_eq!(Release::decode(&bytes[..]).expect("a release"), release());
    assert_eq!(release().encode_to_vec(), bytes);
}

#[test]
fn a_compressed_release_is_the_same() {
    let bytes = STANDARD.decode(COMPRESSED).expect("base64");
    let mut plain = Vec::new();
    GzDecoder::new(&bytes[..])
        .read_to_end(&mut plain)
        .expect("gzip");
    assert_eq!(Release::decode(&plain[..]).expect("a release"), release());
}

#[test]
fn an_install_request_is_written_and_read_alike() {
    let request = InstallReleaseRequest {
        chart: Some(Chart {
            metadata: Some(metadata()),
            templates: vec![Template {
                name: "templates/a.yaml".into(),
                data: "a: 1\n".into(),
            }],
            values: Some(config("x: 1\n")),
            files: vec![Any {
                type_url: "README.md".into(),
                value: "hi".into(),
            }],
            ..Chart::default()
        }),
        values: Some(config("{}\n")),
        name: "web".into(),
        namespace: "default".into(),
        timeout: 300,
        ..InstallReleaseRequest::default()
    };
    let bytes = request.encode_to_vec();
    assert_eq!(hex(&bytes), INSTALL);
    assert_eq!(
        InstallReleaseRequest::decode(&bytes[..]).expect("a request"),
        request
    );
}

#[test]
fn empty_values_are_present_on_the_wire() {
    let request = UpdateReleaseRequest {
        values: Some(Config::default()),
        ..UpdateReleaseRequest::default()
    };
    assert_eq!(hex(&request.encode_to_vec()), "1a00");
}

#[test]
fn fields_and_codes_of_the_future_are_passed_over() {
    let mut bytes = Status {
        code: 99,
        ..Status::default()
    }
    .encode_to_vec();
    // Field 15, a string; and field 2, the Any that was.
    bytes.extend(b"\x7a\x02hi\x12\x04\x0a\x02hi");
    let status = Status::decode(&bytes[..]).expect("a status");
    assert_eq!(status.code, 99);
    assert_eq!(Code::try_from(status.code).ok(), None);
}

fn release() -> Release {
    let then = Some(Timestamp {
        seconds: 1_600_000_000,
        nanos: 0,
    });
    Release {
        name: "web".into(),
        info: Some(Info {
            status: Some(Status {
                code: Code::Deployed.into(),
                ..Status::default()
            }),
            first_deployed: then,
            last_deployed: then,
            deleted: None,
            description: "Install complete".into(),
        }),
        chart: Some(Chart {
            metadata: Some(metadata()),
            ..Chart::default()
        }),
        config: Some(config("replicas: 2\n")),
        manifest: "\n---\n# Source: nginx/templates/cm.yaml\nkind: ConfigMap\n".into(),
        hooks: Vec::new(),
        version: 1,
        namespace: "default".into(),
    }
}

fn metadata() -> Metadata {
    Metadata {
        name: "nginx".into(),
        version: "1.2.3".into(),
        ..Metadata::default()
    }
}

fn config(raw: &str) -> Config {
    Config {
        raw: raw.into(),
        ..Config::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
