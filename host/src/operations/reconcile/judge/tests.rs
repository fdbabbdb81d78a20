//! What became of a call, by what the history says and by how much time has passed.

use super::*;

const OPERATION: &str = "op-00000000000000000000000001";
const OTHER: &str = "op-00000000000000000000000002";
const TRANSIT: u64 = 60;

/// A call that was lost when the release was at revision 7.
fn lost(method: Method) -> Step {
    Step {
        rpc: method.name().to_owned(),
        release: Some("web".into()),
        revision: 7,
        status: Some("deployed".into()),
        chart: Some("nginx-1.2.3".into()),
        values: Some("sha256:aa".into()),
        marked: true,
        longest: 300,
        ended_at: Some(Timestamp::UNIX_EPOCH),
        ..Step::default()
    }
}

fn revision(number: i32, status: Status, description: &str) -> Recorded {
    Recorded {
        release: "web".into(),
        number,
        status: status.into(),
        description: description.into(),
        chart: "nginx-1.2.3".into(),
        values: "sha256:aa".into(),
        ..Recorded::default()
    }
}

fn marked(text: &str, operation: &str) -> String {
    format!("{text} (by alice, {operation})")
}

/// What is found where nothing happened to the release.
fn unchanged() -> Evidence {
    Evidence {
        newest: Some(revision(7, Status::Deployed, "Install complete")),
        keeps_descriptions: true,
        ..Evidence::default()
    }
}

/// What is found where these came later.
fn with(later: Vec<Recorded>) -> Evidence {
    Evidence {
        newest: later.last().cloned(),
        before: Some(revision(7, Status::Superseded, "Install complete")),
        later,
        keeps_descriptions: true,
        ..Evidence::default()
    }
}

/// The verdict `after` so many seconds.
fn judged(step: &Step, evidence: &Evidence, after: u64) -> Verdict {
    let target = rest::relay::Target {
        cluster: "prod".into(),
        tiller: None,
    };
    let operation = OPERATION.parse().unwrap();
    let trace = Trace {
        target: &target,
        operation: &operation,
        step,
    };
    let now = Timestamp::from_second(i64::try_from(after).unwrap()).unwrap();
    Case::new(&trace, Duration::from_secs(TRANSIT), now).judge(evidence)
}

fn applied(revision: i32) -> Verdict {
    Verdict::Applied {
        release: "web".into(),
        revision,
    }
}

#[track_caller]
fn assert_waits(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Wait { .. }), "{verdict:?}");
}

#[track_caller]
fn assert_undecided(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Undecided { .. }), "{verdict:?}");
}

#[track_caller]
fn assert_not_applied(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::NotApplied { .. }), "{verdict:?}");
}

#[track_caller]
fn assert_failed(verdict: &Verdict, number: i32) {
    match verdict {
        Verdict::Failed { revision, .. } => assert_eq!(*revision, number),
        other => panic!("{other:?}"),
    }
}

const MAKING: [Method; 3] = [
    Method::InstallRelease,
    Method::UpdateRelease,
    Method::RollbackRelease,
];

#[test]
fn a_revision_with_the_operations_name_is_the_operations() {
    for method in MAKING {
        for status in [Status::Deployed, Status::Superseded] {
            let other = revision(8, Status::Superseded, &marked("Upgrade complete", OTHER));
            let mut own = revision(9, status, &marked("done", OPERATION));
            // Whatever else differs.
            own.values = "sha256:bb".into();
            let later = revision(10, Status::Deployed, "Upgrade complete");
            let evidence = with(vec![other, own, later]);
            assert_eq!(judged(&lost(method), &evidence, 0), applied(9), "{method}");
        }
    }
}

#[test]
fn nothing_is_proven_before_a_call_cannot_be_on_its_way_any_more() {
    for method in MAKING.into_iter().chain([Method::UninstallRelease]) {
        let step = lost(method);
        assert_waits(&judged(&step, &unchanged(), TRANSIT - 1));
        assert_not_applied(&judged(&step, &unchanged(), TRANSIT));
    }
}

#[test]
fn a_clock_that_was_set_back_proves_nothing() {
    let mut step = lost(Method::UpdateRelease);
    step.ended_at = Some(Timestamp::from_second(1_000_000).unwrap());
    assert_waits(&judged(&step, &unchanged(), 10_000));
    step.orphaned(Timestamp::from_second(10_000).unwrap());
    assert_waits(&judged(&step, &unchanged(), 10_000 + TRANSIT - 1));
    assert_not_applied(&judged(&step, &unchanged(), 10_000 + TRANSIT));
}

#[test]
fn hooks_that_leave_no_trace_are_waited_for_and_then_left_to_people() {
    for method in [Method::InstallRelease, Method::UninstallRelease] {
        let step = Step {
            hooks: true,
            silent: 600,
            ..lost(method)
        };
        assert_waits(&judged(&step, &unchanged(), TRANSIT + 599));
        assert_undecided(&judged(&step, &unchanged(), TRANSIT + 600));
    }
}

