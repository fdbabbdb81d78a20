//! Quay. It names neither digest, time nor delivery: every push of a tag looks the same.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, each, name_of, other, text},
    image::{Reference, image},
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let name = || Some("repo_push".to_owned());
    let reference = text(&payload, "/docker_url").and_then(|url| Reference::read(&url));
    let named = match reference {
        Some(reference) => Some(reference.name),
        None => text(&payload, "/repository").map(|path| image(Some("quay.io"), &path, None).name),
    };
    let tags = tags(&payload);
    let Some(named) = named.filter(|_| !tags.is_empty()) else {
        return Ok(vec![other(None, None, payload)]);
    };
    each(delivery, tags, |tag| Event {
        kind: Kind::ImagePushed,
        image: Some(image(None, &named, None)),
        repository: text(&payload, "/repository"),
        tag: Some(tag),
        ..other(name(), None, payload.clone())
    })
}

/// The tags: a list, or with very old versions the members of an object.
fn tags(payload: &Value) -> Vec<String> {
    match payload.get("updated_tags") {
        Some(Value::Array(tags)) => tags
            .iter()
            .filter_map(|tag| name_of(tag.as_str()?))
            .collect(),
        Some(Value::Object(tags)) => tags.keys().filter_map(|tag| name_of(tag)).collect(),
        _ => Vec::new(),
    }
}
