//! Google's registries, by a push subscription of Pub/Sub.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, parse, text},
    image::{Reference, image},
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let mut payload = delivery.object()?;
    let key =
        text(&payload, "/message/messageId").or_else(|| text(&payload, "/message/message_id"));
    let data = payload
        .pointer("/message/data")
        .and_then(Value::as_str)
        .and_then(|data| BASE64_STANDARD.decode(data).ok())
        .and_then(|data| parse(&data).ok());
    let Some(data) = data else {
        return Ok(vec![other(None, key, payload)]);
    };
    let name = text(&data, "/action");
    let event = match name.as_deref() {
        Some("INSERT") => insert(&data),
        _ => None,
    };
    // What rules would look for is in the message, not around it.
    if let Some(Value::Object(message)) = payload.get_mut("message") {
        message.insert("data".to_owned(), data);
    }
    let event = event.unwrap_or_else(|| other(None, None, Value::Null));
    Ok(vec![Event {
        name: name.unwrap_or_default(),
        key,
        payload,
        ..event
    }])
}

fn insert(data: &Value) -> Option<Event> {
    let read = |pointer| text(data, pointer).and_then(|reference| Reference::read(&reference));
    let tagged = read("/tag");
    let by_digest = read("/digest");
    let name = tagged.as_ref().or(by_digest.as_ref())?.name.clone();
    Some(Event {
        kind: Kind::ImagePushed,
        image: Some(image(
            None,
            &name,
            by_digest.and_then(|by_digest| by_digest.digest),
        )),
        tag: tagged.and_then(|tagged| tagged.tag),
        ..Event::default()
    })
}
