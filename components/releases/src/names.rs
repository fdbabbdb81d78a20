//! Names that go to Tiller.

use rest::problem::{Code, Problem};

/// Longest release name, in bytes.
const MAX_NAME: usize = 53;

/// Longest namespace, in bytes.
const MAX_NAMESPACE: usize = 63;

/// Checks the name of an existing release as Tiller does, in its words: letters, digits, `-`, `_` and `.`,
/// the first and the last of them a letter or a digit.
pub(crate) fn check_release(name: &str) -> Result<(), Problem> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    let valid = bytes.len() <= MAX_NAME
        && ends
            .iter()
            .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().copied().all(inner);
    if valid {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidReleaseName,
        "invalid release name, must match regex ^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])+$ and the length must not be longer than 53",
    ))
}

/// Checks the name of a release to be made: one that Kubernetes takes for an object.
///
/// Tiller would take more, and then fail to store the release whose resources it has made.
pub(crate) fn check_new_release(name: &str) -> Result<(), Problem> {
    if name.len() <= MAX_NAME && name.split('.').all(is_label) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME + 1).collect();
    Err(Problem::new(
        Code::InvalidReleaseName,
        format!(
            "release name {shown} is invalid: a DNS-1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', must start and end with an alphanumeric character, and must not be longer than {MAX_NAME}"
        ),
    ))
}

/// Checks a namespace to install into.
pub(crate) fn check_namespace(namespace: &str) -> Result<(), Problem> {
    if namespace.len() <= MAX_NAMESPACE && is_label(namespace) {
        return Ok(());
    }
    let shown: String = namespace.chars().take(MAX_NAMESPACE + 1).collect();
    Err(Problem::new(
        Code::InvalidRequest,
        format!(
            "namespace {shown} is invalid: a DNS-1123 label must consist of lower case alphanumeric characters or '-', must start and end with an alphanumeric character, and must not be longer than {MAX_NAMESPACE}"
        ),
    ))
}

fn is_label(label: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T8.
    #[test]
    fn names_of_releases_are_checked_as_tiller_does() {
        for name in [
            "web",
            "a",
            "nina.pinta",
            "santa...maria",
            "Web_1",
            &"a".repeat(53),
        ] {
            assert_eq!(check_release(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "nina pinta",
            "-nina",
            "pinta-",
            "niña",
            "...",
            "pinta...",
            " ",
            ".nina.",
            "a/b",
            &"a".repeat(54),
        ] {
            let problem = check_release(name).unwrap_err();
            assert_eq!(problem.code, Code::InvalidReleaseName, "{name}");
            assert!(
                problem
                    .detail
                    .starts_with("invalid release name, must match regex")
            );
        }
    }

    /// T9.
    #[test]
    fn h3_a_new_name_must_be_one_that_kubernetes_takes() {
        for name in ["web", "a.b", "a-1", "1", &"a".repeat(53)] {
            assert_eq!(check_new_release(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "Foo",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "é",
            "a b",
            &"a".repeat(54),
            &"a".repeat(1_000_000),
        ] {
            let problem = check_new_release(name).unwrap_err();
            assert_eq!(problem.code, Code::InvalidReleaseName);
            assert!(problem.detail.len() < 400);
        }
    }

    #[test]
    fn a_namespace_is_a_label() {
        assert_eq!(check_namespace("shop-1"), Ok(()));
        for namespace in ["", "Shop", "a.b", "a/b", "-", &"a".repeat(64)] {
            assert_eq!(
                check_namespace(namespace).unwrap_err().code,
                Code::InvalidRequest
            );
        }
    }
}
