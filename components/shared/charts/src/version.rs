//! Versions as Helm 2 reads and orders them.
//!
//! Helm takes what most would not call a semantic version: `v1`, `1.2`, leading zeros. It forgets build metadata when
//! it compares, and does not know numbers that a 64 bit integer cannot hold. Charts depend on all of it, so this
//! follows Masterminds/semver 1.5 and no other specification.

mod constraint;
mod scan;

use std::cmp::Ordering;

pub use self::constraint::{Constraint, ConstraintError};
use self::scan::Parts;

/// A version, without what is not compared: its build metadata and how it was written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Version {
    major: i64,
    minor: i64,
    patch: i64,
    /// Empty if it is a release.
    pre: Box<str>,
}

/// Why a text is no version, in Helm's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// It has another form.
    #[error("Invalid Semantic Version")]
    Invalid,
    /// One of its numbers is beyond 64 bits.
    #[error("Error parsing version segment: strconv.ParseInt: parsing \"{0}\": value out of range")]
    Segment(String),
}

impl Version {
    /// Reads one to three numbers, a pre-release after `-` and build metadata after `+`, all after an optional `v`.
    ///
    /// # Errors
    ///
    /// [`VersionError`].
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        match scan::version(text, |c| c.is_ascii_digit()) {
            Some((parts, "")) => Self::from_parts(&parts),
            _ => Err(VersionError::Invalid),
        }
    }

    /// Which of `versions` Helm takes when `wanted` is asked for: the very text, or else the newest that `wanted`
    /// accepts as a constraint. An empty `wanted` is `*`. Of equal versions the first is taken; texts that are no
    /// versions are found by their very text only.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] if `wanted` is not a constraint, even if one of the texts equals it.
    pub fn select<'v>(
        versions: impl IntoIterator<Item = &'v str>,
        wanted: &str,
    ) -> Result<Option<&'v str>, ConstraintError> {
        let constraint = Constraint::wanted(wanted)?;
        let mut newest: Option<(Self, &str)> = None;
        for text in versions {
            if text == wanted && !wanted.is_empty() {
                return Ok(Some(text));
            }
            let Ok(version) = Self::parse(text) else {
                continue;
            };
            let newer = newest.as_ref().is_none_or(|(newest, _)| version > *newest);
            if newer && constraint.matches(&version) {
                newest = Some((version, text));
            }
        }
        Ok(newest.map(|(_, text)| text))
    }

    /// Major, minor and patch.
    pub const fn numbers(&self) -> (i64, i64, i64) {
        (self.major, self.minor, self.patch)
    }

    /// What stands after the `-`; empty if it is a release.
    pub fn pre(&self) -> &str {
        &self.pre
    }

    /// Whether it comes before a release.
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }

    /// Whether it is the release `0.0.0`.
    pub(crate) fn is_zero(&self) -> bool {
        (self.major, self.minor, self.patch) == (0, 0, 0) && !self.is_prerelease()
    }

    /// How many bytes it has elsewhere.
    pub(crate) fn heap(&self) -> usize {
        self.pre.len()
    }

    fn from_parts(parts: &Parts<'_>) -> Result<Self, VersionError> {
        let number = |digits: &str| match digits {
            "" => Ok(0),
            digits => digits
                .parse()
                .map_err(|_| VersionError::Segment(digits.to_owned())),
        };
        Ok(Self {
            major: number(parts.major)?,
            minor: number(parts.minor)?,
            patch: number(parts.patch)?,
            pre: parts.pre.into(),
        })
    }

    /// What Helm's own comparison says: of two pre-releases that differ in leading zeros only, whichever stands on the
    /// left is less.
    fn helm_cmp(&self, other: &Self) -> Ordering {
        self.compare(other, |_, _| Ordering::Less)
    }

    fn compare(&self, other: &Self, zeros: fn(&str, &str) -> Ordering) -> Ordering {
        self.major
            .cmp(&other.major)
            .then(self.minor.cmp(&other.minor))
            .then(self.patch.cmp(&other.patch))
            .then_with(|| other.is_prerelease().cmp(&self.is_prerelease()))
            .then_with(|| compare_pre(&self.pre, &other.pre, zeros))
    }
}

/// Newer is greater. Pre-releases that differ in leading zeros only have no order in Helm; here they have that of their
/// texts.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other, str::cmp)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Part by part: none before any, numbers before texts. `zeros` decides between equal numbers of different texts.
fn compare_pre(one: &str, other: &str, zeros: fn(&str, &str) -> Ordering) -> Ordering {
    let number = |part: &str| part.parse::<u64>().ok();
    let (mut ours, mut theirs) = (one.split('.'), other.split('.'));
    loop {
        let (part, other) = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(part), Some(other)) if part == other => continue,
            (Some(part), Some(other)) => (part, other),
        };
        return match (number(part), number(other)) {
            (None, None) => part.cmp(other),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(number), Some(than)) => number.cmp(&than).then_with(|| zeros(part, other)),
        };
    }
}
