//! Who calls, as whom, and what they may do: tokens, client certificates, impersonation, and rules like RBAC's.

use std::collections::HashMap;
use std::sync::Mutex;

use http::{HeaderMap, HeaderValue, header};

use super::status::Refusal;
use super::{Kubernetes, lock};

/// The groups that Kubernetes itself gives.
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

const ANONYMOUS: &str = "system:anonymous";

/// Somebody the APIServer knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The name, as in RBAC.
    pub name: String,
    /// The groups, but for those that Kubernetes adds.
    pub groups: Vec<String>,
}

impl User {
    /// A user of that name, in no group.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: Vec::new(),
        }
    }

    /// The service account of that namespace and name.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let account = Self::named(format!("system:serviceaccount:{namespace}:{name}"));
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        account.with_groups(["system:serviceaccounts", &of_namespace])
    }

    /// The same user in these groups.
    #[must_use]
    pub fn with_groups<'a>(mut self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        self.groups = groups.into_iter().map(str::to_owned).collect();
        self
    }

    pub(super) fn anonymous() -> Self {
        Self::named(ANONYMOUS).with_groups([UNAUTHENTICATED])
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// The user as it is once it has been let in.
    fn let_in(mut self) -> Self {
        self.groups.push(AUTHENTICATED.to_owned());
        self
    }

    /// The service account's namespace and name, if it is one.
    fn account(&self) -> Option<(&str, &str)> {
        self.name
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')
    }
}

/// Whom a rule is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Everybody in that group.
    Group(String),
    /// The user of that name.
    User(String),
}

/// Lets somebody do something, as a role and its binding do; `*` stands for any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Who.
    pub subject: Subject,
    /// The verbs: `create` for POST, `get` for GET and HEAD.
    pub verbs: Vec<String>,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, or `resource/subresource`.
    pub resource: String,
    /// The namespace; none for all of them and for what is in none.
    pub namespace: Option<String>,
    /// The names, spelled as in request paths (`https:tiller-deploy:tiller`); empty for all.
    pub resource_names: Vec<String>,
}

impl Rule {
    /// Lets the user send POST requests to one service port of `kube-system`, spelled as in request paths.
    pub fn create(user: &str, resource_name: &str) -> Self {
        Self::of(user, &["create"], "services/proxy")
            .in_namespace("kube-system")
            .only(resource_name)
    }

    /// Lets the user do that to a resource, `deployments.apps` for instance, wherever it is.
    pub fn of(user: &str, verbs: &[&str], resource: &str) -> Self {
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        Self {
            subject: Subject::User(user.to_owned()),
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: None,
            resource_names: Vec::new(),
        }
    }

    /// Lets everybody in a group do that.
    pub fn of_group(group: &str, verbs: &[&str], resource: &str) -> Self {
        Self {
            subject: Subject::Group(group.to_owned()),
            ..Self::of("", verbs, resource)
        }
    }

    /// The same in one namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The same for one name more.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.resource_names.push(name.to_owned());
        self
    }

    fn allows(&self, user: &User, wanted: &Attributes<'_>) -> bool {
        let is_theirs = match &self.subject {
            Subject::Group(group) => user.groups.contains(group),
            Subject::User(name) => *name == user.name,
        };
        let is = |rule: &String, wanted: &str| rule == "*" || rule == wanted;
        let in_place = self.namespace.as_deref();
        is_theirs
            && self.verbs.iter().any(|verb| is(verb, wanted.verb))
            && is(&self.group, wanted.group)
            && is(&self.resource, wanted.resource)
            && in_place.is_none_or(|namespace| namespace == wanted.namespace)
            && (self.resource_names.is_empty()
                || self.resource_names.iter().any(|name| name == wanted.name))
    }
}

/// What somebody wants to do, as RBAC sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes<'a> {
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    /// Empty for what is in none.
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
        if let Some(user) = by_certificate {
            return Some(user.let_in());
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Some(User::anonymous());
        };
        match value.to_str().ok()?.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.holder(token.trim())
            }
            // Basic authentication and the like are nobody's since 1.19.
            _ => Some(User::anonymous()),
        }
    }

    /// Whose that token is.
    pub(super) fn holder(&self, token: &str) -> Option<User> {
        lock(&self.tokens).get(token).cloned().map(User::let_in)
    }

    /// As whom `user` acts with these headers, `user` itself if as nobody.
    pub(super) fn impersonate(
        &self,
        user: User,
        headers: &HeaderMap,
        version: Kubernetes,
    ) -> Result<User, Refusal> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let groups: Vec<String> = headers
            .get_all("impersonate-group")
            .iter()
            .map(text)
            .collect();
        let name = headers.get("impersonate-user").map(text);
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return if groups.is_empty() {
                Ok(user)
            } else {
                Err(Refusal::bad_request(format!(
                    "requested {groups:?} without impersonating a user"
                )))
            };
        };
        let mut acted = User { name, groups };
        let (resource, namespace, name) = match acted.account() {
            Some((namespace, name)) => ("serviceaccounts", namespace, name),
            None => ("users", "", acted.name.as_str()),
        };
        self.check_impersonation(&user, resource, namespace, name)?;
        for group in &acted.groups {
            self.check_impersonation(&user, "groups", "", group)?;
        }
        // Before 1.20 those who name groups must name this one too.
        if version >= Kubernetes::V1_21 || acted.groups.is_empty() {
            let given = if acted.is_anonymous() {
                UNAUTHENTICATED
            } else {
                AUTHENTICATED
            };
            if !acted.groups.iter().any(|group| group == given) {
                acted.groups.push(given.to_owned());
            }
        }
        Ok(acted)
    }

    fn check_impersonation(
        &self,
        user: &User,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        let wanted = Attributes {
            verb: "impersonate",
            resource,
            namespace,
            name,
            ..Attributes::default()
        };
        if self.allows(user, &wanted) {
            Ok(())
        } else {
            Err(Refusal::forbidden(user, &wanted))
        }
    }

    pub(super) fn allows(&self, user: &User, wanted: &Attributes<'_>) -> bool {
        lock(&self.rules)
            .iter()
            .any(|rule| rule.allows(user, wanted))
    }
}
