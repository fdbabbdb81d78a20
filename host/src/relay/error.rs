//! What can go wrong with a call on this side of the APIServer, and the one place that turns it into a problem.
//!
//! The problem goes to the caller, so it says what failed without where the edge keeps its secrets: paths, commands and
//! what identity providers said stay in the log.

use std::time::Duration;

use grpc_web::DecodeError;
use rest::problem::{Code, Outcome, Problem};
use tiller_api::Method;

use crate::clusters::{AccessError, CredentialsError, SendError};
use crate::net::Causes;

/// Why a call was not relayed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Something answered that is not gRPC.
    #[error("{0}")]
    Answered(Box<Problem>),
    /// Too many request messages are in memory.
    #[error("this edge has too many requests in memory")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
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
    /// The relay does not make such calls.
    #[error("the relay does not make such a call")]
    NotACall(#[source] NotACall),
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
            Self::Busy { retry_after } => Problem::new(Code::EdgeBusy, self.to_string())
                .with_retry_after(u32::try_from(retry_after.as_secs()).ok()),
            Self::ClusterNotFound(_) | Self::ClusterUnusable { .. } => {
                Problem::new(Code::ClusterNotFound, self.to_string())
            }
            Self::Deadline => Problem::new(Code::DeadlineExceeded, self.to_string()),
            Self::NotACall(reason) => Problem::new(Code::NotRelayed, format!("{self}: {reason}")),
            Self::Send(error) => from_send(error, method),
            Self::TillerNotFound { .. } => Problem::new(Code::TillerNotFound, self.to_string()),
        }
    }
}

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
    /// Its path names none of Tiller's methods, or no cluster.
    #[error("its path is none of Tiller's methods in a cluster")]
    Path,
    /// Its query holds what is not asked with, or a value that is none.
    #[error("its query holds what such a question has not")]
    Query,
    /// Its message is larger than Tiller takes.
    #[error("its message is larger than 20 MiB")]
    TooLarge,
}

fn from_send(error: &SendError, method: Option<Method>) -> Problem {
    let outcome = match method {
        Some(method) if !error.is_unsent() => Outcome::unproven(method),
        _ => Outcome::NotApplied,
    };
    match error {
        SendError::Credentials(
            missing @ (CredentialsError::CallerSentNone | CredentialsError::CallerUnprintable),
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
