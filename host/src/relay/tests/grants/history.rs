//! What Tiller's history says about a call whose answer was lost, to an actor who may read nothing.

use jiff::Timestamp;
use rest::relay::Target;
use tiller_api::hapi::release::Release;
use tiller_api::hapi::release::status::Code as Status;

use super::super::apiserver;
use super::tiller::with_status;
use super::*;
use crate::operations::Step;
use crate::operations::reconcile::{Trace, Verdict, reconcile};

const OPERATION: &str = "op-00000000000000000000000001";
const TRANSIT: Duration = Duration::from_secs(60);

fn described(mut release: Release, text: &str) -> Release {
    release.info.get_or_insert_default().description = format!("{text} (by alice, {OPERATION})");
    release
}

/// A call that was lost an hour ago, the release `web` being at `revision`.
fn lost(method: Rpc, revision: i32) -> Step {
    Step {
        rpc: method.name().to_owned(),
        release: Some("web".into()),
        revision,
        chart: Some("web-1.2.3".into()),
        marked: true,
        ended_at: Some(Timestamp::now() - jiff::SignedDuration::from_hours(1)),
        ..Step::default()
    }
}

async fn verdict(rig: &Rig, cluster: &str, step: &Step) -> Verdict {
    let target = Target {
        cluster: cluster.into(),
        tiller: None,
    };
    let operation = OPERATION.parse().unwrap();
    let trace = Trace {
        target: &target,
        operation: &operation,
        step,
    };
    let now = Timestamp::now();
    soon(reconcile(&rig.relay(), &alice(), &trace, TRANSIT, now)).await
}

/// The verdict of a Tiller with these revisions.
async fn found(releases: Vec<Release>, step: &Step) -> Verdict {
    let tiller = FakeTiller::with(releases).await;
    let rig = Rig::new(&tiller.server).granting("");
    verdict(&rig, "prod", step).await
}

fn applied(release: &str, revision: i32) -> Verdict {
    Verdict::Applied {
        release: release.into(),
        revision,
    }
}

#[tokio::test]
async fn a_revision_that_came_later_is_looked_at_whatever_came_after_it() {
    let step = lost(Rpc::UpdateRelease, 1);
    let own = described(release("web", "a", 3), "Upgrade complete");
    let revisions = vec![
        release("web", "a", 1),
        release("web", "a", 2),
        with_status(own, Status::Superseded),
        release("web", "a", 5),
    ];
    assert_eq!(found(revisions, &step).await, applied("web", 3));
    let unchanged = found(vec![release("web", "a", 1)], &step).await;
    assert!(
        matches!(unchanged, Verdict::NotApplied { .. }),
        "{unchanged:?}"
    );
}

#[tokio::test]
async fn a_deletion_is_found_in_the_revision_that_was_deleted() {
    let deleted = described(release("web", "a", 1), "Deletion complete");
    let step = lost(Rpc::UninstallRelease, 1);
    let revived = vec![
        with_status(deleted, Status::Superseded),
        release("web", "a", 2),
    ];
    assert_eq!(found(revived, &step).await, applied("web", 1));
    let purge = Step {
        purge: true,
        ..step
    };
    assert_eq!(found(Vec::new(), &purge).await, applied("web", 0));
}

#[tokio::test]
async fn a_failed_rollback_is_known_by_what_it_went_back_to() {
    let mut failed = with_status(release("web", "a", 3), Status::Failed);
    failed.info.get_or_insert_default().description = "Rollback \"web\" failed: no".into();
    let revisions = vec![release("web", "a", 1), release("web", "a", 2), failed];
    for target in [0, 1] {
        let step = Step {
            target,
            chart: None,
            ..lost(Rpc::RollbackRelease, 2)
        };
        let verdict = found(revisions.clone(), &step).await;
        assert!(
            matches!(verdict, Verdict::Failed { revision: 3, .. }),
            "{verdict:?}"
        );
    }
}

#[tokio::test]
async fn a_release_whose_name_tiller_made_up_is_searched_for() {
    let step = Step {
        release: None,
        ..lost(Rpc::InstallRelease, 0)
    };
    let own = described(release("funny-bee", "a", 1), "Install complete");
    let others = vec![release("app", "a", 1), own];
    assert_eq!(found(others, &step).await, applied("funny-bee", 1));
    let none = found(vec![release("app", "a", 1)], &step).await;
    assert!(matches!(none, Verdict::NotApplied { .. }), "{none:?}");
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_decided() {
    let away = apiserver::ApiServer::start(|_| async { tiller::unavailable() }).await;
    let rig = Rig::new(&away).granting("");
    for cluster in ["prod", "none"] {
        let verdict = verdict(&rig, cluster, &lost(Rpc::UpdateRelease, 1)).await;
        assert!(matches!(verdict, Verdict::Wait { .. }), "{verdict:?}");
    }
}
