//! Lists that Tiller cannot send at once.
//!
//! Tiller packs a list into messages of 20 MiB and leaves a few bytes a release out of the count. Where
//! releases are many and small, a message is then longer than Tiller's own library sends, and the list ends
//! there with an error. Helm's CLI never asks for enough to see it. Such a list is asked for in pieces, each
//! short enough for one message with room to spare. A piece costs Tiller as much as the whole list, so there
//! are as few of them as can be.

use client::Failure;
use rest::problem::Code;

/// How many revisions the first piece has.
const FIRST: usize = 1000;

/// The most that any has.
const MOST: usize = 1_000_000;

/// How much is wanted of a piece, in bytes.
const WEIGHT: usize = 12 << 20;

/// How much less is tried after a piece was too long.
const SHRINK: usize = 4;

/// A part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Piece {
    limit: usize,
    /// So many revisions are too few: no release was whole among them.
    too_few: usize,
    revisions: usize,
    bytes: usize,
}

impl Piece {
    /// One with fewer revisions than the last, or than the whole list; none if that would lead nowhere.
    pub(super) fn smaller(last: Option<&Self>) -> Option<Self> {
        let Some(last) = last else {
            return Some(Self::default());
        };
        let limit = last.limit / SHRINK;
        (limit > last.too_few).then(|| Self::of(limit, last.too_few))
    }

    /// The same once more.
    pub(super) const fn again(&self) -> Self {
        Self::of(self.limit, self.too_few)
    }

    /// The one after this, which has led `further` or not.
    pub(super) fn next(self, further: bool) -> Self {
        if !further {
            return Self::of((2 * self.limit).min(MOST), self.limit);
        }
        let fitting = self.revisions * WEIGHT / self.bytes.max(1);
        Self::of(fitting.clamp(2, MOST), 0)
    }

    /// How many revisions to ask for.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Counts a revision that came.
    pub(super) const fn count(&mut self) {
        self.revisions += 1;
    }

    /// Counts a message that came.
    pub(super) const fn weigh(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    const fn of(limit: usize, too_few: usize) -> Self {
        Self {
            limit,
            too_few,
            revisions: 0,
            bytes: 0,
        }
    }
}

impl Default for Piece {
    fn default() -> Self {
        Self::of(FIRST, 0)
    }
}

/// Whether Tiller has failed at the length of its own answer.
pub(super) fn is_too_long(failure: &Failure) -> bool {
    failure.code() == Some(Code::TillerError)
        && failure
            .detail()
            .starts_with("grpc: trying to send message larger than max")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(limit: usize, bytes: usize) -> Piece {
        let mut piece = Piece::of(limit, 0);
        piece.weigh(bytes);
        for _ in 0..limit {
            piece.count();
        }
        piece
    }

    #[test]
    fn a_piece_is_as_large_as_the_last_one_tells() {
        // Of 5 KB each, then of 5 MB each.
        assert_eq!(weighed(1000, 5_000_000).next(true).limit(), 2516);
        assert_eq!(weighed(4, 20_000_000).next(true).limit(), 2);
        assert_eq!(weighed(1, 50_000_000).next(true).limit(), 2);
        assert_eq!(weighed(1000, 0).next(true).limit(), MOST);
    }

    #[test]
    fn a_piece_that_leads_nowhere_is_followed_by_a_larger_one_and_no_smaller_one() {
        let piece = Piece::default().next(false);
        assert_eq!(piece.limit(), 2 * FIRST);
        assert_eq!(Piece::smaller(Some(&piece)), None);
    }

    #[test]
    fn shrinking_ends() {
        let mut last = None;
        let mut times = 0;
        while let Some(piece) = Piece::smaller(last.as_ref()) {
            last = Some(piece);
            times += 1;
        }
        assert_eq!((times, last.map(|piece| piece.limit())), (5, Some(3)));
    }
}
