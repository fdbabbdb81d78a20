//! GitHub.
//!
//! Its delivery id is the event's: two hooks get the same, and a redelivery has it again.

use serde_json::Value;

use super::{
    ReadError,
    delivery::{Delivery, other, parse, text},
    image::{self, Reference, digest, is_chart},
};
use crate::{Event, Image, Kind};

/// The media type of the other form that a hook can be set to.
const FORM: &str = "application/x-www-form-urlencoded";

/// Where packages are if a payload does not say.
const REGISTRY: &str = "ghcr.io";

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let payload = if delivery.media_type() == FORM {
        parse(form_payload(delivery.body)?.as_bytes())?
    } else {
        delivery.object()?
    };
    let name = delivery.header("x-github-event").unwrap_or_default();
    let event = match name.as_str() {
        "deployment" => deployment(&payload),
        "package" | "registry_package" => package(&payload, &name),
        "ping" => Some(of(Kind::Ping)),
        "push" => push(&payload),
        "release" => release(&payload),
        "workflow_run" => workflow(&payload),
        _ => None,
    };
    let event = event.unwrap_or_default();
    Ok(vec![Event {
        repository: text(&payload, "/repository/full_name"),
        key: delivery.header("x-github-delivery"),
        name,
        payload,
        ..event
    }])
}

fn of(kind: Kind) -> Event {
    Event {
        kind,
        ..other(None, None, Value::Null)
    }
}

/// The field `payload` of a form.
fn form_payload(body: &[u8]) -> Result<String, ReadError> {
    let malformed = || ReadError::Malformed("it is a form without a field `payload`".to_owned());
    let body = std::str::from_utf8(body).map_err(|_| malformed())?;
    let encoded = body
        .split('&')
        .find_map(|field| field.strip_prefix("payload="))
        .ok_or_else(malformed)?
        .replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8();
    Ok(decoded.map_err(|_| malformed())?.into_owned())
}

fn package(payload: &Value, member: &str) -> Option<Event> {
    let action = text(payload, "/action")?;
    if action != "published" && action != "updated" {
        return None;
    }
    let package = payload.get(member)?;
    let types = ["/ecosystem", "/package_type"].map(|pointer| text(package, pointer));
    let is_container = types
        .iter()
        .flatten()
        .any(|kind| kind.eq_ignore_ascii_case("container"));
    if !is_container {
        return None;
    }
    let version = package.get("package_version")?;
    let metadata = version.get("container_metadata").unwrap_or(&Value::Null);
    let url = text(version, "/package_url").and_then(|url| Reference::read(&url));
    // An untagged image has its digest in place of a version.
    let name = ["/version", "/name"]
        .iter()
        .find_map(|pointer| text(version, pointer));
    let of_version = name.as_deref().and_then(digest);
    let image = Image {
        name: match &url {
            Some(url) => url.name.clone(),
            None => {
                let namespace =
                    text(package, "/namespace").or_else(|| text(package, "/owner/login"))?;
                let path = format!("{namespace}/{}", text(package, "/name")?);
                image::image(Some(REGISTRY), &path.to_ascii_lowercase(), None).name
            }
        },
        digest: text(metadata, "/tag/digest")
            .and_then(|text| digest(&text))
            .or(of_version)
            .or_else(|| url.as_ref()?.digest.clone()),
        media_type: text(metadata, "/manifest/media_type"),
    };
    let config = text(metadata, "/manifest/config/media_type");
    Some(Event {
        image: Some(image),
        tag: text(metadata, "/tag/name").or_else(|| url?.tag),
        ..of(if is_chart(config.as_deref()) {
            Kind::ChartPushed
        } else {
            Kind::ImagePushed
        })
    })
}

fn push(payload: &Value) -> Option<Event> {
    if payload.get("deleted").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let commit = text(payload, "/after").filter(|after| after.bytes().any(|byte| byte != b'0'))?;
    pushed(&text(payload, "/ref")?, Some(commit))
}

/// A branch or tag that was pushed.
pub(super) fn pushed(reference: &str, commit: Option<String>) -> Option<Event> {
    if let Some(branch) = reference.strip_prefix("refs/heads/") {
        return Some(Event {
            branch: Some(branch.to_owned()),
            commit,
            ..of(Kind::Pushed)
        });
    }
    let tag = reference.strip_prefix("refs/tags/")?;
    Some(Event {
        tag: Some(tag.to_owned()),
        commit,
        ..of(Kind::Tagged)
    })
}

/// GitHub tells of a full release twice, as `published` and as `released`; the first counts.
fn release(payload: &Value) -> Option<Event> {
    let is_draft = payload.pointer("/release/draft").and_then(Value::as_bool) == Some(true);
    if text(payload, "/action")? != "published" || is_draft {
        return None;
    }
    Some(Event {
        tag: Some(text(payload, "/release/tag_name")?),
        ..of(Kind::Released)
    })
}

fn deployment(payload: &Value) -> Option<Event> {
    if text(payload, "/action").is_some_and(|action| action != "created") {
        return None;
    }
    Some(Event {
        environment: Some(text(payload, "/deployment/environment")?),
        commit: text(payload, "/deployment/sha"),
        branch: text(payload, "/deployment/ref"),
        ..of(Kind::Deployment)
    })
}

fn workflow(payload: &Value) -> Option<Event> {
    if text(payload, "/action")? != "completed" {
        return None;
    }
    Some(Event {
        branch: text(payload, "/workflow_run/head_branch"),
        commit: text(payload, "/workflow_run/head_sha"),
        ..of(Kind::Pipeline)
    })
}
