//! What those are told who ask why.

use serde_json::json;

use super::*;
use crate::grants::Outcome;

const POLICY: &str = r#"
    [[grant]]
    name = "shop"
    principals = ["alice"]
    actions = ["upgrade"]
    clusters = ["prod"]
    namespaces = ["shop", "shop-*"]

    [[grant]]
    name = "look"
    groups = ["staff"]
    actions = ["read"]
    labels = { tier = "gold" }

    [[grant]]
    name = "others"
    principals = ["mallory"]
    actions = ["*"]

    [[refusal]]
    name = "freeze"
    reason = "nothing changes over Christmas"
    [[refusal.window]]
    from = "2026-12-20T00:00:00Z"
    to = "2027-01-02T00:00:00Z"

    [[refusal]]
    name = "mallory"
    reason = "not this one"
    principals = ["mallory"]

    [[cluster]]
    name = "prod"
    protected = ["db-*"]
    [[cluster]]
    name = "museum"
    read_only = true
"#;

fn why(who: &Principal, attempt: &Attempt<'_>) -> String {
    policy(POLICY).explain(who, attempt, noon()).why
}

#[test]
fn a_refused_caller_hears_what_the_nearest_grant_lacks() {
    let alice = named("alice", &["staff"]);
    for (who, attempt, expected) in [
        (
            &alice,
            Attempt {
                namespace: Some("infra"),
                ..attempt(Action::Upgrade)
            },
            "no grant of alice allows upgrade here; grant `shop` allows it in namespaces shop, shop-*",
        ),
        (
            &alice,
            Attempt {
                namespace: Some("infra"),
                place: Some(cluster("museum")),
                ..attempt(Action::Upgrade)
            },
            "no grant of alice allows upgrade here; grant `shop` allows it in clusters prod in namespaces shop, shop-*",
        ),
        (
            &alice,
            Attempt {
                dry_run: true,
                ..attempt(Action::Rollback)
            },
            "no grant of alice allows a dry run of rollback; grant `shop` allows upgrade only",
        ),
        (
            &named("bob", &["staff"]),
            attempt(Action::Read),
            "no grant of bob allows read here; grant `look` allows it in clusters with labels tier=gold",
        ),
        (
            &named("eve", &[]),
            attempt(Action::Read),
            "no grant is for eve or a group of theirs",
        ),
    ] {
        assert_eq!(why(who, &attempt), expected);
    }
}

#[test]
fn where_it_depends_the_caller_hears_on_what() {
    let explanation = policy(POLICY).explain(
        &named("alice", &[]),
        &Attempt {
            namespace: None,
            release: None,
            ..attempt(Action::Upgrade)
        },
        noon(),
    );
    assert_eq!(explanation.decision, Outcome::Depends);
    assert_eq!(
        explanation.why,
        "grant `shop` allows it in namespaces shop, shop-*; refusal `protected` forbids it for releases db-*"
    );
}

#[test]
fn every_rule_that_was_considered_says_what_it_asks_for() {
    let explanation = policy(POLICY).explain(
        &named("alice", &["staff"]),
        &Attempt {
            namespace: None,
            ..attempt(Action::Upgrade)
        },
        noon(),
    );
    assert_eq!(
        serde_json::to_value(&explanation).expect("JSON"),
        json!({
            "decision": "depends",
            "why": "grant `shop` allows it in namespaces shop, shop-*",
            "grants": [
                {"name": "shop", "applies": "depends", "key": "namespaces", "wants": "shop, shop-*"},
                {"name": "look", "applies": "no", "key": "actions", "wants": "read"},
            ],
            "refusals": [
                {
                    "name": "freeze",
                    "applies": "no",
                    "key": "window",
                    "wants": "from 2026-12-20T00:00:00Z to 2027-01-02T00:00:00Z",
                },
                {"name": "protected", "applies": "no", "key": "releases", "wants": "db-*"},
            ],
        })
    );
}

#[test]
fn what_one_may_do_at_all_is_ones_own_grants_and_what_takes_from_them() {
    let access = policy(POLICY).of(&named("alice", &["staff"]), noon());
    assert_eq!(
        serde_json::to_value(&access).expect("JSON"),
        json!({
            "grants": [
                {
                    "name": "shop",
                    "actions": ["upgrade"],
                    "clusters": ["prod"],
                    "namespaces": ["shop", "shop-*"],
                },
                {"name": "look", "group": "staff", "actions": ["read"], "labels": {"tier": "gold"}},
            ],
            "refusals": [
                {
                    "name": "freeze",
                    "reason": "nothing changes over Christmas",
                    "actions": ["install", "rollback", "test", "uninstall", "upgrade"],
                    "windows": [{"from": "2026-12-20T00:00:00Z", "to": "2027-01-02T00:00:00Z"}],
                    "holds": false,
                },
                {
                    "name": "protected",
                    "reason": "releases db-* of cluster prod are protected",
                    "actions": ["install", "rollback", "test", "uninstall", "upgrade"],
                    "clusters": ["prod"],
                    "releases": ["db-*"],
                    "holds": true,
                },
                {
                    "name": "read-only",
                    "reason": "cluster museum is read-only at this edge",
                    "actions": ["install", "rollback", "test", "uninstall", "upgrade"],
                    "clusters": ["museum"],
                    "holds": true,
                },
            ],
        })
    );
}

#[test]
fn clusters_where_one_has_no_grant_are_not_named() {
    let policy = policy(&POLICY.replace("labels = { tier = \"gold\" }", "clusters = [\"pr*\"]"));
    let access = policy.of(&named("alice", &["staff"]), noon());
    let names: Vec<&str> = access
        .refusals
        .iter()
        .map(|refusal| refusal.name.as_str())
        .collect();
    assert_eq!(names, ["freeze", "protected"]);
}

#[test]
fn a_long_list_is_cut_in_a_sentence() {
    let namespaces: Vec<String> = (0..50).map(|n| format!("\"team-{n}\"")).collect();
    let policy = policy(&format!(
        "[[grant]]\nprincipals = [\"alice\"]\nactions = [\"read\"]\nnamespaces = [{}]",
        namespaces.join(", ")
    ));
    let why = policy
        .explain(&named("alice", &[]), &attempt(Action::Read), noon())
        .why;
    assert!(why.ends_with("team-8, team-9 and 40 more"), "{why}");
}
