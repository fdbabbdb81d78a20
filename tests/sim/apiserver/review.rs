//! `SelfSubjectAccessReview`: may I?

use http::Response;
use serde_json::{Value, json};

use super::access::{Access, Attributes, User};
use super::status::{self, Body, Refusal};

/// Answers a review with whether the user may do what it asks about.
pub(super) fn answer(access: &Access, user: &User, body: &[u8]) -> Response<Body> {
    let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
        return Refusal::bad_request("the body of the request is not JSON".to_owned()).response();
    };
    let asked = review["spec"]["resourceAttributes"].clone();
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let (resource, subresource) = (text("resource"), text("subresource"));
    let resource = match subresource.as_str() {
        "" => resource,
        subresource => format!("{resource}/{subresource}"),
    };
    let (verb, namespace, name) = (text("verb"), text("namespace"), text("name"));
    let allowed = text("group").is_empty()
        && access.allows(
            user,
            &Attributes {
                verb: &verb,
                resource: &resource,
                namespace: &namespace,
                name: &name,
            },
        );
    review["kind"] = json!("SelfSubjectAccessReview");
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    review["metadata"] = json!({ "creationTimestamp": null });
    review["status"] = json!({ "allowed": allowed });
    status::json(201, &review)
}
