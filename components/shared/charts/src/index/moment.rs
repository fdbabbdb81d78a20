//! Moments as Go reads them from JSON: RFC 3339, in capitals, with nothing left out.

pub(super) fn is_rfc3339(text: &str) -> bool {
    let mut moment = Moment(text.as_bytes());
    moment.date().and_then(|()| moment.time()).is_some() && moment.0.is_empty()
}

/// What is left to read.
struct Moment<'t>(&'t [u8]);

impl Moment<'_> {
    fn date(&mut self) -> Option<()> {
        let year = self.number(4, 0, 9999)?;
        self.mark(b'-')?;
        let month = self.number(2, 1, 12)?;
        self.mark(b'-')?;
        let is_leap_year =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if is_leap_year => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.number(2, 1, days)?;
        self.mark(b'T')
    }

    fn time(&mut self) -> Option<()> {
        self.number(2, 0, 23)?;
        self.mark(b':')?;
        self.number(2, 0, 59)?;
        self.mark(b':')?;
        self.number(2, 0, 59)?;
        if self.mark(b'.').is_some() {
            self.number(1, 0, 9)?;
            while self.number(1, 0, 9).is_some() {}
        }
        if self.mark(b'Z').is_some() {
            return Some(());
        }
        self.mark(b'+').or_else(|| self.mark(b'-'))?;
        self.number(2, 0, 23)?;
        self.mark(b':')?;
        self.number(2, 0, 59)?;
        Some(())
    }

    fn number(&mut self, digits: usize, least: u32, most: u32) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let number = number.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })?;
        (least..=most).contains(&number).then(|| {
            self.0 = rest;
            number
        })
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == mark).then(|| self.0 = rest)
    }
}
