//! Registries of the CNCF's distribution, GitLab's and old Harbor's among them.
//!
//! An envelope holds many events, of which pushes of manifests are the ones that matter: every layer of an image has one of
//! its own. Each has an id that stays over retries.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, items, other, text},
    image::{digest, image, is_chart},
};
use crate::{Event, Image, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let envelope = delivery.object()?;
    let events = items(&envelope, "/events");
    if events.is_empty() {
        return Ok(vec![other(None, None, envelope)]);
    }
    if events.len() > super::MAX_EVENTS {
        return Err(ReadError::TooMuch);
    }
    Ok(events
        .iter()
        .map(|event| of(event, event.clone()))
        .collect())
}

/// One event of such a registry, whatever it came in.
pub(super) fn of(event: &Value, payload: Value) -> Event {
    let action = text(event, "/action");
    let key = text(event, "/id");
    match push(event).filter(|_| action.as_deref() == Some("push")) {
        Some(push) => Event {
            name: action.unwrap_or_default(),
            key,
            payload,
            ..push
        },
        None => other(action, key, payload),
    }
}

fn push(event: &Value) -> Option<Event> {
    let repository = text(event, "/target/repository")?;
    let media_type = text(event, "/target/mediaType");
    let is_manifest = media_type
        .as_deref()
        .is_none_or(|media_type| MANIFESTS.iter().any(|part| media_type.contains(part)));
    if !is_manifest {
        return None;
    }
    let host = text(event, "/request/host");
    let kind = if is_chart(text(event, "/target/artifactType").as_deref()) {
        Kind::ChartPushed
    } else {
        Kind::ImagePushed
    };
    Some(Event {
        kind,
        image: Some(Image {
            media_type,
            ..image(
                host.as_deref(),
                &repository,
                text(event, "/target/digest").and_then(|text| digest(&text)),
            )
        }),
        repository: Some(repository),
        tag: text(event, "/target/tag"),
        ..Event::default()
    })
}

/// What the media types of manifests and indexes have in common.
const MANIFESTS: [&str; 2] = [".manifest.", ".index."];
