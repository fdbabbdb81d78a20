//! What a caller must be allowed to do so that Tiller may do it for it.
//!
//! An object that is installed is created; one that is upgraded is created or patched, whichever Tiller finds, and
//! `--force` deletes it first; one that the new revision no longer has is deleted. A hook is created, and deleted where
//! its policy says so. Kubernetes would look at more than the verb where a role is made or bound, to keep users from
//! giving themselves more than they have; before Tiller, who has everything, it sees no reason to.

use std::collections::{BTreeSet, HashSet};

use super::documents::Object;
use crate::clusters::Attributes;

const RBAC: &str = "rbac.authorization.k8s.io";

/// What becomes of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is made; nothing of that name was there.
    Created,
    /// It is deleted.
    Deleted,
    /// It is a hook: made, and deleted before or afterwards if `deleted`.
    Hook { deleted: bool },
    /// It is made or changed, and deleted and made anew if that fails and `forced`.
    Updated { forced: bool },
}

impl Fate {
    const fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Created | Self::Hook { deleted: false } => &["create"],
            Self::Deleted => &["delete"],
            Self::Hook { deleted: true } => &["create", "delete"],
            Self::Updated { forced: false } => &["create", "patch"],
            Self::Updated { forced: true } => &["create", "patch", "delete"],
        }
    }

    const fn makes(self) -> bool {
        !matches!(self, Self::Deleted)
    }
}

/// An object, where it goes, and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) object: Object,
    /// The resource's name; its kind is the object's.
    pub(super) resource: String,
    /// Empty for what is in no namespace.
    pub(super) namespace: String,
    pub(super) fate: Fate,
}

/// Something to be allowed, and for which object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Need {
    pub(super) attributes: Attributes,
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// What all of `planned` needs, each thing once.
pub(super) fn needs(planned: &[Planned]) -> BTreeSet<Need> {
    planned.iter().flat_map(of_one).collect()
}

/// What deleting the pods behind the objects needs, which `--recreate-pods` does.
pub(super) fn of_recreation(planned: &[Planned]) -> BTreeSet<Need> {
    let namespaces: HashSet<&str> = planned
        .iter()
        .map(|planned| planned.namespace.as_str())
        .filter(|namespace| !namespace.is_empty())
        .collect();
    namespaces
        .into_iter()
        .map(|namespace| Need {
            attributes: Attributes {
                namespace: namespace.to_owned(),
                verb: "delete".to_owned(),
                version: "v1".to_owned(),
                resource: "pods".to_owned(),
                ..Attributes::default()
            },
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
        })
        .collect()
}

fn of_one(planned: &Planned) -> Vec<Need> {
    let Planned {
        object,
        resource,
        namespace,
        fate,
    } = planned;
    let version = match object.api_version.split_once('/') {
        Some((_, version)) => version,
        None => &object.api_version,
    };
    let attributes = |verb: &str| Attributes {
        namespace: namespace.clone(),
        verb: verb.to_owned(),
        group: object.group().to_owned(),
        version: version.to_owned(),
        resource: resource.clone(),
        name: object.name.clone(),
        ..Attributes::default()
    };
    let mut wanted: Vec<Attributes> = fate.verbs().iter().copied().map(attributes).collect();
    if fate.makes() && object.group() == RBAC {
        match object.kind.as_str() {
            "ClusterRole" | "Role" => wanted.push(attributes("escalate")),
            "ClusterRoleBinding" | "RoleBinding" => {
                let role = object.role.clone().unwrap_or_default();
                let bound = match role.kind.as_str() {
                    "Role" => "roles",
                    _ => "clusterroles",
                };
                wanted.push(Attributes {
                    resource: bound.to_owned(),
                    name: role.name,
                    ..attributes("bind")
                });
            }
            _ => (),
        }
    }
    wanted
        .into_iter()
        .map(|attributes| Need {
            attributes,
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::documents::Role;
    use super::*;

    fn planned(kind: &str, resource: &str, fate: Fate) -> Planned {
        Planned {
            object: Object {
                api_version: format!("{RBAC}/v1"),
                kind: kind.to_owned(),
                name: "a".to_owned(),
                ..Object::default()
            },
            resource: resource.to_owned(),
            namespace: "team".to_owned(),
            fate,
        }
    }

    /// Verb, resource and name of each need.
    fn needed(planned: &Planned) -> Vec<String> {
        needs(std::slice::from_ref(planned))
            .into_iter()
            .map(|need| {
                let Attributes {
                    verb,
                    resource,
                    name,
                    ..
                } = need.attributes;
                format!("{verb} {resource}/{name}")
            })
            .collect()
    }

    #[test]
    fn each_fate_needs_its_verbs() {
        for (fate, verbs) in [
            (Fate::Created, "create"),
            (Fate::Deleted, "delete"),
            (Fate::Hook { deleted: false }, "create"),
            (Fate::Hook { deleted: true }, "create delete"),
            (Fate::Updated { forced: false }, "create patch"),
            (Fate::Updated { forced: true }, "create delete patch"),
        ] {
            let found: Vec<_> = needs(&[planned("Thing", "things", fate)])
                .into_iter()
                .map(|need| need.attributes.verb)
                .collect();
            assert_eq!(found.join(" "), verbs, "{fate:?}");
        }
    }

    #[test]
    fn a_role_must_not_be_more_than_its_maker_has() {
        assert_eq!(
            needed(&planned("Role", "roles", Fate::Created)),
            ["create roles/a", "escalate roles/a"]
        );
        assert_eq!(
            needed(&planned("ClusterRole", "clusterroles", Fate::Deleted)),
            ["delete clusterroles/a"]
        );
    }

    #[test]
    fn a_binding_needs_the_right_to_bind_its_role() {
        let mut binding = planned("RoleBinding", "rolebindings", Fate::Created);
        binding.object.role = Some(Role {
            kind: "Role".to_owned(),
            name: "reader".to_owned(),
        });
        assert_eq!(
            needed(&binding),
            ["bind roles/reader", "create rolebindings/a"]
        );
        // A binding whose role is not clear needs the right to bind them all.
        binding.object.role = None;
        assert_eq!(
            needed(&binding),
            ["bind clusterroles/", "create rolebindings/a"]
        );
    }

    #[test]
    fn recreating_pods_is_deleting_them() {
        let needs = of_recreation(&[
            planned("Role", "roles", Fate::Created),
            planned("Role", "roles", Fate::Created),
        ]);
        let need = needs.into_iter().next().unwrap();
        assert_eq!(need.attributes.verb, "delete");
        assert_eq!(need.attributes.resource, "pods");
        assert_eq!(need.attributes.namespace, "team");
    }
}
