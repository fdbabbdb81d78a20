//! What components and the relay say to each other about charts: where they come from and how they are asked for.
//!
//! A component names a repository and never holds a credential for it: the relay fetches, and what it answers says where
//! the archive came from. The same types are what callers see.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::relay::{decode_segment, encode_segment};

/// The header of an archive with its [`Source`], see [`Source::to_header`].
pub const SOURCE: &str = "x-tiller-edge-source";

/// Longest name of a repository or chart, and longest version, in bytes.
pub const MAX_NAME: usize = 256;

/// Whether a repository or a chart can have that name: not too long, without control characters, and with nothing
/// between slashes that a path would take for something else.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && !name.contains(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What a component can ask about charts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// `GET /repositories`: all of them, as a [`RepositoryList`].
    Repositories,
    /// `GET /repositories/{repository}/charts?…`: its charts, as a [`ChartList`].
    Charts {
        /// The repository.
        repository: String,
    },
    /// `GET /repositories/{repository}/charts/{chart}`: the versions of one, newest first, as a [`ChartList`].
    Versions {
        /// The repository.
        repository: String,
        /// The chart's name.
        chart: String,
    },
    /// `GET /repositories/{repository}/charts/{chart}/archive?version=…&cluster=…`: an archive, with its [`SOURCE`].
    Archive {
        /// The repository.
        repository: String,
        /// The chart's name.
        chart: String,
    },
    /// `GET /archive?url=…&cluster=…`: an archive by its URL, with its [`SOURCE`].
    Url,
}

impl Ask {
    /// Its path, without a query.
    pub fn path(&self) -> String {
        match self {
            Self::Repositories => "/repositories".to_owned(),
            Self::Charts { repository } => {
                format!("/repositories/{}/charts", encode_segment(repository))
            }
            Self::Versions { repository, chart } => format!(
                "/repositories/{}/charts/{}",
                encode_segment(repository),
                encode_segment(chart)
            ),
            Self::Archive { repository, chart } => format!(
                "/repositories/{}/charts/{}/archive",
                encode_segment(repository),
                encode_segment(chart)
            ),
            Self::Url => "/archive".to_owned(),
        }
    }

    /// What a path asks for. `None` if nothing, if a name is empty or not UTF-8.
    pub fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').take(6).collect();
        Some(match segments[..] {
            ["repositories"] => Self::Repositories,
            ["repositories", repository, "charts"] => Self::Charts {
                repository: decode_segment(repository)?,
            },
            ["repositories", repository, "charts", chart] => Self::Versions {
                repository: decode_segment(repository)?,
                chart: decode_segment(chart)?,
            },
            ["repositories", repository, "charts", chart, "archive"] => Self::Archive {
                repository: decode_segment(repository)?,
                chart: decode_segment(chart)?,
            },
            ["archive"] => Self::Url,
            _ => return None,
        })
    }
}

/// The answer to [`Ask::Repositories`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RepositoryList {
    /// Those that the caller may use, by name.
    pub items: Vec<RepositoryView>,
}

/// A repository as callers see it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RepositoryView {
    /// Its name at this edge.
    pub name: String,
    /// Its URL, without what credentials it may hold.
    pub url: String,
    /// `http` for one with an index.yaml, `oci` for a registry.
    pub kind: String,
    /// The region it serves, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The clusters it serves; all if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// The charts it may be asked for, by patterns; all if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Whether only signed charts are taken from it.
    pub verify: bool,
}

/// The answer to [`Ask::Charts`] and [`Ask::Versions`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ChartList {
    /// The charts.
    pub items: Vec<ChartView>,
    /// What to ask for the items after these with, as `cursor`; left out at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A version of a chart, as its repository lists it. A registry says only name and version.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ChartView {
    /// Its name.
    pub name: String,
    /// Its version; left out of a registry's list of charts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The version of what it installs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where more is to be found, a URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// A picture of it, a URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Whether its authors have given it up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// When it was published, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// `sha256:` and the archive's digest in hex, if the repository says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Where an archive came from.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Source {
    /// The repository; none for a URL or an archive that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The chart's name in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The URL that was asked for, without user information, query and fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `sha256:` and the archive's digest in hex.
    pub digest: String,
    /// Who signed it, if that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl Source {
    /// Itself as the value of a header: JSON, percent-encoded.
    pub fn to_header(&self) -> String {
        let json = serde_json::to_string(self).expect("strings always serialise");
        utf8_percent_encode(&json, NON_ALPHANUMERIC).to_string()
    }

    /// Reads [`Source::to_header`]. `None` if it is something else.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        let json: Vec<u8> = percent_decode(value).collect();
        serde_json::from_slice(&json).ok()
    }
}

/// A signature that was verified.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Provenance {
    /// The signer, as its key says: `Name <address>`.
    pub signer: String,
    /// The key's fingerprint, in upper-case hex.
    pub fingerprint: String,
}

/// A chart as `GET /v1/repositories/{repository}/charts/{name}/{version}` shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// What Chart.yaml says, by its own names.
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// values.yaml as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// The README as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<String>,
    /// Where the archive came from.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_one_path_and_the_path_leads_back() {
        for (ask, path) in [
            (Ask::Repositories, "/repositories"),
            (
                Ask::Charts {
                    repository: "a/b".into(),
                },
                "/repositories/a%2Fb/charts",
            ),
            (
                Ask::Versions {
                    repository: "stable".into(),
                    chart: "charts".into(),
                },
                "/repositories/stable/charts/charts",
            ),
            (
                Ask::Archive {
                    repository: "stable".into(),
                    chart: "team/web".into(),
                },
                "/repositories/stable/charts/team%2Fweb/archive",
            ),
            (Ask::Url, "/archive"),
        ] {
            assert_eq!(ask.path(), path);
            assert_eq!(Ask::parse(path), Some(ask));
        }
    }

    #[test]
    fn other_paths_ask_for_nothing() {
        for path in [
            "",
            "/",
            "/repositories/",
            "/repositories//charts",
            "/repositories/a",
            "/repositories/a/charts/",
            "/repositories/a/charts/b/other",
            "/repositories/a/charts/b/archive/c",
            "/repositories/%ff/charts",
            "/archive/",
        ] {
            assert_eq!(Ask::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_is_no_way_to_somewhere_else() {
        for name in [
            "stable",
            "team/web",
            "a.b",
            "...",
            "стабильный",
            &"a".repeat(MAX_NAME),
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/..",
            "./a",
            "a//b",
            "/a",
            "a/",
            "a\0",
            &"a".repeat(MAX_NAME + 1),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_source_survives_as_a_header() {
        let source = Source {
            repository: Some("stäble\n".into()),
            digest: "sha256:00".into(),
            provenance: Some(Provenance {
                signer: "Zoë <z@example.com>".into(),
                fingerprint: "AB".into(),
            }),
            ..Source::default()
        };
        let header = source.to_header();
        assert!(header.is_ascii() && !header.contains('\n'), "{header}");
        assert_eq!(Source::from_header(header.as_bytes()), Some(source));
        assert_eq!(Source::from_header(b"%7b"), None);
    }
}
