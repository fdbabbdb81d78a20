//! Asking the APIServer whether the edge may do what it needs to do, without doing it.
//!
//! Beside the calls to Tiller, that depends on what is configured: to ask whose a token is, to act as callers, to ask
//! what they may.

use rest::problem::{Code, Problem};
use tokio::time::Instant;

use super::remedy;
use super::report::{Finding, Step};
use crate::access::Principal;
use crate::clusters::{ApiError, Attributes, Behalf, Cluster, Permission, Tiller};
use crate::config::CredentialSource;
use crate::relay::probe::ProbeError;

/// Since which minor version of Kubernetes a caller may ask for itself who it is.
const SELF_SUBJECT_REVIEWS: u32 = 28;

/// Whether calls to `tiller` may be sent: `create` on exactly that `services/proxy`.
pub(super) async fn permission(
    cluster: &Cluster,
    tiller: &Tiller,
    behalf: &Behalf<'_>,
    deadline: Instant,
) -> Result<Permission, ProbeError> {
    let wanted = Attributes {
        namespace: tiller.namespace().to_owned(),
        verb: "create".to_owned(),
        resource: "services".to_owned(),
        subresource: "proxy".to_owned(),
        name: tiller.resource_name(),
        ..Attributes::default()
    };
    cluster
        .may(behalf, &wanted, deadline)
        .await
        .map_err(probe_error)
}

/// Whether the edge may ask and act as its configuration has it do. `version` is the APIServer's, where known; `as_whom`
/// somebody that the edge is to act as.
pub(super) async fn own_permissions(
    cluster: &Cluster,
    version: Option<&str>,
    as_whom: Option<&Principal>,
    deadline: Instant,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wanted in wanted(cluster, as_whom) {
        let asked = Instant::now();
        let finding = match cluster.may_edge(&wanted, deadline).await {
            Ok(Permission::Allowed) => Finding::passed(Step::Permission, described(&wanted)),
            Ok(Permission::Denied { reason }) => denied(&wanted, reason, version),
            Err(ApiError::NoLogin) => Finding::skipped(
                Step::Permission,
                "the edge has no credentials of its own here; callers' tokens ask for themselves, which Kubernetes \
                 1.28 and later allow",
            ),
            Err(error) => {
                Finding::failed(Step::Permission, format!("{}: {error}", described(&wanted)))
            }
        };
        findings.push(finding.since(asked));
    }
    findings
}

fn wanted(cluster: &Cluster, as_whom: Option<&Principal>) -> Vec<Attributes> {
    let reviews = |group: &str, resource: &str| Attributes {
        verb: "create".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        ..Attributes::default()
    };
    let mut wanted = Vec::new();
    if cluster.identity_prefix().is_some() {
        wanted.push(reviews("authentication.k8s.io", "tokenreviews"));
    }
    match cluster.credentials() {
        CredentialSource::Impersonate => wanted.extend(impersonations(cluster, as_whom)),
        CredentialSource::Kubeconfig if cluster.checks_manifests() => {
            wanted.push(reviews("authorization.k8s.io", "subjectaccessreviews"));
        }
        CredentialSource::Caller | CredentialSource::Kubeconfig => (),
    }
    wanted
}

fn impersonations(cluster: &Cluster, as_whom: Option<&Principal>) -> Vec<Attributes> {
    let impersonate = |resource: &str, namespace: &str, name: &str| Attributes {
        verb: "impersonate".to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    let Some(subject) = as_whom.and_then(|principal| cluster.subject(principal).ok()) else {
        let mut anybody = vec!["users", "groups"];
        anybody.extend(cluster.identity_prefix().map(|_| "serviceaccounts"));
        return anybody
            .into_iter()
            .map(|resource| impersonate(resource, "", ""))
            .collect();
    };
    let account = subject.user.strip_prefix("system:serviceaccount:");
    let user = match account.and_then(|account| account.split_once(':')) {
        Some((namespace, name)) => impersonate("serviceaccounts", namespace, name),
        None => impersonate("users", "", &subject.user),
    };
    let groups = subject.groups.iter();
    std::iter::once(user)
        .chain(groups.map(|group| impersonate("groups", "", group)))
        .collect()
}

fn denied(wanted: &Attributes, reason: Option<String>, version: Option<&str>) -> Finding {
    let reason = reason.map(|reason| format!(": {reason}"));
    let detail = format!(
        "{} is denied{}",
        described(wanted),
        reason.unwrap_or_default()
    );
    let finding = if wanted.resource == "tokenreviews" && version.is_some_and(can_do_without) {
        Finding::skipped(
            Step::Permission,
            format!("{detail}; callers' tokens ask for themselves"),
        )
    } else {
        Finding::failed(Step::Permission, detail)
    };
    finding.with_remedy(remedy::own_permission(wanted))
}

/// Whether callers may ask an APIServer of `version`, `v1.35.4`, who they are.
fn can_do_without(version: &str) -> bool {
    let minor = version
        .strip_prefix("v1.")
        .and_then(|rest| rest.split('.').next());
    minor
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor >= SELF_SUBJECT_REVIEWS)
}

/// `create tokenreviews.authentication.k8s.io`, `impersonate users jane`.
fn described(wanted: &Attributes) -> String {
    let Attributes {
        verb,
        group,
        resource,
        name,
        ..
    } = wanted;
    let mut text = format!("{verb} {resource}");
    if !group.is_empty() {
        text.push('.');
        text.push_str(group);
    }
    if !name.is_empty() {
        text.push(' ');
        text.push_str(name);
    }
    text
}

fn probe_error(error: ApiError) -> ProbeError {
    match error {
        ApiError::Send(error) => ProbeError::Send(error),
        ApiError::Refused { problem, .. } => ProbeError::Answered(problem),
        ApiError::Broken | ApiError::NoLogin | ApiError::NotKubernetes => {
            let problem = Problem::new(Code::IntermediaryError, error.to_string());
            ProbeError::Answered(Box::new(problem))
        }
    }
}
