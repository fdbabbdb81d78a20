//! Constraints on versions: `^1.2`, `>=1.0 <2.0`, `1.x || 3.0 - 3.5`.
//!
//! Helm recognises them with regular expressions that let through more than they mean to and less than one would hope:
//! `1|2` has the form of a version and is none, a space separates nothing, and `*` with an operator does not always
//! mean "any". All of that is kept, since a chart that asks for a version must get the same one here.

use std::cmp::Ordering;

use super::{
    Version,
    scan::{self, Parts},
};

/// Which versions are acceptable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constraint {
    /// All of one of these.
    alternatives: Vec<Vec<Comparator>>,
}

/// Why a text is no constraint, in Helm's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// A part of it has another form.
    #[error("improper constraint: {0}")]
    Improper(String),
    /// A part of it has the right form and is no version.
    #[error("constraint Parser Error")]
    Parser,
    /// It is longer than [`Constraint::MAX_BYTES`].
    #[error("the constraint exceeds the limit of {limit} bytes", limit = Constraint::MAX_BYTES)]
    TooLong,
}

impl Constraint {
    /// How long a constraint may be. Helm knows no limit; this is far beyond what anybody writes.
    pub const MAX_BYTES: usize = 1024;

    /// Reads a constraint.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`], for the empty text too.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ConstraintError::TooLong);
        }
        let alternatives = without_ranges(text)
            .split("||")
            .map(|alternative| alternative.split(',').map(Comparator::parse).collect())
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// `*`: any release, no pre-release.
    pub fn newest() -> Self {
        Self {
            alternatives: vec![vec![Comparator::any()]],
        }
    }

    /// What a caller asks for: a constraint, or [`Constraint::newest`] if it asks for nothing.
    pub(crate) fn wanted(text: &str) -> Result<Self, ConstraintError> {
        match text {
            "" => Ok(Self::newest()),
            text => Self::parse(text),
        }
    }

    /// Whether a version is acceptable. Pre-releases are not, except to a comparison with a pre-release and to `!=`.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|all| all.iter().all(|comparator| comparator.matches(version)))
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Comparator {
    operator: Operator,
    bound: Version,
    open: Open,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Caret,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NotEqual,
    Tilde,
}

/// Where a wildcard stands, or an absent number that means one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    Major,
    Minor,
    No,
    Patch,
}

impl Comparator {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let improper = || ConstraintError::Improper(text.to_owned());
        let (operator, rest) = Operator::split(text.trim_matches(is_space));
        let (parts, rest) =
            scan::version(rest.trim_start_matches(is_space), is_digit).ok_or_else(improper)?;
        if !rest.is_empty() {
            return Err(improper());
        }
        let (open, parts) = Open::split(parts);
        let bound = Version::from_parts(&parts).map_err(|_| ConstraintError::Parser)?;
        Ok(Self {
            operator,
            bound,
            open,
        })
    }

    fn any() -> Self {
        Self {
            operator: Operator::Equal,
            bound: Version {
                major: 0,
                minor: 0,
                patch: 0,
                pre: "".into(),
            },
            open: Open::Major,
        }
    }

    fn matches(&self, version: &Version) -> bool {
        let Self {
            operator,
            bound,
            open,
        } = self;
        let ordering = version.helm_cmp(bound);
        if *operator == Operator::NotEqual && *open == Open::No {
            return ordering != Ordering::Equal;
        }
        if version.is_prerelease() && !bound.is_prerelease() {
            return false;
        }
        match operator {
            Operator::Caret => ordering.is_ge() && version.major == bound.major,
            Operator::Equal if *open == Open::No => ordering.is_eq(),
            Operator::Equal | Operator::Tilde => ordering.is_ge() && self.is_near(version),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
            Operator::Less if *open == Open::No => ordering.is_lt(),
            Operator::LessOrEqual if *open == Open::No => ordering.is_le(),
            Operator::Less | Operator::LessOrEqual => {
                version.major <= bound.major
                    && (version.minor <= bound.minor || *open == Open::Minor)
            }
            Operator::NotEqual => {
                version.major != bound.major || version.minor != bound.minor && *open != Open::Minor
            }
        }
    }

    /// What `~` asks for beyond not being older. `~0.0.0` and `*` take anything.
    fn is_near(&self, version: &Version) -> bool {
        let Self { bound, open, .. } = self;
        let is_zero = bound.major == 0 && bound.minor == 0 && bound.patch == 0;
        if is_zero && matches!(open, Open::Major | Open::No) {
            return true;
        }
        version.major == bound.major && (version.minor == bound.minor || *open == Open::Minor)
    }
}

impl Operator {
    fn split(text: &str) -> (Self, &str) {
        OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
            .unwrap_or((Self::Equal, text))
    }
}

impl Open {
    /// Where the wildcard is, and the version without it. A pre-release stays, unless nothing does.
    fn split(parts: Parts<'_>) -> (Self, Parts<'_>) {
        let is_wildcard = |part| matches!(part, "x" | "X" | "*");
        let Parts {
            major,
            minor,
            patch,
            pre,
        } = parts;
        let bound = |minor, pre| Parts {
            major,
            minor,
            patch: "",
            pre,
        };
        if is_wildcard(major) {
            let zero = Parts {
                major: "0",
                ..bound("", "")
            };
            (Self::Major, zero)
        } else if minor.is_empty() || is_wildcard(minor) {
            (Self::Minor, bound("", pre))
        } else if is_wildcard(patch) {
            (Self::Patch, bound(minor, pre))
        } else {
            (Self::No, parts)
        }
    }
}

/// Writes every `1.2 - 3.4` as two comparisons. One that the text has twice is replaced where it comes first.
fn without_ranges(text: &str) -> String {
    let mut written = text.to_owned();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(range) = Range::read(rest) {
            let comparisons = format!(">= {}, <= {}", range.low, range.high);
            written = written.replacen(range.text, &comparisons, 1);
            rest = range.rest;
        } else {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
    }
    written
}

struct Range<'t> {
    /// All of it, the spaces around it included.
    text: &'t str,
    low: &'t str,
    high: &'t str,
    rest: &'t str,
}

impl<'t> Range<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (low, rest) = Self::bound(text.trim_start_matches(is_space))?;
        let rest = Self::spaces(rest)?.strip_prefix('-')?;
        let (high, rest) = Self::bound(Self::spaces(rest)?)?;
        let rest = rest.trim_start_matches(is_space);
        let text = text.strip_suffix(rest)?;
        Some(Self {
            text,
            low,
            high,
            rest,
        })
    }

    fn bound(text: &'t str) -> Option<(&'t str, &'t str)> {
        let (_, rest) = scan::version(text, is_digit)?;
        Some((text.strip_suffix(rest)?, rest))
    }

    fn spaces(text: &'t str) -> Option<&'t str> {
        text.strip_prefix(is_space)
            .map(|rest| rest.trim_start_matches(is_space))
    }
}

/// What Go's `\s` is.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*' | '|')
}

/// Longer ones first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("=>", Operator::GreaterOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("~>", Operator::Tilde),
    ("<", Operator::Less),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("^", Operator::Caret),
    ("~", Operator::Tilde),
];
