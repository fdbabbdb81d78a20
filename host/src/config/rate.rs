//! How often callers may call.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Unexpected};
use serde::{Deserialize, Serialize, Serializer};

/// How often callers may call. What is not set is not limited.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Requests of one principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Pace>,
    /// Calls of one principal to one cluster; a request may need several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Pace>,
}

/// So many in a second, minute or hour, evenly; and so many at once after a pause. In TOML `"50/s"`, which allows 50 at
/// once, or `"50/s burst 200"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// How many in every `unit`.
    pub count: NonZeroU32,
    /// A second, a minute or an hour.
    pub unit: Unit,
    /// How many at once.
    pub burst: NonZeroU32,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// 3,600 seconds.
    Hour,
    /// 60 seconds.
    Minute,
    /// One second.
    Second,
}

impl Pace {
    /// The time between two, where they come evenly: at least a nanosecond.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.unit.duration() / self.count.get()).max(Duration::from_nanos(1))
    }
}

impl Unit {
    const ALL: [Self; 3] = [Self::Hour, Self::Minute, Self::Second];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "h",
            Self::Minute => "m",
            Self::Second => "s",
        }
    }

    const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 3600,
            Self::Minute => 60,
            Self::Second => 1,
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.as_str())?;
        if self.burst == self.count {
            Ok(())
        } else {
            write!(f, " burst {}", self.burst)
        }
    }
}

/// A text is no pace.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a rate such as \"50/s\", \"600/m\" or \"50/s burst 200\"")]
pub struct NoPace;

impl FromStr for Pace {
    type Err = NoPace;

    fn from_str(text: &str) -> Result<Self, NoPace> {
        let number = |text: &str| text.trim().parse::<NonZeroU32>().map_err(|_| NoPace);
        let (pace, burst) = match text.split_once(" burst ") {
            Some((pace, burst)) => (pace, Some(number(burst)?)),
            None => (text, None),
        };
        let (count, unit) = pace.split_once('/').ok_or(NoPace)?;
        let count = number(count)?;
        let unit = Unit::ALL
            .into_iter()
            .find(|known| known.as_str() == unit.trim())
            .ok_or(NoPace)?;
        Ok(Self {
            count,
            unit,
            burst: burst.unwrap_or(count),
        })
    }
}

impl Serialize for Pace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            de::Error::invalid_value(
                Unexpected::Str(&text),
                &"a rate such as \"50/s\", \"600/m\" or \"50/s burst 200\"",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read_as_it_is_written() {
        for (text, interval, burst) in [
            ("50/s", Duration::from_millis(20), 50),
            ("600/m", Duration::from_millis(100), 600),
            ("1/h", Duration::from_secs(3600), 1),
            ("50/s burst 200", Duration::from_millis(20), 200),
        ] {
            let pace: Pace = text.parse().expect(text);
            assert_eq!(pace.interval(), interval, "{text}");
            assert_eq!(pace.burst.get(), burst, "{text}");
            assert_eq!(pace.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pace_is_refused() {
        for text in [
            "",
            "50",
            "50/",
            "/s",
            "0/s",
            "50/d",
            "-1/s",
            "1.5/s",
            "50/s burst",
            "50/s burst 0",
            "50/s burst 5 burst 6",
        ] {
            assert_eq!(text.parse::<Pace>(), Err(NoPace), "{text}");
        }
    }
}
