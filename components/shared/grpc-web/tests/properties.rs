//! What holds for every body, however it is cut.

use bytes::Bytes;
use grpc_web::{
    DecodeError, Decoder, Event, Limits, Trailers, encode_message, percent, text, unary_message,
};
use proptest::{collection::vec, prelude::*};

const LIMITS: Limits = Limits {
    message: 300,
    trailers: 300,
};

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(events in events(), cuts in cuts()) {
        let body = encode(&events);
        let (read, result) = read(Decoder::new(LIMITS), &body, &cuts);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(read, events);
    }

    #[test]
    fn any_cut_of_any_bytes_gives_the_same_reading(body in hostile(), cuts in cuts()) {
        let whole = read(Decoder::new(LIMITS), &body, &[]);
        prop_assert_eq!(read(Decoder::new(LIMITS), &body, &cuts), whole);
    }

    #[test]
    fn text_gives_the_same_events_however_it_was_flushed_and_cut(
        events in events(),
        flushes in cuts(),
        cuts in cuts(),
    ) {
        let body: String = pieces(&encode(&events), &flushes).map(text::encode).collect();
        let (read, result) = read(Decoder::text(LIMITS), body.as_bytes(), &cuts);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(read, events);
    }

    #[test]
    fn any_cut_of_any_text_gives_the_same_reading(body in "[AQ/=!]{0,80}", cuts in cuts()) {
        let whole = read(Decoder::text(LIMITS), body.as_bytes(), &[]);
        prop_assert_eq!(read(Decoder::text(LIMITS), body.as_bytes(), &cuts), whole);
    }

    #[test]
    fn a_unary_body_reads_as_the_decoder_reads_it(body in hostile()) {
        let events = read(Decoder::new(LIMITS), &body, &[]);
        match unary_message(&body, LIMITS.message) {
            Ok(message) => {
                let message = Event::Message(Bytes::copy_from_slice(message));
                prop_assert_eq!(events, (vec![message], Ok(())));
            }
            Err(_) => prop_assert!(!matches!(events, (one, Ok(())) if matches!(one[..], [Event::Message(_)]))),
        }
    }

    #[test]
    fn trailers_are_read_back(entries in vec(("[a-z][a-z0-9-]{0,8}", value()), 0..8)) {
        let mut trailers = Trailers::new();
        for (name, value) in &entries {
            trailers.append(name, value.clone());
        }
        prop_assert_eq!(Trailers::parse(&trailers.encode()[5..]), trailers);
    }

    #[test]
    fn any_payload_is_trailers_that_are_read_back(payload in vec(any::<u8>(), 0..200)) {
        let trailers = Trailers::parse(&payload);
        prop_assert_eq!(Trailers::parse(&trailers.encode()[5..]), trailers);
    }

    #[test]
    fn messages_survive_percent_encoding(message in any::<String>()) {
        let encoded = percent::encode(&message);
        prop_assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(percent::decode(encoded.as_bytes()), message);
    }

    #[test]
    fn percent_decoding_never_fails(value in vec(any::<u8>(), 0..100)) {
        let _ = percent::decode(&value);
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let message = vec(any::<u8>(), 0..40).prop_map(|bytes| Event::Message(bytes.into()));
    let trailers = "[a-z]{1,9}:[!-~]{0,20}\r\n"
        .prop_map(|payload| Event::Trailers(Trailers::parse(payload.as_bytes())));
    (vec(message, 0..6), proptest::option::of(trailers)).prop_map(|(mut events, end)| {
        events.extend(end);
        events
    })
}

/// Bytes that often are frames, and often are not.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let frame = (
        prop_oneof![8 => Just(0), 2 => Just(0x80), 1 => any::<u8>()],
        prop_oneof![8 => 0..30_u32, 1 => any::<u32>()],
        vec(any::<u8>(), 0..30),
    )
        .prop_map(|(flags, length, payload)| {
            let mut frame = vec![flags];
            frame.extend(length.to_be_bytes());
            frame.extend(payload);
            frame
        });
    vec(frame, 0..4).prop_map(|frames| frames.concat())
}

/// A value without space at its ends.
fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(0x21..=0xff_u8, 0..20)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(0..20_usize, 0..30)
}

fn pieces<'a>(body: &'a [u8], lengths: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = body;
    let mut pieces = Vec::new();
    for &length in lengths {
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces.into_iter()
}

fn encode(events: &[Event]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|event| match event {
            Event::Message(message) => encode_message(message),
            Event::Trailers(trailers) => trailers.encode(),
        })
        .collect()
}

fn read(
    mut decoder: Decoder,
    body: &[u8],
    lengths: &[usize],
) -> (Vec<Event>, Result<(), DecodeError>) {
    let mut events = Vec::new();
    for piece in pieces(body, lengths) {
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