#[test]
fn what_is_under_way_is_waited_for_as_long_as_it_can_take() {
    for (method, status, text) in [
        (
            Method::InstallRelease,
            Status::PendingInstall,
            INITIAL.to_owned(),
        ),
        (
            Method::UpdateRelease,
            Status::PendingUpgrade,
            PREPARING.to_owned(),
        ),
        (
            Method::RollbackRelease,
            Status::PendingRollback,
            marked("Rollback to 3", OPERATION),
        ),
    ] {
        let evidence = with(vec![revision(8, status, &text)]);
        assert_waits(&judged(&lost(method), &evidence, TRANSIT + 299));
        assert_failed(&judged(&lost(method), &evidence, TRANSIT + 300), 8);
    }
}

#[test]
fn what_failed_is_known_by_its_chart_and_its_values() {
    for (method, text) in [
        (Method::InstallRelease, "Release \"web\" failed: no"),
        (Method::InstallRelease, "Release replace \"web\" failed: no"),
        (
            Method::InstallRelease,
            "Release \"web\" failed post-install: no",
        ),
        (Method::UpdateRelease, "Upgrade \"web\" failed: no"),
        // With `force`.
        (Method::UpdateRelease, "Release \"web\" failed: no"),
        (Method::RollbackRelease, "Rollback \"web\" failed: no"),
    ] {
        for status in [Status::Failed, Status::Superseded] {
            let failed = revision(8, status, text);
            let evidence = with(vec![failed.clone()]);
            assert_failed(&judged(&lost(method), &evidence, 0), 8);
            let mut another = failed;
            another.values = "sha256:bb".into();
            let evidence = with(vec![another]);
            assert_waits(&judged(&lost(method), &evidence, 0));
        }
    }
}

#[test]
fn a_failure_says_what_is_to_be_undone() {
    let undo = rest::plan::Undo {
        revision: Some(7),
        ..Default::default()
    };
    let step = Step {
        undo: Some(undo.clone()),
        ..lost(Method::UpdateRelease)
    };
    let evidence = with(vec![revision(
        8,
        Status::Failed,
        "Upgrade \"web\" failed: no",
    )]);
    let expected = Verdict::Failed {
        revision: 8,
        description: "Upgrade \"web\" failed: no".into(),
        status: "failed".into(),
        undo: Some(undo),
    };
    assert_eq!(judged(&step, &evidence, 0), expected);
}

#[test]
fn what_others_did_is_not_the_operations() {
    let step = lost(Method::UpdateRelease);
    let mut chart = revision(8, Status::Failed, "Upgrade \"web\" failed: no");
    chart.chart = "nginx-2.0.0".into();
    for foreign in [
        revision(8, Status::Deployed, "Upgrade complete"),
        revision(8, Status::Deployed, &marked("Upgrade complete", OTHER)),
        revision(8, Status::Failed, "Rollback \"web\" failed: no"),
        revision(8, Status::PendingRollback, "Rollback to 3"),
        chart,
    ] {
        let evidence = with(vec![foreign]);
        assert_waits(&judged(&step, &evidence, TRANSIT - 1));
        assert_not_applied(&judged(&step, &evidence, TRANSIT));
    }
}

#[test]
fn without_descriptions_chart_and_values_say_what_is_done() {
    let done = with(vec![revision(8, Status::Deployed, "Upgrade complete")]);
    let unmarked = Step {
        marked: false,
        ..lost(Method::UpdateRelease)
    };
    assert_eq!(judged(&unmarked, &done, 0), applied(8));
    let old = Evidence {
        keeps_descriptions: false,
        ..done
    };
    assert_eq!(judged(&lost(Method::UpdateRelease), &old, 0), applied(8));
}

#[test]
fn a_rollback_has_the_chart_and_the_values_of_what_it_goes_back_to() {
    let step = Step {
        target: 3,
        chart: None,
        values: None,
        ..lost(Method::RollbackRelease)
    };
    let failed = revision(8, Status::Failed, "Rollback \"web\" failed: no");
    let mut evidence = with(vec![failed.clone()]);
    evidence.target = Some(revision(3, Status::Superseded, ""));
    assert_failed(&judged(&step, &evidence, 0), 8);
    let mut other = revision(3, Status::Superseded, "");
    other.values = "sha256:bb".into();
    evidence.target = Some(other);
    assert_waits(&judged(&step, &evidence, 0));
}

