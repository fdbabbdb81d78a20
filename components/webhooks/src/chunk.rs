//! One message of a list, decoded release by release.
//!
//! A chunk may have 20 MiB, of which one release is held at a time.

use bytes::Bytes;
use prost::Message;
use rest::problem::{Code, Problem};
use tiller_api::{hapi::release::Release, wire};

use crate::answer::problem;

/// The fields of `hapi.services.tiller.ListReleasesResponse` that are read.
const NEXT: u32 = 2;
const RELEASES: u32 = 4;

/// The part of a chunk that is not read yet.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    rest: Bytes,
    /// Whether Tiller has said that there are more releases than it sends.
    pub(crate) is_cut: bool,
}

impl Chunk {
    pub(crate) const fn new(message: Bytes) -> Self {
        Self {
            rest: message,
            is_cut: false,
        }
    }

    /// The next release; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Release>, Problem> {
        while !self.rest.is_empty() {
            let message = self.rest.clone();
            let Some(field) = wire::fields(&message).next() else {
                break;
            };
            let field = field.map_err(|_| malformed())?;
            self.rest = self.rest.split_off(field.whole.len().min(self.rest.len()));
            if field.is_delimited(NEXT) {
                self.is_cut |= !field.value.is_empty();
            }
            if field.is_delimited(RELEASES) {
                return Release::decode(field.value)
                    .map(Some)
                    .map_err(|_| malformed());
            }
        }
        Ok(None)
    }
}

fn malformed() -> Problem {
    problem(Code::TillerMisbehaved, "Tiller's list cannot be decoded")
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::services::tiller::ListReleasesResponse;

    use super::*;

    #[test]
    fn releases_come_one_by_one_and_the_chunk_says_whether_there_are_more() {
        let release = |name: &str| Release {
            name: name.into(),
            ..Release::default()
        };
        let message = ListReleasesResponse {
            count: -1,
            next: "c".into(),
            total: 3,
            releases: vec![release("a"), release("b")],
        };
        let mut chunk = Chunk::new(message.encode_to_vec().into());
        let mut names = Vec::new();
        while let Some(release) = chunk.next().unwrap() {
            names.push(release.name);
        }
        assert_eq!(names, ["a", "b"]);
        assert!(chunk.is_cut);
    }

    #[test]
    fn broken_messages_are_errors() {
        for message in [&b"\xff"[..], b"\x22\x05ab", b"\x22\x02\xff\xff"] {
            assert!(Chunk::new(Bytes::copy_from_slice(message)).next().is_err());
        }
    }
}
