//! Installs, upgrades, rollbacks, deletions and tests.

use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::services::tiller::TestReleaseRequest;

use super::tiller::{unavailable, with_status};
use super::*;

/// Sends every kind of change to `name` and gives what each was answered.
async fn change_everyhow(relay: &Relay, name: &str) -> Vec<(Rpc, Response<Body>)> {
    let test = TestReleaseRequest {
        name: name.into(),
        ..TestReleaseRequest::default()
    };
    let by = alice();
    vec![
        (
            Rpc::UpdateRelease,
            send(relay, &by, Rpc::UpdateRelease, &upgrade(name)).await,
        ),
        (
            Rpc::RollbackRelease,
            send(relay, &by, Rpc::RollbackRelease, &rollback(name, 0)).await,
        ),
        (
            Rpc::UninstallRelease,
            send(relay, &by, Rpc::UninstallRelease, &uninstall(name, false)).await,
        ),
        (
            Rpc::UninstallRelease,
            send(relay, &by, Rpc::UninstallRelease, &uninstall(name, true)).await,
        ),
        (
            Rpc::RunReleaseTest,
            send(relay, &by, Rpc::RunReleaseTest, &test).await,
        ),
    ]
}

fn changes(tiller: &FakeTiller) -> usize {
    tiller
        .called()
        .iter()
        .filter(|name| Rpc::from_name(name).unwrap().is_mutation())
        .count()
}

#[tokio::test]
async fn a_caller_of_one_namespace_changes_nothing_of_another() {
    let tiller = FakeTiller::with(vec![release("mine", "a", 2), release("other", "b", 2)]).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    for (method, answer) in change_everyhow(&relay, "other").await {
        let problem = refused(answer).await;
        assert!(problem.detail.starts_with("`alice` may not "), "{method}");
        assert!(problem.detail.contains("release `other` of cluster `prod`"));
        assert!(!problem.detail.contains("`b`"), "{}", problem.detail);
    }
    assert_eq!(changes(&tiller), 0);
    for (method, answer) in change_everyhow(&relay, "mine").await {
        assert_eq!(answer.status(), StatusCode::OK, "{method}");
        messages(answer).await;
    }
    assert_eq!(changes(&tiller), 5);
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn an_install_is_judged_by_its_own_namespace_and_asks_nothing() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let problem =
        refused(send(&relay, &alice(), Rpc::InstallRelease, &install("web", "b")).await).await;
    assert_eq!(
        problem.detail,
        "`alice` may not `install` release `web` in namespace `b` of cluster `prod` with chart `upload`"
    );
    assert_eq!(problem.cluster.as_deref(), Some("prod"));
    refused(send(&relay, &alice(), Rpc::InstallRelease, &install("web", "")).await).await;
    assert!(tiller.called().is_empty());
    let answer = send(&relay, &alice(), Rpc::InstallRelease, &install("web", "a")).await;
    messages(answer).await;
    assert_eq!(tiller.called(), ["InstallRelease"]);
}

#[tokio::test]
async fn the_last_of_a_field_that_comes_twice_is_judged() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let twice = |first: &str, second: &str| {
        let message = [install("web", first), install("web", second)]
            .map(|message| message.encode_to_vec())
            .concat();
        request(
            &path(Rpc::InstallRelease),
            grpc_web::encode_message(&message),
        )
    };
    refused(soon(relay.handle(&alice(), twice("a", "b"))).await).await;
    assert!(tiller.called().is_empty());
    let sent = twice("b", "a");
    let answer = soon(relay.handle(&alice(), sent)).await;
    messages(answer).await;
    // What was judged is what was sent; only the actor is added.
    let judged = [install("web", "b"), install("web", "a")]
        .map(|message| message.encode_to_vec())
        .concat();
    assert!(tiller.server.seen()[0].body[5..].starts_with(&judged));
}

#[tokio::test]
async fn who_may_replace_a_release_may_where_it_is_now() {
    let deleted = with_status(release("web", "b", 3), Status::Deleted);
    let tiller = FakeTiller::with(vec![deleted]).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let replace = InstallReleaseRequest {
        reuse_name: true,
        ..install("web", "a")
    };
    let problem = refused(send(&relay, &alice(), Rpc::InstallRelease, &replace).await).await;
    assert!(!problem.detail.contains("`b`"), "{}", problem.detail);
    assert_eq!(tiller.called(), ["GetReleaseContent"]);
    let fresh = InstallReleaseRequest {
        reuse_name: true,
        ..install("new", "a")
    };
    messages(send(&relay, &alice(), Rpc::InstallRelease, &fresh).await).await;
}

