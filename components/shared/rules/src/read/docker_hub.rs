//! Docker Hub. It names neither digest nor delivery, and tells of an image for several architectures several times.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    image::image,
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let event = push(&payload).unwrap_or_else(|| other(None, None, Value::Null));
    Ok(vec![Event {
        name: "push".to_owned(),
        payload,
        ..event
    }])
}

fn push(payload: &Value) -> Option<Event> {
    let repository = text(payload, "/repository/repo_name")?;
    let tag = text(payload, "/push_data/tag")?;
    // A number of seconds, sometimes with a fraction.
    let key = payload
        .pointer("/push_data/pushed_at")
        .and_then(Value::as_number)
        .map(|at| format!("{repository}:{tag}@{at}"));
    Some(Event {
        kind: Kind::ImagePushed,
        image: Some(image(Some("docker.io"), &repository, None)),
        tag: Some(tag),
        key,
        ..Event::default()
    })
}
