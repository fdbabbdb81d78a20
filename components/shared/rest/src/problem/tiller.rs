//! Tiller's words, and the bridge's, as problems.
//!
//! Tiller's handlers return plain Go errors: the gRPC code is nearly always Unknown, and the text is all
//! there is to go by. The table below has every text that Tiller 2.0 to 2.17 is known to answer with a
//! meaning of its own; whatever is not in it is `tiller_error`. Texts are matched where they stand, never
//! in the middle of something that a chart or a cluster may have worded.
//!
//! A text also tells when in an operation it was said, and with it whether anything had happened by
//! then. Where it does not, a failed mutation is `unknown`: Tiller carries on when its caller is gone.

use grpc_web::{Code as Grpc, Status};
use tiller_api::Method;

use super::{Code, Outcome, Problem};

/// How a text is recognised.
#[derive(Clone, Copy)]
enum Text {
    /// It begins so.
    Starts(&'static str),
    /// It begins and ends so.
    Between(&'static str, &'static str),
    /// It has this in it, wherever.
    Has(&'static str),
}

impl Text {
    fn matches(self, text: &str) -> bool {
        match self {
            Self::Starts(prefix) => text.starts_with(prefix),
            Self::Between(prefix, suffix) => text
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.ends_with(suffix)),
            Self::Has(part) => text.contains(part),
        }
    }
}

/// Whether Tiller has changed anything by the time it says something.
#[derive(Clone, Copy)]
enum Stage {
    /// It only looked and rendered.
    Before,
    /// It may have.
    Within,
}

use Stage::{Before, Within};
use Text::{Between, Has, Starts};

/// The first row that matches counts, so a text stands before any other that it contains.
const TEXTS: &[(Text, Code, Stage)] = &[
    // Names, parameters.
    (
        Starts("no release provided"),
        Code::InvalidReleaseName,
        Before,
    ),
    (
        Starts("invalid release name"),
        Code::InvalidReleaseName,
        Before,
    ),
    (
        Between("release name \"", "exceeds max length of 53"),
        Code::InvalidReleaseName,
        Before,
    ),
    (
        Starts("invalid label value: "),
        Code::InvalidReleaseName,
        Before,
    ),
    (
        Starts("invalid release revision"),
        Code::InvalidRequest,
        Before,
    ),
    (
        Between("offset \"", "\" not found"),
        Code::InvalidRequest,
        Before,
    ),
    (
        Starts("error parsing regexp: "),
        Code::InvalidRequest,
        Before,
    ),
    (Starts("no chart provided"), Code::InvalidRequest, Before),
    // Versions.
    (
        Starts("incompatible versions client"),
        Code::TillerIncompatible,
        Before,
    ),
    (
        Starts("client version is incompatible"),
        Code::TillerIncompatible,
        Before,
    ),
    (
        Starts("Chart incompatible with Tiller"),
        Code::ChartIncompatible,
        Before,
    ),
    (
        Starts("Chart requires kubernetesVersion: "),
        Code::ChartIncompatible,
        Before,
    ),
    // The state of the release.
    (
        Starts("no revision for release "),
        Code::ReleaseNotFound,
        Before,
    ),
    (
        Between("a release named ", "to delete it"),
        Code::ReleaseExists,
        Before,
    ),
    (
        Between(
            "a release named ",
            "cannot re-use a name that is still in use",
        ),
        Code::ReleaseInUse,
        Before,
    ),
    (
        Between("the release named \"", "\" is already deleted"),
        Code::ReleaseAlreadyDeleted,
        Before,
    ),
    (
        Between("\"", "\" has no deployed releases"),
        Code::NoDeployedRelease,
        Before,
    ),
    (
        Starts("another operation (install/upgrade/rollback) is in progress"),
        Code::OperationInProgress,
        Before,
    ),
    (
        Starts("no available release name found"),
        Code::TillerError,
        Before,
    ),
    // Values and templates.
    (
        Starts("error converting YAML to JSON: "),
        Code::InvalidValues,
        Before,
    ),
    (
        Starts("error unmarshaling JSON: "),
        Code::InvalidValues,
        Before,
    ),
    (Starts("type mismatch on "), Code::InvalidValues, Before),
    (Starts("Error: Reading chart '"), Code::InvalidChart, Before),
    (Starts("render error in \""), Code::RenderFailed, Before),
    (Starts("parse error in \""), Code::RenderFailed, Before),
    (
        Starts("rendering template failed: "),
        Code::RenderFailed,
        Before,
    ),
    (Starts("YAML parse error on "), Code::RenderFailed, Before),
    // What the cluster says of the manifests. CRDs of the chart are installed before it is asked; the
    // caller of this function knows whether there are any.
    (
        Starts("validation failed: "),
        Code::ValidationFailed,
        Before,
    ),
    // The same from an upgrade, but also from a hook.
    (
        Starts("error validating \""),
        Code::ValidationFailed,
        Within,
    ),
    (
        Starts("unable to recognize \""),
        Code::ValidationFailed,
        Within,
    ),
    (
        Has("timed out waiting for the condition"),
        Code::WaitTimedOut,
        Within,
    ),
];

/// The problem that a failed call's status is.
///
/// `detail` is Tiller's text, whole, however long. A text about a revision looks the same as one about a
/// release whose name ends like a revision's; it is taken for the former.
pub fn from_tiller(method: Method, status: &Status) -> Problem {
    let (code, stage) = match status.code {
        Grpc::Unknown => by_text(method, &status.message),
        Grpc::Ok => (Code::TillerMisbehaved, Within),
        Grpc::Unimplemented => (Code::TillerIncompatible, Before),
        Grpc::ResourceExhausted => by_size(&status.message),
        Grpc::Unavailable => (Code::TillerUnavailable, Within),
        Grpc::DeadlineExceeded => (Code::DeadlineExceeded, Within),
        Grpc::Cancelled => (Code::AnswerInterrupted, Within),
        Grpc::Internal => (Code::TillerError, Within),
        // Neither Tiller nor its gRPC library has these.
        Grpc::Unauthenticated | Grpc::PermissionDenied => (Code::IntermediaryError, Before),
        _ => (Code::IntermediaryError, Within),
    };
    let detail = if status.message.is_empty() {
        format!("gRPC status {} without a message", status.code)
    } else {
        status.message.clone()
    };
    let outcome = match stage {
        Before => Outcome::NotApplied,
        Within => Outcome::unproven(method),
    };
    Problem::new(code, detail).with_outcome(outcome)
}

/// The problem that a status made by the bridge is; `outcome` is what the bridge says about the call.
pub fn from_bridge(method: Method, status: &Status, outcome: Option<Outcome>) -> Problem {
    let unsent = outcome == Some(Outcome::NotApplied);
    let code = match status.code {
        Grpc::Unavailable if unsent => Code::TillerUnreachable,
        Grpc::Unavailable => Code::TillerUnavailable,
        Grpc::DeadlineExceeded => Code::DeadlineExceeded,
        Grpc::ResourceExhausted => Code::MessageTooLarge,
        _ => Code::BridgeError,
    };
    let outcome = if unsent {
        Outcome::NotApplied
    } else {
        Outcome::unproven(method)
    };
    Problem::new(code, status.message.clone()).with_outcome(outcome)
}

fn by_text(method: Method, text: &str) -> (Code, Stage) {
    // The memory driver's way to say that it does not know the release; we never send an empty name.
    if method == Method::UninstallRelease && text == "no release provided" {
        return (Code::ReleaseNotFound, Before);
    }
    let (wrapper, text) = unwrapped(text);
    if let Some(code) = not_found(wrapper, text) {
        return (code, Before);
    }
    if is_taken(text) {
        // Records are made before anything else is, but an install only logs it when that fails.
        return match method {
            Method::InstallRelease => (Code::ReleaseExists, Within),
            _ => (Code::OperationInProgress, Before),
        };
    }
    TEXTS
        .iter()
        .find(|(pattern, ..)| pattern.matches(text))
        .map_or((Code::TillerError, Within), |(_, code, stage)| {
            (*code, *stage)
        })
}

/// What GetReleaseStatus puts before an error.
#[derive(Clone, Copy)]
enum Wrapper {
    /// It was asked for the newest revision.
    Newest,
    /// It was asked for one by number.
    Numbered,
}

fn unwrapped(text: &str) -> (Option<Wrapper>, &str) {
    for (wrapper, prefix, end) in [
        (Wrapper::Newest, "getting deployed release \"", "\": "),
        (Wrapper::Numbered, "getting release '", "): "),
    ] {
        let rest = text.strip_prefix(prefix);
        if let Some((_, inner)) = rest.and_then(|rest| rest.split_once(end)) {
            return (Some(wrapper), inner);
        }
    }
    (None, text)
}

/// `release: "X" not found` or `release: "X.vN" not found`; before 2.4 without a name.
fn not_found(wrapper: Option<Wrapper>, text: &str) -> Option<Code> {
    let text = text.strip_prefix("release: ")?;
    if text == "not found" {
        return Some(Code::ReleaseNotFound);
    }
    let name = text.strip_prefix('"')?.strip_suffix("\" not found")?;
    if name.contains('"') {
        return None;
    }
    let of_revision = match wrapper {
        Some(Wrapper::Newest) => false,
        Some(Wrapper::Numbered) => true,
        None => names_revision(name),
    };
    Some(if of_revision {
        Code::RevisionNotFound
    } else {
        Code::ReleaseNotFound
    })
}

fn names_revision(name: &str) -> bool {
    name.rsplit_once(".v").is_some_and(|(_, revision)| {
        !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `release: "X.vN" already exists`; the secrets driver has the bare name.
fn is_taken(text: &str) -> bool {
    Between("release: \"", "\" already exists").matches(text)
}

fn by_size(text: &str) -> (Code, Stage) {
    if text.contains("received message larger than max") {
        (Code::MessageTooLarge, Before)
    } else if text.contains("trying to send message larger than max") {
        // Tiller's own answer: the work is done.
        (Code::TillerError, Within)
    } else {
        (Code::TillerUnavailable, Within)
    }
}

#[cfg(test)]
mod tests;
