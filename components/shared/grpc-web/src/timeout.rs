//! `grpc-timeout`: up to eight digits and a unit.

use alloc::{format, string::String};
use core::time::Duration;

/// Writes a timeout in the largest unit that keeps it exact.
///
/// If eight digits cannot say it exactly, it is rounded up to the finest unit that fits; above 10^8 hours
/// it is cut. Zero becomes a nanosecond, since the specification wants a positive number.
pub fn encode(timeout: Duration) -> String {
    let nanos = timeout.as_nanos().max(1);
    let exact = UNITS
        .iter()
        .find(|(_, unit)| nanos.is_multiple_of(*unit) && nanos / unit <= MAX);
    let (name, unit) = exact
        .or_else(|| {
            UNITS
                .iter()
                .rev()
                .find(|(_, unit)| nanos.div_ceil(*unit) <= MAX)
        })
        .unwrap_or(&UNITS[0]);
    format!("{}{name}", nanos.div_ceil(*unit).min(MAX))
}

/// Reads a timeout; `None` if it is not one.
pub fn parse(value: &str) -> Option<Duration> {
    let (last, _) = value.char_indices().next_back()?;
    let (digits, name) = value.split_at_checked(last)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match name {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

const MAX: u128 = 99_999_999;

/// Largest first, in nanoseconds.
const UNITS: [(char, u128); 6] = [
    ('H', 3_600_000_000_000),
    ('M', 60_000_000_000),
    ('S', 1_000_000_000),
    ('m', 1_000_000),
    ('u', 1_000),
    ('n', 1),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_exact_unit_is_used() {
        for (timeout, expected) in [
            (Duration::from_secs(7200), "2H"),
            (Duration::from_secs(300), "5M"),
            (Duration::from_secs(301), "301S"),
            (Duration::from_millis(1500), "1500m"),
            (Duration::from_micros(7), "7u"),
            (Duration::from_nanos(1), "1n"),
            (Duration::ZERO, "1n"),
        ] {
            assert_eq!(encode(timeout), expected);
        }
    }

    #[test]
    fn what_eight_digits_cannot_say_is_rounded_up() {
        assert_eq!(encode(Duration::from_nanos(100_000_001)), "100001u");
        assert_eq!(encode(Duration::new(99_999_999, 1)), "1666667M");
        assert_eq!(encode(Duration::MAX), "99999999H");
    }

    #[test]
    fn units_are_read() {
        for (value, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("300S", Duration::from_secs(300)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("5n", Duration::from_nanos(5)),
            ("0S", Duration::ZERO),
        ] {
            assert_eq!(parse(value), Some(expected), "{value}");
        }
        assert!(parse("99999999H").is_some());
    }

    #[test]
    fn anything_else_is_no_timeout() {
        for value in [
            "",
            "S",
            "5",
            "5s",
            "+5S",
            "-5S",
            " 5S",
            "5 S",
            "5S ",
            "1.5S",
            "100000000S",
            "5SS",
            "5é",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_timeout_is_never_read_shorter(nanos in 1_u64..) {
            let timeout = Duration::from_nanos(nanos);
            let read = parse(&encode(timeout)).expect("what was written");
            prop_assert!(read >= timeout);
            // A unit holds at least 10^8 / 60 of the next one that fits.
            prop_assert!(read - timeout <= timeout / 100_000);
        }

        #[test]
        fn nothing_panics(value in ".*") {
            let _ = parse(&value);
        }
    }
}
