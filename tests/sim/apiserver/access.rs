//! Who calls, and what they may do: tokens, client certificates, and rules like RBAC's.

use std::collections::HashMap;
use std::sync::Mutex;

use http::{HeaderMap, header};

use super::lock;

/// Somebody the APIServer knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The name, as in RBAC.
    pub name: String,
}

impl User {
    /// A user of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    pub(super) fn anonymous() -> Self {
        Self::named("system:anonymous")
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }
}

/// Lets a user do one verb on `services/proxy` of one namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The user's name.
    pub user: String,
    /// The verb: `create` for POST, `get` for GET and HEAD.
    pub verb: String,
    /// The namespace.
    pub namespace: String,
    /// The names, spelled as in request paths (`https:tiller-deploy:tiller`); empty for all.
    pub resource_names: Vec<String>,
}

impl Rule {
    /// Lets the user send POST requests to one service port of `kube-system`, spelled as in request paths.
    pub fn create(user: &str, resource_name: &str) -> Self {
        Self {
            user: user.to_owned(),
            verb: "create".to_owned(),
            namespace: "kube-system".to_owned(),
            resource_names: vec![resource_name.to_owned()],
        }
    }
}

/// What somebody wants to do, as RBAC sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a> {
    pub(super) verb: &'a str,
    pub(super) resource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

#[derive(Debug)]
pub(super) struct Access {
    tokens: Mutex<HashMap<String, User>>,
    certificates: Mutex<HashMap<Vec<u8>, User>>,
    rules: Mutex<Vec<Rule>>,
}

impl Access {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self {
            tokens: Mutex::default(),
            certificates: Mutex::default(),
            rules: Mutex::new(rules),
        }
    }

    pub(super) fn add_token(&self, token: &str, user: User) {
        lock(&self.tokens).insert(token.to_owned(), user);
    }

    pub(super) fn revoke_token(&self, token: &str) {
        lock(&self.tokens).remove(token);
    }

    pub(super) fn add_certificate(&self, certificate: &[u8], user: User) {
        lock(&self.certificates).insert(certificate.to_owned(), user);
    }

    pub(super) fn set_rules(&self, rules: Vec<Rule>) {
        *lock(&self.rules) = rules;
    }

    /// Who sends these headers over a connection with that client certificate. `None` if a token is sent that is not
    /// taken; without any credentials it is `system:anonymous`.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&[u8]>,
    ) -> Option<User> {
        let by_certificate = certificate.and_then(|der| lock(&self.certificates).get(der).cloned());
        if by_certificate.is_some() {
            return by_certificate;
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Some(User::anonymous());
        };
        match value.to_str().ok()?.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                lock(&self.tokens).get(token.trim()).cloned()
            }
            // Basic authentication and the like are nobody's since 1.19.
            _ => Some(User::anonymous()),
        }
    }

    pub(super) fn allows(&self, user: &User, wanted: &Attributes<'_>) -> bool {
        wanted.resource == "services/proxy"
            && lock(&self.rules).iter().any(|rule| {
                let named = rule.resource_names.is_empty()
                    || rule.resource_names.iter().any(|name| name == wanted.name);
                rule.user == user.name
                    && rule.verb == wanted.verb
                    && rule.namespace == wanted.namespace
                    && named
            })
    }
}
