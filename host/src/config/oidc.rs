//! Identity providers whose tokens are accepted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Config, Invalid, Network, units};
use crate::access::HOOK;

/// The signature algorithms that may be accepted. Those with a shared secret (`HS256` and its like) are not among them:
/// whoever can check such a signature can make one.
const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// Clocks that are further apart want mending.
const MAX_SKEW: Duration = Duration::from_secs(600);

/// An identity provider whose tokens are accepted (OpenID Connect Discovery 1.0, RFC 7519).
///
/// A token that names its `issuer` is accepted if one of the provider's keys signed it, it is for one of `audiences`,
/// has not expired, and has every one of `required_claims`. Who asked for it (`azp`) is not looked at: the edge is what
/// tokens are for, not who asks for them. A provider that gives tokens for one audience to clients of which not all are
/// welcome here is narrowed down with `required_claims = { azp = "…" }`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Its issuer URL, to the letter as tokens have it in `iss`: https, or http on loopback.
    pub issuer: String,
    /// The audiences (`aud`) of which a token must have one: usually the client's ID at the provider.
    pub audiences: Vec<String>,
    /// The signature algorithms that are accepted.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// The claim with the name, a text. One that begins with `/` is a JSON pointer into nested claims (RFC 6901). With
    /// `email` the token must say `email_verified` too.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// The claim with the groups, a text or a list of them, written as `name_claim` is. A token without it has none.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Goes before names and groups, so that they are not taken for another provider's.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Claims that a token must have with this value, or with a list that has it; named as in `name_claim`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub required_claims: BTreeMap<String, ClaimValue>,
    /// How far the provider's clock and this one may be apart, at most 10 minutes.
    #[serde(default = "skew", with = "units::duration")]
    pub skew: Duration,
    /// The authorities that its server's certificate may be signed by, instead of the system's (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The networks that its keys may be in although they are private, loopback or link-local. Its own host and port may
    /// be in any private network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Network>,
}

/// What a claim must be.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// A truth.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text, to the letter.
    Text(String),
}

impl Config {
    pub(super) fn validate_oidc(&self, refused: &mut Vec<Invalid>) {
        for (index, provider) in self.oidc.iter().enumerate() {
            let key = format!("oidc[{index}]");
            let (earlier, _) = self.oidc.split_at(index);
            if earlier.iter().any(|other| other.issuer == provider.issuer) {
                refused.push(Invalid::new(
                    format!("{key}.issuer"),
                    "another [[oidc]] has this issuer; write its audiences and claims there",
                ));
            }
            let alike = earlier.iter().position(|other| {
                other.prefix.starts_with(&provider.prefix)
                    || provider.prefix.starts_with(&other.prefix)
            });
            if let Some(other) = alike {
                refused.push(Invalid::new(
                    format!("{key}.prefix"),
                    format!(
                        "`{}` and `{}` of oidc[{other}] begin alike, so one provider could name the other's users; give \
                         each a prefix of its own, such as \"corp:\"",
                        provider.prefix, self.oidc.get(other).map_or("", |other| &other.prefix)
                    ),
                ));
            }
            provider.validate(&key, refused);
        }
    }
}

impl OidcConfig {
    fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: String| {
            refused.push(Invalid::new(format!("{key}.{part}"), why));
        };
        if let Err(why) = issuer(&self.issuer) {
            refuse("issuer", why.to_owned());
        }
        if self.audiences.is_empty() {
            refuse(
                "audiences",
                "is empty, so tokens for anybody else would do here; write the client's ID at the provider".to_owned(),
            );
        }
        if self.audiences.iter().any(String::is_empty) {
            refuse("audiences", "holds an empty one".to_owned());
        }
        if self.algorithms.is_empty() {
            refuse(
                "algorithms",
                format!("is empty; write some of {}", ALGORITHMS.join(", ")),
            );
        }
        for (index, name) in self.algorithms.iter().enumerate() {
            if !ALGORITHMS.contains(&name.as_str()) {
                refuse(
                    &format!("algorithms[{index}]"),
                    format!("`{name}` is not one of {}", ALGORITHMS.join(", ")),
                );
            }
        }
        for (part, claim) in [
            ("name_claim", &self.name_claim),
            ("groups_claim", &self.groups_claim),
        ]
        .into_iter()
        .chain(
            self.required_claims
                .keys()
                .map(|claim| ("required_claims", claim)),
        ) {
            if claim.is_empty() {
                refuse(part, "a claim has a name".to_owned());
            }
        }
        if self.prefix.starts_with(HOOK) {
            refuse(
                "prefix",
                format!("names that begin with `{HOOK}` are those of this edge's hooks"),
            );
        }
        if self.prefix.starts_with("system:") {
            refuse(
                "prefix",
                "names that begin with `system:` are Kubernetes' own".to_owned(),
            );
        }
        if self.skew > MAX_SKEW {
            refuse(
                "skew",
                "is longer than 10m: a token would be good that long after its end".to_owned(),
            );
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.ca_file.iter_mut()
    }
}

/// Reads an issuer (OpenID Connect Discovery 1.0 §3), or says what is wrong with it.
pub(crate) fn issuer(text: &str) -> Result<Url, &'static str> {
    let url: Url = text
        .parse()
        .map_err(|_| "is not a URL such as \"https://id.example.com\"")?;
    if !is_safe(&url) {
        return Err(
            "is not an https:// URL. Whoever sits between could hand out keys of their own; http:// is for loopback",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an issuer has no query and no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an issuer has no login in it");
    }
    Ok(url)
}

