//! The objects of a manifest, as Tiller's Kubernetes client finds them in its text.
//!
//! Whoever wants an object past the check writes a text that is one thing here and another there, so the rules are that
//! client's (kubectl's of Kubernetes 1.16), and what they leave in doubt is refused:
//!
//! * A text that begins with `{` is a row of JSON objects. Any other is cut at lines of `---` and nothing else, and of
//!   each piece the first YAML document counts.
//! * An object with `items` is a list whatever its kind, and each item is made; an item without kind and version has
//!   the list's.
//! * Go finds `kind` in `Kind` as well, so keys that differ in case only are not read at all.

use charts::yaml::{self, Limits, YamlError};
use serde_json::{Deserializer, Map, Value};

/// How many objects a release may have, hooks included.
pub(super) const MOST_OBJECTS: usize = 1000;

/// How many YAML nodes all documents of a release may have together.
const MOST_NODES: usize = 1_000_000;

/// How deep lists may hold lists.
const DEEPEST: usize = 8;

/// The keys that say what an object is.
const TELLING: [&str; 4] = ["apiVersion", "items", "kind", "metadata"];

/// What an object is, and what of it Kubernetes would check when its user makes it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Object {
    pub(super) api_version: String,
    pub(super) kind: String,
    /// As written; empty if it is not.
    pub(super) namespace: String,
    /// Empty if the APIServer is to make one up.
    pub(super) name: String,
    /// The role that a binding binds.
    pub(super) role: Option<Role>,
    /// The kind that a CustomResourceDefinition defines.
    pub(super) defines: Option<Definition>,
}

/// A role as a binding names it; what is not written is empty.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Role {
    pub(super) kind: String,
    pub(super) name: String,
}

/// A kind of a CustomResourceDefinition.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Definition {
    pub(super) group: String,
    pub(super) versions: Vec<String>,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

impl Object {
    /// The API group; empty for the core.
    pub(super) fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

/// Reads the texts of a release, one after the other, up to limits for all of them.
#[derive(Debug)]
pub(super) struct Reader {
    nodes: usize,
    objects: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            nodes: MOST_NODES,
            objects: MOST_OBJECTS,
        }
    }

    /// The objects of one text.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<Vec<Object>, DocumentError> {
        let text = std::str::from_utf8(text).map_err(|_| DocumentError::NotUtf8)?;
        let mut found = Vec::new();
        if text.trim_start().starts_with('{') {
            for value in Deserializer::from_str(text).into_iter() {
                self.take(value.map_err(DocumentError::Json)?, &mut found)?;
            }
        } else {
            for piece in pieces(text) {
                self.take(self.parse(&piece)?, &mut found)?;
            }
        }
        Ok(found)
    }

    fn parse(&self, text: &str) -> Result<Value, DocumentError> {
        let limits = Limits {
            nodes: self.nodes.min(Limits::default().nodes),
            ..Limits::default()
        };
        Ok(yaml::parse(text, &limits)?)
    }

    fn take(&mut self, value: Value, found: &mut Vec<Object>) -> Result<(), DocumentError> {
        self.nodes = self
            .nodes
            .checked_sub(count(&value))
            .ok_or(DocumentError::TooMuch)?;
        if value.is_null() {
            return Ok(());
        }
        self.object(&value, None, DEEPEST, found)
    }

    /// Adds the object that `value` is, or those of the list that it is; `list` is the list that holds it.
    fn object(
        &mut self,
        value: &Value,
        list: Option<&Object>,
        depth: usize,
        found: &mut Vec<Object>,
    ) -> Result<(), DocumentError> {
        let map = value.as_object().ok_or(DocumentError::NotAnObject)?;
        if let Some(key) = map.keys().find(|key| is_doubtful(key)) {
            return Err(DocumentError::Key(key.clone()));
        }
        let object = Object::read(map, list)?;
        let Some(items) = map.get("items") else {
            return self.add(object, found);
        };
        // Not a list by its name: should some client take it for what it says it is, it is checked as that too.
        if !object.kind.ends_with("List") {
            self.add(object.clone(), found)?;
        }
        let depth = depth.checked_sub(1).ok_or(DocumentError::TooMuch)?;
        match items {
            Value::Null => Ok(()),
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.object(item, Some(&object), depth, found)),
            _ => Err(DocumentError::Field("items")),
        }
    }

    fn add(&mut self, object: Object, found: &mut Vec<Object>) -> Result<(), DocumentError> {
        self.objects = self.objects.checked_sub(1).ok_or(DocumentError::TooMuch)?;
        found.push(object);
        Ok(())
    }
}

