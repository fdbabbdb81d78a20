use std::path::Path;

use super::*;

const TOKEN: &str = r#"
    [[token]]
    name = "alice"
    hash = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/edge.toml")).map_err(|error| error.to_string())
}

fn grant(lines: &str) -> String {
    format!("[[grant]]\nprincipals = [\"alice\"]\nactions = [\"read\"]\n{lines}\n")
}

fn refusal(lines: &str) -> String {
    format!("[[refusal]]\nreason = \"because\"\n{lines}\n")
}

#[test]
fn a_rule_that_cannot_mean_anything_is_refused_with_the_reason() {
    for (text, expected) in [
        (
            "[[grant]]\nactions = [\"read\"]".to_owned(),
            "/edge.toml:1: grant[0]: is for nobody",
        ),
        (
            "[[grant]]\nprincipals = [\"a\"]".to_owned(),
            "grant[0].actions: allows nothing; name some of approve, dry-run,",
        ),
        (
            "[[grant]]\nprincipals = [\"\"]\nactions = [\"read\"]".to_owned(),
            "/edge.toml:2: grant[0].principals[0]: a name has at least one character",
        ),
        (
            "[[grant]]\nprincipals = [\"a\"]\nactions = [\n\"read\",\n\"upgrad\"]".to_owned(),
            "/edge.toml:5: grant[0].actions[1]: `upgrad` is no action; did you mean `upgrade`?",
        ),
        (grant("clusters = []"), "an empty list matches nothing"),
        (grant("charts = []"), "an empty list matches nothing"),
        (
            grant("namespaces = [\"shop\", \"team-?\"]"),
            "/edge.toml:4: grant[0].namespaces[1]: is not a name, in which `*`",
        ),
        (grant("releases = [\"a,b\"]"), "grant[0].releases[0]"),
        (grant("tillers = [\"\\n\"]"), "grant[0].tillers[0]"),
        (grant("labels = { \"\" = \"x\" }"), "grant[0].labels"),
        (
            grant("charts = [\"nginx\"]"),
            "grant[0].charts[0]: is not where a chart is from: `repository/name`",
        ),
        (grant("name = \"\""), "grant[0].name: a name has 1 to 253"),
        (
            grant("name = \"local\""),
            "another rule is called `local` already",
        ),
        (
            grant("name = \"x\"") + &refusal("name = \"x\""),
            "/edge.toml:7: refusal[0].name: another rule is called `x` already",
        ),
        (
            grant("") + &grant("name = \"grant[0]\""),
            "grant[1].name: another rule is called `grant[0]` already",
        ),
        (grant("cluster = \"x\""), "unknown field `cluster`"),
        (
            "[[refusal]]".to_owned(),
            "refusal[0].reason: write in one line why",
        ),
        (
            "[[refusal]]\nreason = \"a\\nb\"".to_owned(),
            "refusal[0].reason: write in one line why",
        ),
        (
            refusal("actions = []"),
            "refusal[0].actions: forbids nothing; leave it away",
        ),
        (
            refusal("except_groups = [\"\"]"),
            "refusal[0].except_groups[0]",
        ),
        (refusal("releases = []"), "an empty list matches nothing"),
        (
            refusal("[[refusal.window]]\ndays = [\"fryday\"]"),
            "`fryday` is no day",
        ),
        (
            "[[cluster]]\nname = \"prod\"\nprotected = [\"db-?\"]".to_owned(),
            "/edge.toml:3: cluster[0].protected[0]: is not a name",
        ),
    ] {
        let complaint = parse(&text).expect_err(&text);
        assert!(complaint.contains(expected), "{text}: {complaint}");
    }
}

#[test]
fn a_zone_that_is_not_there_is_named_with_one_that_is() {
    let window = "[[refusal.window]]\ndays = [\"fri\"]\nzone = \"Europe/Berln\"";
    let complaint = parse(&refusal(window)).expect_err("refused");
    assert!(
        complaint.contains("no time zone; did you mean `Europe/Berlin`?"),
        "{complaint}"
    );
}

