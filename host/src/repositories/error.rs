//! What can go wrong with a chart on its way here, and the one place that turns it into a problem.
//!
//! The problem goes to callers. It says which repository and which chart in Helm's words, where Helm has some, and names
//! the key of the configuration that changes it, where there is one. It never holds what a repository sent, the user
//! information or query of a URL, or where the edge keeps its files: those who may know find it in the log.

use std::sync::Arc;

use charts::index::LookupError;
use charts::version::ConstraintError;
use http::StatusCode;
use rest::problem::{Code, Problem};

use super::index::IndexFailure;
use super::memory::Full;
use super::oci::OciError;
use super::provenance::ProvenanceError;
use crate::net::Causes;
use crate::net::CredentialsError;
use crate::net::address::Class;
use crate::net::fetch::FetchError;

/// Why there is no chart, or no list of charts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepositoryError {
    /// Too many archives are in memory.
    #[error(transparent)]
    Busy(#[from] Full),
    /// The repository has patterns for its charts, and none is for this one.
    #[error("repository \"{repository}\" is not used for the chart \"{chart}\"")]
    ChartRefused {
        /// The repository.
        repository: String,
        /// The chart.
        chart: String,
    },
    /// The repository is not for this cluster.
    #[error("repository \"{repository}\" is not used for the cluster \"{cluster}\"")]
    ClusterRefused {
        /// The repository.
        repository: String,
        /// The cluster.
        cluster: String,
    },
    /// The version that is asked for is none.
    #[error("{0}")]
    Constraint(ConstraintError),
    /// The cursor was not given out by this edge.
    #[error("the cursor is not one that this edge gave")]
    Cursor,
    /// The archive is another than its index says.
    #[error(
        "the archive of \"{chart}\" is {found}, and the index of repository \"{repository}\" says otherwise"
    )]
    Digest {
        /// The repository.
        repository: String,
        /// The chart.
        chart: String,
        /// The archive's digest.
        found: String,
    },
    /// There is no answer.
    #[error("Failed to fetch {url}")]
    Fetch {
        /// What was asked for, without user information and query.
        url: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// There is no index.
    #[error("Looks like \"{url}\" is not a valid chart repository or cannot be reached")]
    Index {
        /// The repository's URL, without user information and query.
        url: String,
        /// Why.
        #[source]
        source: Arc<IndexFailure>,
    },
    /// More than a watch compares.
    #[error(
        "it has more than {0} versions of what is watched; watch fewer names, or fewer versions"
    )]
    TooManyVersions(usize),
    /// What came could not be looked at, for a fault of this program.
    #[error("this edge failed at what the repository sent")]
    Internal,
    /// The repository has no such chart, or no such version of it.
    #[error("{}", not_found(chart, version, repository))]
    NotFound {
        /// The repository.
        repository: String,
        /// The chart.
        chart: String,
        /// The version that was asked for; empty: any.
        version: String,
    },
    /// The index names no archive for the chart.
    #[error("chart \"{0}\" has no downloadable URLs")]
    NoUrls(String),
    /// The URL names no manifest of a registry.
    #[error("the chart's URL must be oci://host/path/name:tag or oci://host/path/name@sha256:…")]
    Reference,
    /// The registry gave something else, or nothing.
    #[error("{url}: {source}")]
    Registry {
        /// The URL of the registry or of the chart.
        url: String,
        /// Why.
        source: OciError,
    },
    /// There is no repository of that name.
    #[error("repo {0} not found")]
    RepositoryNotFound(String),
    /// The answer is another than an archive.
    #[error("Failed to fetch {url} : {status}")]
    Status {
        /// What was asked for, without user information and query.
        url: String,
        /// What came.
        status: StatusCode,
    },
    /// The chart must be signed and has no provenance file.
    #[error("the chart is not signed: Failed to fetch {url} : {status}")]
    Unsigned {
        /// Where its provenance file should be.
        url: String,
        /// What came instead.
        status: StatusCode,
    },
    /// It is no URL of a chart.
    #[error(
        "the chart's URL is not http://, https:// or oci:// with a host and no user, `#` or `..`"
    )]
    Url,
    /// There is no chart at the URL.
    #[error("there is no chart at {0}")]
    UrlNotFound(String),
    /// No prefix covers the URL.
    #[error("charts are not taken from {0}")]
    UrlRefused(String),
    /// The signature is not what it should be.
    #[error("the signature of the chart is not good")]
    Unverified(#[source] ProvenanceError),
    /// The index names an archive that cannot be fetched.
    #[error("the index names something that is no URL as the archive of \"{0}\"")]
    WrongUrl(String),
}

