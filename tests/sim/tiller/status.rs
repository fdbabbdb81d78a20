//! gRPC's status, as grpc-go writes it.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The codes that Tiller answers with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "gRPC's own names")]
pub enum Code {
    Ok = 0,
    Unknown = 2,
    NotFound = 5,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// Tiller's text, empty on success.
    pub message: String,
}

impl Status {
    /// A status with a text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    pub(super) fn ok() -> Self {
        Self::new(Code::Ok, "")
    }

    /// As trailers. grpc-go sends the message even where it is empty.
    pub(super) fn trailers(&self) -> HeaderMap {
        let message = HeaderValue::try_from(percent(&self.message))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        let mut trailers = HeaderMap::with_capacity(2);
        trailers.insert(STATUS, HeaderValue::from(self.code as u16));
        trailers.insert(MESSAGE, message);
        trailers
    }
}

fn percent(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => {
                // Writing to a string cannot fail.
                _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_travel_percent_encoded() {
        let status = Status::new(Code::Unknown, "100% of \"ä\"\n");
        let trailers = status.trailers();
        assert_eq!(trailers[STATUS], "2");
        assert_eq!(trailers[MESSAGE], "100%25 of \"%C3%A4\"%0A");
    }

    #[test]
    fn success_has_an_empty_message() {
        let trailers = Status::ok().trailers();
        assert_eq!(trailers[STATUS], "0");
        assert_eq!(trailers[MESSAGE], "");
    }
}
