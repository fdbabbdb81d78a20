//! CloudEvents 1.0 over HTTP: binary, structured and in batches.
//!
//! What an event means stands in its data, in the words of whoever sends it. Harbor's and Azure's are known here; of any
//! other the rules see the event's type as its name and the whole event as its payload, in the structured form whichever
//! way it came.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    MAX_EVENTS, ReadError, acr,
    delivery::{Delivery, name_of, parse, text},
    harbor,
};
use crate::{Event, Kind};

/// The media types of the structured form, of one event and of many.
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// What every media type of the structured form begins with.
const FAMILY: &str = "application/cloudevents";

/// What the headers of the binary form begin with.
const PREFIX: &str = "ce-";

/// Whether it is one, in any form.
pub(super) fn is_one(delivery: &Delivery<'_>) -> bool {
    delivery.media_type().starts_with(FAMILY) || delivery.headers.contains_key("ce-specversion")
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let media_type = delivery.media_type();
    let events = match media_type.as_str() {
        STRUCTURED => vec![delivery.json()?],
        BATCH => match delivery.json()? {
            Value::Array(events) => events,
            _ => return Err(malformed("a batch is a list")),
        },
        _ if media_type.starts_with(FAMILY) => return Err(ReadError::MediaType(media_type)),
        _ => vec![binary(delivery)?],
    };
    if events.len() > MAX_EVENTS {
        return Err(ReadError::TooMuch);
    }
    let mut read = Vec::new();
    for event in events {
        read.extend(one(delivery, event)?);
    }
    Ok(read)
}

/// An event of the binary form in the structured one.
fn binary(delivery: &Delivery<'_>) -> Result<Value, ReadError> {
    let mut event = Map::new();
    for (name, value) in delivery.headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        let value = value
            .to_str()
            .ok()
            .and_then(attribute_value)
            .ok_or_else(|| malformed(format!("its header `{name}` is no text")))?;
        if event.insert(attribute.to_owned(), value.into()).is_some() {
            return Err(malformed(format!("its header `{name}` stands there twice")));
        }
    }
    let media_type = delivery.media_type();
    if media_type == "application/json" || media_type.ends_with("+json") {
        event.insert("data".into(), delivery.json()?);
    } else if !delivery.body.is_empty() {
        event.insert(
            "data_base64".into(),
            BASE64_STANDARD.encode(delivery.body).into(),
        );
    }
    Ok(Value::Object(event))
}

/// A header's value: unquoted, then decoded once.
fn attribute_value(value: &str) -> Option<String> {
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let plain = match quoted {
        None => value.to_owned(),
        Some(quoted) => {
            let mut plain = String::new();
            let mut chars = quoted.chars();
            while let Some(c) = chars.next() {
                plain.push(if c == '\\' { chars.next()? } else { c });
            }
            plain
        }
    };
    Some(percent_decode_str(&plain).decode_utf8().ok()?.into_owned())
}

fn one(delivery: &Delivery<'_>, event: Value) -> Result<Vec<Event>, ReadError> {
    if text(&event, "/specversion").as_deref() != Some("1.0") {
        return Err(malformed("its `specversion` is not `1.0`"));
    }
    let required = |name: &str| {
        text(&event, &format!("/{name}")).ok_or_else(|| malformed(format!("it has no `{name}`")))
    };
    let name = required("type")?;
    let key = format!("{} {}", required("source")?, required("id")?);
    let data = data(&event);
    let plain = Event {
        kind: Kind::Other,
        repository: text(&event, "/subject"),
        name,
        key: name_of(&key),
        payload: event,
        ..Event::default()
    };
    let Some(data) = data else {
        return Ok(vec![plain]);
    };
    let known = match plain.name.as_str() {
        "harbor.artifact.pushed" => harbor::of_cloudevent(delivery, &plain, &data)?,
        "Microsoft.ContainerRegistry.ChartPushed" | "Microsoft.ContainerRegistry.ImagePushed" => {
            vec![Event {
                name: plain.name.clone(),
                key: plain.key.clone(),
                ..acr::of(&data, plain.payload.clone())
            }]
        }
        _ => Vec::new(),
    };
    Ok(if known.is_empty() { vec![plain] } else { known })
}

/// The data, where they are JSON.
fn data(event: &Value) -> Option<Value> {
    match event.get("data") {
        Some(data) => Some(data.clone()),
        None => {
            let encoded = event.get("data_base64")?.as_str()?;
            parse(&BASE64_STANDARD.decode(encoded).ok()?).ok()
        }
    }
}

fn malformed(why: impl Into<String>) -> ReadError {
    ReadError::Malformed(why.into())
}
