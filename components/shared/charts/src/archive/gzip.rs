//! The bytes within gzip, up to a limit.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

/// All members of a gzip file, one after the other.
///
/// Whatever follows the last member is ignored: Helm never looks at it.
pub(super) struct Stream<'a> {
    member: GzDecoder<&'a [u8]>,
    members: usize,
    left: usize,
    exceeded: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(archive: &'a [u8], limit: usize) -> Self {
        Self {
            member: GzDecoder::new(archive),
            members: 1,
            left: limit,
            exceeded: false,
        }
    }

    /// Whether there was more than the limit.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// What is left of the limit.
    pub(super) fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Read for Stream<'a> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.exceeded {
            return Ok(0);
        }
        loop {
            let count = self.member.read(buffer)?;
            let rest: &'a [u8] = self.member.get_ref();
            if count == 0 && !buffer.is_empty() && rest.starts_with(MAGIC) {
                self.members += 1;
                if self.members > MAX_MEMBERS {
                    return Err(io::Error::other("too many gzip members"));
                }
                self.member = GzDecoder::new(rest);
                continue;
            }
            return Ok(match self.left.checked_sub(count) {
                Some(left) => {
                    self.left = left;
                    count
                }
                None => {
                    self.exceeded = true;
                    0
                }
            });
        }
    }
}

const MAGIC: &[u8] = b"\x1f\x8b\x08";

/// More than any tool makes of 32 MiB; an empty one costs 20 bytes to write and a window to read.
const MAX_MEMBERS: usize = 10_000;
