//! Why an index was not read, or a chart not found in one.

use crate::{version::ConstraintError, yaml::YamlError};

/// Why a text is no index.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A mapping has a key twice.
    #[error("key {key:?} is there twice, in line {line}")]
    Duplicate {
        /// The key, its beginning if it is long.
        key: String,
        /// Where it is for the second time, counted from 1.
        line: usize,
    },
    /// A field holds something else than it should.
    #[error("{field} is not {expected}, in line {line}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
        /// Where its value is, counted from 1.
        line: usize,
    },
    /// One of the [`Limits`](super::Limits) is passed.
    #[error("the index exceeds the limit `{limit}` of {value}")]
    Limit {
        /// Its name: the field's.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// There is no apiVersion. Helm may take it for a format that is older than Helm 2, and make no sense of it.
    #[error("no API version specified")]
    NoApiVersion,
    /// It is something else than a mapping.
    #[error("the index is not a mapping")]
    NotAMapping,
    /// It is not UTF-8.
    #[error("the index is not UTF-8")]
    NotUtf8,
    /// It has a key at the top that an index has not.
    #[error("key {key:?} in line {line} is none of an index")]
    UnknownKey {
        /// The key, its beginning if it is long.
        key: String,
        /// Where it is, counted from 1.
        line: usize,
    },
    /// It is not YAML.
    #[error(transparent)]
    Yaml(YamlError),
}

impl IndexError {
    /// The name of the limit that was passed, if that was it.
    pub fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Limit { limit, .. } => Some(limit),
            _ => None,
        }
    }

    pub(super) fn duplicate(key: &str, line: usize) -> Self {
        let key = beginning(key);
        Self::Duplicate { key, line }
    }

    pub(super) fn field(field: &'static str, expected: &'static str, line: usize) -> Self {
        Self::Field {
            field,
            expected,
            line,
        }
    }

    pub(super) fn limit(limit: &'static str, value: usize) -> Self {
        Self::Limit { limit, value }
    }

    pub(super) fn unknown(key: &str, line: usize) -> Self {
        let key = beginning(key);
        Self::UnknownKey { key, line }
    }
}

/// Why a chart is not found, in Helm's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// What was asked for is no constraint.
    #[error(transparent)]
    Constraint(ConstraintError),
    /// There is no such chart.
    #[error("no chart name found")]
    NoName,
    /// The chart has no versions at all.
    #[error("no chart version found")]
    NoVersions,
    /// No version of the chart is acceptable.
    #[error("No chart version found for {name}-{version}")]
    NotFound {
        /// The chart.
        name: String,
        /// What was asked for.
        version: String,
    },
}

fn beginning(key: &str) -> String {
    key.chars().take(40).collect()
}
