//! What is decided.

use std::collections::BTreeMap;

use super::*;

pub(super) const POLICY: &str = r#"
    [[token]]
    name = "alice"
    hash = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    [[grant]]
    name = "shop"
    principals = ["alice"]
    groups = ["shop-developers"]
    actions = ["install", "upgrade"]
    clusters = ["prod", "staging-*"]
    namespaces = ["shop", "shop-*"]
    charts = ["stable/*"]

    [[grant]]
    name = "auditors"
    groups = ["auditors"]
    actions = ["read"]

    [[grant]]
    name = "rehearsal"
    principals = ["ci-*"]
    actions = ["dry-run", "read-charts"]
    regions = ["eu"]
    labels = { tier = "g*" }

    [[grant]]
    name = "values"
    principals = ["bob"]
    actions = ["get-values"]
    tillers = ["team"]
    releases = ["web*"]

    [[grant]]
    name = "everybody"
    principals = ["*"]
    actions = ["test"]
    namespaces = ["sandbox"]

    [[grant]]
    name = "root"
    principals = ["root"]
    actions = ["*"]

    [[refusal]]
    name = "freeze"
    reason = "nothing changes over Christmas"
    except_groups = ["release-managers"]
    except_principals = ["*-bot"]
    clusters = ["prod"]
    [[refusal.window]]
    from = "2026-12-20T00:00:00Z"
    to = "2027-01-02T00:00:00Z"

    [[refusal]]
    name = "legacy"
    reason = "these charts are not maintained"
    charts = ["legacy/*"]

    [[refusal]]
    name = "hidden"
    reason = "the vault is nobody's business"
    actions = ["*"]
    releases = ["vault"]

    [[cluster]]
    name = "prod"
    protected = ["db-*"]
    [[cluster]]
    name = "staging-1"
    [[cluster]]
    name = "museum"
    read_only = true
"#;

pub(super) fn check(policy: &Policy, who: &Principal, attempt: &Attempt<'_>, expected: &str) {
    let decision = policy.decide(who, attempt, noon());
    assert_eq!(outcome(&decision), expected, "{who:?} {attempt:?}");
}

#[test]
fn nothing_is_allowed_that_no_grant_allows() {
    let empty = policy("");
    let policy = policy(POLICY);
    let nobody = named("nobody", &[]);
    for action in Action::ALL {
        check(&empty, &nobody, &attempt(*action), "-");
        check(&policy, &nobody, &attempt(*action), "-");
    }
}

#[test]
fn a_grant_is_for_those_it_names_and_for_members_of_its_groups() {
    let policy = policy(POLICY);
    for (name, groups, expected) in [
        ("alice", &[][..], "shop"),
        ("carol", &["shop-developers"], "shop"),
        ("carol", &["a", "shop-developers", "z"], "shop"),
        ("carol", &["shop-developers-2"], "-"),
        ("Alice", &[], "-"),
        ("alice2", &[], "-"),
        ("shop-developers", &[], "-"),
        ("carol", &["alice"], "-"),
        ("root", &["shop-developers"], "shop"),
        ("root", &[], "root"),
    ] {
        check(
            &policy,
            &named(name, groups),
            &attempt(Action::Upgrade),
            expected,
        );
    }
}

#[test]
fn an_action_brings_what_it_needs_and_no_more() {
    let policy = policy(POLICY);
    let alice = named("alice", &[]);
    let auditor = named("eve", &["auditors"]);
    let bob = named("bob", &[]);
    let team = Attempt {
        place: Some(Place {
            tiller: Some("team"),
            ..cluster("prod")
        }),
        ..attempt(Action::Read)
    };
    for (who, action, dry_run, expected) in [
        (&alice, Action::Install, false, "shop"),
        (&alice, Action::Install, true, "shop"),
        (&alice, Action::Upgrade, true, "shop"),
        (&alice, Action::Read, false, "shop"),
        (&alice, Action::ReadCharts, false, "shop"),
        (&alice, Action::GetValues, false, "-"),
        (&alice, Action::Rollback, false, "-"),
        (&alice, Action::Rollback, true, "-"),
        (&alice, Action::Uninstall, false, "-"),
        (&alice, Action::Test, false, "-"),
        (&auditor, Action::Read, false, "auditors"),
        (&auditor, Action::GetValues, false, "-"),
        (&auditor, Action::ReadCharts, false, "-"),
        (&bob, Action::Read, false, "values"),
        (&bob, Action::GetValues, false, "values"),
        (&bob, Action::Upgrade, true, "-"),
    ] {
        let attempt = Attempt {
            action,
            dry_run,
            ..team
        };
        check(&policy, who, &attempt, expected);
    }
}

