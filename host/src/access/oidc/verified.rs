//! Tokens that were found good a moment ago.
//!
//! Callers send the same token with every request, and to check an RSA signature takes some 200 µs, twenty times as long
//! as all else about a token. So what came of it is kept for a minute at most, never beyond its end, and as long as the
//! provider's keys are the same: a key that is withdrawn takes its tokens along. Of the token its hash is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::claims::Subject;
use super::key::Keys;

/// How long, in seconds.
const KEPT: i64 = 60;

/// How many. One with the most groups a token can hold takes some 30 KiB.
const LIMIT: usize = 4096;

/// The tokens of one provider.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<Fingerprint, Entry>>);

/// A token's SHA-256.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Fingerprint([u8; 32]);

struct Entry {
    subject: Subject,
    keys: Arc<Keys>,
    since: i64,
}

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl Verified {
    /// Whom the token stands for, if it was found good with these `keys` and still is; `now` is in seconds since 1970.
    pub(super) fn find(&self, token: Fingerprint, keys: &Arc<Keys>, now: i64) -> Option<Subject> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&token)?;
        (entry.is_good(now) && Arc::ptr_eq(&entry.keys, keys)).then(|| entry.subject.clone())
    }

    /// Keeps that it was found good.
    pub(super) fn keep(&self, token: Fingerprint, subject: &Subject, keys: &Arc<Keys>, now: i64) {
        let entry = Entry {
            subject: subject.clone(),
            keys: Arc::clone(keys),
            since: now,
        };
        if !entry.is_good(now) {
            return;
        }
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= LIMIT {
            entries.retain(|_, entry| entry.is_good(now) && Arc::ptr_eq(&entry.keys, keys));
        }
        if entries.len() >= LIMIT {
            entries.clear();
        }
        entries.insert(token, entry);
    }
}

impl Entry {
    /// Within the skew after its end a token is checked each time.
    fn is_good(&self, now: i64) -> bool {
        let age = now.saturating_sub(self.since);
        now < self.subject.expires && (0..KEPT).contains(&age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn subject(expires: i64) -> Subject {
        Subject {
            name: "alice".to_owned(),
            groups: Vec::new(),
            expires,
        }
    }

    #[test]
    fn a_good_token_is_known_for_a_minute_and_not_beyond_its_end() {
        let (verified, keys) = (Verified::default(), Arc::<Keys>::default());
        let [one, two, three] = ["one", "two", "three"].map(Fingerprint::of);
        verified.keep(one, &subject(NOW + 1000), &keys, NOW);
        verified.keep(two, &subject(NOW + 30), &keys, NOW);
        verified.keep(three, &subject(NOW), &keys, NOW);
        for (token, now, known) in [
            (one, NOW, true),
            (one, NOW + 59, true),
            (one, NOW + 60, false),
            (one, NOW - 1, false),
            (two, NOW + 29, true),
            (two, NOW + 30, false),
            (three, NOW, false),
            (Fingerprint::of("four"), NOW, false),
        ] {
            assert_eq!(verified.find(token, &keys, now).is_some(), known, "{now}");
        }
    }

    #[test]
    fn other_keys_know_no_token() {
        let verified = Verified::default();
        let (old, new) = (Arc::<Keys>::default(), Arc::<Keys>::default());
        let token = Fingerprint::of("one");
        verified.keep(token, &subject(NOW + 1000), &old, NOW);
        assert!(verified.find(token, &old, NOW).is_some());
        assert!(verified.find(token, &new, NOW).is_none());
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let (verified, keys) = (Verified::default(), Arc::<Keys>::default());
        let fill = |from: usize, now: i64| {
            for token in from..from + LIMIT {
                let token = Fingerprint::of(&token.to_string());
                verified.keep(token, &subject(NOW + 1000), &keys, now);
                assert!(verified.find(token, &keys, now).is_some());
            }
            verified.0.lock().unwrap().len()
        };
        assert_eq!(fill(0, NOW), LIMIT);
        // Those that are over make room.
        assert_eq!(fill(LIMIT, NOW + 60), LIMIT);
        // Where none is over, all do.
        assert_eq!(fill(LIMIT * 2, NOW + 60), LIMIT);
    }
}
