//! Azure Container Registry.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    distribution,
    image::image,
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    Ok(vec![of(&payload, payload.clone())])
}

/// One event, whatever it came in.
pub(super) fn of(event: &Value, payload: Value) -> Event {
    let action = text(event, "/action");
    let key = text(event, "/id");
    match action.as_deref() {
        Some("chart_push") => match chart(event) {
            Some(chart) => Event {
                name: "chart_push".to_owned(),
                key,
                payload,
                ..chart
            },
            None => other(action, key, payload),
        },
        Some("ping") => Event {
            kind: Kind::Ping,
            ..other(action, key, payload)
        },
        _ => distribution::of(event, payload),
    }
}

/// A chart has no host, and its version may end like its file.
fn chart(event: &Value) -> Option<Event> {
    let name = text(event, "/target/name")?;
    let version = text(event, "/target/version")?;
    let version = version.strip_suffix(".tgz").unwrap_or(&version);
    let host = text(event, "/request/host");
    Some(Event {
        kind: Kind::ChartPushed,
        image: Some(image(host.as_deref(), &name, None)),
        repository: text(event, "/target/repository"),
        tag: Some(version.to_owned()),
        ..Event::default()
    })
}
