//! The objects of the cluster behind Tiller, with the APIServer's texts where it refuses one.
//!
//! Validation is what the scenario runs into: unknown kinds, bad names, names taken, data that is not
//! text. An object that passes here may still be wrong for a real APIServer.

use std::{collections::BTreeMap, time::SystemTime};

use serde_json::Value;

use super::{manifest, name::object_name_error, yaml};

/// A kind of object the APIServer knows.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) name: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespaced: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    name: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Kind {
    Kind {
        group,
        version,
        name,
        plural,
        namespaced,
    }
}

pub(crate) static KINDS: [Kind; 17] = [
    kind("", "v1", "ConfigMap", "configmaps", true),
    kind("", "v1", "Namespace", "namespaces", false),
    kind(
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    ),
    kind("", "v1", "Pod", "pods", true),
    kind("", "v1", "Secret", "secrets", true),
    kind("", "v1", "Service", "services", true),
    kind("", "v1", "ServiceAccount", "serviceaccounts", true),
    kind("apps", "v1", "DaemonSet", "daemonsets", true),
    kind("apps", "v1", "Deployment", "deployments", true),
    kind("apps", "v1", "StatefulSet", "statefulsets", true),
    kind("batch", "v1", "CronJob", "cronjobs", true),
    kind("batch", "v1", "Job", "jobs", true),
    kind("networking.k8s.io", "v1", "Ingress", "ingresses", true),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    kind("rbac.authorization.k8s.io", "v1", "Role", "roles", true),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
];

impl Kind {
    /// As `apiVersion` has it.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As in errors: `configmaps`, `deployments.apps`.
    fn resource(&self) -> String {
        qualified(self.plural, self.group)
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) kind: &'static Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) key: Key,
    pub(super) body: Value,
}

impl Object {
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.body
            .get("metadata")?
            .get("annotations")?
            .get(name)?
            .as_str()
    }

    /// Whether someone waiting for it need not wait, without controllers or with them.
    pub(super) fn is_ready(&self, controllers: bool) -> bool {
        match self.key.kind.name {
            "DaemonSet" | "Deployment" | "PersistentVolumeClaim" | "Pod" | "StatefulSet" => {
                controllers
            }
            "Service" => {
                controllers || self.body.pointer("/spec/type") != Some(&"LoadBalancer".into())
            }
            _ => true,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) body: Value,
    pub(super) created: SystemTime,
    /// Tells services' addresses apart.
    pub(super) number: usize,
}

#[derive(Debug, Default)]
pub(super) struct Objects {
    objects: BTreeMap<Key, Stored>,
    created: usize,
}

impl Objects {
    /// Reads a manifest as Tiller's Kubernetes client does; nothing is sent.
    pub(super) fn build(namespace: &str, manifest: &str) -> Result<Vec<Object>, String> {
        let mut objects = Vec::new();
        let mut errors = Vec::new();
        for document in manifest::split(manifest) {
            match build(namespace, document) {
                Ok(object) => objects.extend(object),
                Err(error) => errors.push(error),
            }
        }
        match &mut errors[..] {
            [] => Ok(objects),
            [error] => Err(std::mem::take(error)),
            errors => Err(format!("[{}]", errors.join(", "))),
        }
    }

    pub(super) fn create(&mut self, object: &Object) -> Result<(), String> {
        validate(object)?;
        let Key { kind, name, .. } = &object.key;
        if self.objects.contains_key(&object.key) {
            return Err(format!("{} {name:?} already exists", kind.resource()));
        }
        self.store(object);
        Ok(())
    }

    pub(super) fn update(&mut self, object: &Object) -> Result<(), String> {
        validate(object)?;
        if let Some(stored) = self.objects.get_mut(&object.key) {
            stored.body = object.body.clone();
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Stored> {
        self.objects.get(key)
    }

    pub(super) fn delete(&mut self, key: &Key) -> bool {
        self.objects.remove(key).is_some()
    }

    /// Makes the namespace if need be.
    pub(super) fn ensure_namespace(&mut self, name: &str) -> Result<(), String> {
        const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
            characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
            or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        if name.is_empty() {
            return Err("resource name may not be empty".to_owned());
        }
        if name.contains('.') || object_name_error(name).is_some() {
            return Err(format!(
                "Namespace {name:?} is invalid: metadata.name: Invalid value: {name:?}: {LABEL}"
            ));
        }
        let object = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: \"{name}\"}}\n");
        if !self.has("Namespace", "", name) {
            self.insert("", &object);
        }
        Ok(())
    }

    /// Stores a manifest's objects without any rule.
    pub(super) fn insert(&mut self, namespace: &str, manifest: &str) {
        for object in Self::build(namespace, manifest).into_iter().flatten() {
            self.store(&object);
        }
    }

    pub(super) fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        key(kind, namespace, name).is_some_and(|key| self.objects.contains_key(&key))
    }