/// Whether nobody but this host and the other reads and writes what goes to and fro.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_loopback
}

fn algorithms() -> Vec<String> {
    ["RS256", "ES256"].map(str::to_owned).to_vec()
}

fn name_claim() -> String {
    "sub".to_owned()
}

fn groups_claim() -> String {
    "groups".to_owned()
}

fn prefix() -> String {
    "oidc:".to_owned()
}

const fn skew() -> Duration {
    Duration::from_secs(60)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ConfigError;
    use super::*;

    const GOOD: &str =
        "[[oidc]]\nissuer = \"https://id.example.com\"\naudiences = [\"tiller-edge\"]\n";

    fn complaints(text: &str) -> Vec<String> {
        match Config::parse(text, Path::new("edge.toml")) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Refused { refused, .. }) => refused
                .iter()
                .map(|invalid| format!("{}: {}", invalid.key, invalid.message))
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn an_issuer_and_an_audience_are_enough() {
        let config = Config::parse(GOOD, Path::new("edge.toml")).unwrap();
        let [provider] = &config.oidc[..] else {
            panic!("{config:?}");
        };
        assert_eq!(provider.algorithms, ["RS256", "ES256"]);
        assert_eq!(provider.name_claim, "sub");
        assert_eq!(provider.groups_claim, "groups");
        assert_eq!(provider.prefix, "oidc:");
        assert_eq!(provider.skew, Duration::from_secs(60));
    }

    #[test]
    fn everything_else_can_be_written() {
        let more = "algorithms = [\"EdDSA\"]\nname_claim = \"email\"\ngroups_claim = \"/realm_access/roles\"\n\
                    prefix = \"\"\nskew = \"0s\"\nca_file = \"ca.pem\"\naddresses = [\"10.0.0.0/8\"]\n\
                    required_claims = { hd = \"example.com\", staff = true, level = 3 }\n";
        let config =
            Config::parse(&format!("{GOOD}{more}"), Path::new("/etc/edge/edge.toml")).unwrap();
        let [provider] = &config.oidc[..] else {
            panic!("{config:?}");
        };
        assert_eq!(
            provider.ca_file.as_deref(),
            Some(Path::new("/etc/edge/ca.pem"))
        );
        assert_eq!(
            provider.required_claims.values().collect::<Vec<_>>(),
            [
                &ClaimValue::Text("example.com".to_owned()),
                &ClaimValue::Integer(3),
                &ClaimValue::Bool(true),
            ]
        );
    }

    #[test]
    fn what_would_let_others_in_is_refused() {
        for (line, key) in [
            ("issuer = \"http://id.example.com\"", "issuer"),
            ("issuer = \"id.example.com\"", "issuer"),
            ("issuer = \"https://id.example.com/?a=b\"", "issuer"),
            ("issuer = \"https://id.example.com/#a\"", "issuer"),
            ("issuer = \"https://u:p@id.example.com\"", "issuer"),
            ("issuer = \"ftp://localhost\"", "issuer"),
            ("issuer = \"http://localhost.example.com\"", "issuer"),
            ("audiences = []", "audiences"),
            ("audiences = [\"\"]", "audiences"),
            ("algorithms = []", "algorithms"),
            ("algorithms = [\"HS256\"]", "algorithms[0]"),
            ("algorithms = [\"RS256\", \"none\"]", "algorithms[1]"),
            ("algorithms = [\"rs256\"]", "algorithms[0]"),
            ("name_claim = \"\"", "name_claim"),
            ("groups_claim = \"\"", "groups_claim"),
            ("required_claims = { \"\" = true }", "required_claims"),
            ("prefix = \"system:\"", "prefix"),
            ("skew = \"11m\"", "skew"),
        ] {
            let name = line.split(' ').next().unwrap();
            let rest: String = GOOD
                .lines()
                .filter(|kept| !kept.starts_with(name))
                .map(|kept| format!("{kept}\n"))
                .collect();
            let said = complaints(&format!("{rest}{line}\n"));
            assert!(
                said.len() == 1 && said[0].contains(&format!("oidc[0].{key}")),
                "{line}: {said:?}"
            );
        }
    }

    #[test]
    fn http_is_for_loopback() {
        for url in [
            "http://localhost:5556/dex",
            "http://127.0.0.1:80",
            "http://[::1]",
        ] {
            assert!(issuer(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn two_providers_share_neither_issuer_nor_prefix() {
        let other = GOOD.replace("id.example.com", "login.example.com");
        for (second, key) in [
            (other.clone(), "oidc[1].prefix"),
            (format!("{other}prefix = \"\"\n"), "oidc[1].prefix"),
            (format!("{other}prefix = \"oidc:b:\"\n"), "oidc[1].prefix"),
            (format!("{GOOD}prefix = \"b:\"\n"), "oidc[1].issuer"),
        ] {
            let said = complaints(&format!("{GOOD}{second}"));
            assert!(
                said.len() == 1 && said[0].contains(key),
                "{second}: {said:?}"
            );
        }
        assert_eq!(
            complaints(&format!("{GOOD}{other}prefix = \"b:\"\n")),
            Vec::<String>::new()
        );
    }
}
