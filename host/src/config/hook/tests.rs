use std::path::Path;

use secrecy::ExposeSecret;

use super::*;
use crate::config::ConfigError;

const GOOD: &str =
    "[[hook]]\nname = \"ci\"\nprovider = \"github\"\nsecrets = [\"It's a Secret to Everybody\"]\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/edge/edge.toml"))
}

fn complaints(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Refused { refused, .. }) => refused
            .iter()
            .map(|invalid| format!("{}: {}", invalid.key, invalid.message))
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn hook(lines: &str) -> String {
    format!("[[hook]]\nname = \"ci\"\n{lines}\n")
}

#[test]
fn a_name_a_provider_and_a_secret_are_enough() {
    let config = parse(GOOD).expect("valid");
    let [hook] = &config.hooks[..] else {
        panic!("{config:?}");
    };
    assert_eq!(hook.provider, Provider::Github);
    assert_eq!(hook.tolerance, Duration::from_secs(300));
    assert_eq!(hook.max_body, Size::MIB);
    assert_eq!(hook.secrets.iter().count(), 1);
}

#[test]
fn files_are_relative_to_the_configuration() {
    let config = parse(&hook(
        "provider = \"harbor\"\nsecret_files = [\"harbor.secret\"]",
    ))
    .expect("valid");
    assert_eq!(
        config.hooks[0].secret_files,
        [Path::new("/etc/edge/harbor.secret")]
    );
}

#[test]
fn rules_are_read_with_their_hook() {
    let rule = "[[hook.rule]]\nname = \"web\"\nimages = [\"harbor.example.com/shop/web\"]\n\
                target = { clusters = [\"prod\"], release = \"web\" }\n\
                upgrade.set = { \"image.tag\" = \"event.tag\" }\n";
    let config = parse(&format!("{GOOD}{rule}")).expect("valid");
    assert_eq!(config.hooks[0].rules[0].name, "web");
}

#[test]
fn a_rule_that_cannot_work_is_refused_with_its_place() {
    let rule = "[[hook.rule]]\nname = \"web\"\ntarget = { clusters = [\"prod\"], release = \"web\" }\n\
                upgrade.set = { \"image.tag\" = \"event.\" }\n";
    let said = complaints(&format!("{GOOD}{rule}"));
    assert!(
        said.len() == 1 && said[0].starts_with("hook[0].rule[0].upgrade.set."),
        "{said:?}"
    );
}

#[test]
fn what_would_let_anybody_call_is_refused() {
    let pubsub = "provider = \"pubsub\"\n";
    for (lines, key) in [
        ("provider = \"github\"", "secrets"),
        ("provider = \"github\"\nsecrets = []", "secrets"),
        ("provider = \"github\"\nsecrets = [\"short\"]", "secrets[0]"),
        (
            "provider = \"github\"\nsecrets = [\"0123456789abcdef\", \" 0123456789abcdef\"]",
            "secrets[1]",
        ),
        (
            "provider = \"standard-webhooks\"\nsecrets = [\"0123456789abcdef\"]",
            "secrets[0]",
        ),
        (
            "provider = \"standard-webhooks\"\nsecrets = [\"whsec_c2hvcnQ=\"]",
            "secrets[0]",
        ),
        (
            "provider = \"gitlab\"\nsecrets = [\"whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]",
            "secrets[0]",
        ),
        (
            // A point of small order: every message has a signature that it accepts.
            "provider = \"standard-webhooks\"\nsecrets = [\"whpk_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]",
            "secrets[0]",
        ),
        (
            "provider = \"github\"\nsecrets = [\"0123456789abcdef\"]\nallow_unsigned = true",
            "allow_unsigned",
        ),
        (
            "provider = \"quay\"\ncertificate = { subjects = [\"quay\"] }",
            "certificate",
        ),
        (pubsub, "audience"),
        (
            "provider = \"pubsub\"\naudience = \"a\"\nemail = \"e\"\nissuer = \"http://example.com\"",
            "issuer",
        ),
        (
            "provider = \"hmac\"\nsecrets = [\"0123456789abcdef\"]",
            "header",
        ),
        ("provider = \"watch\"\nallow_unsigned = true", "provider"),
    ] {
        let said = complaints(&hook(lines));
        assert!(
            said.len() == 1 && said[0].starts_with(&format!("hook[0].{key}: ")),
            "{lines}: {said:?}"
        );
    }
}

