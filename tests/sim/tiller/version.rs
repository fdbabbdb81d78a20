//! Versions: of clients against Tiller, of charts against Tiller and Kubernetes.

use http::HeaderMap;

use super::dispatch::Fault;

/// What the client claims; only the first value counts, none is empty.
pub(super) fn of_client(metadata: &HeaderMap) -> &str {
    metadata
        .get(tiller_api::CLIENT_VERSION_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Whether a client may call, with the text it gets otherwise.
pub(super) fn check(client: &str, server: &str) -> Result<(), Fault> {
    if is_compatible(client, server) {
        return Ok(());
    }
    let text = format!("incompatible versions client[{client}] server[{server}]");
    Err(Fault::Refused(text))
}

fn is_compatible(client: &str, server: &str) -> bool {
    const UNRELEASED: &str = "unreleased";
    if client.ends_with(UNRELEASED) || server.ends_with(UNRELEASED) {
        return true;
    }
    let (Some(client), Some(server)) = (Version::parse(client), Version::parse(server)) else {
        return false;
    };
    if client.pre.is_empty() && server.pre.is_empty() {
        return client.major == server.major && server.minor >= client.minor;
    }
    client == server
}

/// Whether `version` satisfies a chart's constraint: comparators joined by `,`, sets of them by `||`.
/// Ranges with hyphens are not understood and so not satisfied.
pub(super) fn satisfies(version: &str, constraint: &str) -> bool {
    Version::parse(version).is_some_and(|version| {
        constraint.split("||").any(|all| {
            let mut comparators = all.split(',');
            comparators.all(|comparator| matches(&version, comparator.trim()))
        })
    })
}

fn matches(version: &Version, comparator: &str) -> bool {
    const OPERATORS: [&str; 11] = ["!=", ">=", "=>", "<=", "=<", "~>", "=", ">", "<", "~", "^"];
    let operator = OPERATORS
        .into_iter()
        .find(|operator| comparator.starts_with(operator))
        .unwrap_or_default();
    let operand = comparator[operator.len()..].trim();
    let parts = operand.split(['-', '+']).next().unwrap_or_default();
    let wildcard = |part: &str| matches!(part, "x" | "X" | "*");
    let major_only = parts.split('.').nth(1).is_none_or(wildcard);
    let any = major_only || parts.split('.').nth(2).is_some_and(wildcard);
    let Some(wanted) = Version::parse(&operand.replace(['x', 'X', '*'], "0")) else {
        return false;
    };
    if !version.pre.is_empty() && wanted.pre.is_empty() {
        return operator == "!=" && !any;
    }
    let order = version.cmp_precedence(&wanted);
    let same_minor = version.major == wanted.major && (major_only || version.minor == wanted.minor);
    let everything = wanted == Version::default();
    match operator {
        ">" => order.is_gt(),
        ">=" | "=>" => order.is_ge(),
        "<" => order.is_lt(),
        "<=" | "=<" => order.is_le(),
        "!=" => !order.is_eq(),
        "^" => order.is_ge() && version.major == wanted.major,
        "~" | "~>" => everything || (order.is_ge() && same_minor),
        _ if any => everything || (order.is_ge() && same_minor),
        _ => order.is_eq(),
    }
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
}

impl Version {
    /// Leading `v`, minor and patch may be missing; build metadata is ignored.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split('+').next()?;
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Ok(0), str::parse).ok()?;
        let patch = parts.next().map_or(Ok(0), str::parse).ok()?;
        let complete = parts.next().is_none();
        let pre = pre.to_owned();
        complete.then_some(Self {
            major,
            minor,
            patch,
            pre,
        })
    }

    /// Prereleases come before their release and are ordered as text, which is enough here.
    fn cmp_precedence(&self, other: &Self) -> std::cmp::Ordering {
        let key = |v: &Self| (v.major, v.minor, v.patch, v.pre.is_empty());
        key(self)
            .cmp(&key(other))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_compatible_as_specified() {
        for (client, server, compatible) in [
            ("v2.0.0-alpha.4", "v2.0.0-alpha.4", true),
            ("v2.0.0-alpha.3", "v2.0.0-alpha.4", false),
            ("v2.0.0", "v2.0.0-alpha.4", false),
            ("v2.0.0-alpha.4", "v2.0.0", false),
            ("v2.0.0", "v2.0.1", true),
            ("v2.0.1", "v2.0.0", true),
            ("v2.0.0", "v2.1.1", true),
            ("v2.1.0", "v2.0.1", false),
            ("v2.17.0", "v2.16.12", false),
            ("v2.0.0", "v2.17.0", true),
            ("2", "v2.17.0", true),
            ("", "v2.17.0", false),
            ("x", "v2.17.0", false),
            ("v1.9.0", "v2.17.0", false),
            ("v3.0.0", "v2.17.0", false),
            ("v2.0.0", "v2.17.0-rc.1", false),
            ("v2.0.0+unreleased", "v2.17.0-rc.1", true),
            ("v2.9.0", "v2.17+unreleased", true),
        ] {
            let passed = check(client, server).is_ok();
            assert_eq!(passed, compatible, "client {client:?}, server {server:?}");
        }
    }

    #[test]
    fn an_incompatible_client_is_told_both_versions() {
        let error = check("", "v2.17.0")
            .expect_err("no client version")
            .to_string();
        assert_eq!(error, "incompatible versions client[] server[v2.17.0]");
    }

    #[test]
    fn charts_ask_for_versions() {
        for (version, constraint, satisfied) in [
            ("v2.17.0", ">=2.12.0", true),
            ("v2.17.0", ">=2.18.0", false),
            ("v2.17.0", "~2.17", true),
            ("v2.17.0", "^2.1.0, !=2.17.0", false),
            ("v2.17.0", "3 || 2.17.x", true),
            ("v2.17.0", "2", true),
            ("v1.35.4", "<1.16.0", false),
            ("v1.35.4", "nonsense", false),
            ("v2.17.0-rc.1", ">=2.12.0", false),
        ] {
            assert_eq!(
                satisfies(version, constraint),
                satisfied,
                "{version} {constraint}"
            );
        }
    }
}