impl Object {
    fn read(map: &Map<String, Value>, list: Option<&Self>) -> Result<Self, DocumentError> {
        let mut api_version = text(map, "apiVersion")?;
        let mut kind = text(map, "kind")?;
        if let (true, true, Some(list)) = (api_version.is_empty(), kind.is_empty(), list) {
            api_version.clone_from(&list.api_version);
            list.kind
                .strip_suffix("List")
                .unwrap_or(&list.kind)
                .clone_into(&mut kind);
        }
        for (name, value) in [("apiVersion", &api_version), ("kind", &kind)] {
            if value.is_empty() {
                return Err(DocumentError::Field(name));
            }
        }
        let none = Map::new();
        let metadata = match map.get("metadata") {
            None | Some(Value::Null) => &none,
            Some(value) => value.as_object().ok_or(DocumentError::Field("metadata"))?,
        };
        let mut object = Self {
            namespace: text(metadata, "namespace")?,
            name: text(metadata, "name")?,
            api_version,
            kind,
            role: None,
            defines: None,
        };
        match (object.group(), object.kind.as_str()) {
            ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => {
                object.role = Some(role(map));
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                object.defines = definition(map);
            }
            _ => (),
        }
        Ok(object)
    }
}

/// The pieces of a stream, as Kubernetes' `YAMLReader` cuts it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for line in text.lines() {
        let is_end = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim_end().is_empty());
        if is_end && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            continue;
        }
        piece.push_str(line);
        piece.push('\n');
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Whether Go could take a key for one of those that tell, without its being that. Go folds the long s and the Kelvin
/// sign as well.
fn is_doubtful(key: &str) -> bool {
    let folded = key.replace('\u{17f}', "s").replace('\u{212a}', "k");
    TELLING
        .iter()
        .any(|telling| *telling != key && telling.eq_ignore_ascii_case(&folded))
}

/// A field that is text; empty if it is missing or null.
fn text(map: &Map<String, Value>, name: &'static str) -> Result<String, DocumentError> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(DocumentError::Field(name)),
    }
}

fn role(binding: &Map<String, Value>) -> Role {
    let written = |name: &str| {
        let role = binding.get("roleRef")?;
        Some(role.get(name)?.as_str()?.to_owned())
    };
    Role {
        kind: written("kind").unwrap_or_default(),
        name: written("name").unwrap_or_default(),
    }
}

/// The kind that a definition defines; none if it is not clear which.
fn definition(map: &Map<String, Value>) -> Option<Definition> {
    let spec = map.get("spec")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = spec.get("versions").and_then(Value::as_array);
    let versions = listed
        .into_iter()
        .flatten()
        .filter_map(|version| version.get("name"))
        .chain(spec.get("version"))
        .filter_map(text)
        .collect();
    let names = spec.get("names")?;
    Some(Definition {
        group: text(spec.get("group")?)?,
        versions,
        kind: text(names.get("kind")?)?,
        plural: text(names.get("plural")?)?,
        // Kubernetes' own default, in the version of the API that has one.
        namespaced: spec.get("scope").is_none_or(|scope| scope != "Cluster"),
    })
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(|value| 1 + count(value)).sum::<usize>(),
        _ => 1,
    }
}

/// Why a text's objects are not known.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A field that says what the object is, is missing or is not what it must be.
    #[error("`{0}` is missing, or is not what it must be")]
    Field(&'static str),
    /// It begins as JSON and does not go on as JSON.
    #[error("it begins with `{{` and is not JSON")]
    Json(#[source] serde_json::Error),
    /// A key that some readers take for another one.
    #[error("the key `{0}` differs from one that Kubernetes knows in case only")]
    Key(String),
    /// It is not an object.
    #[error("it is not an object")]
    NotAnObject,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// There are more objects, or larger ones, than are checked.
    #[error("it has more than {MOST_OBJECTS} objects, or too much in them")]
    TooMuch,
    /// It is not YAML that Tiller could read, or too much of it.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

#[cfg(test)]
mod tests;
