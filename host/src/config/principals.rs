//! Whom this edge knows by itself: tokens, whoever a cluster knows, and anonymous callers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Config, Invalid, units};
use crate::access::{HOOK, TokenHash};
use crate::grants::Action;

/// What names of Kubernetes' own begin with.
const RESERVED: &str = "system:";

/// A token of this edge, by its hash.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The principal's name. Several tokens may have the same, while one replaces another.
    pub name: String,
    /// Its groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// `sha256:` and the token's SHA-256 in hexadecimal, as `tiller-edge token new` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TokenHash>,
    /// A file with the same. Read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_file: Option<PathBuf>,
    /// When it is accepted no more; default: it always is.
    #[serde(
        default,
        deserialize_with = "units::timestamp",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<Timestamp>,
}

/// Clusters whose APIServer may say who a caller is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// Their names; `*` stands for any text.
    pub clusters: Vec<String>,
    /// Goes before names and groups.
    pub prefix: String,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            clusters: vec!["*".to_owned()],
            prefix: String::new(),
        }
    }
}

/// What callers may do that nothing is known of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnonymousConfig {
    /// What they may do.
    pub actions: Vec<Action>,
    /// Where, by the clusters' names; `*` stands for any text. Empty: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
}

impl Config {
    pub(super) fn validate_principals(&self, refused: &mut Vec<Invalid>) {
        let mut hashes = BTreeMap::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let key = format!("token[{index}]");
            token.validate(&key, refused);
            let Some(hash) = token.hash else {
                continue;
            };
            if let Some(earlier) = hashes.insert(hash, index) {
                refused.push(Invalid::new(
                    format!("{key}.hash"),
                    format!(
                        "token[{earlier}] has the same: one token belongs to one principal. Make another with `tiller-edge \
                         token new`"
                    ),
                ));
            }
        }
        if let Some(kubernetes) = &self.kubernetes {
            if kubernetes.clusters.is_empty() {
                refused.push(Invalid::new(
                    "kubernetes.clusters",
                    "names no cluster; write those whose APIServer says who a caller is, or `*` for all",
                ));
            }
            self.validate_names("kubernetes.clusters", &kubernetes.clusters, refused);
        }
        if let Some(anonymous) = &self.anonymous {
            if anonymous.actions.is_empty() {
                refused.push(Invalid::new(
                    "anonymous.actions",
                    "names no action; write what anybody may do, or remove [anonymous]",
                ));
            }
            self.validate_names("anonymous.clusters", &anonymous.clusters, refused);
        }
    }

    /// A name that is no pattern must be that of a cluster, where the clusters are written down.
    fn validate_names(&self, key: &str, names: &[String], refused: &mut Vec<Invalid>) {
        for (index, name) in names.iter().enumerate() {
            let is_known = name.contains('*')
                || self.clusters.is_empty()
                || self.clusters.iter().any(|cluster| cluster.name == *name);
            if !is_known {
                refused.push(Invalid::new(
                    format!("{key}[{index}]"),
                    format!("there is no cluster `{name}`; write the name of a [[cluster]]"),
                ));
            }
        }
    }
}

