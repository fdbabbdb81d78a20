//! Reviews: who is that, and may they?

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Kubernetes;
use super::access::{Access, Attributes, User};
use super::status::{self, Body, Refusal};

/// A review that the APIServer knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Review {
    /// May I?
    SelfSubjectAccess,
    /// Who am I?
    SelfSubject,
    /// May they?
    SubjectAccess,
    /// Whose is this token?
    Token,
}

impl Review {
    /// The review at `path`, if the APIServer has it.
    pub(super) fn at(path: &str, version: Kubernetes) -> Option<Self> {
        Some(match path {
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => Self::SelfSubjectAccess,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => Self::SubjectAccess,
            "/apis/authentication.k8s.io/v1/tokenreviews" => Self::Token,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews" if version >= Kubernetes::V1_35 => {
                Self::SelfSubject
            }
            _ => return None,
        })
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::SelfSubjectAccess => "SelfSubjectAccessReview",
            Self::SelfSubject => "SelfSubjectReview",
            Self::SubjectAccess => "SubjectAccessReview",
            Self::Token => "TokenReview",
        }
    }

    /// What RBAC wants of whoever asks; nothing more than to be known for what concerns themselves.
    const fn wants(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::SelfSubjectAccess | Self::SelfSubject => None,
            Self::SubjectAccess => Some(("authorization.k8s.io", "subjectaccessreviews")),
            Self::Token => Some(("authentication.k8s.io", "tokenreviews")),
        }
    }

    /// Answers it for `user`.
    pub(super) fn answer(self, access: &Access, user: &User, body: &[u8]) -> Response<Body> {
        if let Some((group, resource)) = self.wants() {
            let wanted = Attributes {
                verb: "create",
                group,
                resource,
                ..Attributes::default()
            };
            if !access.allows(user, &wanted) {
                return Refusal::forbidden(user, &wanted).response();
            }
        }
        let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
            return Refusal::bad_request("the body of the request is not JSON".to_owned())
                .response();
        };
        if !review["kind"].is_null() && review["kind"] != self.kind() {
            return Refusal::bad_request(format!(
                "the object provided is unrecognized: {}",
                review["kind"]
            ))
            .response();
        }
        let status = match self {
            Self::SelfSubject => json!({ "userInfo": info(user) }),
            Self::SelfSubjectAccess => allowed(access, user, &review["spec"]),
            Self::SubjectAccess => allowed(access, &subject(&review["spec"]), &review["spec"]),
            Self::Token => {
                let token = review["spec"]["token"].as_str().unwrap_or_default();
                match access.holder(token) {
                    Some(holder) => json!({ "authenticated": true, "user": info(&holder) }),
                    None => json!({ "user": {}, "error": "[invalid bearer token]" }),
                }
            }
        };
        review["kind"] = json!(self.kind());
        review["metadata"] = json!({ "creationTimestamp": null });
        review["status"] = status;
        status::json(StatusCode::CREATED.as_u16(), &review)
    }
}

fn info(user: &User) -> Value {
    json!({ "username": user.name, "groups": user.groups })
}

/// Whom a review is about: with the groups that it names and no others.
fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array();
    let groups = groups.into_iter().flatten().filter_map(Value::as_str);
    User::named(spec["user"].as_str().unwrap_or_default()).with_groups(groups)
}

fn allowed(access: &Access, user: &User, spec: &Value) -> Value {
    let asked = &spec["resourceAttributes"];
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    let resource = match text("subresource") {
        "" => text("resource").to_owned(),
        subresource => format!("{}/{subresource}", text("resource")),
    };
    let wanted = Attributes {
        verb: text("verb"),
        group: text("group"),
        resource: &resource,
        namespace: text("namespace"),
        name: text("name"),
    };
    json!({ "allowed": access.allows(user, &wanted) })
}
