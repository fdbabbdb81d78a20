//! What can go wrong with a call on this side of the APIServer, and the one place that turns it into a problem.
//!
//! The problem goes to the caller, so it says what failed without where the edge keeps its secrets: paths, commands and
//! what identity providers said stay in the log.

use std::fmt;
use std::time::Duration;

use grpc_web::DecodeError;
use rest::problem::{Code, Outcome, Problem};
use tiller_api::Method;

use super::manifest::ManifestError;
use super::principal::IdentityError;
use crate::audit::AuditError;
use crate::clusters::{AccessError, ApiError, CredentialsError, SendError};
use crate::net::Causes;
use crate::operations::StoreError;

/// Why a call was not relayed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Something answered that is not gRPC.
    #[error("{0}")]
    Answered(Box<Problem>),
    /// It cannot be written to the audit log, so it is not done.
    #[error("the audit log cannot be written, so nothing is changed")]
    Audit(#[source] AuditError),
    /// Too many request messages are in memory.
    #[error("this edge has too many requests in memory")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller may do nothing in this cluster, so that it is told what is told of one that does not exist.
    #[error("this edge has no cluster `{0}`")]
    ClusterHidden(String),
    /// This edge has no cluster of that name.
    #[error("this edge has no cluster `{0}`")]
    ClusterNotFound(String),
    /// The kubeconfig has a context of that name that cannot be used.
    #[error("the context `{name}` cannot be used: {why}")]
    ClusterUnusable {
        /// The context.
        name: String,
        /// Why, in one line.
        why: String,
    },
    /// The deadline passed before the call was sent.
    #[error("the deadline passed before the call was sent")]
    Deadline,
    /// This edge is shutting down.
    #[error("this edge is shutting down")]
    Ending,
    /// Nobody can say who the caller is at the cluster, or the cluster does not know it.
    #[error("the caller is not known")]
    Identity(#[from] IdentityError),
    /// The cluster does not let the caller make what is to be made, or that cannot be found out.
    #[error("the manifest is not authorised")]
    Manifest(#[from] ManifestError),
    /// What the decision depends on cannot be found out, so that nothing is decided and nothing of the call is sent.
    #[error(transparent)]
    Lookup(Box<Self>),
    /// Grants do not allow it, or a refusal forbids it.
    #[error(transparent)]
    NotAllowed(Box<NotAllowed>),
    /// Other changes of the release come first, and took too long.
    #[error("other changes of release `{release}` are not finished")]
    NotItsTurn {
        /// The release.
        release: String,
    },
    /// What is about to be done for an operation cannot be written down, so it is not done.
    #[error("what is to be done cannot be written down")]
    Operations(#[source] StoreError),
    /// The relay does not make such calls.
    #[error("the relay does not make such a call")]
    NotACall(#[source] NotACall),
    /// The caller calls more often than it may.
    #[error("this edge takes no more calls of yours to the cluster for now")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no release of that name, and nothing of the call was sent.
    #[error("release: \"{0}\" not found")]
    ReleaseNotFound(String),
    /// There is no answer.
    #[error("the cluster did not answer")]
    Send(#[source] SendError),
    /// The cluster has no tiller of that name.
    #[error("cluster `{cluster}` has no tiller `{tiller}`")]
    TillerNotFound {
        /// The cluster.
        cluster: String,
        /// The tiller.
        tiller: String,
    },
}

impl RelayError {
    pub(super) fn unusable(name: &str, why: &AccessError) -> Self {
        Self::ClusterUnusable {
            name: name.to_owned(),
            why: Causes(why).to_string(),
        }
    }

    /// The problem that it is for a call of `method`; with none nothing is called.
    pub(super) fn problem(&self, method: Option<Method>) -> Problem {
        match self {
            Self::Answered(problem) => (**problem).clone(),
            Self::Audit(_) => Problem::new(Code::AuditUnavailable, self.to_string()),
            Self::Busy { retry_after } => Problem::new(Code::EdgeBusy, self.to_string())
                .with_retry_after(seconds(*retry_after)),
            Self::ClusterHidden(_) | Self::ClusterNotFound(_) | Self::ClusterUnusable { .. } => {
                Problem::new(Code::ClusterNotFound, self.to_string())
            }
            Self::Deadline => Problem::new(Code::DeadlineExceeded, self.to_string()),
            Self::Identity(error) => error.problem(),
            Self::Manifest(error) => error.problem(),
            Self::Ending => Problem::new(Code::EdgeDraining, self.to_string()),
            Self::Lookup(error) => error.problem(Some(Method::GetReleaseContent)),
            Self::NotAllowed(_) => {
                Problem::new(Code::NotAllowed, self.to_string()).with_hint(EXPLAINED)
            }
            Self::NotItsTurn { .. } => Problem::new(Code::OperationInProgress, self.to_string())
                .with_retry_after(Some(LATER)),
            Self::Operations(error) => {
                Problem::new(Code::OperationsUnavailable, Causes(error).to_string())
            }
            Self::NotACall(reason) => Problem::new(Code::NotRelayed, format!("{self}: {reason}")),
            Self::RateLimited { retry_after } => Problem::new(Code::RateLimited, self.to_string())
                .with_retry_after(seconds(*retry_after)),
            Self::ReleaseNotFound(_) => Problem::new(Code::ReleaseNotFound, self.to_string()),
            Self::Send(error) => from_send(error, method),
            Self::TillerNotFound { .. } => Problem::new(Code::TillerNotFound, self.to_string()),
        }
    }
}

impl RelayError {
    /// Whether it is this edge that does not let the caller do it, which is for the audit log.
    pub(super) const fn is_refusal(&self) -> bool {
        match self {
            Self::ClusterHidden(_)
            | Self::ClusterNotFound(_)
            | Self::NotACall(_)
            | Self::NotAllowed(_) => true,
            Self::Manifest(error) => error.is_refusal(),
            _ => false,
        }
    }
}

/// What a caller may not do, in words that tell it nothing new.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NotAllowed {
    /// Who.
    pub principal: String,
    /// What.
    pub action: String,
    /// To which release, where it is one.
    pub release: Option<String>,
    /// In which namespace, where the caller named it.
    pub namespace: Option<String>,
    /// With which chart, where that is known.
    pub chart: Option<String>,
    /// In which cluster, where it is one.
    pub cluster: Option<String>,
    /// The refusal that forbids it.
    pub refusal: Option<String>,
    /// That refusal's reason.
    pub reason: Option<String>,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` may not `{}`", self.principal, self.action)?;
        for (what, name) in [
            ("release", &self.release),
            ("in namespace", &self.namespace),
            ("of cluster", &self.cluster),
            ("with chart", &self.chart),
        ] {
            if let Some(name) = name {
                write!(f, " {what} `{name}`")?;
            }
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NotAllowed {}

/// Why something is no call that the relay makes.
#[derive(Debug, thiserror::Error)]
pub enum NotACall {
    /// The request ends before its message does.
    #[error("its body broke off")]
    Body,
    /// It is not grpc-web in its binary form, or encoded once more.
    #[error("its content type is not application/grpc-web+proto")]
    ContentType,
    /// It was sent by a page in a browser, or under a name that is not this host's.
    #[error("it comes from a web page, or names another host than this one")]
    Foreign,
    /// Its body is not one message.
    #[error("its body is not one message")]
    Message(#[source] DecodeError),
    /// It is not a POST.
    #[error("it is not a POST")]
    Method,
    /// A guest calls something that is not the relay.
    #[error("it goes elsewhere than to the relay")]
    Elsewhere,
    /// It changes something else than the operation that it is made for.
    #[error("it changes another release than that of its operation")]
    OtherRelease,
    /// Its path names none of Tiller's methods, or no cluster.
    #[error("its path is none of Tiller's methods in a cluster")]
    Path,
    /// Its query holds what is not asked with, or a value that is none.
    #[error("its query holds what such a question has not")]
    Query,
    /// Its message has trailers behind it, which no client of grpc-web sends.
    #[error("it has trailers")]
    Trailers,
    /// Its message is not one of the method's.
    #[error("its message cannot be read")]
    Undecodable(#[source] prost::DecodeError),
    /// Its message is larger than Tiller takes.
    #[error("its message is larger than 20 MiB")]
    TooLarge,
}

/// When to try again where others come first, in seconds.
const LATER: u32 = 5;

/// Where a caller learns what it may.
const EXPLAINED: &str = "`GET /v1/access` says what you may do and by which grant; the operator asks `tiller-edge grants explain`";

/// Whole seconds to wait, none of them too few.
fn seconds(time: Duration) -> Option<u32> {
    u32::try_from(time.as_secs() + u64::from(time.subsec_nanos() > 0)).ok()
}

/// The problem of something that needed an answer of an APIServer's own. Nothing was changed.
pub(super) fn from_api(error: &ApiError) -> Problem {
    match error {
        ApiError::Broken => Problem::new(Code::AnswerInterrupted, error.to_string()),
        ApiError::NoLogin => Problem::new(Code::ClusterCredentialsRefused, error.to_string()),
        ApiError::NotKubernetes => Problem::new(Code::IntermediaryError, error.to_string()),
        ApiError::Refused { problem, .. } => (**problem).clone(),
        ApiError::Send(error) => from_send(error, None),
    }
}

fn from_send(error: &SendError, method: Option<Method>) -> Problem {
    let outcome = match method {
        Some(method) if !error.is_unsent() => Outcome::unproven(method),
        _ => Outcome::NotApplied,
    };
    match error {
        SendError::Credentials(
            missing @ (CredentialsError::CallerSentNone
            | CredentialsError::CallerUnprintable
            | CredentialsError::CallerUnsendable(_)),
        ) => Problem::new(Code::CallerCredentialsRefused, missing.to_string()),
        // Which file, which program: the log has it.
        SendError::Credentials(_) => Problem::new(
            Code::ClusterCredentialsRefused,
            "this edge has no credential for the cluster",
        ),
        SendError::Tls(_) => Problem::new(Code::ClusterUnreachable, error.to_string()),
        SendError::Request(_) => Problem::new(Code::NotRelayed, error.to_string()),
        SendError::Deadline { .. } => Problem::new(Code::DeadlineExceeded, error.to_string()),
        SendError::Unreachable(_) | SendError::Unsent(_) => {
            Problem::new(Code::ClusterUnreachable, Causes(error).to_string())
        }
        SendError::Lost(_) => Problem::new(Code::AnswerInterrupted, Causes(error).to_string()),
    }
    .with_outcome(outcome)
}