#[test]
fn a_dry_run_needs_less_than_what_it_rehearses() {
    let policy = policy(POLICY);
    let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let place = Place {
        region: Some("eu"),
        labels: &labels,
        ..cluster("prod")
    };
    let ci = named("ci-7", &[]);
    for (action, dry_run, expected) in [
        (Action::Install, true, "rehearsal"),
        (Action::Rollback, true, "rehearsal"),
        (Action::Upgrade, true, "rehearsal"),
        (Action::Upgrade, false, "-"),
        // Tiller has no dry run of these: whoever says so asks for the thing itself.
        (Action::Uninstall, true, "-"),
        (Action::Test, true, "-"),
        (Action::Read, true, "-"),
    ] {
        let attempt = Attempt {
            dry_run,
            place: Some(place),
            ..attempt(action)
        };
        check(&policy, &ci, &attempt, expected);
    }
    for elsewhere in [
        Place {
            region: None,
            ..place
        },
        Place {
            region: Some("us"),
            ..place
        },
        Place {
            labels: &NO_LABELS,
            ..place
        },
    ] {
        let attempt = Attempt {
            dry_run: true,
            place: Some(elsewhere),
            ..attempt(Action::Upgrade)
        };
        check(&policy, &ci, &attempt, "-");
    }
}

#[test]
fn a_selector_limits_what_has_such_a_thing() {
    let policy = policy(POLICY);
    let alice = named("alice", &[]);
    let upgrade = attempt(Action::Upgrade);
    for (attempt, expected) in [
        (upgrade, "shop"),
        (
            Attempt {
                namespace: Some("shop-eu"),
                ..upgrade
            },
            "shop",
        ),
        (
            Attempt {
                namespace: Some("shopping"),
                ..upgrade
            },
            "-",
        ),
        (
            Attempt {
                place: Some(cluster("staging-1")),
                ..upgrade
            },
            "shop",
        ),
        (
            Attempt {
                place: Some(cluster("prod-2")),
                ..upgrade
            },
            "-",
        ),
        (
            Attempt {
                chart: Some("upload"),
                ..upgrade
            },
            "-",
        ),
        // A release that is there is read wherever its chart was from.
        (
            Attempt {
                chart: Some("upload"),
                ..attempt(Action::Read)
            },
            "shop",
        ),
        // Charts are in no namespace, and those of a repository in no cluster.
        (
            Attempt {
                namespace: None,
                release: None,
                place: None,
                ..attempt(Action::ReadCharts)
            },
            "shop",
        ),
        (
            Attempt {
                namespace: None,
                release: None,
                place: Some(cluster("prod-2")),
                ..attempt(Action::ReadCharts)
            },
            "-",
        ),
        (
            Attempt {
                chart: Some("incubator/nginx"),
                ..attempt(Action::ReadCharts)
            },
            "-",
        ),
    ] {
        check(&policy, &alice, &attempt, expected);
    }
}

