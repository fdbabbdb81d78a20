//! Indexes of any text.
#![no_main]

use charts::{
    index::{Index, Limits, LookupError, Search, resolve},
    version::Version,
};
use libfuzzer_sys::fuzz_target;
use url::Url;

// Small, so that the fuzzer reaches them.
const LIMITS: Limits = Limits {
    anchored: 100,
    bytes: 1 << 16,
    charts: 50,
    depth: 20,
    keys: 50,
    nodes: 5_000,
    versions: 200,
};

// What it takes to be an index comes for nothing.
fuzz_target!(|input: &[u8]| {
    check(input);
    check(&[b"apiVersion: v1\nentries:\n".as_slice(), input].concat());
});

fn check(text: &[u8]) {
    let Ok(index) = Index::parse(text, &LIMITS) else {
        return;
    };
    let base = Url::parse("https://u:p@example.com/charts?sig=s").expect("a URL");
    let mut all = 0;
    for name in index.names() {
        let versions: Vec<_> = index.versions(name).expect("it is a name").collect();
        let parsed = versions
            .iter()
            .map(|entry| Version::parse(entry.version).ok());
        assert!(parsed.is_sorted_by(|one, other| one >= other));
        for entry in &versions {
            match index.get(name, entry.version) {
                Ok(found) if entry.version.is_empty() => assert_eq!(found.name, name),
                Ok(found) => assert_eq!(found.version, entry.version),
                Err(LookupError::Constraint(_)) => {}
                Err(error) => assert!(entry.version.is_empty(), "{error}"),
            }
            for reference in entry.urls.iter() {
                if let Ok(url) = resolve(&base, reference) {
                    assert!(
                        url.query() != Some("sig=s")
                            || url.origin() == base.origin()
                            || reference.contains("sig=s")
                    );
                }
            }
        }
        all += versions.len();
    }
    let search = |text, all| {
        let search = Search {
            repository: "stable",
            text,
            all,
        };
        index.search(search).count()
    };
    assert_eq!(search("", true), all);
    assert!(search("", false) <= index.names().len());
    assert!(search("a", true) <= all);
    assert!(search("a", false) <= search("a", true));
    assert!(index.size() <= 256 + 200 * 1024 + 4 * text.len());
}
