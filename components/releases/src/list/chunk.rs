//! One message of a list, decoded release by release.
//!
//! A chunk may have 20 MiB and, where releases are small, a hundred thousand of them. Decoding the message
//! as a whole would hold them all; this reads the message's own fields and decodes one release at a time.

use bytes::{Buf, Bytes};
use prost::{DecodeError, Message, decode_length_delimiter};
use tiller_api::light::Release;

/// Why a chunk cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkError {
    /// It is no message.
    #[error("malformed message")]
    Malformed,
    /// A release in it is none.
    #[error("malformed release")]
    Release(#[source] DecodeError),
}

/// `hapi.services.tiller.ListReleasesResponse`, the part not read yet.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    rest: Bytes,
    /// Whether Tiller has said that more matches than it sends.
    pub(super) cut: bool,
}

impl Chunk {
    pub(super) const fn new(message: Bytes) -> Self {
        Self {
            rest: message,
            cut: false,
        }
    }

    /// The next release.
    pub(super) fn next(&mut self) -> Result<Option<Release>, ChunkError> {
        while !self.rest.is_empty() {
            let key = self.varint()?;
            match (key >> 3, key & 7) {
                (NEXT, DELIMITED) => self.cut |= !self.delimited()?.is_empty(),
                (RELEASES, DELIMITED) => {
                    let release = self.delimited()?;
                    return Release::decode(release)
                        .map(Some)
                        .map_err(ChunkError::Release);
                }
                (_, VARINT) => self.skip_varint()?,
                (_, FIXED64) => self.take(8).map(drop)?,
                (_, DELIMITED) => self.delimited().map(drop)?,
                (_, FIXED32) => self.take(4).map(drop)?,
                _ => return Err(ChunkError::Malformed),
            }
        }
        Ok(None)
    }

    fn delimited(&mut self) -> Result<Bytes, ChunkError> {
        let length = self.varint()?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, ChunkError> {
        if length > self.rest.len() {
            return Err(ChunkError::Malformed);
        }
        Ok(self.rest.split_to(length))
    }

    /// A key or a length, both of which fit.
    fn varint(&mut self) -> Result<usize, ChunkError> {
        decode_length_delimiter(&mut self.rest).map_err(|_| ChunkError::Malformed)
    }

    /// Counts may be negative and would not fit.
    fn skip_varint(&mut self) -> Result<(), ChunkError> {
        while self.rest.has_remaining() {
            if self.rest.get_u8() & 0x80 == 0 {
                return Ok(());
            }
        }
        Err(ChunkError::Malformed)
    }
}

const NEXT: usize = 2;
const RELEASES: usize = 4;

const VARINT: usize = 0;
const FIXED64: usize = 1;
const DELIMITED: usize = 2;
const FIXED32: usize = 5;

#[cfg(test)]
mod tests {
    use tiller_api::light::ListReleasesResponse;

    use super::*;

    fn names(message: Bytes) -> Result<(Vec<String>, bool), ChunkError> {
        let mut chunk = Chunk::new(message);
        let mut names = Vec::new();
        while let Some(release) = chunk.next()? {
            names.push(release.name);
        }
        assert!(chunk.rest.is_empty());
        Ok((names, chunk.cut))
    }

    fn response(names: &[&str]) -> ListReleasesResponse {
        ListReleasesResponse {
            count: -1,
            next: String::new(),
            total: i64::MAX,
            releases: names
                .iter()
                .map(|name| Release {
                    name: (*name).into(),
                    ..Release::default()
                })
                .collect(),
        }
    }

    #[test]
    fn releases_come_one_by_one() {
        let message = response(&["a", "b", "c"]).encode_to_vec();
        let (names, cut) = names(message.into()).unwrap();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(!cut);
    }

    #[test]
    fn a_chunk_says_whether_more_matches() {
        let mut response = response(&["a"]);
        response.next = "b".into();
        assert!(names(response.encode_to_vec().into()).unwrap().1);
    }

    #[test]
    fn an_empty_message_has_none() {
        assert!(names(Bytes::new()).unwrap().0.is_empty());
    }

    #[test]
    fn fields_of_a_later_tiller_are_skipped() {
        let mut message =
            b"\x49\x01\x02\x03\x04\x05\x06\x07\x08\x55\x01\x02\x03\x04\x7a\x02hi".to_vec();
        message.extend(response(&["a"]).encode_to_vec());
        assert_eq!(names(message.into()).unwrap().0, ["a"]);
    }

    #[test]
    fn broken_messages_are_errors() {
        for message in [
            &b"\xff"[..],
            b"\x22\x05ab",
            b"\x22\x02\xff\xff",
            b"\x08\xff\xff",
            b"\x49\x01",
            b"\x23",
            b"\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(
                names(Bytes::copy_from_slice(message)).is_err(),
                "{message:?}"
            );
        }
    }
}