impl TokenConfig {
    fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        let mut complain = |part: &str, message: String| {
            refused.push(Invalid::new(format!("{key}.{part}"), message));
        };
        if let Some(why) = unusable_name(&self.name) {
            complain("name", why);
        }
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(why) = unusable_name(group) {
                complain(&format!("groups[{index}]"), why);
            }
        }
        match (&self.hash, &self.hash_file) {
            (Some(_), Some(_)) => complain(
                "hash_file",
                "is set and so is hash; a token has one of them".to_owned(),
            ),
            (None, None) => complain(
                "hash",
                "is missing, and so is hash_file; `tiller-edge token new` makes a token and prints its hash".to_owned(),
            ),
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// Why nobody may be called so by a token; none if one may.
pub(crate) fn unusable_name(name: &str) -> Option<String> {
    if name.is_empty() || name.chars().any(char::is_control) {
        Some("a name has at least one character and no control characters".to_owned())
    } else if name.starts_with(HOOK) {
        Some(format!(
            "names that begin with `{HOOK}` are those of this edge's hooks; nobody else may have what they were granted"
        ))
    } else if name.starts_with(RESERVED) {
        Some(format!(
            "names that begin with `{RESERVED}` are Kubernetes' own: only an APIServer says who has one"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::ConfigError;

    const HASH: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/edge/edge.toml"))
    }

    fn complaint(text: &str) -> String {
        parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn tokens_are_understood() {
        let config = parse(&format!(
            "[[token]]\nname = \"alice\"\ngroups = [\"ops\"]\nhash = \"{HASH}\"\n\
             expires = \"2027-01-31T18:00:00+01:00\"\n\
             [[token]]\nname = \"alice\"\nhash_file = \"alice.hash\""
        ))
        .expect("valid");
        assert_eq!(config.tokens[0].hash, Some(TokenHash::of("abc")));
        let expires = config.tokens[0].expires.expect("set");
        assert_eq!(expires.to_string(), "2027-01-31T17:00:00Z");
        let file = config.tokens[1].hash_file.as_deref();
        assert_eq!(file, Some(Path::new("/etc/edge/alice.hash")));
    }

    #[test]
    fn a_token_that_makes_no_sense_is_refused_with_the_reason() {
        for (lines, key, why) in [
            ("name = \"\"", "name", "at least one character"),
            ("name = \"a\\nb\"", "name", "no control characters"),
            ("name = \"system:admin\"", "name", "Kubernetes' own"),
            (
                "name = \"a\"\ngroups = [\"b\", \"system:masters\"]",
                "groups[1]",
                "Kubernetes' own",
            ),
            ("name = \"a\"\ngroups = [\"\"]", "groups[0]", "at least one"),
        ] {
            let complaint = complaint(&format!("[[token]]\nhash = \"{HASH}\"\n{lines}"));
            assert!(
                complaint.contains(&format!(": token[0].{key}: ")),
                "{complaint}"
            );
            assert!(complaint.contains(why), "{complaint}");
        }
        for (lines, expected) in [
            (
                "[[token]]\nname = \"a\"".to_owned(),
                "/etc/edge/edge.toml:1: token[0].hash: is missing, and so is hash_file",
            ),
            (
                format!("[[token]]\nname = \"a\"\nhash = \"{HASH}\"\nhash_file = \"f\""),
                "/etc/edge/edge.toml:4: token[0].hash_file: is set and so is hash",
            ),
            (
                format!("[[token]]\nname = \"a\"\nhash = \"{HASH}\"\n").repeat(2),
                "/etc/edge/edge.toml:6: token[1].hash: token[0] has the same",
            ),
            (
                "[[token]]\nname = \"a\"\nhash = \"te_s3cret\"".to_owned(),
                "/etc/edge/edge.toml:3: token[0].hash: not `sha256:` and 64 hexadecimal digits",
            ),
            (
                format!("[[token]]\nname = \"a\"\nhash = \"{HASH}\"\nexpires = \"tomorrow\""),
                "/etc/edge/edge.toml:4: token[0].expires: invalid value: string \"tomorrow\", expected a time such as",
            ),
            (
                format!("[[token]]\nname = \"a\"\nhash = \"{HASH}\"\ntoken = \"te_s3cret\""),
                "/etc/edge/edge.toml:4: token[0].token: unknown field `token`",
            ),
        ] {
            let complaint = complaint(&lines);
            assert!(complaint.starts_with(expected), "{complaint}");
            assert!(!complaint.contains("s3cret"), "{complaint}");
        }
    }

    #[test]
    fn clusters_that_are_not_there_cannot_say_who_anybody_is() {
        let prod = "[[cluster]]\nname = \"prod\"\n";
        for (text, expected) in [
            ("[kubernetes]\nclusters = []", "kubernetes.clusters: names"),
            (
                "[kubernetes]\nclusters = [\"prod\", \"prd\"]",
                "kubernetes.clusters[1]: there is no cluster `prd`",
            ),
            (
                "[anonymous]\nactions = [\"read\"]\nclusters = [\"prd\"]",
                "anonymous.clusters[0]: there is no cluster `prd`",
            ),
            ("[anonymous]\nactions = []", "anonymous.actions: names"),
        ] {
            let complaint = complaint(&format!("{text}\n{prod}"));
            assert!(complaint.contains(expected), "{complaint}");
        }
        for names in ["[\"prod\"]", "[\"*\"]", "[\"p*\", \"dev-*\"]"] {
            let text = format!("[kubernetes]\nclusters = {names}\n{prod}");
            parse(&text).expect(names);
        }
        // Every context of the kubeconfig is a cluster.
        parse("[kubernetes]\nclusters = [\"prod\"]").expect("valid");
    }
}
