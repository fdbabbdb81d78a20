//! From a body in pieces to messages and trailers.
//!
//! Where a body is cut says nothing about frames. A message that lies in one piece is handed on without
//! a copy; one that does not is gathered in a buffer that grows with what has arrived, never with what a
//! header claims, and no piece is kept longer than it takes to copy it: a peer that sends byte by byte
//! costs no more memory than its bytes.

use alloc::{collections::VecDeque, vec::Vec};
use core::mem;

use bytes::{Buf, Bytes};

use crate::{
    Trailers,
    frame::{HEADER, Kind, parse_header},
    text::Base64,
};

/// What a body may contain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest message, in bytes. Default: 32 MiB, which is above what Tiller sends.
    pub message: usize,
    /// Longest trailer frame, in bytes. Default: 8 MiB, since Tiller appends a whole rendered manifest to
    /// the error of a dry run.
    pub trailers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 32 << 20,
            trailers: 8 << 20,
        }
    }
}

/// What a body consists of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A message; may be empty.
    Message(Bytes),
    /// The trailers; nothing comes after them.
    Trailers(Trailers),
}

/// Why a body is not grpc-web.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are bytes after the trailer frame.
    #[error("data after the trailer frame")]
    AfterTrailers,
    /// The text encoding has a byte that is not base64, or padding where none belongs.
    #[error("invalid base64 in the text encoding")]
    Base64,
    /// A frame says that it is compressed, which nothing on our side asks for.
    #[error("compressed frame")]
    Compressed,
    /// A message is longer than the limit. Nothing of it was buffered.
    #[error("message of {length} bytes, more than the limit of {limit}")]
    MessageTooLarge {
        /// What its header says.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A body that must be exactly one message is not.
    #[error("the body is not exactly one message")]
    NotUnary,
    /// The trailer frame is longer than the limit. Nothing of it was buffered.
    #[error("trailers of {length} bytes, more than the limit of {limit}")]
    TrailersTooLarge {
        /// What its header says.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The body ends inside a frame.
    #[error("the body ends inside a frame")]
    Truncated,
    /// A frame has flags that have no meaning.
    #[error("frame with unknown flags {flags:#04x}")]
    UnknownFlags {
        /// All eight.
        flags: u8,
    },
}

/// Reads one body.
///
/// [`push`](Self::push) what arrives, take [`next`](Self::next) until it is `None`, and
/// [`finish`](Self::finish) at the end of the body. The events and the error, if any, are the same however the
/// body was cut. After an error every further call returns the same one.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    text: Option<Base64>,
    input: VecDeque<Bytes>,
    state: State,
}