#[test]
fn names_of_people_and_clusters_are_free_text() {
    let text = r#"
        [[grant]]
        name = "the team, all of it"
        principals = ["CN=Alice Smith, Ltd.", "oidc:https://id/alice?x=[1]"]
        groups = ["system:*", "Team 7"]
        actions = ["*"]
        clusters = ["arn:aws:eks:eu-west-1:1:cluster/prod"]
        regions = ["eu west"]
        charts = ["upload", "*", "stable/*", "https://charts.example.com/*.tgz?x=[1]", "oci://registry/team/*"]
        labels = { "example.com/tier" = "", tier = "g*" }
    "#;
    assert_eq!(parse(text).map(drop), Ok(()));
}

#[test]
fn every_complaint_is_reported_at_once() {
    let text = grant("clusters = []\nreleases = [\"\"]") + "[[refusal]]\nactions = []\n";
    let complaint = parse(&text).expect_err("refused");
    assert_eq!(complaint.lines().count(), 4, "{complaint}");
}

#[test]
fn a_rule_without_effect_is_warned_of() {
    let clusters = "
        [[cluster]]
        name = \"prod\"
        region = \"eu\"
        [[cluster]]
        name = \"museum\"
        [[cluster.tiller]]
        name = \"team\"
        ";
    for (text, expected) in [
        (
            grant(""),
            &[
                "grant: without a method of authentication every caller is an administrator, whatever is granted",
            ][..],
        ),
        (format!("{TOKEN}{}", grant("clusters = [\"prod\"]")), &[]),
        (
            format!(
                "{TOKEN}{clusters}{}",
                grant("clusters = [\"prod\", \"pr*\", \"prdo\"]")
            ),
            &["grant[0].clusters[2]: this edge has no cluster `prdo`; did you mean `prod`?"],
        ),
        (
            format!(
                "{TOKEN}{clusters}{}",
                grant("clusters = [\"prod\"]\ntillers = [\"team\"]")
            ),
            &[
                "grant[0]: no cluster of this edge is as its `clusters`, `regions`, `labels` and `tillers` say, so it never applies",
            ],
        ),
        (
            format!("{TOKEN}{clusters}{}", grant("tillers = [\"team\"]")),
            &[],
        ),
        (
            format!("{TOKEN}{clusters}{}", grant("regions = [\"eu\"]")),
            &[],
        ),
        (
            format!("{clusters}{}", refusal("labels = { tier = \"gold\" }")),
            &[
                "refusal[0]: no cluster of this edge is as its `clusters`, `regions`, `labels` and `tillers` say, so it never \
               applies",
            ],
        ),
        (
            format!(
                "{TOKEN}[[repository]]\nname = \"stable\"\nurl = \"https://charts.example.com\"\n{}",
                grant(
                    "charts = [\"stable/x\", \"stabel/*\", \"https://charts.example.com/*\", \"upload\", \"*\"]"
                )
            ),
            &["grant[0].charts[1]: this edge has no repository `stabel`; did you mean `stable`?"],
        ),
    ] {
        let config = parse(&text).expect(&text);
        let warnings: Vec<String> = config
            .warnings()
            .iter()
            .map(|warning| format!("{}: {}", warning.key, warning.message))
            .collect();
        assert_eq!(warnings, expected, "{text}");
    }
}

#[test]
fn rules_read_back_as_written() {
    let text = TOKEN.to_owned()
        + &grant("name = \"x\"\nclusters = [\"a*\"]\nlabels = { tier = \"g*\" }")
        + &refusal(
            "name = \"y\"\nexcept_groups = [\"z\"]\nactions = [\"*\"]\n[[refusal.window]]\ndays = [\"fri\"]\nzone = \"Asia/Tokyo\"",
        );
    let config = parse(&text).expect("good");
    let again = toml::to_string(&config).expect("text");
    assert_eq!(parse(&again), Ok(config), "{again}");
}

#[test]
fn every_example_of_the_documentation_is_understood() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grants.md");
    let text = std::fs::read_to_string(path).expect("docs/grants.md is there");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        assert_eq!(parse(example).map(drop), Ok(()), "{example}");
    }
}
