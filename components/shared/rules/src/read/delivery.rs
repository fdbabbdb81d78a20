//! A delivery, and what is taken out of its payload.

use http::{HeaderMap, header};
use rest::json;
use serde_json::Value;

use super::{MAX_BYTES, MAX_EVENTS, ReadError};
use crate::{Event, Kind, expression::cut};

/// How many values a payload may have.
const MAX_VALUES: usize = 200_000;

/// The longest name that is taken out of a payload, in bytes.
const MAX_NAME: usize = 512;

/// A delivery as it came, verified.
pub(super) struct Delivery<'d> {
    pub(super) headers: &'d HeaderMap,
    pub(super) body: &'d [u8],
}

impl Delivery<'_> {
    /// The body, which is JSON. A name that occurs twice is refused: whoever signed it may have read the other one.
    pub(super) fn json(&self) -> Result<Value, ReadError> {
        parse(self.body)
    }

    /// The body, which is a JSON object.
    pub(super) fn object(&self) -> Result<Value, ReadError> {
        let value = self.json()?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(ReadError::Malformed("it is no JSON object".to_owned()))
        }
    }

    /// A header's value, if it is a name.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?.to_str().ok()?;
        name_of(value)
    }

    /// The media type, without parameters and in lower case; empty if there is none.
    pub(super) fn media_type(&self) -> String {
        self.headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }
}

/// Reads JSON within the limits.
pub(super) fn parse(text: &[u8]) -> Result<Value, ReadError> {
    json::parse_unambiguous(text, MAX_VALUES)
        .map_err(|error| ReadError::Malformed(format!("it is no JSON to be read here: {error}")))
}

/// The name at a JSON pointer; none if there is something else, or nothing.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    name_of(value.pointer(pointer)?.as_str()?)
}

/// The list at a JSON pointer; empty if there is something else.
pub(super) fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A text that can be a name.
pub(super) fn name_of(text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control);
    is_name.then(|| text.to_owned())
}

/// An event that means nothing here but what a rule makes of it.
pub(super) fn other(name: Option<String>, key: Option<String>, payload: Value) -> Event {
    Event {
        kind: Kind::Other,
        name: name.unwrap_or_default(),
        key,
        payload,
        ..Event::default()
    }
}

/// An event for each of `parts`, with so much of the payload that is about it.
pub(super) fn each<P>(
    delivery: &Delivery<'_>,
    parts: Vec<P>,
    make: impl Fn(P) -> Event,
) -> Result<Vec<Event>, ReadError> {
    let is_repeated = parts.len() > 1;
    let bytes = delivery.body.len().saturating_mul(parts.len());
    if parts.len() > MAX_EVENTS || (is_repeated && bytes > MAX_BYTES) {
        return Err(ReadError::TooMuch);
    }
    Ok(parts.into_iter().map(make).collect())
}

/// The key of one of several events that share a delivery's key; they are told apart by `part`.
pub(super) fn part_key(key: Option<&String>, part: &str) -> Option<String> {
    key.map(|key| format!("{key}#{}", cut(part, MAX_NAME)))
}
