//! Archives of any bytes, and tars of any bytes in an archive.
#![no_main]

use std::io::Write as _;

use charts::{Limits, load, pack, requirements, values};
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;

// Small, so that the fuzzer reaches them.
const LIMITS: Limits = Limits {
    archive: 1 << 20,
    charts: 100,
    depth: 4,
    entries: 100,
    expanded: 1 << 20,
    path: 200,
    unpacked: 1 << 20,
    values: 4_000,
    work: 50_000,
    yaml_bytes: 1 << 16,
    yaml_depth: 20,
    yaml_nodes: 2_000,
};

fuzz_target!(|input: &[u8]| {
    check(input);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(input).expect("in memory");
    check(&gzip.finish().expect("in memory"));
});

fn check(archive: &[u8]) {
    let Ok(chart) = load(archive, &LIMITS) else {
        return;
    };
    let packed = pack(&chart).expect("it was loaded");
    // Directories may have become longer, Chart.yaml another text, and requirements are gone.
    let read = load(&packed, &Limits::default()).expect("it was packed");
    let again = pack(&read).expect("it was loaded");
    assert_eq!(again, pack(&chart).expect("it was loaded"));
    assert_eq!(requirements::check(&read, &LIMITS), Ok(()));
    let _ = values::coalesce(&chart, chart.values.as_ref(), &LIMITS);
    let _ = requirements::check(&chart, &LIMITS);
    let mut processed = chart.clone();
    if requirements::process(&mut processed, &Default::default(), &LIMITS).is_err() {
        assert_eq!(processed, chart);
    }
}
