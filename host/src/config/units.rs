//! Sizes and durations as people write them: `"32MiB"`, `"1h30m"`.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Mul;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A number of bytes. In TOML an integer, or a string with `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(u64);

impl Size {
    /// 1,024 bytes.
    pub const KIB: Self = Self(1 << 10);
    /// 1,048,576 bytes.
    pub const MIB: Self = Self(1 << 20);
    /// 1,073,741,824 bytes.
    pub const GIB: Self = Self(1 << 30);

    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; the largest possible one where it is larger.
    #[must_use]
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const SIZE_UNITS: [(&str, Size); 3] = [("GiB", Size::GIB), ("MiB", Size::MIB), ("KiB", Size::KIB)];

impl Mul<u64> for Size {
    type Output = Self;

    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in SIZE_UNITS {
            if self.0 >= size.0 && self.0.is_multiple_of(size.0) {
                return write!(f, "{}{unit}", self.0 / size.0);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a size such as \"512KiB\", \"32MiB\" or \"1GiB\"";
        let (number, unit) = SIZE_UNITS
            .into_iter()
            .chain([("B", Self(1))])
            .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))
            .ok_or(EXPECTED)?;
        number
            .trim_end()
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(unit.0))
            .map(Self)
            .ok_or(EXPECTED)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a size such as \"512KiB\", \"32MiB\" or \"1GiB\", or a number of bytes",
                )
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Durations as `"300ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"180d"`.
pub(super) mod duration {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).ok_or_else(|| {
            de::Error::invalid_value(
                Unexpected::Str(&text),
                &"a duration such as \"300ms\", \"30s\", \"5m\" or \"1h30m\"",
            )
        })
    }
}

/// A duration that may be left out.
pub(super) mod optional_duration {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => duration::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }
}

/// An address with a port; a name would leave open which of its addresses is meant.
pub(super) fn socket_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::invalid_value(
            Unexpected::Str(&text),
            &"an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        )
    })
}

/// A moment with its distance from UTC, in quotes.
pub(super) fn timestamp<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| {
        de::Error::invalid_value(
            Unexpected::Str(&text),
            &"a time such as \"2027-01-31T18:00:00Z\" or \"2027-01-31T18:00:00+01:00\"",
        )
    })
}

const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Units in descending order, each at most once; `None` for anything else.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0_u64;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, millis) = DURATION_UNITS.into_iter().find(|(name, _)| *name == unit)?;
        if millis >= smallest {
            return None;
        }
        smallest = millis;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// The shortest text that [`parse_duration`] reads back, to the millisecond.
pub(crate) fn format_duration(value: Duration) -> String {
    let mut rest = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, millis) in DURATION_UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("300ms", 300),
            ("30s", 30_000),
            ("5m", 300_000),
            ("180d", 15_552_000_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_without_or_with_misplaced_units_are_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "1m1h",
            "1s1s",
            "-1s",
            "1.5s",
            "1w",
            "1h1d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn durations_and_sizes_read_back_as_written() {
        for millis in [0, 1, 999, 1000, 61_001, 5_400_000, 86_400_000] {
            let value = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(value)), Some(value));
        }
        for bytes in [0, 1, 1023, 1024, 1 << 20, (1 << 20) + 1, 3 << 30] {
            let value = Size::new(bytes);
            assert_eq!(value.to_string().parse(), Ok(value));
        }
    }

    #[test]
    fn sizes_need_a_binary_unit() {
        assert_eq!("32MiB".parse(), Ok(Size::MIB * 32));
        assert_eq!("32 MiB".parse(), Ok(Size::MIB * 32));
        for text in ["", "32", "32MB", "32mib", "MiB", "-1B", "99999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
