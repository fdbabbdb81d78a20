//! Which resource a kind is, as the cluster itself says.
//!
//! RBAC knows resources (`deployments` of `apps`), manifests know kinds; only the cluster knows which is which, and
//! which kinds are in a namespace. What it said is kept for minutes, and asked for again when a kind is not in it: a
//! chart may come right after the CustomResourceDefinition that it needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::documents::{Definition, Object};
use crate::clusters::{ApiError, Behalf, Cluster};

/// How long what a cluster said is good for the kinds that are in it.
const FRESH: Duration = Duration::from_secs(600);

/// How long it is good for the kinds that are not.
const COMPLETE: Duration = Duration::from_secs(2);

/// How many groups and versions are kept, of all clusters together.
const KEPT: usize = 1024;

/// A resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) namespaced: bool,
}

/// What clusters said of their resources.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    known: Mutex<HashMap<(String, String), Arc<Kinds>>>,
}

/// The kinds of one group and version in one cluster.
#[derive(Debug)]
struct Kinds {
    resources: HashMap<String, Resource>,
    asked: Instant,
}

impl Kinds {
    fn has(&self, kind: &str) -> bool {
        let holds = if self.resources.contains_key(kind) {
            FRESH
        } else {
            COMPLETE
        };
        self.asked.elapsed() < holds
    }
}

impl Discovery {
    /// The resource that `kind` of `api_version` is in `cluster`; none if it has none.
    pub(super) async fn resource(
        &self,
        cluster: &Cluster,
        behalf: &Behalf<'_>,
        api_version: &str,
        kind: &str,
        deadline: Instant,
    ) -> Result<Option<Resource>, ApiError> {
        let Some(path) = path(api_version) else {
            return Ok(None);
        };
        let key = (cluster.name().to_owned(), api_version.to_owned());
        let known = self.lock().get(&key).cloned();
        let kinds = match known.filter(|kinds| kinds.has(kind)) {
            Some(kinds) => kinds,
            None => {
                let kinds = Arc::new(ask(cluster, behalf, path, deadline).await?);
                let mut known = self.lock();
                if known.len() >= KEPT {
                    known.clear();
                }
                known.insert(key, Arc::clone(&kinds));
                kinds
            }
        };
        Ok(kinds.resources.get(kind).cloned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Arc<Kinds>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resource that `object` is by what its own chart defines.
pub(super) fn defined(definitions: &[Definition], object: &Object) -> Option<Resource> {
    let (group, version) = object.api_version.split_once('/')?;
    definitions
        .iter()
        .find(|definition| {
            definition.group == group
                && definition.kind == object.kind
                && definition.versions.iter().any(|known| known == version)
        })
        .map(|definition| Resource {
            name: definition.plural.clone(),
            namespaced: definition.namespaced,
        })
}

async fn ask(
    cluster: &Cluster,
    behalf: &Behalf<'_>,
    path: String,
    deadline: Instant,
) -> Result<Kinds, ApiError> {
    #[derive(Default, Deserialize)]
    struct List {
        #[serde(default)]
        resources: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        namespaced: bool,
        kind: String,
    }

    let asked = Instant::now();
    let List { resources } = match cluster.get(behalf, path, deadline).await {
        Ok(list) => list,
        Err(error) if error.is_missing() => List::default(),
        Err(error) => return Err(error),
    };
    let resources = resources
        .into_iter()
        // `pods/log` is a part of one, which no manifest makes.
        .filter(|listed| !listed.name.contains('/'))
        .map(|listed| {
            let resource = Resource {
                name: listed.name,
                namespaced: listed.namespaced,
            };
            (listed.kind, resource)
        })
        .collect();
    Ok(Kinds { resources, asked })
}

/// Where the APIServer lists what it has of `api_version`; none if that is no group and version.
fn path(api_version: &str) -> Option<String> {
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    match api_version.split_once('/') {
        None => (api_version == "v1").then(|| "/api/v1".to_owned()),
        Some((group, version)) => {
            (is_name(group) && is_name(version)).then(|| format!("/apis/{group}/{version}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_group_and_version_is_not_asked_for() {
        assert_eq!(path("v1").as_deref(), Some("/api/v1"));
        assert_eq!(path("apps/v1").as_deref(), Some("/apis/apps/v1"));
        for api_version in [
            "", "v2", "/v1", "apps/", "a/b/c", "../v1", "apps/..", "a b/v1", "a%2f/v1", "a?/v1",
        ] {
            assert_eq!(path(api_version), None, "{api_version}");
        }
    }

    #[test]
    fn a_chart_may_use_the_kinds_it_defines() {
        let definition = Definition {
            group: "e.io".to_owned(),
            versions: vec!["v1".to_owned()],
            kind: "Backup".to_owned(),
            plural: "backups".to_owned(),
            namespaced: false,
        };
        let object = |api_version: &str, kind: &str| Object {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            ..Object::default()
        };
        let definitions = [definition];
        let found = defined(&definitions, &object("e.io/v1", "Backup")).unwrap();
        assert_eq!(found.name, "backups");
        for (api_version, kind) in [
            ("e.io/v2", "Backup"),
            ("f.io/v1", "Backup"),
            ("e.io/v1", "Restore"),
            ("v1", "Backup"),
        ] {
            assert_eq!(defined(&definitions, &object(api_version, kind)), None);
        }
    }
}
