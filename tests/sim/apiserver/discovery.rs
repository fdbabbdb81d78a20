//! What the APIServer has: the lists of resources of a group and version.

use http::Response;
use serde_json::{Value, json};

use super::status::{self, Body};
use crate::tiller::KINDS;

/// Whether `path` is where a group and version would list its resources.
pub(super) fn is_one(path: &str) -> bool {
    group_version(path).is_some()
}

/// The resources at `path`.
pub(super) fn answer(path: &str) -> Response<Body> {
    let wanted = group_version(path).unwrap_or_default();
    let resources: Vec<Value> = KINDS
        .iter()
        .filter(|kind| kind.api_version() == wanted)
        .flat_map(|kind| {
            let listed = |name: String| {
                json!({
                    "name": name,
                    "namespaced": kind.namespaced,
                    "kind": kind.name,
                    "verbs": ["create", "get"],
                })
            };
            [
                listed(kind.plural.to_owned()),
                listed(format!("{}/status", kind.plural)),
            ]
        })
        .collect();
    if resources.is_empty() {
        return status::not_found_page();
    }
    let list = json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": wanted,
        "resources": resources,
    });
    status::json(200, &list)
}

fn group_version(path: &str) -> Option<String> {
    match path.strip_prefix("/apis/") {
        Some(rest) => {
            let (group, version) = rest.split_once('/')?;
            (!version.contains('/')).then(|| format!("{group}/{version}"))
        }
        None => (path == "/api/v1").then(|| "v1".to_owned()),
    }
}
