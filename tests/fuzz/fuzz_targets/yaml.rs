//! Texts of any kind.
#![no_main]

use charts::yaml::{self, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    bytes: 1 << 16,
    depth: 20,
    nodes: 2_000,
};

fuzz_target!(|input: &str| {
    if let Ok(value) = yaml::parse(input, &LIMITS) {
        let text = yaml::to_string(&value);
        // Escapes and indentation make it longer.
        let read = yaml::parse(&text, &Limits::default()).expect("it was written");
        assert_eq!(read, value, "{text}");
        assert_eq!(yaml::to_string(&read), text);
    }
});
