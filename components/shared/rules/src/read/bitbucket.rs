//! Bitbucket Server and Data Center, whose pushes name every branch and tag that changed, and no delivery.

use super::{
    ReadError,
    delivery::{Delivery, each, items, other, text},
    github::pushed,
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let name = delivery.header("x-event-key");
    match name.as_deref() {
        Some("diagnostics:ping") => {
            return Ok(vec![Event {
                kind: Kind::Ping,
                ..other(name, None, payload)
            }]);
        }
        Some("repo:refs_changed") => (),
        _ => return Ok(vec![other(name, None, payload)]),
    }
    let repository = text(&payload, "/repository/project/key")
        .and_then(|project| Some(format!("{project}/{}", text(&payload, "/repository/slug")?)));
    let changes: Vec<Event> = items(&payload, "/changes")
        .iter()
        .filter(|change| text(change, "/type").as_deref() != Some("DELETE"))
        .filter_map(|change| pushed(&text(change, "/ref/id")?, text(change, "/toHash")))
        .collect();
    if changes.is_empty() {
        return Ok(vec![Event {
            repository,
            ..other(name, None, payload)
        }]);
    }
    each(delivery, changes, |event| Event {
        name: name.clone().unwrap_or_default(),
        repository: repository.clone(),
        payload: payload.clone(),
        ..event
    })
}