#[test]
fn what_has_no_effect_is_refused() {
    let secret = "secrets = [\"0123456789abcdef\"]\n";
    for (lines, key) in [
        ("provider = \"github\"\nheader = \"X\"", "header"),
        ("provider = \"github\"\nalgorithm = \"sha1\"", "algorithm"),
        ("provider = \"nexus\"\nencoding = \"hex\"", "encoding"),
        ("provider = \"nexus\"\nprefix = \"a\"", "prefix"),
        ("provider = \"harbor\"\ntoken_query = \"t\"", "token_query"),
        ("provider = \"quay\"\ntoken_query = \"\"", "token_query"),
        ("provider = \"github\"\naudience = \"a\"", "audience"),
        ("provider = \"hmac\"\nheader = \"a b\"", "header"),
        ("provider = \"github\"\ntolerance = \"2h\"", "tolerance"),
        ("provider = \"github\"\ntolerance = \"0s\"", "tolerance"),
        ("provider = \"github\"\nwindow = \"8d\"", "window"),
        ("provider = \"github\"\nmax_body = \"1GiB\"", "max_body"),
    ] {
        let said = complaints(&hook(&format!("{secret}{lines}")));
        assert!(
            said.len() == 1 && said[0].starts_with(&format!("hook[0].{key}: ")),
            "{lines}: {said:?}"
        );
    }
}

#[test]
fn names_are_unique_and_fit_into_a_path() {
    let twice = complaints(&format!("{GOOD}{GOOD}"));
    assert!(twice[0].starts_with("hook[1].name: "), "{twice:?}");
    for name in ["", "A", "a/b", ".", "..", "a b", "ü", &"x".repeat(64)] {
        let said = complaints(&GOOD.replace("\"ci\"", &format!("\"{name}\"")));
        assert!(said[0].starts_with("hook[0].name: "), "{name}: {said:?}");
    }
}

#[test]
fn a_secret_is_shown_by_nothing() {
    let config = parse(GOOD).expect("valid");
    let shown = format!("{config:?} {}", toml::to_string(&config).expect("TOML"));
    assert!(!shown.contains("Everybody"), "{shown}");
    for lines in [
        "secrets = \"s3cret-s3cret-s3cret\"",
        "secrets = [\"s3cret\"]",
        "secrets = [[\"s3cret-s3cret-s3cret\"]]",
        "secrets = [5371337]",
    ] {
        let said = complaints(&hook(&format!("provider = \"github\"\n{lines}"))).concat();
        assert!(
            !said.is_empty() && !said.contains("s3cret") && !said.contains("5371337"),
            "{said}"
        );
    }
}

#[test]
fn a_configuration_is_another_with_another_secret() {
    let other = GOOD.replace("Everybody", "Somebody!");
    assert_eq!(parse(GOOD).expect("valid"), parse(GOOD).expect("valid"));
    assert_ne!(parse(GOOD).expect("valid"), parse(&other).expect("valid"));
    let config = parse(GOOD).expect("valid");
    let secret = config.hooks[0].secrets.iter().next().expect("there");
    assert_eq!(secret.expose_secret(), "It's a Secret to Everybody");
}

#[test]
fn nobody_else_is_called_as_a_hook_is() {
    let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let said = complaints(&format!(
        "[[token]]\nname = \"hook:ci\"\nhash = \"{hash}\"\n"
    ));
    assert!(said[0].contains("hooks"), "{said:?}");
}

#[test]
fn hooks_need_a_place_for_operations() {
    let said = complaints(&format!("[operations]\noff = true\n{GOOD}"));
    assert!(said[0].starts_with("operations.off: "), "{said:?}");
}

#[test]
fn a_hook_that_may_do_nothing_is_warned_of() {
    let rule = "[[hook.rule]]\nname = \"web\"\ntarget = { clusters = [\"prod\"], release = \"web\" }\n\
                upgrade.set = { \"image.tag\" = \"event.tag\" }\n";
    let text = format!("{GOOD}{rule}");
    let warned = |text: &str| {
        let warnings = parse(text).expect("valid").warnings();
        warnings.iter().any(|warning| warning.key == "hook[0]")
    };
    assert!(warned(&text));
    let grant = "[[grant]]\nprincipals = [\"hook:c*\"]\nactions = [\"upgrade\"]\n";
    assert!(!warned(&format!("{text}{grant}")));
}
