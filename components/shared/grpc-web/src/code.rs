//! gRPC's status codes.

use core::fmt;

/// How a call ended.
///
/// Tiller's handlers know only [`Code::Ok`] and [`Code::Unknown`]; other codes come from the libraries below
/// it or from whoever stands before it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Code {
    /// 0: success.
    Ok,
    /// 1: the caller gave up.
    Cancelled,
    /// 2: an error without a code, such as every error of Tiller's handlers.
    Unknown,
    /// 3: the request is wrong in itself.
    InvalidArgument,
    /// 4: too late; what was asked for may have happened.
    DeadlineExceeded,
    /// 5: what was asked for does not exist.
    NotFound,
    /// 6: what was to be made exists.
    AlreadyExists,
    /// 7: the caller may not do this.
    PermissionDenied,
    /// 8: too large or too much; what Tiller's library says of messages over 20 MiB.
    ResourceExhausted,
    /// 9: not in this state.
    FailedPrecondition,
    /// 10: lost against somebody else.
    Aborted,
    /// 11: past the valid range.
    OutOfRange,
    /// 12: no such method or encoding.
    Unimplemented,
    /// 13: an invariant broke, also of the protocol.
    Internal,
    /// 14: nobody to talk to.
    Unavailable,
    /// 15: data is lost.
    DataLoss,
    /// 16: the caller is not known.
    Unauthenticated,
    /// Any other number.
    Other(u32),
}

impl Code {
    /// The code of an HTTP status, for an answer that carries no gRPC status.
    ///
    /// Even 200 is [`Code::Unknown`]: without a status nothing says that the call succeeded.
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            400 | 431 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Cancelled => 1,
            Self::Unknown => 2,
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::OutOfRange => 11,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::DataLoss => 15,
            Self::Unauthenticated => 16,
            Self::Other(number) => number,
        }
    }

    /// Its name in the specification, `OTHER` for a number that has none.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Other(_) => "OTHER",
        }
    }
}

impl From<u32> for Code {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Cancelled,
            2 => Self::Unknown,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            number => Self::Other(number),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "code {number}"),
            code => f.write_str(code.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_codes_and_back() {
        for number in 0..=20 {
            assert_eq!(Code::from(number).number(), number);
        }
        assert_eq!(Code::from(17), Code::Other(17));
    }

    #[test]
    fn http_statuses_map_as_the_grpc_specification_says() {
        for (status, code) in [
            (200, Code::Unknown),
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (418, Code::Unknown),
            (429, Code::Unavailable),
            (431, Code::Internal),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            assert_eq!(Code::from_http_status(status), code, "{status}");
        }
    }
}
