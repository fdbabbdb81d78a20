//! What can go wrong in a call, and what the caller is told: a gRPC status, a word for programs, and whether Tiller may
//! have run the call all the same.

use std::sync::Arc;
use std::time::Duration;

use grpc_web::{Code, DecodeError, Status};
use http::StatusCode;

use super::tiller::{ConnectError, SendError};

/// Why the bridge answers a call itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("a message of Tiller's answer cannot be read")]
    AnswerMisframed(#[source] DecodeError),
    #[error("Tiller's answer ended without a status")]
    AnswerWithoutStatus,
    #[error("the bridge has {calls} calls under way, its limit")]
    Busy { calls: usize },
    #[error("the deadline passed {}", if *.sent { "before Tiller's answer ended" } else { "before the call was sent to Tiller" })]
    Deadline { sent: bool },
    #[error("the connection to Tiller was lost")]
    Lost(#[source] SendError),
    #[error("the request is larger than {limit} bytes")]
    RequestTooLarge { limit: usize },
    #[error("the request cannot be read")]
    RequestBroken(#[source] hyper::Error),
    #[error("the request is not one grpc-web message")]
    RequestMisframed(#[source] DecodeError),
    #[error("the request brought no byte for {} s", .waited.as_secs_f32())]
    RequestStalled { waited: Duration },
    #[error("the request's grpc-timeout is malformed")]
    Timeout,
    #[error(
        "what answers at Tiller's address is not Tiller: HTTP {status}, content type `{content_type}`"
    )]
    NotTiller {
        status: StatusCode,
        content_type: String,
    },
    #[error("cannot reach Tiller")]
    Unreachable(#[source] Arc<ConnectError>),
    #[error("the bridge forwards only Tiller's methods")]
    UnknownMethod,
    #[error("Tiller cannot be addressed")]
    Uri(#[source] http::Error),
    #[error("Tiller did not take the call")]
    Unsent(#[source] SendError),
    #[error("the shared key is missing or wrong")]
    WrongKey,
}

impl Failure {
    fn code(&self) -> Code {
        match self {
            Self::AnswerMisframed(_)
            | Self::AnswerWithoutStatus
            | Self::NotTiller { .. }
            | Self::Uri(_) => Code::Internal,
            Self::Deadline { .. } => Code::DeadlineExceeded,
            Self::RequestTooLarge { .. } => Code::ResourceExhausted,
            Self::RequestBroken(_) | Self::RequestStalled { .. } => Code::Cancelled,
            Self::RequestMisframed(_) | Self::Timeout => Code::InvalidArgument,
            Self::Busy { .. } | Self::Lost(_) | Self::Unreachable(_) | Self::Unsent(_) => {
                Code::Unavailable
            }
            Self::UnknownMethod => Code::Unimplemented,
            Self::WrongKey => Code::Unauthenticated,
        }
    }

    /// A stable word for programs, more exact than the code.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::AnswerMisframed(DecodeError::MessageTooLarge { .. }) => "answer_too_large",
            Self::AnswerMisframed(_) | Self::AnswerWithoutStatus => "tiller_misbehaved",
            Self::Busy { .. } => "bridge_busy",
            Self::Deadline { .. } => "deadline_exceeded",
            Self::Lost(_) => "tiller_lost",
            Self::NotTiller { .. } => "not_tiller",
            Self::RequestBroken(_) | Self::RequestStalled { .. } => "request_interrupted",
            Self::RequestMisframed(_) | Self::Timeout => "bad_request",
            Self::RequestTooLarge { .. } => "message_too_large",
            Self::UnknownMethod => "method_not_forwarded",
            Self::Unreachable(_) | Self::Unsent(_) | Self::Uri(_) => "tiller_unreachable",
            Self::WrongKey => "wrong_key",
        }
    }

    /// Whether Tiller may have run the call, or run a part of it.
    pub(super) fn may_have_run(&self) -> bool {
        match self {
            Self::AnswerMisframed(_)
            | Self::AnswerWithoutStatus
            | Self::Lost(_)
            | Self::NotTiller { .. } => true,
            Self::Deadline { sent } => *sent,
            Self::Busy { .. }
            | Self::RequestBroken(_)
            | Self::RequestMisframed(_)
            | Self::RequestStalled { .. }
            | Self::RequestTooLarge { .. }
            | Self::Timeout
            | Self::UnknownMethod
            | Self::Unreachable(_)
            | Self::Unsent(_)
            | Self::Uri(_)
            | Self::WrongKey => false,
        }
    }

    /// The status told to the caller: the whole chain of causes in one line.
    pub(super) fn status(&self) -> Status {
        Status {
            code: self.code(),
            message: chain(self),
        }
    }
}

/// An error and its causes, outermost first.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
