//! GitLab. Its container registry is one of [`distribution`](super::distribution)'s.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    github::pushed,
};
use crate::{Event, Kind};

/// How a pipeline can end.
const ENDS: [&str; 4] = ["canceled", "failed", "skipped", "success"];

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let name = text(&payload, "/object_kind").unwrap_or_default();
    let event = match name.as_str() {
        "pipeline" => pipeline(&payload),
        "push" | "tag_push" => push(&payload),
        "release" => release(&payload),
        _ => None,
    };
    let event = event.unwrap_or_else(|| other(None, None, Value::Null));
    let key = ["idempotency-key", "webhook-id"];
    Ok(vec![Event {
        repository: text(&payload, "/project/path_with_namespace"),
        key: key.iter().find_map(|name| delivery.header(name)),
        name,
        payload,
        ..event
    }])
}

/// Something that was deleted has no commit to check out.
fn push(payload: &Value) -> Option<Event> {
    let commit = text(payload, "/checkout_sha")?;
    pushed(&text(payload, "/ref")?, Some(commit))
}

/// The documentation has the action in two places.
fn release(payload: &Value) -> Option<Event> {
    let action = text(payload, "/action").or_else(|| text(payload, "/object_attributes/action"))?;
    if action != "create" {
        return None;
    }
    Some(Event {
        kind: Kind::Released,
        tag: Some(text(payload, "/tag")?),
        commit: text(payload, "/commit/id"),
        ..Event::default()
    })
}

fn pipeline(payload: &Value) -> Option<Event> {
    let status = text(payload, "/object_attributes/status")?;
    if !ENDS.contains(&status.as_str()) {
        return None;
    }
    let reference = text(payload, "/object_attributes/ref");
    let of_tag = payload
        .pointer("/object_attributes/tag")
        .and_then(Value::as_bool)
        == Some(true);
    let (branch, tag) = if of_tag {
        (None, reference)
    } else {
        (reference, None)
    };
    Some(Event {
        kind: Kind::Pipeline,
        branch,
        tag,
        commit: text(payload, "/object_attributes/sha"),
        ..Event::default()
    })
}
