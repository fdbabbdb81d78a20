//! Searching as `helm search` does.
//!
//! A text is looked for, in any case, in a chart's name, in its name after the repository's, in its description and in
//! its keywords. The earlier of these it begins in the better. Equally good charts are in the order of their names, the
//! newest version first.

use super::{
    Chart, Entry, Index,
    texts::Text,
    version::{List, Record},
};

/// What to search for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search<'s> {
    /// The repository's name, which a text like `stable/web` begins with.
    pub repository: &'s str,
    /// What to look for; empty finds everything.
    pub text: &'s str,
    /// All versions that match. Otherwise it is one of every chart: the best match that is no pre-release, and of equal
    /// ones the newest.
    pub all: bool,
}

impl Index {
    /// What matches, the best first.
    ///
    /// Nothing is collected for it: it goes through the index for every place that the text is found in.
    pub fn search<'i>(&'i self, search: Search<'i>) -> impl Iterator<Item = Entry<'i>> {
        let mut matches = Matches {
            index: self,
            all: search.all,
            matcher: Matcher::new(search),
            scores: 0,
            chart: 0,
            record: 0,
        };
        matches.scores = match search.text {
            "" => 1,
            _ => std::iter::from_fn(|| matches.next_match())
                .fold(0, |scores, (score, _, _)| scores | 1 << score),
        };
        matches.restart();
        matches
    }
}

struct Matches<'i> {
    index: &'i Index,
    all: bool,
    matcher: Matcher<'i>,
    /// Those that are still to come, a bit each.
    scores: u32,
    /// The next chart, and its next version.
    chart: usize,
    record: usize,
}

impl<'i> Matches<'i> {
    /// The next match of any score, in the order of names.
    fn next_match(&mut self) -> Option<(u32, &'i Chart, &'i Record)> {
        loop {
            let chart = self.index.charts.get(self.chart)?;
            let records = self.index.records(chart);
            if !self.all {
                self.chart += 1;
                let shown = records.iter().filter(|record| is_shown(record));
                let matches = shown.filter_map(|record| {
                    let score = self.matcher.score(self.index, record)?;
                    Some((score, chart, record))
                });
                match matches.min_by_key(|(score, _, _)| *score) {
                    Some(best) => return Some(best),
                    None => continue,
                }
            }
            let Some(record) = records.get(self.record) else {
                self.chart += 1;
                self.record = 0;
                continue;
            };
            self.record += 1;
            if let Some(score) = self.matcher.score(self.index, record) {
                return Some((score, chart, record));
            }
        }
    }

    fn restart(&mut self) {
        self.chart = 0;
        self.record = 0;
    }
}

impl<'i> Iterator for Matches<'i> {
    type Item = Entry<'i>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.scores != 0 {
            let wanted = self.scores.trailing_zeros();
            while let Some((score, chart, record)) = self.next_match() {
                if score == wanted {
                    return Some(self.index.entry(chart, record));
                }
            }
            self.scores &= !(1 << wanted);
            self.restart();
        }
        None
    }
}

/// Compares one version after the other.
struct Matcher<'i> {
    repository: &'i str,
    /// In lower case.
    text: String,
    /// What it is looked for in, in lower case.
    line: String,
    /// The line's parts and its score: the next version often has the same.
    last: Option<((Text, Text, List), Option<u32>)>,
}

impl<'i> Matcher<'i> {
    fn new(search: Search<'i>) -> Self {
        let mut text = String::new();
        push_lower(&mut text, search.text);
        Self {
            repository: search.repository,
            text,
            line: String::new(),
            last: None,
        }
    }

    /// In which part of the line the text begins, counted from zero.
    fn score(&mut self, index: &Index, record: &Record) -> Option<u32> {
        if self.text.is_empty() {
            return Some(0);
        }
        let parts = (record.title, record.description, record.keywords);
        match self.last {
            Some((last, score)) if last == parts => score,
            _ => {
                self.write(index, record);
                let score = self.find();
                self.last = Some((parts, score));
                score
            }
        }
    }

    fn write(&mut self, index: &Index, record: &Record) {
        let Self {
            repository, line, ..
        } = self;
        let title = index.texts.text(record.title);
        line.clear();
        push_lower(line, title);
        line.push(SEPARATOR);
        push_lower(line, repository);
        line.push('/');
        push_lower(line, title);
        line.push(SEPARATOR);
        push_lower(line, index.texts.text(record.description));
        line.push(SEPARATOR);
        for (at, keyword) in index.words(record.keywords).iter().enumerate() {
            if at > 0 {
                line.push(' ');
            }
            push_lower(line, keyword);
        }
    }

    fn find(&self) -> Option<u32> {
        let (before, _) = self.line.split_once(&self.text)?;
        let score = u32::try_from(before.matches(SEPARATOR).count()).ok()?;
        (score < WORST).then_some(score)
    }
}

/// What is no version is shown, as Helm does.
fn is_shown(record: &Record) -> bool {
    let parsed = record.parsed.as_ref();
    parsed.is_none_or(|version| !version.is_prerelease() && !version.is_zero())
}

/// Character by character, as Go does it.
fn push_lower(line: &mut String, text: &str) {
    line.extend(text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)));
}

/// What Helm sets parts off with, and finds if it is told to.
const SEPARATOR: char = '\u{b}';

/// The score from which on Helm says that there is no match; descriptions can have separators too.
const WORST: u32 = 25;
