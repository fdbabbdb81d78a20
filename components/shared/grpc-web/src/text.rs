//! The text encoding: frames in base64, for browsers that cannot read bytes.
//!
//! It costs a third more and nothing of ours asks for it. It is read because a caller may send it.

use alloc::{string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A frame, or several, in base64 with padding. Pieces encoded one by one may follow each other in a body.
pub fn encode(frames: &[u8]) -> String {
    STANDARD.encode(frames)
}

/// A stream of groups of four characters, any of which may be padded.
#[derive(Debug)]
pub(crate) struct Base64 {
    group: [u8; 4],
    have: usize,
    broken: bool,
}

impl Base64 {
    pub(crate) const fn new() -> Self {
        Self {
            group: [0; 4],
            have: 0,
            broken: false,
        }
    }

    /// Decodes the groups that are complete. Nothing is decoded after an invalid one.
    pub(crate) fn decode(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::with_capacity(piece.len() / 4 * 3 + 3);
        for &byte in piece {
            if self.broken {
                break;
            }
            if let Some(slot) = self.group.get_mut(self.have) {
                *slot = byte;
                self.have += 1;
            }
            if self.have == self.group.len() {
                self.have = 0;
                self.broken = STANDARD.decode_vec(self.group, &mut decoded).is_err();
            }
        }
        decoded
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.have == 0
    }
}