#[test]
fn a_deletion_is_known_by_its_description() {
    let step = lost(Method::UninstallRelease);
    let own = marked("Deletion complete", OPERATION);
    let deleted = Evidence {
        newest: Some(revision(7, Status::Deleted, &own)),
        ..unchanged()
    };
    assert_eq!(judged(&step, &deleted, 0), applied(7));
    // Somebody brought it back.
    let mut revived = with(vec![revision(8, Status::Deployed, "Rollback to 7")]);
    revived.before = Some(revision(7, Status::Superseded, &own));
    assert_eq!(judged(&step, &revived, 0), applied(7));
    let foreign = Evidence {
        newest: Some(revision(7, Status::Deleted, "Deletion complete")),
        ..unchanged()
    };
    assert_not_applied(&judged(&step, &foreign, TRANSIT));
    let unmarked = Step {
        marked: false,
        ..step
    };
    assert_eq!(judged(&unmarked, &foreign, 0), applied(7));
}

#[test]
fn a_deletion_that_has_begun_is_waited_for() {
    for purge in [false, true] {
        let step = Step {
            purge,
            ..lost(Method::UninstallRelease)
        };
        let deleting = Evidence {
            newest: Some(revision(7, Status::Deleting, "")),
            ..unchanged()
        };
        assert_waits(&judged(&step, &deleting, TRANSIT + 299));
        assert_failed(&judged(&step, &deleting, TRANSIT + 300), 7);
    }
}

#[test]
fn a_purge_is_done_when_the_release_is_gone() {
    let step = Step {
        purge: true,
        ..lost(Method::UninstallRelease)
    };
    assert_eq!(judged(&step, &Evidence::default(), 0), applied(0));
    let anew = Evidence {
        newest: Some(revision(1, Status::Deployed, "Install complete")),
        ..Evidence::default()
    };
    assert_eq!(judged(&step, &anew, 0), applied(0));
    assert_waits(&judged(&step, &unchanged(), 0));
    assert_not_applied(&judged(&step, &unchanged(), TRANSIT));
    // There never was one.
    let none = Step {
        revision: 0,
        status: None,
        ..step
    };
    assert_waits(&judged(&none, &Evidence::default(), 0));
    assert_not_applied(&judged(&none, &Evidence::default(), TRANSIT));
}

#[test]
fn a_history_that_is_gone_says_nothing() {
    for method in MAKING.into_iter().chain([Method::UninstallRelease]) {
        assert_undecided(&judged(&lost(method), &Evidence::default(), 1_000_000));
    }
    let first = Step {
        revision: 0,
        status: None,
        ..lost(Method::InstallRelease)
    };
    assert_waits(&judged(&first, &Evidence::default(), 0));
    assert_not_applied(&judged(&first, &Evidence::default(), TRANSIT));
}

#[test]
fn what_was_deleted_meanwhile_is_known_only_if_chart_and_values_tell() {
    let deleted = with(vec![revision(8, Status::Deleted, "Deletion complete")]);
    assert_eq!(
        judged(&lost(Method::UpdateRelease), &deleted, 0),
        applied(8)
    );
    let step = Step {
        values: None,
        ..lost(Method::UpdateRelease)
    };
    assert_undecided(&judged(&step, &deleted, 0));
}

#[test]
fn tests_are_never_run_again() {
    let step = Step {
        tested: Some(5),
        ..lost(Method::RunReleaseTest)
    };
    let mut evidence = unchanged();
    assert_waits(&judged(&step, &evidence, TRANSIT + 299));
    assert_undecided(&judged(&step, &evidence, TRANSIT + 300));
    if let Some(newest) = &mut evidence.newest {
        newest.tested = Some(5);
    }
    assert_waits(&judged(&step, &evidence, 0));
    if let Some(newest) = &mut evidence.newest {
        newest.tested = Some(6);
    }
    assert_eq!(judged(&step, &evidence, 0), applied(7));
    assert_undecided(&judged(&step, &Evidence::default(), 0));
}

#[test]
fn a_name_that_tiller_made_up_is_found_by_the_operations() {
    let step = Step {
        release: None,
        revision: 0,
        status: None,
        ..lost(Method::InstallRelease)
    };
    let found = |status, description: &str| Evidence {
        later: vec![Recorded {
            values: String::new(),
            ..revision(1, status, description)
        }],
        keeps_descriptions: true,
        ..Evidence::default()
    };
    let done = found(Status::Deployed, &marked("Install complete", OPERATION));
    assert_eq!(judged(&step, &done, 0), applied(1));
    for unclear in [
        found(Status::PendingInstall, INITIAL),
        found(Status::Failed, "Release \"web\" failed: no"),
    ] {
        assert_waits(&judged(&step, &unclear, TRANSIT + 299));
        assert_undecided(&judged(&step, &unclear, TRANSIT + 300));
    }
    assert_waits(&judged(&step, &Evidence::default(), TRANSIT - 1));
    assert_not_applied(&judged(&step, &Evidence::default(), TRANSIT));
}
