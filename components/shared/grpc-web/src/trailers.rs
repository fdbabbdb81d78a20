//! What ends a call: lines of `name:value`, like HTTP/1 headers.

use alloc::{string::String, vec::Vec};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use crate::frame::encode_trailers;

/// Trailers in the order they came, with lower-case names; a name may occur several times.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trailers {
    entries: Vec<(String, Bytes)>,
}

impl Trailers {
    /// No trailers.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Reads the payload of a trailer frame.
    ///
    /// Servers write lines with and without a space after the colon, end them with CRLF or LF, and leave
    /// out the end of the last or add an empty line; all are read. A value may contain colons and any bytes.
    /// A line without a name is ignored, and so is everything after the first 1,000 lines: whatever is
    /// missing for it was not worth the memory.
    pub fn parse(payload: &[u8]) -> Self {
        let mut trailers = Self::new();
        for line in payload.split(|&byte| byte == b'\n').take(MAX_LINES) {
            let mut parts = line.splitn(2, |&byte| byte == b':');
            if let (Some(name), Some(value)) = (parts.next(), parts.next())
                && let Ok(name) = str::from_utf8(name)
            {
                trailers.append(name, Bytes::copy_from_slice(value));
            }
        }
        trailers
    }

    /// Adds an entry after those there are.
    ///
    /// Line breaks and NUL in the value become spaces, as RFC 9110 §5.5 has it, so that a value cannot add
    /// an entry; space around it is cut. An entry whose name is not a token is left out.
    pub fn append(&mut self, name: &str, value: impl Into<Bytes>) {
        let name = name.trim_ascii();
        if name.is_empty() || !name.bytes().all(is_token) {
            return;
        }
        let mut value = value.into();
        if value.iter().any(|&byte| breaks_line(byte)) {
            value = value
                .iter()
                .map(|&byte| if breaks_line(byte) { b' ' } else { byte })
                .collect();
        }
        let value = value.slice_ref(value.trim_ascii());
        self.entries.push((name.to_ascii_lowercase(), value));
    }

    /// The first value of that lower-case name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// All values of that lower-case name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter_map(move |(key, value)| (key == name).then_some(value))
    }

    /// All values of a `…-bin` name, decoded.
    ///
    /// Values may be joined by commas. Base64 is read with and without padding; what is not base64 is
    /// taken as it is, which is how the text encoding may carry it.
    pub fn get_binary(&self, name: &str) -> impl Iterator<Item = Bytes> {
        self.get_all(name)
            .flat_map(|value| match decode_list(value) {
                Some(values) => values,
                None => [Bytes::copy_from_slice(value)].into(),
            })
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), &value[..]))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The whole trailer frame, in the form that every known client reads: no space after the colon, CRLF
    /// after each line, no empty line.
    pub fn encode(&self) -> Bytes {
        let mut payload = Vec::new();
        for (name, value) in self.iter() {
            payload.extend_from_slice(name.as_bytes());
            payload.push(b':');
            payload.extend_from_slice(value);
            payload.extend_from_slice(b"\r\n");
        }
        encode_trailers(&payload)
    }
}

fn decode_list(value: &[u8]) -> Option<Vec<Bytes>> {
    value
        .split(|&byte| byte == b',')
        .map(|part| LENIENT.decode(part.trim_ascii()).ok().map(Bytes::from))
        .collect()
}

