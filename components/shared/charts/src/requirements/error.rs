//! Why requirements were not met, or not processed.

use crate::{MetadataError, values::ValuesError, version::ConstraintError};

/// Why the requirements of a chart were not processed.
///
/// Where Helm has words for it, they are Helm's; a chain of sources joined by `: ` reads as Helm's message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementsError {
    /// An alias has other characters than letters and digits of ASCII, `-` and `_`.
    #[error("illegal alias name in {0:?}")]
    Alias(String),
    /// A version constraint is too long to be looked at.
    #[error("the version of requirement {requirement:?} cannot be read")]
    Constraint {
        /// The name of the requirement.
        requirement: String,
        /// Why.
        #[source]
        source: ConstraintError,
    },
    /// An entry of import-values is a mapping and does not say from where or to where. Helm crashes.
    #[error(
        "an entry of import-values of requirement {requirement:?} in chart {chart} needs texts `child` and `parent`"
    )]
    Import {
        /// The chart with the requirement.
        chart: String,
        /// The name of the requirement.
        requirement: String,
    },
    /// One of the [`Limits`](crate::Limits) is passed.
    #[error("the requirements of the chart exceed the limit `{limit}` of {value}")]
    Limit {
        /// Its name: the field's.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// Sub-charts that are required are not there.
    #[error(
        "found in requirements.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    Missing(Vec<String>),
    /// A chart or sub-chart has no metadata.
    #[error("chart metadata (Chart.yaml) missing")]
    MissingMetadata,
    /// A requirement is null. Helm crashes.
    #[error("a requirement of chart {0} is null")]
    NullRequirement(String),
    /// The requirements.yaml of the top chart is not one.
    #[error("cannot load requirements")]
    Unreadable(#[source] MetadataError),
    /// The values of the charts and the caller's make none together.
    #[error(transparent)]
    Values(ValuesError),
}

impl RequirementsError {
    /// The name of the limit that was passed, if that was it.
    pub fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Limit { limit, .. } => Some(limit),
            Self::Unreadable(MetadataError::Yaml(error)) => error.is_limit(),
            Self::Values(error) => error.is_limit(),
            _ => None,
        }
    }

    /// Whether Helm, meeting this in a sub-chart, goes on as if it had not.
    pub(super) fn is_ignored(&self) -> bool {
        match self {
            Self::Alias(_) => true,
            Self::Values(ValuesError::Globals(_)) => false,
            Self::Values(error) => error.is_limit().is_none(),
            _ => false,
        }
    }
}
