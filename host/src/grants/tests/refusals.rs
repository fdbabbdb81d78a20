//! What is refused whatever is granted.

use super::table::{POLICY, check};
use super::*;

#[test]
fn a_refusal_wins_over_every_grant() {
    let policy = policy(POLICY);
    let christmas = time("2026-12-24T18:00:00Z");
    let upgrade = attempt(Action::Upgrade);
    let root = named("root", &[]);
    for (who, attempt, now, expected) in [
        (&root, upgrade, noon(), "root"),
        (&root, upgrade, christmas, "!freeze"),
        (&Principal::local(), upgrade, christmas, "!freeze"),
        (&Principal::local(), upgrade, noon(), "local"),
        // Who has no grant hears of no refusal.
        (&named("nobody", &[]), upgrade, christmas, "-"),
        // Neither reading nor rehearsing changes anything.
        (&root, attempt(Action::Read), christmas, "root"),
        (&root, attempt(Action::ReadCharts), christmas, "root"),
        (
            &root,
            Attempt {
                dry_run: true,
                ..upgrade
            },
            christmas,
            "root",
        ),
        (
            &root,
            Attempt {
                place: Some(cluster("staging-1")),
                ..upgrade
            },
            christmas,
            "root",
        ),
        (
            &root,
            Attempt {
                chart: Some("legacy/nginx"),
                ..upgrade
            },
            noon(),
            "!legacy",
        ),
        // What brings no chart brings no legacy chart.
        (
            &root,
            Attempt {
                chart: Some("legacy/nginx"),
                ..attempt(Action::Uninstall)
            },
            noon(),
            "root",
        ),
        (
            &root,
            Attempt {
                release: Some("vault"),
                ..attempt(Action::Read)
            },
            noon(),
            "!hidden",
        ),
        (
            &root,
            Attempt {
                release: Some("vault"),
                dry_run: true,
                ..upgrade
            },
            noon(),
            "!hidden",
        ),
        (
            &root,
            Attempt {
                place: Some(cluster("museum")),
                ..upgrade
            },
            noon(),
            "!read-only",
        ),
        (
            &root,
            Attempt {
                place: Some(cluster("museum")),
                ..attempt(Action::GetValues)
            },
            noon(),
            "root",
        ),
        (
            &root,
            Attempt {
                release: Some("db-main"),
                ..attempt(Action::Uninstall)
            },
            noon(),
            "!protected",
        ),
        (
            &root,
            Attempt {
                release: Some("db-main"),
                place: Some(cluster("staging-1")),
                ..attempt(Action::Uninstall)
            },
            noon(),
            "root",
        ),
        // Of several the first in the file.
        (
            &root,
            Attempt {
                release: Some("db-main"),
                ..upgrade
            },
            christmas,
            "!freeze",
        ),
    ] {
        let decision = policy.decide(who, &attempt, now);
        assert_eq!(outcome(&decision), expected, "{who:?} {attempt:?} {now}");
    }
}

#[test]
fn those_who_are_excepted_are_not_refused() {
    let policy = policy(&format!(
        "{POLICY}\n[[grant]]\nname = \"late\"\nprincipals = [\"*\"]\nactions = [\"upgrade\"]\n\
         [anonymous]\nactions = [\"upgrade\"]\n"
    ));
    let christmas = time("2026-12-24T18:00:00Z");
    for (who, expected) in [
        (named("carol", &[]), "!freeze"),
        (named("carol", &["release-managers"]), "late"),
        (named("security-bot", &[]), "late"),
        (
            principal(Method::Anonymous, "security-bot", &["release-managers"]),
            "!freeze",
        ),
    ] {
        let decision = policy.decide(&who, &attempt(Action::Upgrade), christmas);
        assert_eq!(outcome(&decision), expected, "{who:?}");
    }
}

#[test]
fn refusing_to_let_a_release_be_read_keeps_its_values_too() {
    let policy = policy(
        r#"
        [[refusal]]
        reason = "secret"
        actions = ["read"]
        namespaces = ["vault"]
        "#,
    );
    let vault = |action| Attempt {
        namespace: Some("vault"),
        ..attempt(action)
    };
    let local = Principal::local();
    check(&policy, &local, &vault(Action::Read), "!refusal[0]");
    check(&policy, &local, &vault(Action::GetValues), "!refusal[0]");
    check(&policy, &local, &vault(Action::Upgrade), "local");
}
