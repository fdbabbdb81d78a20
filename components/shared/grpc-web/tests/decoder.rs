//! Bodies as servers, and nobody's servers, write them. Every body is read whole and cut at every place.

use std::iter;

use bytes::Bytes;
use grpc_web::{Code, DecodeError, Decoder, Event, Limits, Status, Trailers, encode_message, text};

const LIMITS: Limits = Limits {
    message: 16,
    trailers: 64,
};

/// What a body was read as: its events, and how it ended.
type Reading = (Vec<Event>, Result<(), DecodeError>);

#[test]
fn messages_and_trailers_come_in_order() {
    let two = [
        Event::Message("one".into()),
        Event::Message("two".into()),
        Event::Trailers(Trailers::parse(b"grpc-status:0")),
    ];
    reads(&body(&[&message("one")]), &two[..1], Ok(()));
    reads(
        &body(&[&message("one"), &message("two")]),
        &two[..2],
        Ok(()),
    );
    reads(
        &body(&[
            &message("one"),
            &message("two"),
            &trailers("grpc-status:0\r\n"),
        ]),
        &two,
        Ok(()),
    );
    reads(&trailers("grpc-status:0\r\n"), &two[2..], Ok(()));
}

#[test]
fn an_empty_body_is_complete() {
    reads(b"", &[], Ok(()));
}

#[test]
fn empty_messages_are_messages() {
    let empty = Event::Message(Bytes::new());
    reads(
        &body(&[&message(""), &message("")]),
        &[empty.clone(), empty],
        Ok(()),
    );
}

#[test]
fn an_empty_trailer_frame_is_trailers_without_a_status() {
    reads(&trailers(""), &[Event::Trailers(Trailers::new())], Ok(()));
    assert_eq!(Status::from_trailers(&Trailers::new()), None);
}

#[test]
fn a_body_that_ends_inside_a_frame_is_truncated() {
    let whole = body(&[&message("one"), &trailers("grpc-status:0\r\n")]);
    for end in (1..8).chain(9..whole.len()) {
        let (events, result) = read(Decoder::new(LIMITS), iter::once(&whole[..end]));
        assert_eq!(result, Err(DecodeError::Truncated), "at {end}");
        assert_eq!(events.len(), usize::from(end > 8), "at {end}");
    }
    reads(&whole[..8], &[Event::Message("one".into())], Ok(()));
}

#[test]
fn compressed_frames_are_refused() {
    reads(b"\x01\0\0\0\x01x", &[], Err(DecodeError::Compressed));
    reads(b"\x81\0\0\0\x01x", &[], Err(DecodeError::Compressed));
}

#[test]
fn unknown_flags_are_refused() {
    for flags in (2..=0x7f).chain(0x82..=0xff) {
        reads(
            &[flags, 0, 0, 0, 0],
            &[],
            Err(DecodeError::UnknownFlags { flags }),
        );
    }
}

#[test]
fn a_good_frame_before_a_bad_one_is_read() {
    reads(
        &body(&[&message("one"), b"\x07\0\0\0\0"]),
        &[Event::Message("one".into())],
        Err(DecodeError::UnknownFlags { flags: 7 }),
    );
}

#[test]
fn nothing_may_follow_the_trailers() {
    let end = Event::Trailers(Trailers::parse(b"grpc-status:0"));
    for after in [&message("x")[..], b"\n", &trailers("grpc-status:0\r\n")] {
        reads(
            &body(&[&trailers("grpc-status:0\r\n"), after]),
            std::slice::from_ref(&end),
            Err(DecodeError::AfterTrailers),
        );
    }
}

#[test]
fn lengths_are_refused_by_the_header_alone() {
    reads(
        b"\0\0\0\0\x11",
        &[],
        Err(DecodeError::MessageTooLarge {
            length: 17,
            limit: 16,
        }),
    );
    reads(
        b"\0\xff\xff\xff\xff",
        &[],
        Err(DecodeError::MessageTooLarge {
            length: 0xffff_ffff,
            limit: 16,
        }),
    );
    reads(
        b"\x80\0\0\0\x41",
        &[],
        Err(DecodeError::TrailersTooLarge {
            length: 65,
            limit: 64,
        }),
    );
    reads(
        &message("sixteen bytes..."),
        &[Event::Message("sixteen bytes...".into())],
        Ok(()),
    );
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(Bytes::from_static(b"\x01\0\0\0\0"));
    assert_eq!(decoder.next(), Err(DecodeError::Compressed));
    decoder.push(message("one").into());
    assert_eq!(decoder.next(), Err(DecodeError::Compressed));
    assert_eq!(decoder.finish(), Err(DecodeError::Compressed));
}

