//! The encoding of `grpc-message`: UTF-8, percent-encoded outside of printable ASCII.

use alloc::{string::String, vec::Vec};

/// Encodes a message. Printable ASCII stays, except `%`, and so do spaces, except at the ends, where readers of
/// headers would cut them.
pub fn encode(message: &str) -> String {
    let inner = message.trim_matches(' ');
    let start = message.len() - message.trim_start_matches(' ').len();
    let inner = start..start + inner.len();
    let mut encoded = String::with_capacity(message.len());
    for (at, byte) in message.bytes().enumerate() {
        if matches!(byte, b' '..=b'~') && byte != b'%' && inner.contains(&at) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 0xf)]));
        }
    }
    encoded
}

/// Decodes a message, whatever it is.
///
/// Escapes that are none stay as they are. A value that was never encoded and is not UTF-8 is read as
/// Latin-1, the encoding of HTTP headers; bytes of any other value that are not UTF-8 become U+FFFD.
pub fn decode(value: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = tail;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    match String::from_utf8(decoded) {
        Ok(message) => message,
        Err(error) if value.is_ascii() => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(error) => error.as_bytes().iter().copied().map(char::from).collect(),
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_ascii_stays() {
        let printable: String = ('!'..='~').filter(|&c| c != '%').collect();
        assert_eq!(encode(&printable), printable);
        assert_eq!(decode(printable.as_bytes()), printable);
    }

    #[test]
    fn everything_else_is_escaped() {
        assert_eq!(encode("  a b "), "%20%20a b%20");
        assert_eq!(encode("50 %\n\t\u{7f}é"), "50 %25%0A%09%7F%C3%A9");
    }

    #[test]
    fn escapes_are_decoded_in_either_case() {
        assert_eq!(decode(b"%C3%A9%c3%a9%25"), "éé%");
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        for value in ["%", "%2", "%zz", "%%", "100% sure", "%2x%", "%é"] {
            assert_eq!(decode(value.as_bytes()), value);
        }
        assert_eq!(decode(b"%%25"), "%%");
    }

    #[test]
    fn bytes_that_were_never_encoded_are_utf8_or_latin1() {
        assert_eq!(decode("plain é".as_bytes()), "plain é");
        assert_eq!(decode(b"caf\xe9"), "café");
    }

    #[test]
    fn encoded_bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(decode(b"a%FFb%C3"), "a\u{fffd}b\u{fffd}");
    }
}
