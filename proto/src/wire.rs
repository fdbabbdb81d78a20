//! Protobuf field by field, without knowing the message: what is kept is kept byte by byte.

use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// The fields of an encoded message, in order. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Fields<'m> {
    rest: &'m [u8],
}

/// One occurrence of a field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'m> {
    /// Its number.
    pub number: u32,
    /// How its value is written.
    pub kind: WireType,
    /// All of it, its key included.
    pub whole: &'m [u8],
    /// What comes after the key and, where it has one, the length.
    pub value: &'m [u8],
}

impl Field<'_> {
    /// Whether it is that field as text, bytes or a message.
    pub fn is_delimited(&self, number: u32) -> bool {
        self.number == number && self.kind == WireType::LengthDelimited
    }
}

/// The fields of `message`.
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// Adds `value`, text, bytes or a message, as the field of that number.
pub fn put(message: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(value.len() as u64, message);
    message.extend_from_slice(value);
}

impl<'m> Iterator for Fields<'m> {
    type Item = Result<Field<'m>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = take(&mut self.rest);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn take<'m>(rest: &mut &'m [u8]) -> Result<Field<'m>, DecodeError> {
    let start: &'m [u8] = rest;
    let (number, kind) = decode_key(rest)?;
    let mut value: &'m [u8] = rest;
    skip_field(kind, number, rest, DecodeContext::default())?;
    if kind == WireType::LengthDelimited {
        decode_varint(&mut value)?;
    }
    let end = rest.len();
    let until_end = |from: &'m [u8]| from.get(..from.len() - end).unwrap_or_default();
    Ok(Field {
        number,
        kind,
        whole: until_end(start),
        value: until_end(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_side_by_side() {
        let message =
            b"\x0a\x02ab\x10\x96\x01\x1d\x01\x02\x03\x04\x21\0\0\0\0\0\0\0\0\x2b\x08\x01\x2c\x0a\0";
        let found: Vec<_> = fields(message).map(Result::unwrap).collect();
        let whole: Vec<&[u8]> = found.iter().map(|field| field.whole).collect();
        assert_eq!(whole.concat(), message);
        let numbers: Vec<_> = found.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 1]);
        assert_eq!(found[0].value, b"ab");
        assert!(found[0].is_delimited(1));
        assert_eq!(found[1].value, b"\x96\x01");
        assert!(!found[1].is_delimited(2));
        assert_eq!(found[5].value, b"");
    }

    #[test]
    fn what_is_broken_ends_with_an_error() {
        for message in [
            &b"\xff"[..],
            b"\x0a\x05ab",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x10\xff",
            b"\x1d\x01",
            b"\x21\x01",
            b"\x2b\x08",
            b"\x2c",
            b"\x2b\x34",
            b"\x02\x00",
            b"\x0e",
        ] {
            let found: Vec<_> = fields(message).collect();
            assert!(found.last().is_some_and(Result::is_err), "{message:?}");
        }
    }
}