#[tokio::test]
async fn a_release_without_a_name_is_for_who_may_install_any() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let some = r#"
        [[grant]]
        principals = ["alice"]
        actions = ["install"]
        releases = ["web-*"]
    "#;
    let relay = Rig::new(&tiller.server).granting(some).relay();
    refused(send(&relay, &alice(), Rpc::InstallRelease, &install("", "a")).await).await;
    refused(send(&relay, &alice(), Rpc::InstallRelease, &install("db", "a")).await).await;
    messages(
        send(
            &relay,
            &alice(),
            Rpc::InstallRelease,
            &install("web-1", "a"),
        )
        .await,
    )
    .await;
}

/// Tiller upgrades what counts as deployed, which an install over a failed revision leaves where it was.
#[tokio::test]
async fn an_upgrade_is_judged_by_what_is_deployed_as_well_as_by_the_newest() {
    let newest = |namespace| with_status(release("web", namespace, 3), Status::Failed);
    for (deployed, newest, allowed) in [
        ("b", newest("a"), false),
        ("a", newest("b"), false),
        ("a", newest("a"), true),
    ] {
        let tiller = FakeTiller::with(vec![release("web", deployed, 1), newest]).await;
        let relay = Rig::new(&tiller.server).granting(A).relay();
        let answer = send(&relay, &alice(), Rpc::UpdateRelease, &upgrade("web")).await;
        if allowed {
            messages(answer).await;
        } else {
            refused(answer).await;
        }
        assert_eq!(changes(&tiller), usize::from(allowed), "{deployed}");
    }
}

#[tokio::test]
async fn what_writes_to_all_records_is_judged_by_all_that_are_deployed() {
    let tiller = FakeTiller::with(vec![release("web", "b", 1), release("web", "a", 2)]).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    refused(
        send(
            &relay,
            &alice(),
            Rpc::UninstallRelease,
            &uninstall("web", true),
        )
        .await,
    )
    .await;
    refused(send(&relay, &alice(), Rpc::RollbackRelease, &rollback("web", 2)).await).await;
    assert_eq!(changes(&tiller), 0);
    messages(
        send(
            &relay,
            &alice(),
            Rpc::UninstallRelease,
            &uninstall("web", false),
        )
        .await,
    )
    .await;
    messages(send(&relay, &alice(), Rpc::UpdateRelease, &upgrade("web")).await).await;
}

#[tokio::test]
async fn a_rollback_takes_no_values_out_of_another_namespace() {
    let releases = || {
        vec![
            with_status(release("web", "b", 1), Status::Superseded),
            with_status(release("web", "a", 2), Status::Superseded),
            release("web", "a", 3),
        ]
    };
    let reads_b = "[[grant]]\nprincipals = ['alice']\nactions = ['read']\nnamespaces = ['b']\n";
    let values_of_b = reads_b.replace("'read'", "'get-values'");
    for (more, target, allowed) in [
        ("", 2, true),
        ("", 0, true),
        ("", 1, false),
        (reads_b, 1, false),
        (&values_of_b, 1, true),
        // There is no such revision, which is for Tiller to say.
        ("", 9, true),
        ("", -1, true),
    ] {
        let tiller = FakeTiller::with(releases()).await;
        let relay = Rig::new(&tiller.server)
            .granting(&format!("{A}{more}"))
            .relay();
        let message = rollback("web", target);
        let answer = send(&relay, &alice(), Rpc::RollbackRelease, &message).await;
        if allowed {
            messages(answer).await;
        } else {
            refused(answer).await;
        }
        assert_eq!(changes(&tiller), usize::from(allowed), "{target} {more}");
    }
}

#[tokio::test]
async fn who_sees_values_here_and_not_there_does_not_roll_them_over() {
    let releases = vec![
        with_status(release("web", "b", 1), Status::Superseded),
        release("web", "a", 2),
    ];
    let tiller = FakeTiller::with(releases).await;
    let rules = r#"
        [[grant]]
        principals = ["alice"]
        actions = ["rollback"]
        [[grant]]
        principals = ["alice"]
        actions = ["get-values"]
        namespaces = ["a"]
    "#;
    let relay = Rig::new(&tiller.server).granting(rules).relay();
    refused(send(&relay, &alice(), Rpc::RollbackRelease, &rollback("web", 1)).await).await;
    assert_eq!(changes(&tiller), 0);
}