impl RepositoryError {
    pub(super) fn lookup(error: LookupError, repository: &str, chart: &str, version: &str) -> Self {
        match error {
            LookupError::Constraint(error) => Self::Constraint(error),
            _ => Self::NotFound {
                repository: repository.to_owned(),
                chart: chart.to_owned(),
                version: version.to_owned(),
            },
        }
    }

    /// An error of the registry at `url`, other than that it has no such chart.
    pub(super) fn registry(url: &str, error: OciError) -> Self {
        match error {
            OciError::Constraint(error) => Self::Constraint(error),
            OciError::NotFound => Self::UrlNotFound(url.to_owned()),
            source => Self::Registry {
                url: url.to_owned(),
                source,
            },
        }
    }

    /// What callers are told.
    pub(crate) fn problem(&self) -> Problem {
        let told = |code| Problem::new(code, self.to_string());
        match self {
            Self::Busy(full) => told(Code::EdgeBusy)
                .with_retry_after(u32::try_from(full.retry_after.as_secs()).ok()),
            Self::ChartRefused { .. } => told(Code::ChartSourceRefused)
                .with_hint("the operator allows charts by `charts` of the `[[repository]]`"),
            Self::ClusterRefused { .. } => told(Code::ChartSourceRefused)
                .with_hint("the operator allows clusters by `clusters` of the `[[repository]]`"),
            Self::Constraint(_) | Self::Cursor => told(Code::InvalidRequest),
            Self::Digest { .. } => told(Code::ChartUnverified).with_hint(
                "the archive was replaced after the index was made, or on its way; the repository's index must be made anew",
            ),
            Self::Fetch { source, .. } => from_fetch(self.to_string(), source),
            Self::Index { source, .. } => from_index(self.to_string(), source),
            Self::Internal | Self::NoUrls(_) | Self::TooManyVersions(_) | Self::WrongUrl(_) => {
                told(Code::RepositoryError)
            }
            Self::NotFound { .. } => told(Code::ChartNotFound),
            Self::Registry { source, .. } => from_registry(self.to_string(), source),
            Self::RepositoryNotFound(_) => told(Code::RepositoryNotConfigured)
                .with_hint("the operator names repositories by `[[repository]]` in the edge's configuration"),
            Self::Status { status, .. } => from_status(self.to_string(), *status),
            Self::Unsigned { .. } => told(Code::ChartUnverified).with_hint(SIGNED),
            Self::Reference | Self::Url => told(Code::InvalidRequest),
            Self::UrlNotFound(_) => told(Code::ChartNotFound),
            Self::UrlRefused(_) => told(Code::ChartSourceRefused)
                .with_hint("the operator allows URLs by `charts.urls`"),
            Self::Unverified(_) => {
                Problem::new(Code::ChartUnverified, Causes(self).to_string()).with_hint(
                    "the operator chooses whom to trust by `keyring` of the `[[repository]]`",
                )
            }
        }
    }
}

fn not_found(chart: &str, version: &str, repository: &str) -> String {
    if version.is_empty() {
        format!("chart \"{chart}\" not found in repository \"{repository}\"")
    } else {
        format!("chart \"{chart}\" version \"{version}\" not found in repository \"{repository}\"")
    }
}

fn from_index(what: String, failure: &IndexFailure) -> Problem {
    match failure {
        IndexFailure::Busy(full) => Problem::new(Code::EdgeBusy, full.to_string())
            .with_retry_after(u32::try_from(full.retry_after.as_secs()).ok()),
        IndexFailure::Fetch(source) => from_fetch(what, source),
        // The parser quotes the file; who looks after the edge finds it in the log.
        IndexFailure::Malformed(_) => {
            Problem::new(Code::RepositoryError, format!("{what}: {failure}"))
                .with_hint("the edge's log says what is wrong with it; so does `tiller-edge check`")
        }
        IndexFailure::Parser => Problem::new(Code::RepositoryError, format!("{what}: {failure}")),
        IndexFailure::Status(status) => from_status(format!("{what}: {failure}"), *status),
    }
}

