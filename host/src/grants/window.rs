//! When a refusal holds: between two instants, or in hours that come back every week.
//!
//! Weekly hours are those of a zone's clocks, and where nothing is said of a zone, UTC: that of the machine is never meant.
//! When clocks are put back, hours begin the first time that their clock shows it and end the last time; when they are put
//! forward, a time that is skipped is the moment of the skip. So a refusal is rather longer than shorter.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{self, Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use rest::fields::nearest;
use serde::{Deserialize, Serialize};

/// A time in which a refusal holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Window {
    /// From one instant to another; without one of them, without that end.
    Once {
        /// The first instant in it.
        from: Option<Timestamp>,
        /// The first instant after it.
        to: Option<Timestamp>,
    },
    /// Every week.
    Weekly {
        /// The days on which it begins, sorted; none: every day.
        days: Vec<Weekday>,
        /// When it begins and when it ends; if it does not end later on the same day, then on the next. None: the whole day.
        hours: Option<(Time, Time)>,
        /// Where.
        zone: TimeZone,
    },
}

impl Window {
    /// If it holds at `now`: until when, as far as it ends.
    pub(super) fn holds(&self, now: Timestamp) -> Option<End> {
        match self {
            Self::Once { from, to } => {
                let begun = from.is_none_or(|from| from <= now);
                let ended = to.is_some_and(|to| to <= now);
                (begun && !ended).then_some(*to)
            }
            Self::Weekly { days, hours, zone } => {
                let today = zone.to_datetime(now).date();
                // Clocks that are put back at midnight have shown the next day already.
                [today.yesterday(), Ok(today), today.tomorrow()]
                    .into_iter()
                    .flatten()
                    .filter(|date| days.is_empty() || days.contains(&Weekday::of(*date)))
                    .filter_map(|date| occurrence(date, *hours, zone))
                    .filter(|(from, to)| *from <= now && now < *to)
                    .map(|(_, to)| Some(to))
                    .max()
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once { from, to } => {
                let parts = [("from", from), ("to", to)];
                let parts = parts
                    .into_iter()
                    .filter_map(|(word, time)| Some(format!("{word} {}", time.as_ref()?)));
                f.write_str(&parts.collect::<Vec<_>>().join(" "))
            }
            Self::Weekly { days, hours, zone } => {
                let days: Vec<&str> = days.iter().map(|day| day.as_str()).collect();
                match days.is_empty() {
                    true => f.write_str("daily")?,
                    false => f.write_str(&days.join(", "))?,
                }
                if let Some((from, to)) = hours {
                    write!(f, " from {} to {}", shown(*from), shown(*to))?;
                }
                write!(f, " {}", zone.iana_name().unwrap_or("UTC"))
            }
        }
    }
}

/// When a window ends; none if it does not.
pub(super) type End = Option<Timestamp>;

/// From when to when it holds that begins on `date`; none at the end of time.
fn occurrence(
    date: Date,
    hours: Option<(Time, Time)>,
    zone: &TimeZone,
) -> Option<(Timestamp, Timestamp)> {
    let (from, to) = hours.unwrap_or((Time::midnight(), Time::midnight()));
    let last = if from < to {
        date
    } else {
        date.tomorrow().ok()?
    };
    Some((
        instant(date.to_datetime(from), zone, Occasion::First)?,
        instant(last.to_datetime(to), zone, Occasion::Last)?,
    ))
}

/// When clocks in `zone` show `local`.
fn instant(local: civil::DateTime, zone: &TimeZone, occasion: Occasion) -> Option<Timestamp> {
    let offset = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, after } => match occasion {
            Occasion::First => before,
            Occasion::Last => after,
        },
        AmbiguousOffset::Gap { after, .. } => {
            let before = after.to_timestamp(local).ok()?;
            return zone.following(before).next().map(|skip| skip.timestamp());
        }
    };
    offset.to_timestamp(local).ok()
}

enum Occasion {
    First,
    Last,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weekday {
    /// `mon`
    Monday,
    /// `tue`
    Tuesday,
    /// `wed`
    Wednesday,
    /// `thu`
    Thursday,
    /// `fri`
    Friday,
    /// `sat`
    Saturday,
    /// `sun`
    Sunday,
}

impl Weekday {
    const ALL: [(&str, Self); 7] = [
        ("mon", Self::Monday),
        ("tue", Self::Tuesday),
        ("wed", Self::Wednesday),
        ("thu", Self::Thursday),
        ("fri", Self::Friday),
        ("sat", Self::Saturday),
        ("sun", Self::Sunday),
    ];

    fn of(date: Date) -> Self {
        match date.weekday() {
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
            civil::Weekday::Sunday => Self::Sunday,
        }
    }

    fn read(name: &str) -> Result<Self, WindowError> {
        Self::ALL
            .into_iter()
            .find(|(short, _)| *short == name)
            .map(|(_, day)| day)
            .ok_or_else(|| WindowError::Day(name.to_owned()))
    }