#[test]
fn what_is_not_known_leaves_open_what_depends_on_it() {
    let policy = policy(POLICY);
    let alice = named("alice", &[]);
    let upgrade = attempt(Action::Upgrade);
    let anywhere = Attempt {
        namespace: None,
        ..upgrade
    };
    check(&policy, &alice, &anywhere, "?");
    // `db-*` is protected.
    let any_release = Attempt {
        release: None,
        ..upgrade
    };
    check(&policy, &alice, &any_release, "?");
    let any_chart = Attempt {
        chart: None,
        ..upgrade
    };
    check(&policy, &alice, &any_chart, "?");
    // Whatever the namespace is.
    for (attempt, expected) in [
        (
            Attempt {
                place: Some(cluster("prod-2")),
                ..anywhere
            },
            "-",
        ),
        (
            Attempt {
                chart: Some("upload"),
                ..anywhere
            },
            "-",
        ),
        (
            Attempt {
                release: Some("db-1"),
                ..anywhere
            },
            "!protected",
        ),
        (
            Attempt {
                release: Some("vault"),
                ..anywhere
            },
            "!hidden",
        ),
    ] {
        check(&policy, &alice, &attempt, expected);
    }
    let auditor = named("eve", &["auditors"]);
    let anything = Attempt {
        namespace: None,
        release: Some("web"),
        chart: None,
        ..attempt(Action::Read)
    };
    check(&policy, &auditor, &anything, "auditors");
    let any_tiller = Attempt {
        place: Some(Place {
            tiller: None,
            ..cluster("prod")
        }),
        ..attempt(Action::GetValues)
    };
    check(&policy, &named("bob", &[]), &any_tiller, "?");
}

#[test]
fn of_callers_of_whom_nothing_is_known_only_anonymous_speaks() {
    let with = policy(&format!(
        "{POLICY}\n[anonymous]\nactions = [\"get-values\"]\nclusters = [\"staging-*\"]\n"
    ));
    let without = policy(POLICY);
    for name in ["", "anonymous", "alice", "root"] {
        let nobody = principal(Method::Anonymous, name, &["shop-developers", "auditors"]);
        let staging = |action| Attempt {
            place: Some(cluster("staging-1")),
            namespace: Some("sandbox"),
            ..attempt(action)
        };
        check(&with, &nobody, &staging(Action::Read), "anonymous");
        check(&with, &nobody, &staging(Action::GetValues), "anonymous");
        check(&with, &nobody, &staging(Action::Test), "-");
        check(&with, &nobody, &attempt(Action::Read), "-");
        check(&without, &nobody, &staging(Action::Read), "-");
    }
}

#[test]
fn a_place_is_seen_by_those_who_have_any_grant_there() {
    let policy = policy(POLICY);
    let team = Place {
        tiller: Some("team"),
        ..cluster("prod-2")
    };
    let any = Place {
        tiller: None,
        ..team
    };
    for (name, place, expected) in [
        ("alice", cluster("prod"), true),
        ("bob", team, true),
        ("bob", any, true),
        ("bob", cluster("prod-2"), true),
        ("root", cluster("prod-2"), true),
    ] {
        assert_eq!(policy.sees(&named(name, &[]), &place), expected, "{name}");
    }
    let strict = super::policy(
        r#"
        [[grant]]
        principals = ["alice"]
        actions = ["read"]
        clusters = ["prod"]
        tillers = ["team"]
        "#,
    );
    let alice = named("alice", &[]);
    let prod = |tiller| Place {
        tiller,
        ..cluster("prod")
    };
    assert!(strict.sees(&alice, &prod(None)));
    assert!(strict.sees(&alice, &prod(Some("team"))));
    assert!(!strict.sees(&alice, &prod(Some("default"))));
    assert!(!strict.sees(&alice, &cluster("staging-1")));
    assert!(!strict.sees(&named("bob", &[]), &prod(None)));
    assert!(strict.sees(&Principal::local(), &cluster("any")));
}

#[test]
fn of_several_grants_the_first_in_the_file_is_named() {
    let policy = policy(
        r#"
        [[grant]]
        groups = ["developers"]
        actions = ["read"]
        [[grant]]
        name = "own"
        principals = ["alice"]
        actions = ["*"]
        [[grant]]
        principals = ["*", "alice"]
        groups = ["developers"]
        actions = ["*"]
        "#,
    );
    let alice = named("alice", &["developers"]);
    check(&policy, &alice, &attempt(Action::Read), "grant[0]");
    check(&policy, &alice, &attempt(Action::Test), "own");
    check(
        &policy,
        &named("bob", &[]),
        &attempt(Action::Test),
        "grant[2]",
    );
}
