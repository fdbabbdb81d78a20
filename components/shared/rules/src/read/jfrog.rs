//! JFrog Artifactory. Its payload names the instance that it comes from, if any host.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, text},
    image::{digest, image},
};
use crate::{Event, Kind};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = delivery.object()?;
    let domain = text(&payload, "/domain").unwrap_or_default();
    let what = text(&payload, "/event_type").unwrap_or_default();
    let event = match (domain.as_str(), what.as_str()) {
        ("docker", "pushed") => pushed(&payload),
        ("artifact", "deployed") => deployed(&payload),
        _ => None,
    };
    let event = event.unwrap_or_else(|| other(None, None, Value::Null));
    Ok(vec![Event {
        name: format!("{domain}.{what}"),
        repository: text(&payload, "/data/repo_key"),
        payload,
        ..event
    }])
}

fn pushed(payload: &Value) -> Option<Event> {
    let path = format!(
        "{}/{}",
        text(payload, "/data/repo_key")?,
        text(payload, "/data/image_name")?
    );
    let sha256 = text(payload, "/data/sha256").map(|hex| format!("sha256:{hex}"));
    let host = text(payload, "/jpd_origin");
    Some(Event {
        kind: Kind::ImagePushed,
        image: Some(image(
            host.as_deref(),
            &path,
            sha256.and_then(|sha256| digest(&sha256)),
        )),
        tag: Some(text(payload, "/data/tag")?),
        ..Event::default()
    })
}

/// A chart is a file `name-version.tgz`; where the name ends is where the first version begins.
fn deployed(payload: &Value) -> Option<Event> {
    let name = text(payload, "/data/name")?;
    let stem = name.strip_suffix(".tgz")?;
    let (chart, version) = stem
        .match_indices('-')
        .map(|(at, _)| stem.split_at(at))
        .find_map(|(chart, version)| {
            let version = version.strip_prefix('-')?;
            semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
            Some((chart, version))
        })?;
    let host = text(payload, "/jpd_origin");
    let path = format!("{}/{chart}", text(payload, "/data/repo_key")?);
    Some(Event {
        kind: Kind::ChartPushed,
        image: Some(image(host.as_deref(), &path, None)),
        tag: Some(version.to_owned()),
        ..Event::default()
    })
}
