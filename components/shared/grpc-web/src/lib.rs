//! grpc-web as bytes: frames, trailers, status, timeouts. No I/O, no runtime, no HTTP types.
//!
//! Bodies come in whatever pieces HTTP cuts them into; [`Decoder`] takes the pieces and gives
//! [`Event`]s. A clean end of the body means nothing: a call has succeeded when its [`Status`], from the
//! trailer frame or from the response headers, says so.
//!
//! The reader is as tolerant as servers in the field are different, see [`Trailers::parse`] and
//! [`percent::decode`], and strict where bytes could be misread: unknown flags, compressed frames, data
//! after the trailers and lengths beyond the [`Limits`] are errors, the last before anything is
//! buffered.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod percent;
pub mod text;
pub mod timeout;

mod code;
mod decoder;
mod frame;
mod status;
mod trailers;

pub use code::Code;
pub use decoder::{DecodeError, Decoder, Event, Limits};
pub use frame::{CONTENT_TYPE, Encoding, encode_message, frame_header, is_grpc_web, unary_message};
pub use status::Status;
pub use trailers::Trailers;
