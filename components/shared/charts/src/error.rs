//! Why an archive is not a chart.

use std::io;

use crate::yaml::YamlError;

/// Why an archive was not loaded.
///
/// Where Helm has words for it, they are Helm's; a chain of sources joined by `: ` reads as Helm's message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// An entry's name is absolute below its top directory.
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    /// Chart.yaml says that the chart is for another Helm.
    #[error("apiVersion '{0}' is not valid. The value must be \"v1\"")]
    ApiVersion(String),
    /// The archive is not gzip, not tar, damaged, or it ends too early.
    #[error("the chart archive cannot be read")]
    Archive(#[source] io::Error),
    /// Chart.yaml is a directory.
    #[error("chart yaml not in base directory")]
    ChartYamlNotInBase,
    /// The archive has no file.
    #[error("no files in chart archive")]
    Empty,
    /// An entry's name begins like a Windows drive.
    #[error("chart contains illegally named files")]
    IllegalName,
    /// One of the [`Limits`](crate::Limits) is passed.
    #[error("the chart exceeds the limit `{limit}` of {value}")]
    Limit {
        /// Its name: the field's.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// Chart.yaml does not say what it must, or not in YAML.
    #[error("invalid chart (Chart.yaml)")]
    Metadata(#[source] MetadataError),
    /// There is no Chart.yaml.
    #[error("chart metadata (Chart.yaml) missing")]
    MissingMetadata,
    /// Chart.yaml names no chart.
    #[error("invalid chart (Chart.yaml): name must not be empty")]
    MissingName,
    /// A text, or an entry's name, is not UTF-8 and could not be sent.
    #[error("{0:?} is not UTF-8")]
    NotUtf8(String),
    /// An entry lies in no top directory.
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    OutsideBase(String),
    /// An entry's name leads out of its top directory.
    #[error("chart illegally references parent directory")]
    ParentReference,
    /// A sub-chart was not loaded.
    #[error("error unpacking {group} in {parent}")]
    Subchart {
        /// Its directory or archive below charts/.
        group: String,
        /// The chart it belongs to.
        parent: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// A directory below charts/ has the name of an archive.
    #[error("error unpacking tar in {parent}: expected {expected}, got {found}")]
    SubchartArchive {
        /// The chart it belongs to.
        parent: String,
        /// The name of the archive.
        expected: String,
        /// The first file in the directory.
        found: String,
    },
    /// The chart is from before Helm 2.
    #[error("values.toml is illegal as of 2.0.0-alpha.2")]
    ValuesToml,
}

impl ChartError {
    /// The name of the limit that was passed, if that was it, in this chart or in a sub-chart.
    pub fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Limit { limit, .. } => Some(limit),
            Self::Metadata(MetadataError::Yaml(error)) => error.is_limit(),
            Self::Subchart { source, .. } => source.is_limit(),
            _ => None,
        }
    }
}

/// Why a Chart.yaml or a requirements.yaml is not one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A field holds something else than it should.
    #[error("{field} is not {expected}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// It is not a mapping.
    #[error("not a mapping of keys to values")]
    NotAMapping,
    /// It is neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is not YAML.
    #[error(transparent)]
    Yaml(YamlError),
}
