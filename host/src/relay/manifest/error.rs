//! Why a call is not made for what it would make, and the problem that this is.

use rest::problem::{Code, Outcome, Problem, Refused};

use super::super::RelayError;
use super::super::error::from_api;
use super::documents::DocumentError;
use crate::clusters::{ApiError, Unsendable};

/// Why a call is not made for what it would make.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// What is there now cannot be read.
    #[error("the release as it is now cannot be read")]
    Current(#[source] Box<RelayError>),
    /// The cluster does not say what it has.
    #[error("the cluster does not say which kinds it has")]
    Discovery(#[source] ApiError),
    /// A document is not understood.
    #[error("{origin} cannot be checked against your permissions in the cluster: {source}")]
    Document {
        /// Where it is from.
        origin: String,
        /// Why.
        source: DocumentError,
    },
    /// The dry run failed.
    #[error("the dry run that shows what would be made failed")]
    DryRun(#[source] Box<RelayError>),
    /// This edge is shutting down.
    #[error("this edge is shutting down")]
    Ending,
    /// The cluster does not let the caller do all that is needed.
    #[error("the cluster does not let you do all that this chart needs: {}", listed(.0))]
    Refused(Vec<Refused>),
    /// The cluster does not say what the caller may.
    #[error("the cluster does not say what you may do")]
    Review(#[source] ApiError),
    /// What Tiller or the component sent is not what it must be.
    #[error("the release that would be made cannot be read")]
    Undecodable,
    /// An install that leaves it to Tiller to make up a name.
    #[error(
        "in this cluster every object is checked before it is made, and an install without a name makes others than those that were checked"
    )]
    Unnamed,
    /// The cluster cannot be asked about the caller.
    #[error("the cluster cannot be asked about you")]
    Unsendable(#[source] Unsendable),
}

/// The first few, for people; the problem has all of them.
fn listed(refused: &[Refused]) -> String {
    const SHOWN: usize = 3;
    let mut text: Vec<String> = refused
        .iter()
        .take(SHOWN)
        .map(|refused| {
            let name = refused.name.as_deref().unwrap_or("…");
            let place = refused.namespace.as_deref();
            let place = place.map(|namespace| format!(" in {namespace}"));
            format!(
                "{} {} {name}{}",
                refused.verb,
                refused.kind,
                place.unwrap_or_default()
            )
        })
        .collect();
    if refused.len() > SHOWN {
        text.push(format!("{} more", refused.len() - SHOWN));
    }
    text.join(", ")
}

impl ManifestError {
    /// Whether the caller is refused, rather than something broken.
    pub(in crate::relay) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Document { .. } | Self::Refused(_) | Self::Unnamed
        )
    }

    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Self::Current(error) => error.problem(None).code == Code::ReleaseNotFound,
            _ => false,
        }
    }

    /// The problem that it is. Whatever it is, nothing was changed.
    pub(in crate::relay) fn problem(&self) -> Problem {
        let problem = match self {
            // What the call itself would have come to.
            Self::Current(error) | Self::DryRun(error) => error.problem(None),
            Self::Discovery(error) => from_api(error),
            Self::Document { .. } => Problem::new(Code::ManifestForbidden, self.to_string()),
            Self::Ending => Problem::new(Code::EdgeDraining, self.to_string()),
            Self::Refused(refused) => Problem::new(Code::ManifestForbidden, self.to_string())
                .with_refused(refused.clone()),
            Self::Review(error) => {
                let problem = from_api(error);
                if error.is_forbidden() {
                    problem.with_hint("the operator lets this edge `create` `subjectaccessreviews.authorization.k8s.io`; `tiller-edge check` says how")
                } else {
                    problem
                }
            }
            Self::Undecodable => Problem::new(Code::TillerMisbehaved, self.to_string()),
            Self::Unnamed => Problem::new(Code::InvalidRequest, self.to_string())
                .with_hint("give the release a name"),
            Self::Unsendable(error) => {
                Problem::new(Code::ManifestForbidden, format!("{self}: {error}"))
            }
        };
        problem.with_outcome(Outcome::NotApplied)
    }
}