    pub(super) fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> bool {
        key(kind, namespace, name).is_some_and(|key| self.delete(&key))
    }

    fn store(&mut self, object: &Object) {
        self.created += 1;
        let stored = Stored {
            body: object.body.clone(),
            created: SystemTime::now(),
            number: self.created,
        };
        self.objects.insert(object.key.clone(), stored);
    }
}

fn key(kind: &str, namespace: &str, name: &str) -> Option<Key> {
    let kind = KINDS.iter().find(|known| known.name == kind)?;
    let namespace = if kind.namespaced { namespace } else { "" };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Some(Key {
        kind,
        namespace,
        name,
    })
}

/// None for a document without content.
fn build(namespace: &str, document: &str) -> Result<Option<Object>, String> {
    let body = yaml::parse(document).map_err(|error| format!("error parsing : {error}"))?;
    if body.is_null() {
        return Ok(None);
    }
    let text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    if kind.is_empty() {
        return Err(format!(
            "unable to decode \"\": Object 'Kind' is missing in '{body}'"
        ));
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let known =
        |known: &&Kind| known.name == kind && known.group == group && known.version == version;
    let kind = KINDS.iter().find(known).ok_or_else(|| {
        format!("unable to recognize \"\": no matches for kind {kind:?} in version {api_version:?}")
    })?;
    let namespace = match text("/metadata/namespace") {
        _ if !kind.namespaced => "",
        "" => namespace,
        own => own,
    };
    let (namespace, name) = (namespace.to_owned(), text("/metadata/name").to_owned());
    Ok(Some(Object {
        key: Key {
            kind,
            namespace,
            name,
        },
        body,
    }))
}

fn validate(object: &Object) -> Result<(), String> {
    let Key { kind, name, .. } = &object.key;
    let qualified = qualified(kind.name, kind.group);
    if name.is_empty() {
        return Err(format!(
            "{qualified} \"\" is invalid: metadata.name: Required value: name or generateName is required"
        ));
    }
    if let Some(reason) = object_name_error(name) {
        return Err(format!(
            "{qualified} {name:?} is invalid: metadata.name: Invalid value: {name:?}: {reason}"
        ));
    }
    if kind.name == "ConfigMap" {
        let data = object.body.get("data").and_then(Value::as_object);
        let found = data
            .into_iter()
            .flatten()
            .find_map(|(_, value)| match value {
                Value::Number(_) => Some("number"),
                Value::Bool(_) => Some("bool"),
                Value::Array(_) => Some("array"),
                Value::Object(_) => Some("object"),
                Value::Null | Value::String(_) => None,
            });
        if let Some(found) = found {
            return Err(format!(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal \
                 {found} into Go struct field ConfigMap.data of type string"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";

    fn one(manifest: &str) -> Object {
        Objects::build("default", manifest)
            .expect("valid")
            .pop()
            .expect("one object")
    }

    #[test]
    fn what_is_no_known_object_is_told_apart() {
        for (manifest, error) in [
            (
                "apiVersion: v1\nmetadata: {name: x}\n",
                r#"unable to decode "": Object 'Kind' is missing in '{"apiVersion":"v1","metadata":{"name":"x"}}'"#,
            ),
            (
                "apiVersion: v1\nkind: Nope\n",
                r#"unable to recognize "": no matches for kind "Nope" in version "v1""#,
            ),
            (
                "apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\n",
                r#"[unable to recognize "": no matches for kind "A" in version "v1", unable to recognize "": no matches for kind "B" in version "v1"]"#,
            ),
        ] {
            let built = Objects::build("default", manifest).map(drop);
            assert_eq!(built, Err(error.to_owned()));
        }
    }

    #[test]
    fn a_name_is_taken_once_in_a_namespace() {
        let mut objects = Objects::default();
        let object = one(CONFIG_MAP);
        objects.create(&object).expect("free");
        let again = objects.create(&object);
        assert_eq!(again, Err(r#"configmaps "web" already exists"#.to_owned()));
        let elsewhere = Objects::build("shop", CONFIG_MAP).expect("valid");
        objects.create(&elsewhere[0]).expect("another namespace");
        assert!(objects.remove("ConfigMap", "shop", "web"));
        assert!(objects.has("ConfigMap", "default", "web"));
    }

    #[test]
    fn bad_names_are_refused_in_kubernetes_words() {
        let mut objects = Objects::default();
        let bad = one("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: Bad_Name}\n");
        let error = objects.create(&bad).expect_err("bad name");
        assert!(
            error.starts_with(
                r#"Deployment.apps "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase"#
            ),
            "{error}"
        );
    }
}
