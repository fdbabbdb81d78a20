//! What is large or made to hurt, and what it costs.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use charts::index::Search;

use super::*;

/// Far less than a second would do; slow machines and debug builds get thirty.
#[track_caller]
fn cost(text: &str, limits: &Limits) -> (Result<Index, IndexError>, u64) {
    let start = Instant::now();
    let mut result = None;
    let cost = measure(|| result = Some(Index::parse(text.as_bytes(), limits)));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    (result.expect("it ran"), cost.bytes_max)
}

#[track_caller]
fn refused_by(text: &str, limit: &str) {
    let (result, bytes) = cost(text, &SMALL);
    let error = result.expect_err("it is refused");
    assert_eq!(error.is_limit(), Some(limit), "{error}");
    assert!(bytes < 4 << 20, "{bytes} bytes");
}

const SMALL: Limits = Limits {
    anchored: 100,
    bytes: 1 << 20,
    charts: 100,
    depth: 20,
    keys: 100,
    nodes: 10_000,
    versions: 1_000,
};

/// As ChartMuseum writes it, 400 bytes a version.
fn large(charts: usize, versions: usize) -> String {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for chart in 0..charts {
        writeln!(text, "  chart-{chart}:").expect("in memory");
        for version in 0..versions {
            writeln!(
                text,
                "  - appVersion: 1.{version}.0\n    created: 2020-01-02T03:04:05.{version:09}Z\n    \
                 description: A server of the kind {chart}\n    digest: {:064x}\n    home: https://example.com/{chart}\n    \
                 keywords:\n    - server\n    - web\n    maintainers:\n    - name: someone\n    name: chart-{chart}\n    \
                 urls:\n    - charts/chart-{chart}-1.{version}.0.tgz\n    version: 1.{version}.0",
                chart * versions + version,
            )
            .expect("in memory");
        }
    }
    text
}

#[test]
fn an_index_takes_less_memory_than_its_text() {
    let text = large(100, 50);
    let (index, bytes) = cost(&text, &Limits::default());
    let index = index.expect("an index");
    let length = text.len();
    assert!(
        index.size() < length * 2 / 3,
        "{} of {length}",
        index.size()
    );
    // Most of what reading takes beyond that are the room that grows with what is kept, and what is known of it.
    assert!(bytes < 4 * length as u64, "{bytes} of {length}");
    let mut kept = Some(index);
    let freed = measure(|| kept = None);
    let kept = freed.bytes_current.unsigned_abs();
    assert!(kept < length as u64, "{kept} of {length}");
}

#[test]
fn the_size_is_what_an_index_takes() {
    let text = large(20, 50) + "  pre: [{version: 1.0.0-rc.1}]\n";
    let mut index = None;
    let kept = measure(|| index = Some(super::index(&text))).bytes_current;
    let size = index.expect("an index").size() as i64;
    assert!((size - kept).abs() < 1024, "{size} and {kept}");
}

#[test]
fn lookups_and_searches_take_no_memory_that_grows() {
    let index = index(&large(100, 50));
    let cost = measure(|| {
        for wanted in ["", "^1.2", "~1.7", "1.3.0"] {
            let entry = index.get("chart-50", wanted).expect("it is there");
            assert_eq!(entry.name, "chart-50");
        }
        for (text, all, expected) in [
            ("", true, 5000),
            ("server", true, 5000),
            ("kind 7", false, 11),
        ] {
            let search = Search {
                repository: "stable",
                text,
                all,
            };
            assert_eq!(index.search(search).count(), expected);
        }
        assert_eq!(index.versions("chart-7").expect("a chart").len(), 50);
    });
    assert!(cost.bytes_max < 2048, "{} bytes", cost.bytes_max);
}

#[test]
fn a_long_text_is_refused_unread() {
    refused_by(&"#".repeat((1 << 20) + 1), "bytes");
}

#[test]
fn many_charts_are_refused() {
    let charts: String = (0..101).map(|at| format!("  c{at}: []\n")).collect();
    refused_by(&format!("apiVersion: v1\nentries:\n{charts}"), "charts");
}

#[test]
fn many_versions_are_refused() {
    let versions = "  - {name: a}\n".repeat(1_001);
    refused_by(
        &format!("apiVersion: v1\nentries:\n  web:\n{versions}"),
        "versions",
    );
}

#[test]
fn many_nodes_are_refused() {
    let nodes = "1,".repeat(10_000);
    refused_by(&format!("apiVersion: v1\npublicKeys: [{nodes}]\n"), "nodes");
}

#[test]
fn many_keys_are_refused() {
    let keys: String = (0..101).map(|at| format!("k{at}: 1, ")).collect();
    refused_by(&format!("serverInfo: {{{keys}}}\n"), "keys");
    refused_by(&format!("entries: {{web: [{{{keys}}}]}}\n"), "keys");
}

#[test]
fn depth_is_refused() {
    let brackets = "[".repeat(200);
    refused_by(&format!("serverInfo: {{a: {brackets}"), "depth");
    let limits = Limits::default();
    let deep = |depth| {
        format!(
            "apiVersion: v1\nserverInfo: {{a: {}{}}}\n",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    // The document and serverInfo are two.
    assert!(parse(&deep(limits.depth - 2)).is_ok());
    assert_eq!(
        parse(&deep(limits.depth - 1))
            .expect_err("too deep")
            .is_limit(),
        Some("depth")
    );
}

#[test]
fn aliases_are_counted_as_what_they_stand_for() {
    let mut text = "serverInfo:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..8 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "  a{level}: &a{level} [{aliases}]").expect("in memory");
    }
    refused_by(&text, "nodes");
    let long = "x".repeat(1 << 19);
    refused_by(&format!("publicKeys: [&a {long}, *a, *a, *a]\n"), "bytes");
    refused_by(
        &format!("serverInfo: {{a: &a [{}]}}\n", "1,".repeat(100)),
        "anchored",
    );
}

#[test]
fn anchors_within_each_other_are_kept_once() {
    let long = "x".repeat(1 << 19);
    let anchors: String = (0..15).map(|at| format!("&a{at} [")).collect();
    let text = format!(
        "apiVersion: v1\nserverInfo: {{a: {anchors}{long}{}}}\n",
        "]".repeat(15)
    );
    let (index, bytes) = cost(&text, &SMALL);
    assert!(index.is_ok());
    assert!(bytes < 8 << 20, "{bytes} bytes");
}

#[test]
fn nobody_pays_for_many_spellings_of_a_key() {
    // All 8,192 ways to write `tillerVersion`, which is one field.
    let keys: String = (0..1_u32 << 13)
        .map(|bits| {
            let key: String = "tillerversion"
                .chars()
                .enumerate()
                .map(|(at, c)| {
                    if bits >> at & 1 == 1 {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }
                })
                .collect();
            format!("{key}: a, ")
        })
        .collect();
    let text = format!("apiVersion: v1\nentries: {{web: [{{{keys}}}]}}\n");
    let (index, _) = cost(&text, &Limits::default());
    assert_eq!(versions(&index.expect("an index"), "web"), [""]);
}
