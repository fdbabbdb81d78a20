//! How a sandbox can end without its answer, and what is said about it.
//!
//! Callers are told the kind of failure and what they can do; what exactly happened inside a guest goes to the log.

use rest::problem::{Code, Problem};
use wasmtime::Trap;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

use crate::config::Limits;

use super::state::{OutOfMemory, Witness};

/// How a run ended too early.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The answer's body failed: what it was made from broke, or it is not as long as announced.
    #[error("the answer broke off")]
    Body(#[source] Error),
    /// It computed for longer than it may.
    #[error("the request used up its time for computing")]
    Cpu,
    /// It trapped, panicked, ran out of memory, or gave an error instead of an answer.
    #[error("the component failed")]
    Guest(#[source] wasmtime::Error),
    /// It was not done when its time was over.
    #[error("the deadline passed")]
    Wall,
}

/// What a failure comes down to, in a word for logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Body,
    Cpu,
    Deadline,
    EdgeMemory,
    Error,
    Memory,
    Panic,
    Stack,
    Trap,
}

impl Kind {
    fn of(end: &End, witness: &Witness) -> Self {
        let error = match end {
            End::Body(_) => return Self::Body,
            End::Cpu => return Self::Cpu,
            End::Wall => return Self::Deadline,
            End::Guest(error) => error,
        };
        if let Some(refused) = error.downcast_ref::<OutOfMemory>() {
            return match refused {
                OutOfMemory::Edge => Self::EdgeMemory,
                OutOfMemory::Sandbox => Self::Memory,
            };
        }
        if error.downcast_ref::<ErrorCode>().is_some() {
            return Self::Error;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::Stack,
            // A panic ends in the same instruction as any other abort.
            _ if witness.stderr().contains("panicked at") => Self::Panic,
            _ => Self::Trap,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Cpu => "cpu",
            Self::Deadline => "deadline",
            Self::EdgeMemory => "edge_memory",
            Self::Error => "error",
            Self::Memory => "memory",
            Self::Panic => "panic",
            Self::Stack => "stack",
            Self::Trap => "trap",
        }
    }
}

/// The problem that answers a request whose sandbox ended so.
pub(super) fn problem(end: &End, witness: &Witness, limits: &Limits) -> Problem {
    let problem = match Kind::of(end, witness) {
        Kind::Cpu => Problem::new(
            Code::SandboxLimit,
            format!(
                "the request needs more than the {:?} of computing that one request may use",
                limits.cpu
            ),
        ),
        Kind::Memory => Problem::new(
            Code::SandboxLimit,
            format!(
                "the request needs more than the {} of memory that one request may use",
                limits.memory
            ),
        ),
        Kind::Stack => Problem::new(
            Code::SandboxLimit,
            "the request is nested more deeply than one request may be",
        ),
        Kind::Deadline => Problem::new(
            Code::DeadlineExceeded,
            "the request was not answered within the time the edge allows for it",
        ),
        Kind::EdgeMemory => Problem::new(
            Code::EdgeBusy,
            "the requests under way use all the memory they may together",
        )
        .with_retry_after(Some(super::RETRY_AFTER)),
        Kind::Body | Kind::Error | Kind::Panic | Kind::Trap => Problem::new(
            Code::SandboxFailed,
            "the component that serves this path failed; the edge's log has more under the request's id",
        ),
    };
    problem.with_outcome(witness.outcome())
}

/// Tells the operator. What the guest wrote may hold what its caller sent, so it is kept to `debug`.
pub(super) fn log(end: &End, witness: &Witness, component: &str, request_id: &str) {
    let kind = Kind::of(end, witness).as_str();
    match end {
        End::Cpu | End::Wall => {
            tracing::warn!(request_id, component, kind, "a sandbox was ended");
        }
        End::Body(error) => {
            tracing::warn!(request_id, component, kind, %error, "a sandbox was ended");
        }
        End::Guest(error) => {
            let cause = error.root_cause().to_string();
            tracing::warn!(
                request_id,
                component,
                kind,
                cause,
                "a sandbox failed; its backtrace and standard error are logged at debug"
            );
            tracing::debug!(
                request_id,
                backtrace = format!("{error:?}"),
                "the guest's backtrace"
            );
        }
    }
    let stderr = witness.stderr();
    if !stderr.is_empty() {
        tracing::debug!(request_id, component, stderr, "the guest's standard error");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rest::problem::Outcome;

    fn code(end: &End, stderr: &str) -> Code {
        let witness = Witness::default();
        witness.note(stderr.as_bytes());
        problem(end, &witness, &Limits::default()).code
    }

    #[test]
    fn each_way_to_end_has_its_code() {
        let guest = |error: wasmtime::Error| End::Guest(error);
        for (end, stderr, expected) in [
            (End::Cpu, "", Code::SandboxLimit),
            (End::Wall, "", Code::DeadlineExceeded),
            (guest(OutOfMemory::Sandbox.into()), "", Code::SandboxLimit),
            (guest(OutOfMemory::Edge.into()), "", Code::EdgeBusy),
            (guest(Trap::StackOverflow.into()), "", Code::SandboxLimit),
            (
                guest(Trap::UnreachableCodeReached.into()),
                "",
                Code::SandboxFailed,
            ),
            (
                guest(Trap::UnreachableCodeReached.into()),
                "thread '<unnamed>' panicked at src/lib.rs:1:1:\nboom",
                Code::SandboxFailed,
            ),
            (
                guest(ErrorCode::ConnectionTerminated.into()),
                "",
                Code::SandboxFailed,
            ),
        ] {
            assert_eq!(code(&end, stderr), expected, "{end:?}");
        }
    }

    #[test]
    fn panics_are_told_from_traps_by_what_the_guest_wrote() {
        let end = End::Guest(Trap::UnreachableCodeReached.into());
        let witness = Witness::default();
        assert_eq!(Kind::of(&end, &witness), Kind::Trap);
        witness.note(b"thread '<unnamed>' panicked at src/lib.rs:1:1:\nsecret");
        assert_eq!(Kind::of(&end, &witness), Kind::Panic);
    }

    #[test]
    fn callers_learn_nothing_of_what_happened_inside() {
        let end = End::Guest(wasmtime::format_err!(
            "wasm trap at 0x1234 in module releases"
        ));
        let witness = Witness::default();
        witness.note(b"panicked at secret");
        let problem = problem(&end, &witness, &Limits::default());
        for inner in ["secret", "0x1234", "module"] {
            assert!(!problem.detail.contains(inner), "{}", problem.detail);
        }
    }

    #[test]
    fn the_outcome_is_unknown_once_a_mutation_was_sent() {
        let witness = Witness::default();
        let limits = Limits::default();
        assert_eq!(
            problem(&End::Cpu, &witness, &limits).outcome,
            Outcome::NotApplied
        );
        witness.note_mutation();
        assert_eq!(
            problem(&End::Cpu, &witness, &limits).outcome,
            Outcome::Unknown
        );
    }
}
