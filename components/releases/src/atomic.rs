//! `atomic`: undoing what failed. Tiller has no such thing; Helm's CLI does it from outside, and so do we.
//!
//! Only what Tiller has ended is undone. If the answer was lost, Tiller may still be at work, and a second
//! operation would meet the first. The error told is always that of the operation; what became of the
//! undoing is beside it.

use client::{Failure, Relay, Tiller, mutation};
use rest::{
    plan::Undo,
    problem::{Cleanup, CleanupAction, CleanupResult, Code, Outcome},
};
use tiller_api::{
    Method,
    hapi::services::tiller::{
        InstallReleaseRequest, RollbackReleaseRequest, UninstallReleaseRequest,
        UpdateReleaseRequest,
    },
};

/// What undoes an install.
pub(crate) fn of_install(install: &InstallReleaseRequest) -> Undo {
    Undo {
        disable_hooks: install.disable_hooks,
        ..Undo::default()
    }
}

/// What undoes an upgrade of a release whose last revision was `revision`.
pub(crate) fn of_upgrade(upgrade: &UpdateReleaseRequest, revision: i32) -> Undo {
    Undo {
        revision: Some(revision),
        disable_hooks: upgrade.disable_hooks,
        recreate_pods: upgrade.recreate,
        force: upgrade.force,
        cleanup_on_fail: upgrade.cleanup_on_fail,
    }
}

/// Purges a release whose install failed.
pub(crate) async fn undo_install<R: Relay>(
    tiller: &Tiller<R>,
    install: &InstallReleaseRequest,
    failure: Failure,
) -> Failure {
    if !failure.left_traces() {
        return untouched(failure, CleanupAction::Uninstall, None);
    }
    let uninstall = UninstallReleaseRequest {
        name: install.name.clone(),
        disable_hooks: install.disable_hooks,
        purge: true,
        timeout: install.timeout,
        ..UninstallReleaseRequest::default()
    };
    let result = tiller
        .unary_bytes(
            Method::UninstallRelease,
            &uninstall,
            patience(install.timeout),
        )
        .await;
    // Hooks that fail before the record is made leave nothing to purge.
    let undone = match result {
        Err(nothing) if nothing.code() == Some(Code::ReleaseNotFound) => Ok(()),
        other => other.map(drop),
    };
    attempted(failure, CleanupAction::Uninstall, None, undone)
}

/// Goes back to the revision that was the last before an upgrade failed.
pub(crate) async fn undo_upgrade<R: Relay>(
    tiller: &Tiller<R>,
    upgrade: &UpdateReleaseRequest,
    revision: i32,
    failure: Failure,
) -> Failure {
    if !failure.left_traces() {
        return untouched(failure, CleanupAction::Rollback, Some(revision));
    }
    let rollback = RollbackReleaseRequest {
        name: upgrade.name.clone(),
        disable_hooks: upgrade.disable_hooks,
        version: revision,
        recreate: upgrade.recreate,
        timeout: upgrade.timeout,
        wait: true,
        force: upgrade.force,
        cleanup_on_fail: upgrade.cleanup_on_fail,
        ..RollbackReleaseRequest::default()
    };
    let result = tiller
        .unary_bytes(
            Method::RollbackRelease,
            &rollback,
            patience(upgrade.timeout),
        )
        .await;
    attempted(
        failure,
        CleanupAction::Rollback,
        Some(revision),
        result.map(drop),
    )
}

fn patience(seconds: i64) -> std::time::Duration {
    mutation(std::time::Duration::from_secs(seconds.unsigned_abs()))
}

/// Nothing happened, or nobody knows whether Tiller is done.
fn untouched(failure: Failure, action: CleanupAction, revision: Option<i32>) -> Failure {
    failure.map(|mut problem| {
        if problem.outcome == Outcome::Unknown {
            problem.cleanup = Some(Box::new(Cleanup {
                action,
                result: CleanupResult::NotTried,
                revision,
                detail: Some("Tiller may still be at work on the release".to_owned()),
            }));
        }
        problem
    })
}

fn attempted(
    failure: Failure,
    action: CleanupAction,
    revision: Option<i32>,
    undone: Result<(), Failure>,
) -> Failure {
    failure.map(|mut problem| {
        problem.cleanup = Some(Box::new(Cleanup {
            action,
            result: if undone.is_ok() {
                CleanupResult::Done
            } else {
                CleanupResult::Failed
            },
            revision,
            detail: undone.err().map(|failure| failure.detail()),
        }));
        problem
    })
}
