//! Bodies of any bytes, cut anywhere.
#![no_main]

use bytes::Bytes;
use grpc_web::{DecodeError, Decoder, Event, Limits, Status, Trailers, unary_message};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    message: 1 << 16,
    trailers: 1 << 12,
};

type Reading = (Vec<Event>, Result<(), DecodeError>);

// The first byte says how many bytes after it are lengths of pieces.
fuzz_target!(|input: &[u8]| {
    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let (lengths, body) = rest.split_at(usize::from(count).min(rest.len()));

    let whole = read(Decoder::new(LIMITS), body, &[]);
    assert_eq!(read(Decoder::new(LIMITS), body, lengths), whole);
    let as_text = read(Decoder::text(LIMITS), body, &[]);
    assert_eq!(read(Decoder::text(LIMITS), body, lengths), as_text);

    let unary = unary_message(body, LIMITS.message);
    let events = unary.map(|message| vec![Event::Message(Bytes::copy_from_slice(message))]);
    let one_message =
        matches!(&whole, (events, Ok(())) if matches!(events[..], [Event::Message(_)]));
    assert_eq!(events.is_ok(), one_message);
    if let Ok(events) = events {
        assert_eq!(whole.0, events);
    }

    let trailers = Trailers::parse(body);
    assert_eq!(Trailers::parse(&trailers.encode()[5..]), trailers);
    if let Some(status) = Status::from_trailers(&trailers) {
        let frame = status.to_trailers().encode();
        assert_eq!(
            Status::from_trailers(&Trailers::parse(&frame[5..])),
            Some(status)
        );
    }
});

fn read(mut decoder: Decoder, body: &[u8], lengths: &[u8]) -> Reading {
    let mut events = Vec::new();
    let mut rest = body;
    let mut lengths = lengths.iter();
    loop {
        let length = lengths
            .next()
            .map_or(rest.len(), |length| usize::from(*length));
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
        rest = tail;
        if rest.is_empty() {
            return (events, decoder.finish());
        }
    }
}
