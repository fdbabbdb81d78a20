//! Every text that Tiller is known to answer, with the call it answers.

mod refusals;

use super::*;
use crate::problem::Blame;

use Method::{
    GetHistory, GetReleaseContent, GetReleaseStatus, GetVersion, InstallRelease, ListReleases,
    RollbackRelease, RunReleaseTest, UninstallRelease, UpdateRelease,
};
use Outcome::{NotApplied, Unknown};

fn status(code: Grpc, message: &str) -> Status {
    Status {
        code,
        message: message.to_owned(),
    }
}

fn check(method: Method, text: &str, code: Code, http: u16, blame: Blame, outcome: Outcome) {
    let problem = from_tiller(method, &status(Grpc::Unknown, text));
    assert_eq!(problem.code, code, "{method}: {text}");
    assert_eq!(problem.status().as_u16(), http, "{method}: {text}");
    assert_eq!(problem.blame(), blame, "{method}: {text}");
    assert_eq!(problem.outcome, outcome, "{method}: {text}");
    assert_eq!(problem.detail, text);
}

#[test]
fn incompatible_versions_are_tillers_in_every_wording() {
    for text in [
        "incompatible versions client[v2.18.0] server[v2.17.0]",
        "incompatible versions client[] server[v2.17.0]",
        "incompatible versions client: v2.9.0 server: v2.3.0",
        "client version is incompatible",
    ] {
        check(
            InstallRelease,
            text,
            Code::TillerIncompatible,
            502,
            Blame::Tiller,
            NotApplied,
        );
    }
}

#[test]
fn a_timed_out_wait_leaves_its_traces() {
    for (method, text) in [
        (
            InstallRelease,
            "release web failed: timed out waiting for the condition",
        ),
        (InstallRelease, "timed out waiting for the condition"),
        (UpdateRelease, "timed out waiting for the condition"),
        (
            RollbackRelease,
            "timed out waiting for the condition && something else",
        ),
        (UninstallRelease, "timed out waiting for the condition"),
    ] {
        check(
            method,
            text,
            Code::WaitTimedOut,
            504,
            Blame::Tiller,
            Unknown,
        );
    }
}

#[test]
fn failures_in_the_middle_may_have_been_applied() {
    for (method, text) in [
        (
            InstallRelease,
            "release web failed: services \"web\" already exists",
        ),
        (
            InstallRelease,
            "release web failed: namespaces \"\" not found",
        ),
        (InstallRelease, "jobs.batch \"pre\" already exists"),
        (
            UpdateRelease,
            "kind Service with the name \"web\" in \"shop\" already exists in the cluster and wasn't defined in the previous release. Before upgrading",
        ),
        (
            UpdateRelease,
            "Upgrade --force successfully deleted the previous release, but encountered 1 error(s) and cannot continue: x",
        ),
        (
            UninstallRelease,
            "deletion completed with 2 error(s): a; release \"web\": object \"[Service] web\" not found, skipping delete",
        ),
        (RunReleaseTest, "web-test is not a pod"),
        (
            InstallRelease,
            "Get \"https://10.96.0.1:443/api\": dial tcp 10.96.0.1:443: connect: connection refused",
        ),
        (InstallRelease, "something nobody has seen"),
    ] {
        check(method, text, Code::TillerError, 502, Blame::Tiller, Unknown);
    }
}

#[test]
fn an_upgrade_that_does_not_validate_is_the_charts_fault_and_in_doubt() {
    for text in [
        "unable to recognize \"\": no matches for kind \"X\" in version \"v1\"",
        "error validating \"\": error validating data: unknown field",
    ] {
        check(
            UpdateRelease,
            text,
            Code::ValidationFailed,
            422,
            Blame::Caller,
            Unknown,
        );
    }
}

#[test]
fn an_install_whose_record_was_taken_meanwhile_is_in_doubt() {
    check(
        InstallRelease,
        "release: \"web.v1\" already exists",
        Code::ReleaseExists,
        409,
        Blame::Caller,
        Unknown,
    );
}

#[test]
fn failed_reads_are_never_in_doubt() {
    for (method, text) in [
        (GetReleaseStatus, "release info is missing"),
        (GetReleaseStatus, "release chart is missing"),
        (
            ListReleases,
            "Get \"https://10.96.0.1:443/api\": dial tcp 10.96.0.1:443: connect: connection refused",
        ),
        (GetVersion, "boom"),
    ] {
        check(
            method,
            text,
            Code::TillerError,
            502,
            Blame::Tiller,
            NotApplied,
        );
    }
}

