//! A call's outcome, wherever it is written.

use alloc::string::{String, ToString};
use core::fmt;

use crate::{Code, Trailers, percent};

/// A status code and what it says to people.
///
/// A body's trailer frame wins over the response headers, which carry the status only of answers without a
/// message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// The message, decoded; often empty.
    pub message: String,
}

impl Status {
    /// That status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The status that trailers carry, `None` if they carry none.
    ///
    /// A `grpc-status` that is not a number is [`Code::Unknown`].
    pub fn from_trailers(trailers: &Trailers) -> Option<Self> {
        Self::from_headers(|name| trailers.get(name))
    }

    /// The status that headers carry; `get` finds a header's value by its lower-case name.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Self> {
        let code = get("grpc-status")?;
        let message = get("grpc-message").map(percent::decode);
        Some(Self {
            code: parse(code).map_or(Code::Unknown, Code::from),
            message: message.unwrap_or_default(),
        })
    }

    /// Trailers with this status and nothing else.
    pub fn to_trailers(&self) -> Trailers {
        let mut trailers = Trailers::new();
        trailers.append("grpc-status", self.code.number().to_string());
        if !self.message.is_empty() {
            trailers.append("grpc-message", percent::encode(&self.message));
        }
        trailers
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            self.code.fmt(f)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

impl core::error::Error for Status {}

fn parse(code: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(code).ok()?.trim_ascii();
    // `u32::from_str` takes a sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(payload: &[u8]) -> Option<Status> {
        Status::from_trailers(&Trailers::parse(payload))
    }

    #[test]
    fn trailers_carry_a_code_and_a_message() {
        assert_eq!(
            status(b"grpc-status:2\r\ngrpc-message:release%3A \"x\" n%C3%B6t found\r\n"),
            Some(Status::new(Code::Unknown, "release: \"x\" nöt found"))
        );
        assert_eq!(status(b"grpc-status: 0\n"), Some(Status::new(Code::Ok, "")));
        assert_eq!(
            status(b"grpc-status:99"),
            Some(Status::new(Code::Other(99), ""))
        );
    }

    #[test]
    fn without_a_code_there_is_no_status() {
        assert_eq!(status(b"grpc-message:boom\r\n"), None);
        assert_eq!(status(b""), None);
    }

    #[test]
    fn a_code_that_is_no_number_is_unknown_and_never_success() {
        for code in ["", "ok", "-0", "+0", "0x0", "0 0", "99999999999"] {
            let mut trailers = Trailers::new();
            trailers.append("grpc-status", code);
            let status = Status::from_trailers(&trailers).expect("a status");
            assert_eq!(status.code, Code::Unknown, "{code:?}");
        }
    }

    #[test]
    fn headers_carry_it_too() {
        let get = |name: &str| match name {
            "grpc-status" => Some(&b"14"[..]),
            "grpc-message" => Some(&b"transport is closing"[..]),
            _ => None,
        };
        assert_eq!(
            Status::from_headers(get),
            Some(Status::new(Code::Unavailable, "transport is closing"))
        );
        assert_eq!(Status::from_headers(|_| None), None);
    }

    #[test]
    fn a_status_survives_its_trailers() {
        for status in [
            Status::new(Code::Ok, ""),
            Status::new(Code::Unknown, "100 % of\r\nlines, ünd ☃\u{0}"),
            Status::new(Code::Other(4711), " spaces "),
        ] {
            let frame = status.to_trailers().encode();
            let read = Status::from_trailers(&Trailers::parse(&frame[5..]));
            assert_eq!(read.as_ref(), Some(&status));
        }
    }

    #[test]
    fn it_prints_code_and_message() {
        assert_eq!(Status::new(Code::NotFound, "x").to_string(), "NOT_FOUND: x");
        assert_eq!(Status::new(Code::Other(40), "").to_string(), "code 40");
    }
}