#[tokio::test]
async fn of_a_release_that_is_not_there_nothing_is_sent() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    for (method, answer) in change_everyhow(&relay, "none").await {
        let problem = problem(answer).await;
        assert_eq!(problem.code, Code::ReleaseNotFound, "{method}");
        assert_eq!(problem.detail, "release: \"none\" not found");
        assert_eq!(problem.outcome, Outcome::NotApplied);
    }
    assert_eq!(changes(&tiller), 0);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_not_allowed() {
    let server = super::super::apiserver::ApiServer::start(|_| async { unavailable() }).await;
    let relay = Rig::new(&server).granting(A).relay();
    for (method, answer) in change_everyhow(&relay, "web").await {
        let problem = problem(answer).await;
        assert_eq!(problem.code, Code::EndpointNotReady, "{method}");
        assert_eq!(problem.outcome, Outcome::NotApplied, "{method}");
    }
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.path.ends_with("GetReleaseContent"))
    );
}

#[tokio::test]
async fn who_is_not_limited_to_a_namespace_is_not_looked_up_for() {
    let everywhere = "[[grant]]\nprincipals = ['alice']\nactions = ['*']\nclusters = ['prod']\n";
    for caller in [caller(), alice()] {
        let tiller = FakeTiller::with(vec![release("web", "b", 1)]).await;
        let relay = Rig::new(&tiller.server).granting(everywhere).relay();
        messages(send(&relay, &caller, Rpc::UpdateRelease, &upgrade("web")).await).await;
        messages(send(&relay, &caller, Rpc::RollbackRelease, &rollback("web", 1)).await).await;
        messages(
            send(
                &relay,
                &caller,
                Rpc::UninstallRelease,
                &uninstall("web", true),
            )
            .await,
        )
        .await;
        assert_eq!(
            tiller.called(),
            ["UpdateRelease", "RollbackRelease", "UninstallRelease"]
        );
    }
}

#[tokio::test]
async fn a_dry_run_may_be_granted_alone_and_a_refusal_does_not_hit_it() {
    let rules = r#"
        [[grant]]
        principals = ["alice"]
        actions = ["dry-run"]
        namespaces = ["a"]
        [[refusal]]
        name = "freeze"
        reason = "no changes this week"
    "#;
    let tiller = FakeTiller::with(vec![release("web", "a", 1), release("other", "b", 1)]).await;
    let relay = Rig::new(&tiller.server).granting(rules).relay();
    let dry = |name| UpdateReleaseRequest {
        dry_run: true,
        ..upgrade(name)
    };
    messages(send(&relay, &alice(), Rpc::UpdateRelease, &dry("web")).await).await;
    let problem = refused(send(&relay, &alice(), Rpc::UpdateRelease, &dry("other")).await).await;
    assert!(problem.detail.contains("may not `dry-run` release `other`"));
    refused(send(&relay, &alice(), Rpc::UpdateRelease, &upgrade("web")).await).await;
    let problem = refused(send(&relay, &caller(), Rpc::UpdateRelease, &upgrade("web")).await).await;
    assert!(
        problem.detail.ends_with(": no changes this week"),
        "{}",
        problem.detail
    );
    assert_eq!(changes(&tiller), 1);
}

#[tokio::test]
async fn a_message_that_tiller_would_not_read_is_not_relayed() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    for (method, message) in [
        (Rpc::UpdateRelease, &b"\x0a\x05web"[..]),
        (Rpc::UninstallRelease, b"\x0a\x02\xff\xfe"),
        (Rpc::InstallRelease, b"\x22\x03web\x08\x01"),
        (Rpc::GetVersion, b"\xff"),
    ] {
        for caller in [caller(), alice()] {
            let sent = request(&path(method), grpc_web::encode_message(message));
            let problem = problem(soon(relay.handle(&caller, sent)).await).await;
            assert_eq!(problem.code, Code::NotRelayed, "{method}");
        }
    }
    assert!(tiller.called().is_empty());
}
