//! Charts that are none, or too much of one.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, write::GzEncoder};
use rest::problem::Code;
use tar::{Builder, Header};

use super::{archive, stage};
use crate::support::charts;

fn builder() -> Builder<GzEncoder<Vec<u8>>> {
    Builder::new(GzEncoder::new(Vec::new(), Compression::fast()))
}

fn header(size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn finish(tar: Builder<GzEncoder<Vec<u8>>>) -> Vec<u8> {
    let gzip = tar.into_inner().expect("in memory");
    gzip.finish().expect("in memory")
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).expect("in memory");
    gzip.finish().expect("in memory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_archive() {
    let stage = stage().start().await;
    let whole = charts::archive("web");
    let half = &whole[..whole.len() / 2];
    let mut damaged = whole.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    for bytes in [
        &b""[..],
        b"x",
        b"\x1f\x8b\x08",
        half,
        &damaged,
        &gzip(b""),
        &gzip(b"no tar"),
        &gzip(&[0; 1024]),
        &gzip(&gzip(b"twice")),
    ] {
        stage.sees_through(archive(bytes), Code::InvalidChart).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_chart() {
    let stage = stage().start().await;
    for files in [
        &[("web/values.yaml", &b"a: 1"[..])][..],
        &[("web/Chart.yaml", b"version: 1.0.0")],
        &[("web/Chart.yaml", b"just text")],
        &[("web/Chart.yaml", b"name: \xff\xfe")],
        &[
            ("web/Chart.yaml", b"name: web"),
            ("web/values.yaml", b"\xc3\x28"),
        ],
        &[("Chart.yaml", b"name: web")],
    ] {
        stage
            .sees_through(archive(&charts::pack(files)), Code::InvalidChart)
            .await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb() {
    const SIZE: usize = 400 << 20;
    let stage = stage().start().await;
    let mut tar = builder();
    let mut header = header(SIZE);
    let zeros = io::repeat(0).take(SIZE as u64);
    tar.append_data(&mut header, "web/values.yaml", zeros)
        .expect("in memory");
    let problem = stage
        .sees_through(archive(&finish(tar)), Code::ChartLimitExceeded)
        .await;
    assert!(problem.detail.contains("`unpacked`"), "{problem}");
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_in_an_archive_in_an_archive() {
    let stage = stage().start().await;
    let zeros = vec![0; 64 << 20];
    let mut inner = charts::pack(&[("x/Chart.yaml", b"name: x"), ("x/zeros", &zeros)]);
    for _ in 0..3 {
        inner = charts::pack(&[("x/Chart.yaml", b"name: x"), ("x/charts/x.tgz", &inner)]);
    }
    stage
        .sees_through(archive(&inner), Code::ChartLimitExceeded)
        .await;
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_entries() {
    let stage = stage().start().await;
    let mut header = header(0);
    header.set_path("web/templates/a.yaml").expect("short");
    header.set_cksum();
    // A thousand of them over and over, each time as a part of the gzip stream of its own.
    let thousand = gzip(&header.as_bytes().repeat(1000));
    let archive = archive(&thousand.repeat(1000));
    let problem = stage.sees_through(archive, Code::ChartLimitExceeded).await;
    assert!(problem.detail.contains("`entries`"), "{problem}");
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_a_megabyte() {
    let stage = stage().start().await;
    let name = format!("web/{}", "x".repeat(1 << 20));
    let archive = archive(&charts::pack(&[
        ("web/Chart.yaml", b"name: web"),
        (&name, b""),
    ]));
    let problem = stage.sees_through(archive, Code::ChartLimitExceeded).await;
    assert!(problem.detail.contains("`path`"), "{problem}");
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_as_deep_as_it_is_long() {
    let stage = stage().start().await;
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let nested = |depth: usize| {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let yaml = format!("name: web\nx:\n  {open}{close}");
            archive(&charts::pack(&[("web/Chart.yaml", yaml.as_bytes())]))
        };
        let deep = stage.sees_through(nested(200), Code::ChartLimitExceeded);
        let problem = deep.await;
        assert!(problem.detail.contains("`yaml_depth`"), "{problem}");
        // The parser may lose patience before the limit counts.
        let answer = stage.send(nested(100_000)).await;
        let codes = [Code::ChartLimitExceeded, Code::InvalidChart];
        assert!(codes.contains(&answer.problem().code), "{answer}");
    }
    stage.end_untouched().await;
}
