//! Constraints and versions of any text, a line each.
#![no_main]

use charts::version::{Constraint, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut lines = input.lines();
    let wanted = lines.next().unwrap_or_default();
    let texts: Vec<&str> = lines.take(20).collect();
    let mut versions: Vec<Version> = texts
        .iter()
        .filter_map(|text| Version::parse(text).ok())
        .collect();
    versions.sort_unstable();
    assert!(versions.is_sorted());

    let selected = Version::select(texts.iter().copied(), wanted);
    let constraint = match wanted {
        "" => Ok(Constraint::newest()),
        wanted => Constraint::parse(wanted),
    };
    match (constraint, selected) {
        (Err(error), selected) => assert_eq!(selected, Err(error)),
        (Ok(constraint), Ok(selected)) => {
            let newest = versions.iter().rfind(|version| constraint.matches(version));
            match selected {
                Some(text) if text == wanted => {}
                Some(text) => assert_eq!(Version::parse(text).as_ref().ok(), newest),
                None => assert_eq!(newest, None),
            }
        }
        (Ok(_), Err(error)) => panic!("{error}"),
    }
});
