//! Where a page ends and the next begins.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tiller_api::light::Release;

use super::query::Sort;

/// Most releases held at once, which is the longest page in an order that Tiller does not stream in.
pub(super) const HELD: usize = 1000;

/// A release's place in an order. The revision counts only where each is an item of its own, so that an
/// upgrade between two pages does not show a release twice.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Position {
    #[serde(default, rename = "c", skip_serializing_if = "String::is_empty")]
    chart: String,
    #[serde(default, rename = "t", skip_serializing_if = "Option::is_none")]
    deployed: Option<(i64, i32)>,
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "r")]
    revision: i32,
}

impl Position {
    pub(super) fn of(release: &Release, sort: Sort, all: bool) -> Self {
        let mut position = Self {
            name: release.name.clone(),
            revision: if all { release.version } else { 0 },
            ..Self::default()
        };
        match sort {
            Sort::Chart => {
                let metadata = release
                    .chart
                    .as_ref()
                    .and_then(|chart| chart.metadata.as_ref());
                position.chart = metadata
                    .map(|metadata| metadata.name.clone())
                    .unwrap_or_default();
            }
            Sort::Name => {}
            Sort::Updated => {
                let deployed = release.info.as_ref().and_then(|info| info.last_deployed);
                position.deployed = deployed.map(|at| (at.seconds, at.nanos));
            }
        }
        position
    }
}

/// What `next` carries: a place, and the order in which it is one.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Cursor {
    #[serde(rename = "s")]
    pub(super) sort: Sort,
    #[serde(rename = "d")]
    pub(super) descending: bool,
    #[serde(rename = "a")]
    pub(super) all: bool,
    #[serde(flatten)]
    pub(super) last: Position,
}

impl Cursor {
    pub(super) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("text and numbers are JSON");
        BASE64_URL_SAFE_NO_PAD.encode(json)
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// The first releases of a list in some order, however long the list.
pub(super) struct Sorted {
    limit: usize,
    descending: bool,
    held: Vec<(Position, Release)>,
}

impl Sorted {
    pub(super) const fn new(limit: usize, descending: bool) -> Self {
        Self {
            limit,
            descending,
            held: Vec::new(),
        }
    }

    pub(super) fn offer(&mut self, position: Position, release: Release) {
        self.held.push((position, release));
        if self.held.len() > 2 * self.limit + 1 {
            self.trim();
        }
    }

    /// The page, and the place of its last release if it is not the last page.
    pub(super) fn finish(mut self) -> (Vec<Release>, Option<Position>) {
        self.trim();
        let more = self.held.len() > self.limit;
        self.held.truncate(self.limit);
        let last = self.held.last().map(|(position, _)| position.clone());
        let releases = self.held.into_iter().map(|(_, release)| release).collect();
        (releases, last.filter(|_| more))
    }

    /// Keeps the page and one more, by which it is known that there is more.
    fn trim(&mut self) {
        let descending = self.descending;
        self.held.sort_unstable_by(|(a, _), (b, _)| {
            let order = a.cmp(b);
            if descending { order.reverse() } else { order }
        });
        self.held.truncate(self.limit + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str) -> Release {
        Release {
            name: name.into(),
            version: 1,
            ..Release::default()
        }
    }

    fn page(names: &[&str], limit: usize, descending: bool) -> (Vec<String>, Option<String>) {
        let mut sorted = Sorted::new(limit, descending);
        for name in names {
            sorted.offer(
                Position::of(&release(name), Sort::Name, false),
                release(name),
            );
            assert!(sorted.held.len() <= 2 * limit + 1);
        }
        let (releases, next) = sorted.finish();
        let names = releases.into_iter().map(|release| release.name).collect();
        (names, next.map(|next| next.name))
    }

    #[test]
    fn a_page_has_the_first_of_any_number() {
        let names = ["e", "b", "g", "a", "f", "c", "d"];
        assert_eq!(
            page(&names, 2, false),
            (vec!["a".into(), "b".into()], Some("b".into()))
        );
        assert_eq!(
            page(&names, 2, true),
            (vec!["g".into(), "f".into()], Some("f".into()))
        );
        assert_eq!(page(&names, 7, false).1, None);
        assert_eq!(page(&names, 6, false).1, Some("f".into()));
        assert_eq!(page(&[], 6, false), (vec![], None));
    }

    #[test]
    fn a_cursor_reads_back() {
        let cursor = Cursor {
            sort: Sort::Updated,
            descending: true,
            all: false,
            last: Position {
                deployed: Some((1_600_000_000, 5)),
                ..Position::of(&release("web"), Sort::Name, true)
            },
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for text in ["", "!", "e30", "bm90IGpzb24"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
