//! Where the edges of a region keep their operations together.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A bucket of NATS JetStream, in which several edges keep their operations together.
///
/// The servers are of version 2.12 or newer. What they have acknowledged is on disk if they sync always
/// (`jetstream { sync_interval: always }`), or if the bucket has three replicas that do not fail at once; by default a
/// server that loses its power loses up to two minutes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JetStreamConfig {
    /// The servers: `nats://host:4222`, or `tls://host:4222` where the connection must be encrypted.
    pub servers: Vec<String>,
    /// The name of the bucket. Edges that have the same one share their operations. Made if it is not there.
    pub bucket: String,
    /// How many servers keep each message, if the bucket is made: 1, 3 or 5.
    pub replicas: usize,
    /// A credentials file, as `nsc` writes it. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// A file with the seed of an NKey. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey_file: Option<PathBuf>,
    /// A file with a token. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The user of a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file with its password. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The authorities to trust in place of the operating system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The edge's client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl JetStreamConfig {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [
            &mut self.credentials_file,
            &mut self.nkey_file,
            &mut self.token_file,
            &mut self.password_file,
            &mut self.ca_file,
            &mut self.cert_file,
            &mut self.key_file,
        ]
        .into_iter()
        .flatten()
    }

    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: &str| {
            refused.push(Invalid::new(format!("operations.jetstream.{part}"), why));
        };
        if self.servers.is_empty() {
            refuse(
                "servers",
                "names no server; write one, such as [\"nats://nats:4222\"]",
            );
        }
        for (index, server) in self.servers.iter().enumerate() {
            let known = server.split_once("://").is_some_and(|(scheme, rest)| {
                ["nats", "tls"].contains(&scheme) && !rest.is_empty()
            });
            if !known {
                refuse(
                    &format!("servers[{index}]"),
                    "is no address of a NATS server, such as nats://nats:4222 or tls://nats:4222",
                );
            } else if server.contains('@') {
                refuse(
                    &format!("servers[{index}]"),
                    "holds a login; use `user` and `password_file`, or another file",
                );
            }
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=MAX_BUCKET).contains(&self.bucket.len()) || !self.bucket.bytes().all(plain) {
            refuse(
                "bucket",
                "a bucket's name has 1 to 64 letters, digits, `-` and `_`",
            );
        }
        if ![1, 3, 5].contains(&self.replicas) {
            refuse("replicas", "is 1, 3 or 5");
        }
        self.validate_login(&mut refuse);
    }

    fn validate_login(&self, refuse: &mut impl FnMut(&str, &str)) {
        let given: Vec<&str> = [
            ("credentials_file", self.credentials_file.is_some()),
            ("nkey_file", self.nkey_file.is_some()),
            ("token_file", self.token_file.is_some()),
            ("user", self.user.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect();
        if let [_, second, ..] = *given {
            refuse(
                second,
                "is one of several ways to log in; leave one of them",
            );
        }
        match (&self.user, &self.password_file) {
            (Some(_), None) => refuse("user", "needs `password_file`"),
            (None, Some(_)) => refuse("password_file", "needs `user`"),
            _ => (),
        }
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => refuse("cert_file", "needs `key_file`, its key"),
            (None, Some(_)) => refuse("key_file", "needs `cert_file`, its certificate"),
            _ => (),
        }
    }
}

impl Default for JetStreamConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            bucket: "tiller-edge".to_owned(),
            replicas: 1,
            credentials_file: None,
            nkey_file: None,
            token_file: None,
            user: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

const MAX_BUCKET: usize = 64;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let config: JetStreamConfig = toml::from_str(text).unwrap();
        let mut refused = Vec::new();
        config.validate(&mut refused);
        refused
            .iter()
            .map(|one| format!("{}: {}", one.key, one.message))
            .collect()
    }

    #[test]
    fn servers_and_a_login_are_all_it_takes() {
        let text = "servers = [\"nats://a:4222\", \"tls://b:4222\"]\nuser = \"edge\"\npassword_file = \"p\"";
        assert_eq!(complaints(text), Vec::<String>::new());
    }

    #[test]
    fn paths_start_from_the_file_that_names_them() {
        let mut config = JetStreamConfig {
            ca_file: Some("ca.pem".into()),
            nkey_file: Some("/keys/edge.nk".into()),
            ..JetStreamConfig::default()
        };
        for path in config.paths() {
            *path = Path::new("/etc/edge").join(&*path);
        }
        assert_eq!(config.ca_file, Some("/etc/edge/ca.pem".into()));
        assert_eq!(config.nkey_file, Some("/keys/edge.nk".into()));
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_reason() {
        for (text, part, why) in [
            ("", "servers", "names no server"),
            ("servers = [\"b:4222\"]", "servers[0]", "no address"),
            (
                "servers = [\"nats://u:p@b\"]",
                "servers[0]",
                "`password_file`",
            ),
            ("bucket = \"a.b\"", "bucket", "letters"),
            ("replicas = 2", "replicas", "1, 3 or 5"),
            ("user = \"u\"", "user", "needs `password_file`"),
            (
                "nkey_file = \"n\"\ncredentials_file = \"c\"",
                "nkey_file",
                "leave one",
            ),
            ("key_file = \"k\"", "key_file", "needs `cert_file`"),
        ] {
            let found = complaints(text);
            assert!(
                found.iter().any(|complaint| {
                    complaint.contains(&format!("operations.jetstream.{part}"))
                        && complaint.contains(why)
                }),
                "{text}: {found:?}"
            );
        }
    }
}
