//! Where the names of operations come from.
//!
//! A list of operations is sorted by their names and read page by page, so a clock that is set back must not make a name
//! that sorts before those that are there: time stands still for names until it has caught up.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rustls::crypto::ring;

use super::OperationId;

/// Makes names, each after all that it has made and all that it was told of.
#[derive(Debug)]
pub struct Ids {
    last: Mutex<u128>,
}

impl Ids {
    /// Makes names that come after `newest`, where there are operations already.
    #[must_use]
    pub fn after(newest: Option<&OperationId>) -> Self {
        Self {
            last: Mutex::new(newest.map_or(0, OperationId::bits)),
        }
    }

    /// A name that no operation has.
    #[must_use]
    pub fn next(&self) -> OperationId {
        self.next_at(Timestamp::now())
    }

    fn next_at(&self, now: Timestamp) -> OperationId {
        let mut random = [0; 10];
        // Without randomness names still differ from each other, being counted.
        let drawn = ring::default_provider().secure_random.fill(&mut random);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = OperationId::new(now, random).bits();
        *last = if drawn.is_ok() && fresh > *last {
            fresh
        } else {
            last.saturating_add(1).max(fresh)
        };
        OperationId::of(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).expect("a time")
    }

    #[test]
    fn names_stay_in_order_when_the_clock_is_set_back() {
        let ids = Ids::after(None);
        let names: Vec<_> = [5_000, 5_000, 4_000, 1, 5_001, 4_999]
            .into_iter()
            .map(|millis| ids.next_at(at(millis)))
            .collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }

    #[test]
    fn names_come_after_those_that_are_there() {
        let newest = OperationId::new(at(9_000), [7; 10]);
        let ids = Ids::after(Some(&newest));
        assert!(ids.next_at(at(1_000)) > newest);
        assert!(ids.next_at(at(10_000)) > newest);
    }
}
