//! What a large index costs once, and what it costs then: `cargo xtask bench`.
//!
//! Times depend on the machine; the ratios of lookups and searches to the reading they replace do not much.

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use charts::index::{Index, Limits, Search};

fn main() {
    let text = index();
    let (index, parse) = timed(|| Index::parse(text.as_bytes(), &Limits::default()));
    let index = index.expect("an index");
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        "{:.1} MiB, {CHARTS} charts, {} versions: read in {parse:.2?} into {:.1} MiB",
        mib(text.len()),
        CHARTS * VERSIONS,
        mib(index.size())
    );
    for (what, wanted) in [
        ("the newest release", ""),
        ("a range", "^1.2"),
        ("a range that only the oldest are in", "~0.3"),
        ("a very version", "0.3.7"),
    ] {
        let ((), time) = timed(|| {
            for chart in 0..LOOKUPS {
                let name = format!("chart-{:04}", chart % CHARTS);
                black_box(index.get(&name, wanted).expect("there is one"));
            }
        });
        report(&format!("lookup of {what}"), time / LOOKUPS, parse);
    }
    for (what, text, all) in [
        ("all charts", "", false),
        ("a name", "chart-0042", false),
        ("a word in every description", "kubernetes", true),
        ("a word in none", "nowhere", true),
    ] {
        let search = Search {
            repository: "stable",
            text,
            all,
        };
        let (found, time) = timed(|| index.search(search).count());
        report(&format!("search for {what}, {found} found"), time, parse);
    }
}

fn report(what: &str, time: Duration, parse: Duration) {
    let ratio = parse.as_secs_f64() / time.as_secs_f64();
    println!("{what}: {time:.1?}, {ratio:.0} times in the time of one reading");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}

/// 100,000 versions in some 40 MB, as ChartMuseum writes them.
fn index() -> String {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for chart in 0..CHARTS {
        writeln!(text, "  chart-{chart:04}:").expect("in memory");
        for version in (0..VERSIONS).rev() {
            let (major, minor, patch) = (version / 50, version / 10 % 5, version % 10);
            let digest = u128::from(chart * VERSIONS + version) * 0x9e37_79b9_7f4a_7c15_f39c_c060;
            writeln!(
                text,
                "  - appVersion: {major}.{minor}.{patch}\n    \
                   created: 2020-0{}-1{}T12:34:56.{version:09}Z\n    \
                   description: A server of the kind {chart} for Kubernetes\n    \
                   digest: {digest:064x}\n    \
                   home: https://example.com/{chart}\n    \
                   keywords:\n    - server\n    - web\n    \
                   maintainers:\n    - email: someone@example.com\n      name: someone\n    \
                   name: chart-{chart:04}\n    \
                   urls:\n    - charts/chart-{chart:04}-{major}.{minor}.{patch}.tgz\n    \
                   version: {major}.{minor}.{patch}",
                version % 9 + 1,
                version % 10,
            )
            .expect("in memory");
        }
    }
    text.push_str("generated: 2020-10-10T10:10:10Z\n");
    text
}

const CHARTS: u32 = 1_000;
const VERSIONS: u32 = 100;
const LOOKUPS: u32 = 1_000;