impl Decoder {
    /// A decoder of a binary body.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            text: None,
            input: VecDeque::new(),
            state: State::START,
        }
    }

    /// A decoder of a body in base64, in which every piece that the server flushed may have padding of its
    /// own.
    pub const fn text(limits: Limits) -> Self {
        Self {
            limits,
            text: Some(Base64::new()),
            input: VecDeque::new(),
            state: State::START,
        }
    }

    /// Adds a piece of the body.
    pub fn push(&mut self, piece: Bytes) {
        let piece = match &mut self.text {
            None => piece,
            Some(base64) => base64.decode(&piece).into(),
        };
        if piece.has_remaining() {
            self.input.push_back(piece);
        }
    }

    /// The next event, or `None` until more of the body is pushed.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] but `Truncated` and `NotUnary`.
    #[expect(
        clippy::should_implement_trait,
        reason = "None means not yet, and errors are not items"
    )]
    pub fn next(&mut self) -> Result<Option<Event>, DecodeError> {
        let next = self.advance();
        if let Err(error) = &next {
            self.input.clear();
            self.state = State::Failed(error.clone());
        }
        next
    }

    /// Ends the body. `Ok` does not mean that trailers were seen: the status may be in the headers.
    ///
    /// # Errors
    ///
    /// What [`next`](Self::next) would return, or [`DecodeError::Truncated`] if a frame is not complete. Events
    /// that were not taken yet are lost.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        while self.next()?.is_some() {}
        let between_frames = match &self.state {
            State::Header { have, .. } => *have == 0,
            State::Payload { .. } => false,
            State::Ended | State::Failed(_) => true,
        };
        if between_frames && self.text.as_ref().is_none_or(Base64::is_complete) {
            Ok(())
        } else {
            self.state = State::Failed(DecodeError::Truncated);
            Err(DecodeError::Truncated)
        }
    }

    fn advance(&mut self) -> Result<Option<Event>, DecodeError> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    *have += fill(&mut self.input, bytes.get_mut(*have..).unwrap_or_default());
                    if *have < HEADER {
                        return self.wait();
                    }
                    let (kind, length) = parse_header(*bytes)?;
                    self.check(kind, length)?;
                    self.state = State::Payload {
                        kind,
                        length,
                        partial: Vec::new(),
                    };
                }
                State::Payload {
                    kind,
                    length,
                    partial,
                } => {
                    let Some(payload) = take(&mut self.input, *length, partial) else {
                        return self.wait();
                    };
                    return Ok(Some(match kind {
                        Kind::Message => {
                            self.state = State::START;
                            Event::Message(payload)
                        }
                        Kind::Trailers => {
                            self.state = State::Ended;
                            Event::Trailers(Trailers::parse(&payload))
                        }
                    }));
                }
                State::Ended if self.input.is_empty() => return self.wait(),
                State::Ended => return Err(DecodeError::AfterTrailers),
                State::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// Nothing more can be made of the input; what made the rest of it unreadable is due now.
    fn wait(&self) -> Result<Option<Event>, DecodeError> {
        match &self.text {
            Some(base64) if base64.is_broken() => Err(DecodeError::Base64),
            _ => Ok(None),
        }
    }

    fn check(&self, kind: Kind, length: usize) -> Result<(), DecodeError> {
        let Limits { message, trailers } = self.limits;
        match kind {
            Kind::Message if length > message => Err(DecodeError::MessageTooLarge {
                length,
                limit: message,
            }),
            Kind::Trailers if length > trailers => Err(DecodeError::TrailersTooLarge {
                length,
                limit: trailers,
            }),
            Kind::Message | Kind::Trailers => Ok(()),
        }
    }
}

#[derive(Debug)]
enum State {
    Header {
        bytes: [u8; HEADER],
        have: usize,
    },
    Payload {
        kind: Kind,
        length: usize,
        partial: Vec<u8>,
    },
    Ended,
    Failed(DecodeError),
}

impl State {
    const START: Self = Self::Header {
        bytes: [0; HEADER],
        have: 0,
    };
}

/// Moves input into `space`, returns how much.
fn fill(input: &mut VecDeque<Bytes>, space: &mut [u8]) -> usize {
    let mut filled = 0;
    while let (Some(piece), Some(rest)) = (input.front_mut(), space.get_mut(filled..)) {
        let count = piece.len().min(rest.len());
        if count == 0 {
            break;
        }
        piece.copy_to_slice(&mut rest[..count]);
        filled += count;
        if piece.is_empty() {
            input.pop_front();
        }
    }
    filled
}

/// Takes `length` bytes, without a copy if they lie in one piece; what there is of them goes to `partial`
/// otherwise.
fn take(input: &mut VecDeque<Bytes>, length: usize, partial: &mut Vec<u8>) -> Option<Bytes> {
    if length == 0 {
        return Some(Bytes::new());
    }
    if partial.is_empty()
        && let Some(piece) = input.front_mut()
        && piece.len() >= length
    {
        let payload = piece.split_to(length);
        if piece.is_empty() {
            input.pop_front();
        }
        return Some(payload);
    }
    while let Some(piece) = input.front_mut() {
        let count = piece.len().min(length - partial.len());
        reserve(partial, count, length);
        partial.extend_from_slice(&piece.split_to(count));
        if piece.is_empty() {
            input.pop_front();
        }
        if partial.len() == length {
            return Some(mem::take(partial).into());
        }
    }
    None
}

/// Doubles like a `Vec` does, but not beyond what will be needed.
fn reserve(partial: &mut Vec<u8>, count: usize, length: usize) {
    let needed = partial.len() + count;
    if needed > partial.capacity() {
        let capacity = needed.saturating_mul(2).min(length);
        partial.reserve_exact(capacity - partial.len());
    }
}
