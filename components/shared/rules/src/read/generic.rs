//! Senders that have no format of their own: what somebody's pipeline signs and posts.
//!
//! A payload may say in our words what happened, and be as short as `{"kind": "image-pushed", "image":
//! "quay.io/shop/web:1.2"}`; anything else is an event that rules tell by its payload.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    image::{Reference, digest},
};
use crate::{Event, Image, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.json()?;
    let name = ["/type", "/event", "/kind"]
        .iter()
        .find_map(|pointer| text(&payload, pointer));
    let event = said(&payload);
    Ok(vec![Event {
        name: name.unwrap_or_default(),
        // Elsewhere an `id` may be anything's, and the same in every delivery.
        key: kind(&payload).and_then(|_| text(&payload, "/id")),
        payload,
        ..event
    }])
}

/// Standard Webhooks: `{type, timestamp, data}` by convention, and an id that stays over retries.
pub(super) fn read_standard(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.json()?;
    let event = said(payload.get("data").unwrap_or(&payload));
    Ok(vec![Event {
        name: text(&payload, "/type").unwrap_or_default(),
        key: delivery.header("webhook-id"),
        payload,
        ..event
    }])
}

/// Events as this edge itself makes them.
pub(super) fn read_events(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    serde_json::from_value(delivery.json()?)
        .map_err(|error| ReadError::Malformed(format!("it is no list of events: {error}")))
}

/// What a payload calls it, if it does so in our words.
fn kind(payload: &Value) -> Option<Kind> {
    serde_json::from_value(payload.get("kind")?.clone()).ok()
}

/// What a payload says in our words.
fn said(payload: &Value) -> Event {
    let reference = match payload.get("image") {
        Some(Value::String(_)) => text(payload, "/image"),
        _ => text(payload, "/image/name"),
    };
    let reference = reference.and_then(|reference| Reference::read(&reference));
    let of_reference = reference
        .as_ref()
        .and_then(|reference| reference.tag.clone());
    let given = ["/digest", "/image/digest"]
        .iter()
        .find_map(|pointer| text(payload, pointer))
        .and_then(|text| digest(&text));
    Event {
        kind: kind(payload).unwrap_or(Kind::Other),
        image: reference.map(|reference| Image {
            name: reference.name,
            digest: given.or(reference.digest),
            media_type: None,
        }),
        repository: text(payload, "/repository"),
        branch: text(payload, "/branch"),
        tag: text(payload, "/tag").or(of_reference),
        commit: text(payload, "/commit"),
        environment: text(payload, "/environment"),
        ..other(None, None, Value::Null)
    }
}