fn from_registry(what: String, error: &OciError) -> Problem {
    match error {
        OciError::Fetch { source, .. } => from_fetch(what, source),
        OciError::Denied { status, .. }
        | OciError::Status { status, .. }
        | OciError::TokenStatus(status) => from_status(what, *status),
        OciError::Digest(_) => Problem::new(Code::ChartUnverified, what),
        OciError::NoCatalog(_) => Problem::new(Code::RepositoryError, what)
            .with_hint("the operator names its charts by `charts` of the `[[repository]]`"),
        OciError::NotSigned => Problem::new(Code::ChartUnverified, what).with_hint(SIGNED),
        OciError::TooLarge { .. } => Problem::new(Code::RepositoryError, what).with_hint(LIMITS),
        OciError::Constraint(_)
        | OciError::NotFound
        | OciError::NotAChart(_)
        | OciError::Protocol { .. }
        | OciError::TokenService(_)
        | OciError::TooMany(_) => Problem::new(Code::RepositoryError, what),
    }
}

fn from_status(what: String, status: StatusCode) -> Problem {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Problem::new(Code::RepositoryCredentialsRefused, what).with_hint(CREDENTIALS)
        }
        _ => Problem::new(Code::RepositoryError, what),
    }
}

pub(super) fn from_fetch(what: String, error: &FetchError) -> Problem {
    let told = |code| Problem::new(code, format!("{what}: {error}"));
    match error {
        FetchError::AddressRefused { class, .. } => {
            let problem = told(Code::RepositoryAddressRefused);
            match class {
                Class::Public => problem,
                _ => problem.with_hint(
                    "the operator allows networks by `addresses` of the `[[repository]]`, or by \
                     `charts.addresses` for direct URLs",
                ),
            }
        }
        FetchError::ClearTextLogin => told(Code::RepositoryError),
        // Which file, which variable: the log has it.
        FetchError::Credentials(source) => {
            let key = match source {
                CredentialsError::Environment(_) => "`password_env` or `token_env`",
                _ => "`password_file` or `token_file`",
            };
            told(Code::RepositoryCredentialsRefused)
                .with_hint(format!("the edge cannot use what {key} names; its log says why"))
        }
        FetchError::Deadline => told(Code::RepositoryTimedOut)
            .with_hint("the operator sets by `charts.timeout` how long a fetch may take"),
        FetchError::Lost { source, .. } => {
            Problem::new(
                Code::RepositoryUnreachable,
                format!("{what}: {error}: {}", Causes(source.as_ref())),
            )
        }
        FetchError::Unreachable { source, .. } => {
            let cause = Causes(source.as_ref()).to_string();
            let problem = Problem::new(
                Code::RepositoryUnreachable,
                format!("{what}: {error}: {cause}"),
            );
            if cause.contains("certificate") {
                problem.with_hint(
                    "the operator names the authorities to trust by `ca_file` of the `[[repository]]`",
                )
            } else {
                problem
            }
        }
        FetchError::Redirect
        | FetchError::RedirectToClearText
        | FetchError::TooManyRedirects
        | FetchError::Url => told(Code::RepositoryError),
        FetchError::Tls(_) => told(Code::RepositoryUnreachable).with_hint(
            "the edge cannot use `ca_file`, `cert_file` or `key_file` of the `[[repository]]`; its log says why",
        ),
        FetchError::TooLarge { .. } => told(Code::RepositoryError)
.with_hint(LIMITS),
    }
}

const CREDENTIALS: &str = "the operator sets `username` and `password_file`, or `token_file`, of the `[[repository]]`; \
                           they go to its own host and port only";

const LIMITS: &str =
    "the operator sets by `charts.archive` and `charts.index` how large they may be";

const SIGNED: &str = "the operator asked for signed charts by `verify` of the `[[repository]]`";
