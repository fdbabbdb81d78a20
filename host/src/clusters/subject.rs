//! A principal as an APIServer is told of it: in the headers of impersonation, and in reviews.
//!
//! A name that changes on its way names somebody else. HTTP trims blanks, cuts at line breaks, and an empty
//! `Impersonate-User` is none at all, so that the request would run as the edge; names with any of that are refused.
//! Others travel as they are, in UTF-8, which Kubernetes takes without any escaping.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::access::{Method, Principal};

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// The group of everybody that an APIServer knows.
const AUTHENTICATED: &str = "system:authenticated";

/// A principal's name and groups in a cluster.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Subject {
    pub(crate) user: String,
    /// With `system:authenticated`, or whatever else the APIServer would add.
    pub(crate) groups: Vec<String>,
}

impl Subject {
    /// `principal` in a cluster whose own users have `prefix` before their names at this edge.
    ///
    /// # Errors
    ///
    /// When the cluster has no name for it, or one that cannot be sent.
    pub(crate) fn new(principal: &Principal, prefix: &str) -> Result<Self, Unsendable> {
        let (user, mut groups) = match principal.method {
            Method::Local => return Err(Unsendable::Nobody),
            Method::Anonymous => (
                "system:anonymous".to_owned(),
                vec!["system:unauthenticated".to_owned()],
            ),
            Method::Kubernetes => {
                let bare = |name: &String| name.strip_prefix(prefix).unwrap_or(name).to_owned();
                (
                    bare(&principal.name),
                    principal.groups.iter().map(bare).collect(),
                )
            }
            Method::Certificate | Method::Hook | Method::Oidc | Method::Token => {
                (principal.name.clone(), principal.groups.clone())
            }
        };
        if principal.method != Method::Anonymous
            && !groups.iter().any(|group| group == AUTHENTICATED)
        {
            groups.push(AUTHENTICATED.to_owned());
        }
        let unsendable = groups.iter().chain([&user]).find(|name| !travels(name));
        match unsendable.cloned() {
            Some(name) => Err(Unsendable::Name(name)),
            None => Ok(Self { user, groups }),
        }
    }

    /// The headers with which whoever may impersonate acts as this subject.
    ///
    /// `system:authenticated` is among them although newer APIServers add it by themselves: those before 1.20 do not
    /// where there are other groups.
    pub(super) fn headers(&self) -> Result<HeaderMap, Unsendable> {
        let value = |name: &str| {
            HeaderValue::from_bytes(name.as_bytes()).map_err(|_| Unsendable::Name(name.to_owned()))
        };
        let mut headers = HeaderMap::new();
        headers.insert(USER, value(&self.user)?);
        for group in &self.groups {
            headers.append(GROUP, value(group)?);
        }
        Ok(headers)
    }
}

/// Whether a name arrives as it was sent.
fn travels(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.chars().any(char::is_control)
}

/// Why an APIServer cannot be told who a caller is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsendable {
    /// A name or group that no header can carry unchanged.
    #[error("{0:?} cannot be sent to a cluster as the name of a user or group")]
    Name(String),
    /// The local administrator is nobody in a cluster.
    #[error("this cluster is told who calls, and callers of this edge are not authenticated")]
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(method: Method, name: &str, groups: &[&str]) -> Principal {
        Principal {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            method,
        }
    }

    fn headers(principal: &Principal) -> Vec<(String, String)> {
        let headers = Subject::new(principal, "").unwrap().headers().unwrap();
        headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8(value.as_bytes().to_vec()).unwrap();
                (name.to_string(), value)
            })
            .collect()
    }

    #[test]
    fn a_principal_is_impersonated_with_its_groups_and_the_one_of_everybody() {
        let zoe = principal(Method::Oidc, "oidc:zoë", &["oidc:dev, ops"]);
        assert_eq!(
            headers(&zoe),
            [
                ("impersonate-user", "oidc:zoë"),
                ("impersonate-group", "oidc:dev, ops"),
                ("impersonate-group", "system:authenticated"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn anonymous_callers_are_kubernetes_own_anonymous() {
        let subject = Subject::new(&principal(Method::Anonymous, "anonymous", &[]), "").unwrap();
        assert_eq!(subject.user, "system:anonymous");
        assert_eq!(subject.groups, ["system:unauthenticated"]);
    }

    #[test]
    fn a_clusters_own_user_is_named_without_the_edges_prefix() {
        let account = principal(
            Method::Kubernetes,
            "k8s:system:serviceaccount:team:ci",
            &["k8s:system:authenticated", "k8s:system:serviceaccounts"],
        );
        let subject = Subject::new(&account, "k8s:").unwrap();
        assert_eq!(subject.user, "system:serviceaccount:team:ci");
        assert_eq!(
            subject.groups,
            ["system:authenticated", "system:serviceaccounts"]
        );
    }

    #[test]
    fn a_name_that_would_change_on_its_way_is_refused() {
        for name in [
            "",
            " ",
            "jane ",
            "\tjane",
            "jane\r\nimpersonate-group: system:masters",
            "ja\0ne",
            "jane\u{a0}",
            "ja\u{85}ne",
        ] {
            let as_user = principal(Method::Token, name, &[]);
            let as_group = principal(Method::Token, "jane", &["dev", name]);
            for principal in [as_user, as_group] {
                assert_eq!(
                    Subject::new(&principal, "").unwrap_err(),
                    Unsendable::Name(name.to_owned())
                );
            }
        }
    }

    #[test]
    fn the_local_administrator_is_nobody_in_a_cluster() {
        assert_eq!(
            Subject::new(&Principal::local(), "").unwrap_err(),
            Unsendable::Nobody
        );
    }
}