fn breaks_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const MAX_LINES: usize = 1000;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn pairs(trailers: &Trailers) -> Vec<(String, Vec<u8>)> {
        trailers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_vec()))
            .collect()
    }

    fn parsed(payload: &[u8]) -> Vec<(String, Vec<u8>)> {
        pairs(&Trailers::parse(payload))
    }

    fn expected(entries: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
        entries
            .iter()
            .map(|(name, value)| ((*name).to_string(), value.to_vec()))
            .collect()
    }

    #[test]
    fn every_servers_lines_are_read() {
        let ok = expected(&[("grpc-status", b"0"), ("grpc-message", b"fine")]);
        for payload in [
            &b"grpc-status:0\r\ngrpc-message:fine\r\n"[..],
            b"grpc-status: 0\r\ngrpc-message: fine\r\n",
            b"Grpc-Status: 0\r\nGRPC-MESSAGE: fine\r\n",
            b"grpc-status:0\ngrpc-message:fine\n",
            b"grpc-status:0\r\ngrpc-message:fine",
            b"grpc-status:0\r\ngrpc-message:fine\r\n\r\n",
            b"grpc-status :\t 0 \r\ngrpc-message:\tfine\t\r\n",
        ] {
            assert_eq!(parsed(payload), ok, "{:?}", payload.escape_ascii());
        }
    }

    #[test]
    fn a_line_is_split_at_its_first_colon() {
        assert_eq!(
            parsed(b"grpc-message:release: \"x\" not found\r\n"),
            expected(&[("grpc-message", b"release: \"x\" not found")])
        );
    }

    #[test]
    fn lines_without_a_name_are_ignored() {
        assert_eq!(
            parsed(b"nonsense\r\n:1\r\nno token:2\r\n\xff:3\r\ngrpc-status:4\r\n\r\n"),
            expected(&[("grpc-status", b"4")])
        );
        assert_eq!(parsed(b""), []);
    }

    #[test]
    fn values_may_be_empty_and_not_utf8() {
        assert_eq!(
            parsed(b"grpc-message:\r\nx:caf\xe9\r\n"),
            expected(&[("grpc-message", b""), ("x", b"caf\xe9")])
        );
    }

    #[test]
    fn duplicates_stay_in_order() {
        let trailers = Trailers::parse(b"x:1\r\ny:2\r\nX: 3\r\n");
        assert_eq!(trailers.get("x"), Some(&b"1"[..]));
        assert_eq!(
            trailers.get_all("x").collect::<Vec<_>>(),
            [&b"1"[..], &b"3"[..]]
        );
        assert_eq!(trailers.get("z"), None);
    }

    #[test]
    fn binary_values_are_base64_in_any_shape() {
        let trailers = Trailers::parse(
            b"a-bin:aGk=\r\na-bin:aGk\r\nb-bin:aGk, eW8=,YQ\r\nc-bin:not base64!\r\nd-bin:\r\n",
        );
        let values = |name| trailers.get_binary(name).collect::<Vec<_>>();
        assert_eq!(values("a-bin"), ["hi", "hi"]);
        assert_eq!(values("b-bin"), ["hi", "yo", "a"]);
        assert_eq!(values("c-bin"), ["not base64!"]);
        assert_eq!(values("d-bin"), [""]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut trailers = Trailers::new();
        trailers.append("Grpc-Status", "5");
        trailers.append("grpc-message", "release: x");
        let frame = trailers.encode();
        assert_eq!(
            &frame[..],
            b"\x80\x00\x00\x00\x28grpc-status:5\r\ngrpc-message:release: x\r\n"
        );
        assert_eq!(Trailers::parse(&frame[5..]), trailers);
    }

    #[test]
    fn a_value_cannot_add_a_line() {
        let mut trailers = Trailers::new();
        trailers.append("x", "a\r\ngrpc-status:0\0");
        trailers.append("grpc-status:0\r\ny", "b");
        assert_eq!(pairs(&trailers), expected(&[("x", b"a  grpc-status:0")]));
    }

    #[test]
    fn a_million_lines_cost_a_thousand() {
        let trailers = Trailers::parse(&b"x:1\n".repeat(1_000_000));
        assert_eq!(trailers.len(), 1000);
        assert_eq!(trailers.get_all("x").count(), 1000);
    }

    #[test]
    fn no_trailers_are_an_empty_frame() {
        assert_eq!(&Trailers::new().encode()[..], b"\x80\0\0\0\0");
        assert!(Trailers::parse(b"").is_empty());
    }
}
