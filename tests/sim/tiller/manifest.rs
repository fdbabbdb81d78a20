//! From rendered files to manifests and hooks.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::Value;
use tiller_api::hapi::release::{
    Hook,
    hook::{DeletePolicy, Event},
};

use super::{order, yaml};

/// Seconds to wait for a hook to go where nothing else is said.
const HOOK_DELETE_TIMEOUT: i64 = 60;

static SEPARATOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|\s*\n)---\s*").expect("a constant"));

/// One document of a file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) content: String,
    pub(super) head: Head,
}

impl Document {
    fn key(&self) -> ((usize, &str), &str) {
        (order::install(&self.head.kind), &self.path)
    }
}

/// What Tiller itself reads of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Head {
    fn parse(content: &str) -> Result<Self, String> {
        let value = yaml::parse(content)?;
        if let Some(error) = yaml::mismatch(&value, "releaseutil.SimpleHead") {
            return Err(error);
        }
        let text = |pointer: &str| {
            let value = value.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let annotations = value
            .pointer("/metadata/annotations")
            .and_then(Value::as_object);
        let annotations = annotations.into_iter().flatten().map(|(key, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (key.clone(), value)
        });
        Ok(Self {
            kind: text("/kind"),
            name: text("/metadata/name"),
            annotations: annotations.collect(),
        })
    }

    /// Whether the object survives its release.
    pub(super) fn is_kept(&self) -> bool {
        let policy = self.annotations.get("helm.sh/resource-policy");
        policy.is_some_and(|policy| policy.trim().to_lowercase() != "delete")
    }

    fn list<'a>(&'a self, annotation: &str) -> impl Iterator<Item = String> + use<'a> {
        let values = self
            .annotations
            .get(annotation)
            .map(|values| values.split(','));
        values
            .into_iter()
            .flatten()
            .map(|value| value.trim().to_lowercase())
    }
}

/// Splits files into documents: hooks, and the rest in install order.
pub(super) fn sort(files: &BTreeMap<String, String>) -> Result<(Vec<Hook>, Vec<Document>), String> {
    let mut hooks = Vec::new();
    let mut documents = Vec::new();
    for (path, content) in files {
        let is_partial = path
            .rsplit('/')
            .next()
            .is_some_and(|base| base.starts_with('_'));
        if is_partial || content.trim().is_empty() {
            continue;
        }
        for content in split(content) {
            let head = Head::parse(content)
                .map_err(|error| format!("YAML parse error on {path}: {error}"))?;
            if head.annotations.contains_key("helm.sh/hook") {
                hooks.extend(hook(path, content, &head));
            } else {
                let (path, content) = (path.clone(), content.to_owned());
                documents.push(Document {
                    path,
                    content,
                    head,
                });
            }
        }
    }
    documents.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok((hooks, documents))
}

/// The documents of a stream, trimmed, without the empty ones.
pub(super) fn split(content: &str) -> impl Iterator<Item = &str> {
    let documents = SEPARATOR.split(content.trim());
    documents
        .filter(|document| !document.is_empty())
        .map(str::trim)
}

/// None if it names an event Tiller does not know: it is then in no release at all.
fn hook(path: &str, content: &str, head: &Head) -> Option<Hook> {
    let events: Vec<_> = head
        .list("helm.sh/hook")
        .map(|name| event(&name))
        .collect::<Option<_>>()?;
    let policies: Vec<_> = head
        .list("helm.sh/hook-delete-policy")
        .filter_map(|name| policy(&name))
        .collect();
    let delete_timeout = if policies.is_empty() {
        0
    } else {
        let given = head.annotations.get("helm.sh/hook-delete-timeout");
        given.map_or(HOOK_DELETE_TIMEOUT, |given| {
            given.parse().unwrap_or_default()
        })
    };
    let weight = head.annotations.get("helm.sh/hook-weight");
    Some(Hook {
        name: head.name.clone(),
        kind: head.kind.clone(),
        path: path.to_owned(),
        manifest: content.to_owned(),
        events: events.into_iter().map(i32::from).collect(),
        last_run: None,
        weight: weight
            .and_then(|weight| weight.parse().ok())
            .unwrap_or_default(),
        delete_policies: policies.into_iter().map(i32::from).collect(),
        delete_timeout,
    })
}

fn event(name: &str) -> Option<Event> {
    Some(match name {
        "pre-install" => Event::PreInstall,
        "post-install" => Event::PostInstall,
        "pre-delete" => Event::PreDelete,
        "post-delete" => Event::PostDelete,
        "pre-upgrade" => Event::PreUpgrade,
        "post-upgrade" => Event::PostUpgrade,
        "pre-rollback" => Event::PreRollback,
        "post-rollback" => Event::PostRollback,
        "test-success" => Event::ReleaseTestSuccess,
        "test-failure" => Event::ReleaseTestFailure,
        "crd-install" => Event::CrdInstall,
        _ => return None,
    })
}

fn policy(name: &str) -> Option<DeletePolicy> {
    Some(match name {
        "hook-succeeded" => DeletePolicy::Succeeded,
        "hook-failed" => DeletePolicy::Failed,
        "before-hook-creation" => DeletePolicy::BeforeHookCreation,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(content: &str) -> Result<(Vec<Hook>, Vec<Document>), String> {
        sort(&BTreeMap::from([(
            "web/templates/x.yaml".to_owned(),
            content.to_owned(),
        )]))
    }

    #[test]
    fn documents_come_in_install_order() {
        let content = "kind: Service\n---\nkind: Secret\n---\n\n---\nkind: ConfigMap\n";
        let (hooks, documents) = sorted(content).expect("valid");
        let kinds: Vec<_> = documents
            .iter()
            .map(|document| &document.head.kind[..])
            .collect();
        assert_eq!(kinds, ["Secret", "ConfigMap", "Service"]);
        assert!(hooks.is_empty());
    }

    #[test]
    fn hooks_are_told_by_their_annotation() {
        let content = "kind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    helm.sh/hook: \
                       Pre-Install, post-upgrade\n    helm.sh/hook-weight: \"-5\"\n    \
                       helm.sh/hook-delete-policy: before-hook-creation,nonsense\n";
        let (hooks, documents) = sorted(content).expect("valid");
        assert!(documents.is_empty());
        let [hook] = &hooks[..] else {
            panic!("{hooks:?}")
        };
        assert_eq!(
            hook.events,
            [Event::PreInstall as i32, Event::PostUpgrade as i32]
        );
        assert_eq!((hook.weight, hook.delete_timeout), (-5, 60));
        assert_eq!(
            hook.delete_policies,
            [DeletePolicy::BeforeHookCreation as i32]
        );
    }

    #[test]
    fn an_unknown_hook_drops_its_document() {
        let content =
            "kind: ConfigMap\nmetadata: {annotations: {helm.sh/hook: \"pre-install,x\"}}\n";
        let (hooks, documents) = sorted(content).expect("valid");
        assert!(hooks.is_empty() && documents.is_empty());
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let error = sorted("just text").expect_err("no object");
        assert_eq!(
            error,
            "YAML parse error on web/templates/x.yaml: error unmarshaling JSON: while decoding JSON: \
             json: cannot unmarshal string into Go value of type releaseutil.SimpleHead"
        );
    }
}
