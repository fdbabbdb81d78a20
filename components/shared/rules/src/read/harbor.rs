//! Harbor, in its own form and in CloudEvents'.
//!
//! A chart that is pushed to it as an OCI artifact looks like an image: rules tell it by its path. Charts of the
//! ChartMuseum that Harbor had until version 2.7 have events of their own.

use serde_json::Value;

use super::{
    ReadError, cloudevents,
    delivery::{Delivery, each, items, other, part_key, text},
    image::{Reference, digest},
};
use crate::{Event, Image, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    if cloudevents::is_one(delivery) {
        return cloudevents::read(delivery);
    }
    let payload = delivery.object()?;
    let name = text(&payload, "/type");
    let data = payload.get("event_data").unwrap_or(&Value::Null);
    let what = match name.as_deref() {
        Some("PUSH_ARTIFACT" | "pushImage") => What::Artifact,
        Some("UPLOAD_CHART" | "uploadChart") => What::Chart,
        _ => return Ok(vec![other(name, None, payload)]),
    };
    let found = resources(data, what);
    if found.is_empty() {
        return Ok(vec![other(name, None, payload)]);
    }
    each(delivery, found, |event| Event {
        name: name.clone().unwrap_or_default(),
        payload: payload.clone(),
        ..event
    })
}

/// The events of a CloudEvent of Harbor; `event` is what is known of it already.
pub(super) fn of_cloudevent(
    delivery: &Delivery<'_>,
    event: &Event,
    data: &Value,
) -> Result<Vec<Event>, ReadError> {
    let found = resources(data, What::Artifact);
    let alone = found.len() == 1;
    each(delivery, found, |found| Event {
        key: if alone {
            event.key.clone()
        } else {
            part_key(event.key.as_ref(), &part(&found))
        },
        name: event.name.clone(),
        payload: event.payload.clone(),
        ..found
    })
}

/// What tells an artifact from the others of its event.
fn part(event: &Event) -> String {
    let digest = event.image.as_ref().and_then(|image| image.digest.as_ref());
    let parts: Vec<&str> = [event.tag.as_ref(), digest]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    parts.join("@")
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Artifact,
    Chart,
}

fn resources(data: &Value, what: What) -> Vec<Event> {
    let repository = text(data, "/repository/repo_full_name");
    items(data, "/resources")
        .iter()
        .filter_map(|resource| match what {
            What::Artifact => artifact(resource),
            What::Chart => chart(resource, data),
        })
        .map(|event| Event {
            repository: repository.clone(),
            ..event
        })
        .collect()
}

/// An artifact without a tag has its digest as the tag.
fn artifact(resource: &Value) -> Option<Event> {
    let reference = Reference::read(&text(resource, "/resource_url")?)?;
    let tag = text(resource, "/tag").filter(|tag| digest(tag).is_none());
    Some(Event {
        kind: Kind::ImagePushed,
        image: Some(Image {
            name: reference.name,
            digest: text(resource, "/digest")
                .and_then(|text| digest(&text))
                .or(reference.digest),
            media_type: None,
        }),
        tag: tag.or(reference.tag),
        ..Event::default()
    })
}

/// `https://host/chartrepo/project/charts/chart-1.2.3.tgz`, of which the tag is the version.
fn chart(resource: &Value, data: &Value) -> Option<Event> {
    let url = text(resource, "/resource_url")?;
    let url = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let (host, _) = url.split_once("/chartrepo/")?;
    let project = text(data, "/repository/namespace")?;
    let chart = text(data, "/repository/name")?;
    Some(Event {
        kind: Kind::ChartPushed,
        image: Some(Image {
            name: format!("{host}/{project}/{chart}"),
            ..Image::default()
        }),
        tag: Some(text(resource, "/tag")?),
        ..Event::default()
    })
}