    fn as_str(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(_, day)| *day == self)
            .map_or("", |(short, _)| short)
    }
}

/// A window as it stands in a file.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Written {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

/// TOML has times of its own; either is understood.
#[derive(Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "a point in time such as \"2026-12-20T16:00:00Z\" or an hour such as \"16:00\""
)]
enum Moment {
    Time(toml::value::Datetime),
    Text(String),
}

impl Moment {
    fn into_text(self) -> String {
        match self {
            Self::Time(time) => time.to_string(),
            Self::Text(text) => text,
        }
    }
}

impl TryFrom<Written> for Window {
    type Error = WindowError;

    fn try_from(written: Written) -> Result<Self, WindowError> {
        let from = written.from.map(Moment::into_text);
        let to = written.to.map(Moment::into_text);
        let is_weekly = !written.days.is_empty()
            || [&from, &to]
                .into_iter()
                .flatten()
                .any(|text| hour(text).is_some());
        if !is_weekly {
            return Self::once(from.as_deref(), to.as_deref(), written.zone.is_some());
        }
        let mut days = written
            .days
            .iter()
            .map(|name| Weekday::read(name))
            .collect::<Result<Vec<_>, _>>()?;
        days.sort();
        days.dedup();
        let read = |text: String| hour(&text).ok_or(WindowError::Mixed);
        let hours = match (from, to) {
            (None, None) => None,
            (Some(from), Some(to)) => match (read(from)?, read(to)?) {
                (from, to) if from == to => return Err(WindowError::Empty),
                hours => Some(hours),
            },
            _ => return Err(WindowError::HalfHours),
        };
        let zone = match written.zone {
            None => TimeZone::UTC,
            Some(name) => {
                TimeZone::get(&name).map_err(|source| WindowError::Zone { name, source })?
            }
        };
        Ok(Self::Weekly { days, hours, zone })
    }
}

impl Window {
    fn once(from: Option<&str>, to: Option<&str>, has_zone: bool) -> Result<Self, WindowError> {
        let read = |text: &str| {
            text.parse()
                .map_err(|_| WindowError::Moment(text.to_owned()))
        };
        let from: Option<Timestamp> = from.map(read).transpose()?;
        let to = to.map(read).transpose()?;
        match (from, to) {
            (None, None) => Err(WindowError::Unset),
            (Some(from), Some(to)) if to <= from => Err(WindowError::Empty),
            _ if has_zone => Err(WindowError::Mixed),
            _ => Ok(Self::Once { from, to }),
        }
    }
}

impl From<Window> for Written {
    fn from(window: Window) -> Self {
        let text = |text: String| Some(Moment::Text(text));
        match window {
            Window::Once { from, to } => Self {
                from: from.and_then(|from| text(from.to_string())),
                to: to.and_then(|to| text(to.to_string())),
                ..Self::default()
            },
            Window::Weekly { days, hours, zone } => Self {
                days: days.iter().map(|day| day.as_str().to_owned()).collect(),
                from: hours.and_then(|(from, _)| text(shown(from))),
                to: hours.and_then(|(_, to)| text(shown(to))),
                zone: zone.iana_name().map(str::to_owned),
            },
        }
    }
}

/// An hour as people write it; the end of a day is the beginning of the next.
fn hour(text: &str) -> Option<Time> {
    if text == "24:00" {
        return Some(Time::midnight());
    }
    ["%H:%M", "%H:%M:%S"]
        .into_iter()
        .find_map(|format| Time::strptime(format, text).ok())
}

fn shown(hour: Time) -> String {
    let format = if hour.second() == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    hour.strftime(format).to_string()
}

/// Why a window is refused.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// There is no such day.
    #[error("`{0}` is no day; write one of mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// It ends as soon as it begins.
    #[error("`to` must be later than `from`; for whole days leave both away")]
    Empty,
    /// A weekly window has one of two hours.
    #[error("hours need both `from` and `to`; for whole days leave both away")]
    HalfHours,
    /// Points in time together with what is weekly.
    #[error(
        "`days`, `zone` and hours such as \"16:00\" make a weekly window, two points in time another; write two windows"
    )]
    Mixed,
    /// Neither a point in time nor an hour.
    #[error(
        "`{0}` is neither a point in time such as \"2026-12-20T16:00:00Z\" nor an hour such as \"16:00\""
    )]
    Moment(String),
    /// It says nothing.
    #[error("a window needs `from`, `to` or `days`; a refusal without a window always holds")]
    Unset,
    /// There is no such zone.
    #[error(
        "`{name}` is no time zone{}; write a name such as \"Europe/Berlin\" or \"UTC\"",
        near(name)
    )]
    Zone {
        /// Its name.
        name: String,
        /// What the reader of zones said.
        #[source]
        source: jiff::Error,
    },
}

fn near(name: &str) -> String {
    let names: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.to_string())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    nearest(name, &names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