#[test]
fn a_message_in_one_piece_is_not_copied() {
    let piece = Bytes::from(body(&[&message("one"), &message("two")]));
    let mut decoder = Decoder::new(LIMITS);
    decoder.push(piece.clone());
    for at in [5, 13] {
        let Ok(Some(Event::Message(message))) = decoder.next() else {
            panic!("a message at {at}");
        };
        assert_eq!(message.as_ptr(), piece[at..].as_ptr());
    }
}

#[test]
fn padding_in_mid_stream_ends_a_group_only() {
    let end = Event::Trailers(Trailers::parse(b"grpc-status:0"));
    // `AAAAAAM=` is a header and no message yet: the server flushed there.
    let flushed = format!(
        "{}{}{}",
        text::encode(b"\0\0\0\0\x03"),
        text::encode(b"one"),
        text::encode(&trailers("grpc-status:0\r\n"))
    );
    assert!(flushed.starts_with("AAAAAAM="));
    reads_text(
        flushed.as_bytes(),
        &[Event::Message("one".into()), end],
        Ok(()),
    );
}

#[test]
fn text_that_is_not_base64_is_refused_after_what_was_good() {
    let one = [Event::Message("one".into())];
    for bad in ["!AAA", "AA=A", "====", "A===", "AAA\n", "\r\nAA"] {
        let body = format!("{}{bad}", text::encode(&message("one")));
        reads_text(body.as_bytes(), &one, Err(DecodeError::Base64));
    }
}

#[test]
fn text_that_ends_inside_a_group_is_truncated() {
    let whole = text::encode(&message("one"));
    for end in 1..whole.len() {
        let (_, result) = read(Decoder::text(LIMITS), iter::once(&whole.as_bytes()[..end]));
        assert_eq!(result, Err(DecodeError::Truncated), "at {end}");
    }
}

#[test]
fn a_status_is_found_wherever_the_body_is_cut() {
    let whole = body(&[
        &message("one"),
        &Status::new(Code::Unknown, "release: \"x\" not found")
            .to_trailers()
            .encode(),
    ]);
    for at in 0..=whole.len() {
        let (first, second) = whole.split_at(at);
        let (events, result) = read(Decoder::new(LIMITS), [first, second].into_iter());
        assert_eq!(result, Ok(()));
        let Some(Event::Trailers(trailers)) = events.last() else {
            panic!("trailers at {at}");
        };
        assert_eq!(
            Status::from_trailers(trailers).map(|status| status.message),
            Some("release: \"x\" not found".into())
        );
    }
}

/// The binary body has that reading, and so has its text.
#[track_caller]
fn reads(body: &[u8], events: &[Event], result: Result<(), DecodeError>) {
    let expected = (events.to_vec(), result);
    for pieces in cuts(body) {
        assert_eq!(read(Decoder::new(LIMITS), pieces.into_iter()), expected);
    }
    let encoded = text::encode(body);
    assert_eq!(
        read(Decoder::text(LIMITS), iter::once(encoded.as_bytes())),
        expected
    );
}

#[track_caller]
fn reads_text(body: &[u8], events: &[Event], result: Result<(), DecodeError>) {
    let expected = (events.to_vec(), result);
    for pieces in cuts(body) {
        assert_eq!(read(Decoder::text(LIMITS), pieces.into_iter()), expected);
    }
}

/// Whole, in two pieces at every place, byte by byte.
fn cuts(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let in_two = (0..=body.len()).map(|at| {
        let (first, second) = body.split_at(at);
        vec![first, second]
    });
    iter::once(vec![body])
        .chain(in_two)
        .chain(iter::once(body.chunks(1).collect()))
        .collect()
}

fn read<'a>(mut decoder: Decoder, pieces: impl Iterator<Item = &'a [u8]>) -> Reading {
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, decoder.finish())
}

fn message(payload: impl AsRef<[u8]>) -> Vec<u8> {
    encode_message(payload.as_ref()).to_vec()
}

fn trailers(payload: &str) -> Vec<u8> {
    let mut frame = message(payload);
    frame[0] = 0x80;
    frame
}

fn body(frames: &[&[u8]]) -> Vec<u8> {
    frames.concat()
}
