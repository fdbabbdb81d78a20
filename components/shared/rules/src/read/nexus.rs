//! Sonatype Nexus 3. Its payload does not say at which host its repositories are, so an image is named by its repository.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    image::{digest, image},
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let name = delivery.header("x-nexus-webhook-id");
    let event = match name.as_deref() {
        Some("rm:repository:component") => component(&payload),
        _ => None,
    };
    let event = event.unwrap_or_else(|| other(None, None, Value::Null));
    Ok(vec![Event {
        name: name.unwrap_or_default(),
        repository: text(&payload, "/repositoryName"),
        key: delivery.header("x-nexus-webhook-delivery"),
        payload,
        ..event
    }])
}

fn component(payload: &Value) -> Option<Event> {
    let action = text(payload, "/action")?;
    if action != "CREATED" && action != "UPDATED" {
        return None;
    }
    let kind = match text(payload, "/component/format")?.as_str() {
        "docker" => Kind::ImagePushed,
        "helm" => Kind::ChartPushed,
        _ => return None,
    };
    let version = text(payload, "/component/version")?;
    let of_version = digest(&version);
    let repository = text(payload, "/repositoryName")?;
    let name = text(payload, "/component/name")?;
    Some(Event {
        kind,
        tag: if of_version.is_some() {
            None
        } else {
            Some(version)
        },
        image: Some(image(Some(&repository), &name, of_version)),
        ..Event::default()
    })
}
