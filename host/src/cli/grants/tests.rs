use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

const CONFIG: &str = r#"
    [[grant]]
    name = "shop"
    principals = ["alice"]
    groups = ["shop-developers"]
    actions = ["install", "upgrade"]
    regions = ["eu"]
    labels = { tier = "gold" }
    namespaces = ["shop", "shop-*"]
    charts = ["stable/*"]

    [[refusal]]
    name = "freeze"
    reason = "nothing changes over Christmas"
    except_groups = ["release-managers"]
    clusters = ["prod"]
    [[refusal.window]]
    from = "2026-12-20T00:00:00Z"
    [[refusal.window]]
    days = ["fri"]
    from = "16:00"
    to = "24:00"

    [anonymous]
    actions = ["read"]

    [[cluster]]
    name = "prod"
    region = "eu"
    labels = { tier = "gold" }
    protected = ["db-*"]
    [[cluster]]
    name = "museum"
    read_only = true
    [[cluster.tiller]]
    name = "team"
"#;

fn config() -> Config {
    Config::parse(CONFIG, "/edge.toml".as_ref()).expect("a good configuration")
}

fn explain(arguments: &str) -> anyhow::Result<Explanation> {
    let line = ["tiller-edge", "grants", "explain"];
    let cli = Cli::try_parse_from(line.into_iter().chain(arguments.split_whitespace()))?;
    let Command::Grants {
        command: GrantsCommand::Explain(args),
    } = cli.command
    else {
        panic!("another command");
    };
    args.explain(&config())
}

fn decided(arguments: &str) -> (Outcome, Option<String>) {
    let explanation = explain(arguments).expect(arguments);
    (explanation.decision, explanation.rule)
}

#[test]
fn the_rule_that_decides_is_named() {
    let shop = Some("shop".to_owned());
    let at = "--at 2026-06-10T12:00:00Z";
    for (arguments, expected) in [
        (
            "--as alice --action upgrade --cluster prod --namespace shop --release web --chart stable/web",
            (Outcome::Allowed, shop.clone()),
        ),
        (
            "--as eve --group shop-developers --method oidc --action install --dry-run --cluster prod --namespace shop-a \
             --chart stable/web",
            (Outcome::Allowed, shop.clone()),
        ),
        (
            "--as alice --action read-charts --chart stable/web",
            (Outcome::Allowed, shop),
        ),
        (
            "--as alice --action upgrade --cluster prod",
            (Outcome::Depends, None),
        ),
        (
            "--as alice --action upgrade --cluster museum",
            (Outcome::Refused, None),
        ),
        (
            "--method anonymous --action read --cluster museum",
            (Outcome::Allowed, Some("anonymous".to_owned())),
        ),
        (
            "--method local --action test --cluster museum",
            (Outcome::Refused, Some("read-only".to_owned())),
        ),
    ] {
        assert_eq!(
            decided(&format!("{arguments} {at}")),
            expected,
            "{arguments}"
        );
    }
    assert_eq!(
        decided(
            "--method local --action test --cluster prod --release web --at 2026-12-24T18:00:00Z"
        ),
        (Outcome::Refused, Some("freeze".to_owned()))
    );
}

#[test]
fn a_question_about_what_is_not_there_says_what_is() {
    for (arguments, expected) in [
        (
            "--as a --action upgrad --cluster prod",
            "did you mean `upgrade`?",
        ),
        (
            "--as a --action read --cluster pord",
            "no cluster `pord`; did you mean `prod`?",
        ),
        (
            "--as a --action read --cluster somewhere-else",
            "it has prod, museum",
        ),
        (
            "--as a --action read --cluster museum --tiller teem",
            "did you mean `team`?",
        ),
        ("--as a --action read", "--cluster"),
        ("--action read --cluster prod", "--as"),
        ("--method oidc --action read --cluster prod", "--as"),
        (
            "--as a --action dry-run --cluster prod",
            "--action upgrade --dry-run",
        ),
        (
            "--as a --action test --dry-run --cluster prod",
            "no dry run of test",
        ),
        ("--as a --action read --cluster prod --at noon", "--at"),
    ] {
        let error = explain(arguments).expect_err(arguments).to_string();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn the_answer_in_words_has_every_rule_in_a_line() {
    let explanation = explain(
        "--as alice --action upgrade --cluster prod --release web --at 2026-06-10T12:00:00Z",
    )
    .expect("an answer");
    assert_eq!(
        text(&explanation, &config()),
        "\
depends: grant `shop` allows it in namespaces shop, shop-* with charts stable/*

grants that are for them
shop  depends, namespaces: shop, shop-*

refusals that are for them
freeze     no, window: from 2026-12-20T00:00:00Z; fri from 16:00 to 00:00 UTC
protected  no, releases: db-*
"
    );
}

#[test]
fn the_list_has_every_rule_in_a_line() {
    assert_eq!(
        table(&config()),
        "\
RULE       WHO                                   ACTIONS           WHERE AND WHEN
shop       alice, group shop-developers          install, upgrade  regions eu; labels tier=gold; namespaces shop, shop-*; charts stable/*
anonymous  whoever shows nothing                 read              anywhere
freeze     everybody but group release-managers  no change         clusters prod; from 2026-12-20T00:00:00Z; fri from 16:00 to 00:00 UTC
protected  everybody                             no change         clusters prod; releases db-*
read-only  everybody                             no change         clusters museum
"
    );
}