#[test]
fn words_of_a_chart_or_a_cluster_are_not_taken_for_tillers() {
    for text in [
        "release web failed: release: \"db\" not found in config",
        "admission webhook said: release: \"web\" not found",
        "release: \"web\" not found, said \"x\" not found",
        "configmaps \"x\" not found",
    ] {
        check(
            InstallRelease,
            text,
            Code::TillerError,
            502,
            Blame::Tiller,
            Unknown,
        );
    }
}

#[test]
fn the_codes_of_the_grpc_library_count_before_the_text() {
    for (code, text, expected, outcome) in [
        (
            Grpc::ResourceExhausted,
            "grpc: received message larger than max (26214400 vs. 20971520)",
            Code::MessageTooLarge,
            NotApplied,
        ),
        (
            Grpc::ResourceExhausted,
            "grpc: trying to send message larger than max (26214400 vs. 20971520)",
            Code::TillerError,
            Unknown,
        ),
        (
            Grpc::ResourceExhausted,
            "overloaded",
            Code::TillerUnavailable,
            Unknown,
        ),
        (
            Grpc::Unavailable,
            "transport is closing",
            Code::TillerUnavailable,
            Unknown,
        ),
        (
            Grpc::Unimplemented,
            "unknown method RunReleaseTest",
            Code::TillerIncompatible,
            NotApplied,
        ),
        (
            Grpc::DeadlineExceeded,
            "context deadline exceeded",
            Code::DeadlineExceeded,
            Unknown,
        ),
        (
            Grpc::Cancelled,
            "context canceled",
            Code::AnswerInterrupted,
            Unknown,
        ),
        (
            Grpc::Internal,
            "stream terminated by RST_STREAM",
            Code::TillerError,
            Unknown,
        ),
        (
            Grpc::Unauthenticated,
            "no",
            Code::IntermediaryError,
            NotApplied,
        ),
        (
            Grpc::PermissionDenied,
            "no",
            Code::IntermediaryError,
            NotApplied,
        ),
        (
            Grpc::NotFound,
            "release: \"web\" not found",
            Code::IntermediaryError,
            Unknown,
        ),
        (Grpc::Other(42), "what", Code::IntermediaryError, Unknown),
    ] {
        let problem = from_tiller(InstallRelease, &status(code, text));
        assert_eq!(problem.code, expected, "{code}: {text}");
        assert_eq!(problem.outcome, outcome, "{code}: {text}");
        assert_eq!(problem.detail, text);
    }
}

/// T15: the error of a dry run has the whole rendered manifest behind it.
#[test]
fn h6_a_large_text_passes_whole() {
    let text = format!(
        "YAML parse error on web/templates/a.yaml: bad\n{}",
        "x: y\n".repeat(10_000)
    );
    let problem = from_tiller(InstallRelease, &status(Grpc::Unknown, &text));
    assert_eq!(problem.code, Code::RenderFailed);
    assert_eq!(problem.detail, text);
}

#[test]
fn a_status_without_words_still_says_something() {
    let problem = from_tiller(ListReleases, &status(Grpc::Unavailable, ""));
    assert_eq!(problem.detail, "gRPC status UNAVAILABLE without a message");
}

#[test]
fn the_bridge_knows_whether_a_call_left_it() {
    for (code, said, expected, outcome) in [
        (
            Grpc::Unavailable,
            Some(NotApplied),
            Code::TillerUnreachable,
            NotApplied,
        ),
        (
            Grpc::Unavailable,
            Some(Unknown),
            Code::TillerUnavailable,
            Unknown,
        ),
        (Grpc::Unavailable, None, Code::TillerUnavailable, Unknown),
        (
            Grpc::DeadlineExceeded,
            Some(Unknown),
            Code::DeadlineExceeded,
            Unknown,
        ),
        (
            Grpc::ResourceExhausted,
            Some(NotApplied),
            Code::MessageTooLarge,
            NotApplied,
        ),
        (
            Grpc::Internal,
            Some(NotApplied),
            Code::BridgeError,
            NotApplied,
        ),
        (Grpc::Internal, None, Code::BridgeError, Unknown),
    ] {
        let problem = from_bridge(UpdateRelease, &status(code, "why"), said);
        assert_eq!(problem.code, expected, "{code} {said:?}");
        assert_eq!(problem.outcome, outcome, "{code} {said:?}");
    }
    let read = from_bridge(GetHistory, &status(Grpc::Unavailable, "why"), Some(Unknown));
    assert_eq!(read.outcome, NotApplied);
}
