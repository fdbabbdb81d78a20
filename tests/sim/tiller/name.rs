//! Release names: what Tiller takes, what Kubernetes takes, and names made up.

use std::hash::{BuildHasher, RandomState};

use super::dispatch::Fault;

/// Longest release name, in bytes.
pub(super) const MAX_NAME: usize = 53;

const ADJECTIVES: [&str; 12] = [
    "amber", "brisk", "calm", "dapper", "eager", "fuzzy", "gentle", "hasty", "jolly", "lucky",
    "mellow", "quiet",
];
const ANIMALS: [&str; 12] = [
    "badger", "crane", "dolphin", "ferret", "gecko", "heron", "ibex", "lemur", "marmot", "otter",
    "puffin", "wombat",
];

/// The check at the head of every method but install.
pub(super) fn validate(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err("no release provided".into());
    }
    if name.len() > MAX_NAME || !is_valid(name) {
        return Err(Fault::Refused(format!(
            "invalid release name, must match regex ^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])+$ \
             and the length must not be longer than {MAX_NAME}"
        )));
    }
    Ok(())
}

/// The regex of [`validate`]: letters, digits, `-`, `_` and `.`, the ends letters or digits.
fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
}

/// Why Kubernetes would not have an object of that name, in its words.
pub(super) fn object_name_error(name: &str) -> Option<&'static str> {
    let label = |label: &str| {
        let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        end(label.chars().next())
            && end(label.chars().last())
            && label.chars().all(|c| c == '-' || end(Some(c)))
    };
    (!name.split('.').all(label)).then_some(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
         '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
         for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
}

/// A name of the form `adjective-animal`.
pub(super) fn generate() -> String {
    // Each `RandomState` has keys of its own.
    let random = RandomState::new().hash_one(()) as usize;
    let adjective = ADJECTIVES[random % ADJECTIVES.len()];
    let animal = ANIMALS[random / ADJECTIVES.len() % ANIMALS.len()];
    format!("{adjective}-{animal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_regex_takes() {
        for name in [
            "a",
            "nina.pinta",
            "santa...maria",
            "Foo_1",
            "9-lives",
            &"x".repeat(53),
        ] {
            assert!(validate(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_the_regex_refuses() {
        let long = "x".repeat(54);
        for name in [
            "nina pinta",
            "-nina",
            "pinta-",
            "niña",
            "...",
            "pinta...",
            " ",
            ".nina.",
            &long,
        ] {
            let error = validate(name).expect_err(name).to_string();
            assert!(error.starts_with("invalid release name"), "{error}");
            assert!(error.ends_with("must not be longer than 53"), "{error}");
        }
    }

    #[test]
    fn no_name_is_no_release() {
        let error = validate("").expect_err("empty").to_string();
        assert_eq!(error, "no release provided");
    }

    #[test]
    fn object_names_are_dns_subdomains() {
        for name in ["web.v1", "a", "0-0.b"] {
            assert_eq!(object_name_error(name), None, "{name}");
        }
        for name in ["Web", "a_b", "", "a..b", "-a", "a.", "ä"] {
            assert!(object_name_error(name).is_some(), "{name}");
        }
    }

    #[test]
    fn generated_names_are_fit_for_both() {
        for _ in 0..100 {
            let name = generate();
            assert!(
                validate(&name).is_ok() && object_name_error(&name).is_none(),
                "{name}"
            );
        }
    }
}
