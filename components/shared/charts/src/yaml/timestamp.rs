//! Moments, which go-yaml keeps as text but tells from other text.

/// Whether go-yaml takes text for a moment: a date, or a date and a time.
pub(super) fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = split_date(text) else {
        return false;
    };
    let is_time = if let Some(time) = time.strip_prefix(['T', 't']) {
        clock(time).is_some_and(is_zone)
    } else if time.starts_with(' ') {
        // As many spaces as one likes, and no zone.
        clock(time.trim_start_matches(' ')) == Some("")
    } else {
        time.is_empty()
    };
    date.is_valid() && is_time
}

struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    fn is_valid(&self) -> bool {
        let is_leap = self.year.is_multiple_of(4) && !self.year.is_multiple_of(100)
            || self.year.is_multiple_of(400);
        let days = match self.month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day)
    }
}

/// `2006-1-2` and what follows it.
fn split_date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = text.split_at_checked(4)?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (month, rest) = number(rest.strip_prefix('-')?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    let year = year.parse().ok()?;
    Some((Date { year, month, day }, rest))
}

/// What follows `15:4:5` and a fraction.
fn clock(text: &str) -> Option<&str> {
    let (hour, rest) = number(text)?;
    let (minute, rest) = number(rest.strip_prefix(':')?)?;
    let (second, rest) = number(rest.strip_prefix(':')?)?;
    if hour >= 24 || minute >= 60 || second >= 60 {
        return None;
    }
    let is_digit = |c: char| c.is_ascii_digit();
    let fraction = rest
        .strip_prefix(['.', ','])
        .filter(|fraction| fraction.starts_with(is_digit));
    Some(fraction.map_or(rest, |fraction| fraction.trim_start_matches(is_digit)))
}

/// `Z`, or hours and minutes to be added; Go lets 24 hours and 60 minutes pass.
fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let two = |tens: &u8, ones: &u8| {
                (tens.is_ascii_digit() && ones.is_ascii_digit())
                    .then(|| (tens - b'0') * 10 + (ones - b'0'))
            };
            two(h1, h2).is_some_and(|hours| hours <= 24)
                && two(m1, m2).is_some_and(|minutes| minutes <= 60)
        }
        _ => false,
    }
}

/// One digit or two, and what follows.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_and_times_that_exist() {
        for text in [
            "2001-01-01",
            "2001-1-1",
            "2000-2-29",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14T1:2:3Z",
            "2001-12-14 21:59:43.10",
            "2001-12-14   1:2:3",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in [
            "",
            "2001",
            "2001-01",
            "2001-13-01",
            "2001-2-29",
            "2001-01-001",
            "200-01-01",
            "20010-01-01",
            "2001-12-14 ",
            "2001-12-14T21:59:43",
            "2001-12-14T24:00:00Z",
            "2001-12-14T1:2:3+25:00",
            "2001-12-14 21:59:43 -5",
            "2001-12-14 21:59:43.",
            "2001-12-1é",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
