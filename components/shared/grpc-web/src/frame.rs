//! One frame: a byte of flags, a length, a payload. And the names of the encodings.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::DecodeError;

/// The content type of requests and answers: grpc-web, binary, protobuf.
pub const CONTENT_TYPE: &str = "application/grpc-web+proto";

/// Bytes before the payload.
pub(crate) const HEADER: usize = 5;

/// How frames are written in a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// As they are.
    Binary,
    /// In base64.
    Text,
}

/// The encoding a content type stands for; `None` unless it is grpc-web with protobuf messages.
///
/// Parameters are ignored, as is the case of letters.
pub fn is_grpc_web(content_type: &str) -> Option<Encoding> {
    let essence = content_type.split(';').next()?.trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    if is("application/grpc-web") || is(CONTENT_TYPE) {
        Some(Encoding::Binary)
    } else if is("application/grpc-web-text") || is("application/grpc-web-text+proto") {
        Some(Encoding::Text)
    } else {
        None
    }
}

/// The five bytes before a message of `len` bytes.
///
/// # Panics
///
/// If `len` is 4 GiB or more, which no frame can say.
pub fn frame_header(len: usize) -> [u8; 5] {
    header(0, len)
}

/// A message as one frame.
///
/// # Panics
///
/// If the message has 4 GiB or more.
pub fn encode_message(message: &[u8]) -> Bytes {
    encode(0, message)
}

/// The message of a unary request's body, which is one uncompressed data frame and nothing else.
///
/// # Errors
///
/// [`DecodeError::Truncated`] if the frame is not complete, [`DecodeError::MessageTooLarge`] if it is longer than
/// `limit` bytes, [`DecodeError::NotUnary`] if it is a trailer frame or anything follows it, and the decoder's
/// errors for flags.
pub fn unary_message(body: &[u8], limit: usize) -> Result<&[u8], DecodeError> {
    let (header, payload) = body
        .split_first_chunk::<HEADER>()
        .ok_or(DecodeError::Truncated)?;
    let (kind, length) = parse_header(*header)?;
    if kind == Kind::Trailers {
        return Err(DecodeError::NotUnary);
    }
    if length > limit {
        return Err(DecodeError::MessageTooLarge { length, limit });
    }
    match payload.len() {
        len if len < length => Err(DecodeError::Truncated),
        len if len > length => Err(DecodeError::NotUnary),
        _ => Ok(payload),
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Message,
    Trailers,
}

pub(crate) fn encode_trailers(payload: &[u8]) -> Bytes {
    encode(TRAILERS, payload)
}

pub(crate) fn parse_header(header: [u8; HEADER]) -> Result<(Kind, usize), DecodeError> {
    let [flags, length @ ..] = header;
    let kind = match flags {
        0 => Kind::Message,
        TRAILERS => Kind::Trailers,
        COMPRESSED | COMPRESSED_TRAILERS => return Err(DecodeError::Compressed),
        flags => return Err(DecodeError::UnknownFlags { flags }),
    };
    // Saturates on 16 bit targets only, far beyond any limit there.
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    Ok((kind, length))
}

fn encode(flags: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&header(flags, payload.len()));
    frame.extend_from_slice(payload);
    frame.into()
}

fn header(flags: u8, len: usize) -> [u8; HEADER] {
    let len = u32::try_from(len).expect("a frame is shorter than 4 GiB");
    let [a, b, c, d] = len.to_be_bytes();
    [flags, a, b, c, d]
}

const COMPRESSED: u8 = 0x01;
const TRAILERS: u8 = 0x80;
const COMPRESSED_TRAILERS: u8 = 0x81;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_protobuf_are_grpc_web() {
        for (content_type, expected) in [
            ("application/grpc-web+proto", Some(Encoding::Binary)),
            ("application/grpc-web", Some(Encoding::Binary)),
            (
                "Application/gRPC-Web+Proto; charset=utf-8",
                Some(Encoding::Binary),
            ),
            ("application/grpc-web-text", Some(Encoding::Text)),
            ("application/grpc-web-text+proto ;x=y", Some(Encoding::Text)),
            ("application/grpc-web+json", None),
            ("application/grpc-web-textual", None),
            ("application/grpc+proto", None),
            ("application/grpc", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(is_grpc_web(content_type), expected, "{content_type:?}");
        }
    }

    #[test]
    fn a_message_is_framed_with_its_length() {
        assert_eq!(&encode_message(b"abc")[..], b"\x00\x00\x00\x00\x03abc");
        assert_eq!(&encode_message(b"")[..], b"\x00\x00\x00\x00\x00");
        assert_eq!(frame_header(0x0102_0304), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_unary_body_is_one_message() {
        assert_eq!(unary_message(b"\0\0\0\0\x02hi", 2), Ok(&b"hi"[..]));
        assert_eq!(unary_message(b"\0\0\0\0\0", 0), Ok(&b""[..]));
    }

    #[test]
    fn a_unary_body_is_nothing_else() {
        for (body, expected) in [
            (&b""[..], DecodeError::Truncated),
            (b"\0\0\0\0", DecodeError::Truncated),
            (b"\0\0\0\0\x02h", DecodeError::Truncated),
            (b"\0\0\0\0\x02hi!", DecodeError::NotUnary),
            (b"\0\0\0\0\x01h\0\0\0\0\x01i", DecodeError::NotUnary),
            (b"\x80\0\0\0\0", DecodeError::NotUnary),
            (b"\x01\0\0\0\x02hi", DecodeError::Compressed),
            (b"\x02\0\0\0\0", DecodeError::UnknownFlags { flags: 2 }),
            (
                b"\0\xff\xff\xff\xffhi",
                DecodeError::MessageTooLarge {
                    length: 0xffff_ffff,
                    limit: 2,
                },
            ),
        ] {
            assert_eq!(unary_message(body, 2), Err(expected), "{body:?}");
        }
    }
}
