//! Durations as callers write them and times as they read them.

use std::time::Duration;

use prost_types::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The longest duration a request may name: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why something is no duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be a duration above zero and of at most 24h, such as \"90s\", \"5m\", \"1h30m\" or seconds as a number"
)]
pub struct DurationError;

/// Reads `"5m"`, `"1h30m"`, `"300s"`, `"1500ms"` or plain seconds, `"300"`.
///
/// # Errors
///
/// For anything else, for zero, and above [`LONGEST`]. Zero is refused because Tiller takes it for
/// "forever".
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => sum_of_parts(text).ok_or(DurationError)?,
    };
    in_range(duration)
}

/// Checks a number of seconds.
///
/// # Errors
///
/// As [`parse_duration`].
pub fn from_seconds(seconds: u64) -> Result<Duration, DurationError> {
    in_range(Duration::from_secs(seconds))
}

/// Whole seconds, rounded up: what Tiller counts in.
pub fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A time in RFC 3339, in UTC. `None` outside of the years that RFC 3339 can write.
pub fn rfc3339(at: Timestamp) -> Option<String> {
    let nanos = u32::try_from(at.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    OffsetDateTime::from_unix_timestamp(at.seconds)
        .ok()?
        .replace_nanosecond(nanos)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

fn in_range(duration: Duration) -> Result<Duration, DurationError> {
    if duration.is_zero() || duration > LONGEST {
        return Err(DurationError);
    }
    Ok(duration)
}

fn sum_of_parts(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (amount, tail) = rest.split_at_checked(digits)?;
        let unit = tail
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit)?;
        let amount: u64 = amount.parse().ok()?;
        let millis: u64 = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(amount.checked_mul(millis)?))?;
        rest = tail;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("5m", 300),
            ("300s", 300),
            ("300", 300),
            ("1h30m", 5400),
            ("24h", 86_400),
            ("1h1m1s", 3661),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
    }

    /// Tiller takes 0 for "wait forever".
    #[test]
    fn h1_no_duration_is_zero_negative_or_endless() {
        for text in [
            "",
            "0",
            "0s",
            "0m",
            "-5m",
            "+5m",
            "5",
            "5 m",
            "m",
            "5d",
            "5M",
            "1.5h",
            "5m ",
            "1h-1m",
            "25h",
            "18446744073709551616",
            "99999999999999h",
            "5é",
        ] {
            let expected = if text == "5" {
                Ok(Duration::from_secs(5))
            } else {
                Err(DurationError)
            };
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
        assert_eq!(from_seconds(0), Err(DurationError));
        assert_eq!(from_seconds(86_401), Err(DurationError));
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(300)), 300);
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        for (seconds, nanos, expected) in [
            (1_600_000_000, 0, "2020-09-13T12:26:40Z"),
            (1_600_000_000, 5_000_000, "2020-09-13T12:26:40.005Z"),
            (0, 0, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(
                rfc3339(Timestamp { seconds, nanos }).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn impossible_times_are_none() {
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000)] {
            assert_eq!(
                rfc3339(Timestamp { seconds, nanos }),
                None,
                "{seconds}.{nanos}"
            );
        }
    }
}
