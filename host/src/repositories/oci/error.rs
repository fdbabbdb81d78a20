//! What can go wrong between here and a registry.

use crate::net::fetch::FetchError;
use charts::version::ConstraintError;
use http::StatusCode;

/// Why a registry gave no chart, or no list. No text here holds what a registry sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OciError {
    /// The version that is asked for is none.
    #[error("no such version can be")]
    Constraint(#[source] ConstraintError),
    /// It wants other credentials than it was shown, or hides what it does not have behind that.
    #[error("the registry refused {what}: {status}")]
    Denied {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        status: StatusCode,
    },
    /// Something is not what its digest or its size says.
    #[error("{0} is not what its digest says")]
    Digest(&'static str),
    /// There was no answer.
    #[error("the registry did not give {what}")]
    Fetch {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It does not list its charts.
    #[error("the registry has no list of its repositories for this edge: {0}")]
    NoCatalog(StatusCode),
    /// There is a provenance file to be and there is none.
    #[error("the chart was pushed without a provenance file")]
    NotSigned,
    /// There is no such chart, or no such version of it.
    #[error("there is no such chart")]
    NotFound,
    /// What is there is no chart.
    #[error("what is there is no Helm chart: {0}")]
    NotAChart(&'static str),
    /// It says something that is not in the specification of registries.
    #[error("{what} of the registry is not as it should be: {why}")]
    Protocol {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It answered something else.
    #[error("asked for {what}, the registry said {status}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        status: StatusCode,
    },
    /// The token service did not give a token.
    #[error("the registry's token service said {0}")]
    TokenStatus(StatusCode),
    /// Where the registry says tokens are, none is asked for.
    #[error("the registry's token service is not used: {0}")]
    TokenService(&'static str),
    /// The archive is larger than may be.
    #[error("the archive is larger than {limit} bytes")]
    TooLarge {
        /// What may be.
        limit: usize,
    },
    /// A list does not end.
    #[error("{0} is longer than what is read of it")]
    TooMany(&'static str),
}
