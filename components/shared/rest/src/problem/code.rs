//! The codes: one table of what each is called, which status it has and who is to blame.

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Blame;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $status:ident, $blame:ident, $title:literal;)+) => {
        /// What happened: a stable name that programs may match on.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        pub enum Code {
            $($(#[$doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Code {
            /// All of them, in the order of their names.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status of an answer with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// Who has to act.
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)+ }
            }

            /// A short phrase for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// The answer broke off, or ended without Tiller's status.
    AnswerInterrupted = "answer_interrupted", BAD_GATEWAY, Cluster, "The answer was cut off";
    /// What is to be done cannot be written to the audit log, so it is not done.
    AuditUnavailable = "audit_unavailable", SERVICE_UNAVAILABLE, Edge, "Audit log cannot be written";
    /// The request body is larger than this edge reads.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, Caller, "Request body too large";
    /// The bridge could not do its part, or does not speak grpc-web.
    BridgeError = "bridge_error", BAD_GATEWAY, Cluster, "The bridge failed";
    /// The cluster is reached with the caller's own credentials, and the APIServer does not accept them, or there are none.
    CallerCredentialsRefused = "caller_credentials_refused", UNAUTHORIZED, Caller, "Cluster refuses the caller's credentials";
    /// The cluster is reached with the caller's own credentials, and they may not do this.
    CallerForbidden = "caller_forbidden", FORBIDDEN, Caller, "Cluster forbids the caller's call";
    /// The chart does not want this Tiller's or this cluster's version.
    ChartIncompatible = "chart_incompatible", UNPROCESSABLE_ENTITY, Caller, "Chart incompatible with the cluster";
    /// The chart is larger, deeper or has more entries than this edge unpacks.
    ChartLimitExceeded = "chart_limit_exceeded", UNPROCESSABLE_ENTITY, Caller, "Chart exceeds a limit";
    /// The repository has no chart of that name, or no version of it that fits.
    ChartNotFound = "chart_not_found", NOT_FOUND, Caller, "No such chart or version";
    /// This edge installs no charts from there: the repository is not for this cluster or not for this chart, or the URL is
    /// not on the list of those allowed.
    ChartSourceRefused = "chart_source_refused", FORBIDDEN, Caller, "Chart source not allowed";
    /// The archive is not what its repository's index says, or is not signed by a key that the edge trusts.
    ChartUnverified = "chart_unverified", BAD_GATEWAY, Repository, "Chart not verified";
    /// The APIServer, or a limiter in front of it, refuses calls for now.
    ClusterBusy = "cluster_busy", SERVICE_UNAVAILABLE, Cluster, "Cluster busy";
    /// The APIServer does not accept the credentials the edge has for it.
    ClusterCredentialsRefused = "cluster_credentials_refused", BAD_GATEWAY, Edge, "Cluster refuses the edge's credentials";
    /// The APIServer failed, or refused the call for a reason without a code of its own.
    ClusterError = "cluster_error", BAD_GATEWAY, Cluster, "The APIServer failed";
    /// The credentials are good and may not do this.
    ClusterForbidden = "cluster_forbidden", BAD_GATEWAY, Edge, "Cluster forbids the call";
    /// This edge knows no cluster of that name.
    ClusterNotFound = "cluster_not_found", NOT_FOUND, Caller, "No such cluster";
    /// No connection to the APIServer.
    ClusterUnreachable = "cluster_unreachable", SERVICE_UNAVAILABLE, Cluster, "Cluster unreachable";
    /// The call took longer than it may.
    DeadlineExceeded = "deadline_exceeded", GATEWAY_TIMEOUT, Cluster, "Deadline exceeded";
    /// The hook has no delivery of that id, or keeps it no more.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND, Caller, "No such delivery";
    /// The delivery does not show that it is the provider's, or is too old to be believed.
    DeliveryRefused = "delivery_refused", UNAUTHORIZED, Caller, "Delivery refused";
    /// Every sandbox is taken.
    EdgeBusy = "edge_busy", SERVICE_UNAVAILABLE, Edge, "Edge busy";
    /// This edge is shutting down.
    EdgeDraining = "edge_draining", SERVICE_UNAVAILABLE, Edge, "Edge shutting down";
    /// The cluster has no such service, or the service no such port.
    EndpointNotFound = "endpoint_not_found", SERVICE_UNAVAILABLE, Cluster, "Tiller's service not found in the cluster";
    /// The service exists and nothing ready stands behind it.
    EndpointNotReady = "endpoint_not_ready", SERVICE_UNAVAILABLE, Cluster, "Nothing ready behind Tiller's service";
    /// The APIServer cannot reach what stands behind the service.
    EndpointUnreachable = "endpoint_unreachable", SERVICE_UNAVAILABLE, Cluster, "APIServer cannot reach Tiller's service";
    /// This edge has no hook of that name.
    HookNotFound = "hook_not_found", NOT_FOUND, Caller, "No such hook";
    /// The first request with this `Idempotency-Key` is not finished.
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, Caller, "Request still being carried out";
    /// The `Idempotency-Key` belongs to another request of the same caller.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, Caller, "Idempotency key used for another request";
    /// Nobody can say who the caller is for now: the identity provider does not answer.
    IdentityUnavailable = "identity_unavailable", SERVICE_UNAVAILABLE, Edge, "Identity provider unavailable";
    /// Something that is neither APIServer nor bridge nor Tiller answered.
    IntermediaryError = "intermediary_error", BAD_GATEWAY, Cluster, "Something on the way answered instead";
    /// The chart archive cannot be read or is not a chart.
    InvalidChart = "invalid_chart", UNPROCESSABLE_ENTITY, Caller, "Invalid chart";
    /// The delivery is the provider's and cannot be read.
    InvalidDelivery = "invalid_delivery", BAD_REQUEST, Caller, "Invalid delivery";
    /// No release can have that name.
    InvalidReleaseName = "invalid_release_name", BAD_REQUEST, Caller, "Invalid release name";
    /// A parameter, a field or the form of the request is wrong.
    InvalidRequest = "invalid_request", BAD_REQUEST, Caller, "Invalid request";
    /// The values are not a map, or not what the chart can take.
    InvalidValues = "invalid_values", UNPROCESSABLE_ENTITY, Caller, "Invalid values";
    /// The cluster does not let the caller make the objects that the chart renders to.
    ManifestForbidden = "manifest_forbidden", FORBIDDEN, Caller, "Cluster forbids objects of the chart";
    /// Chart and values together are larger than Tiller takes.
    MessageTooLarge = "message_too_large", PAYLOAD_TOO_LARGE, Caller, "Message too large for Tiller";
    /// The resource exists and has no such method; `Allow` lists those it has.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, Caller, "Method not allowed";
    /// No revision of the release is deployed, so that nothing can be upgraded.
    NoDeployedRelease = "no_deployed_release", CONFLICT, Caller, "No deployed revision";
    /// None of the representations that `Accept` names is offered.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, Caller, "Not acceptable";
    /// No grant lets the caller do that, or a refusal forbids it.
    NotAllowed = "not_allowed", FORBIDDEN, Caller, "Not allowed";
    /// The request cannot be carried out later: it needs what only the caller has.
    NotDeferrable = "not_deferrable", UNPROCESSABLE_ENTITY, Caller, "Cannot be carried out later";
    /// The relay does not send such a call.
    NotRelayed = "not_relayed", INTERNAL_SERVER_ERROR, Edge, "Call not relayed";
    /// The operation could not be carried out before its deadline.
    OperationExpired = "operation_expired", GATEWAY_TIMEOUT, Edge, "Operation expired";
    /// Another install, upgrade or rollback of the release is not finished.
    OperationInProgress = "operation_in_progress", CONFLICT, Caller, "Another operation is in progress";
    /// Tiller began and never finished: it was restarted, or a hook of the chart failed.
    OperationInterrupted = "operation_interrupted", BAD_GATEWAY, Tiller, "Tiller did not finish";
    /// There is no operation of that id, or the caller may not see it.
    OperationNotFound = "operation_not_found", NOT_FOUND, Caller, "No such operation";
    /// The operation is in a state in which that cannot be done.
    OperationStateConflict = "operation_state_conflict", CONFLICT, Caller, "Operation in another state";
    /// The store of operations does not take anything, so nothing is accepted.
    OperationsUnavailable = "operations_unavailable", SERVICE_UNAVAILABLE, Edge, "Operations cannot be stored";
    /// The answer was lost, and what became of the call could not be found out in time.
    OutcomeUnknown = "outcome_unknown", GATEWAY_TIMEOUT, Cluster, "Outcome unknown";
    /// The caller sends more than its share.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, Caller, "Too many requests";
    /// The release is deleted already and its name kept.
    ReleaseAlreadyDeleted = "release_already_deleted", CONFLICT, Caller, "Release already deleted";
    /// A release of that name exists.
    ReleaseExists = "release_exists", CONFLICT, Caller, "Release exists";
    /// The name cannot be used again while its release is not deleted.
    ReleaseInUse = "release_in_use", CONFLICT, Caller, "Release name in use";
    /// The Tiller has no release of that name.
    ReleaseNotFound = "release_not_found", NOT_FOUND, Caller, "No such release";
    /// Tiller said that it installed the release and then did not know it.
    ReleaseNotStored = "release_not_stored", BAD_GATEWAY, Tiller, "Tiller did not store the release";
    /// The chart's templates do not render with these values.
    RenderFailed = "render_failed", UNPROCESSABLE_ENTITY, Caller, "Rendering failed";
    /// The repository leads to an address that the edge does not dial: private, loopback, link-local.
    RepositoryAddressRefused = "repository_address_refused", BAD_GATEWAY, Repository, "Repository leads to a forbidden address";
    /// The repository does not accept the credentials the edge has for it, or wants some.
    RepositoryCredentialsRefused = "repository_credentials_refused", BAD_GATEWAY, Edge, "Repository refuses the edge's credentials";
    /// The repository failed, or answered something that is none of what was asked for.
    RepositoryError = "repository_error", BAD_GATEWAY, Repository, "Repository failed";
    /// This edge has no repository of that name.
    RepositoryNotConfigured = "repository_not_configured", NOT_FOUND, Edge, "Repository not configured";
    /// The repository took longer than it may.
    RepositoryTimedOut = "repository_timed_out", GATEWAY_TIMEOUT, Repository, "Repository timed out";
    /// No connection to the repository.
    RepositoryUnreachable = "repository_unreachable", SERVICE_UNAVAILABLE, Repository, "Repository unreachable";
    /// The release is not at the revision that `If-Match` names.
    RevisionConflict = "revision_conflict", PRECONDITION_FAILED, Caller, "Revision conflict";
    /// The release has no such revision.
    RevisionNotFound = "revision_not_found", NOT_FOUND, Caller, "No such revision";
    /// There is no such resource.
    RouteNotFound = "route_not_found", NOT_FOUND, Caller, "No such route";
    /// The sandbox that served the request failed.
    SandboxFailed = "sandbox_failed", INTERNAL_SERVER_ERROR, Edge, "Sandbox failed";
    /// The request needed more CPU or memory than one request may use.
    SandboxLimit = "sandbox_limit", UNPROCESSABLE_ENTITY, Caller, "Request exceeds a sandbox limit";
    /// Tiller failed at the operation.
    TillerError = "tiller_error", BAD_GATEWAY, Tiller, "Tiller failed";
    /// Tiller refuses the client's version, or lacks the call.
    TillerIncompatible = "tiller_incompatible", BAD_GATEWAY, Tiller, "Tiller incompatible";
    /// Tiller answered something that its API does not allow.
    TillerMisbehaved = "tiller_misbehaved", BAD_GATEWAY, Tiller, "Tiller misbehaved";
    /// The cluster has no tiller of that name.
    TillerNotFound = "tiller_not_found", NOT_FOUND, Caller, "No such tiller";
    /// Tiller is too old for a field of the request, and would ignore it in silence.
    TillerTooOld = "tiller_too_old", UNPROCESSABLE_ENTITY, Caller, "Tiller too old for the request";
    /// Tiller went away, in most cases during the call.
    TillerUnavailable = "tiller_unavailable", SERVICE_UNAVAILABLE, Tiller, "Tiller unavailable";
    /// The bridge could not reach Tiller.
    TillerUnreachable = "tiller_unreachable", SERVICE_UNAVAILABLE, Cluster, "The bridge cannot reach Tiller";
    /// The request does not show who sent it, or what it shows is not accepted.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Caller, "Not authenticated";
    /// The request body is of a media type that the resource does not read.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, Caller, "Unsupported media type";
    /// The cluster does not accept the rendered manifests.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, Caller, "Validation failed";
    /// What was asked for shows values, and no grant lets the caller see those.
    ValuesWithheld = "values_withheld", FORBIDDEN, Caller, "Values withheld";
    /// Resources or hooks were not ready in time.
    WaitTimedOut = "wait_timed_out", GATEWAY_TIMEOUT, Tiller, "Timed out waiting";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_in_the_order_of_their_names() {
        assert!(
            Code::ALL
                .windows(2)
                .all(|pair| pair[0].as_str() < pair[1].as_str())
        );
    }

    #[test]
    fn a_code_reads_back_from_its_name() {
        for code in Code::ALL {
            let json = format!("\"{code}\"");
            assert_eq!(serde_json::to_string(code).unwrap(), json);
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
        }
    }

    #[test]
    fn callers_are_blamed_with_4xx_and_others_with_5xx() {
        for code in Code::ALL {
            // What is not there is not found, whoever should have put it there.
            let caller = code.blame() == Blame::Caller || *code == Code::RepositoryNotConfigured;
            assert_eq!(code.status().is_client_error(), caller, "{code}");
            assert_eq!(code.status().is_server_error(), !caller, "{code}");
        }
    }
}
