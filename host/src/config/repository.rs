//! Chart repositories as an operator names them.

use std::path::PathBuf;

use rest::repositories::{MAX_NAME, is_name};
use serde::{Deserialize, Serialize};

use super::chart_url::{ChartUrl, Scheme};
use super::charts::Network;
use super::pattern::is_pattern;
use super::{Config, Invalid};

/// One repository: where it is, what it may be used for, and how it is reached.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfig {
    /// Its name at this edge, unique; one segment of a path.
    pub name: String,
    /// Where it is: `http://` or `https://` for one with an index.yaml, `oci://` for a registry.
    pub url: String,
    /// The region it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The clusters its charts may be installed in. Empty: all.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// Patterns of the charts that may be taken from it, see [`matches()`](super::matches()). Empty: all.
    #[serde(default)]
    pub charts: Vec<String>,
    /// The user of its login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The file with the password; read whenever it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable with the password; read at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// The file with a bearer token; read whenever it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The environment variable with a bearer token; read at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// The authorities to trust in place of the operating system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The edge's client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The networks that it may lead to although they are private, loopback or link-local.
    #[serde(default)]
    pub addresses: Vec<Network>,
    /// Whether a registry is reached without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// Whether only charts that are signed by a key of `keyring` are taken.
    #[serde(default)]
    pub verify: bool,
    /// The public keys, in the binary form of GnuPG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<PathBuf>,
}

impl RepositoryConfig {
    pub(super) fn validate(&self, key: &str, config: &Config, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: String| {
            refused.push(Invalid::new(format!("{key}.{part}"), why));
        };
        if !is_name(&self.name) || self.name.contains('/') {
            refuse(
                "name",
                format!(
                    "a repository's name has 1 to {MAX_NAME} bytes, no `/` and no control characters, and is not `.` or `..`"
                ),
            );
        }
        self.validate_url(&mut refuse);
        self.validate_scope(config, &mut refuse);
        self.validate_credentials(&mut refuse);
        if self.verify && self.keyring.is_none() {
            refuse(
                "verify",
                "needs `keyring`, the file with the public keys that are trusted".to_owned(),
            );
        }
        if !self.verify && self.keyring.is_some() {
            refuse(
                "keyring",
                "is not used without `verify = true`; set it, or remove the keyring".to_owned(),
            );
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [
            &mut self.password_file,
            &mut self.token_file,
            &mut self.ca_file,
            &mut self.cert_file,
            &mut self.key_file,
            &mut self.keyring,
        ]
        .into_iter()
        .flatten()
    }

    fn validate_url(&self, refuse: &mut impl FnMut(&str, String)) {
        let url: ChartUrl = match self.url.parse() {
            Ok(url) => url,
            Err(why) => return refuse("url", why.to_owned()),
        };
        if self.plain_http && url.scheme != Scheme::Oci {
            refuse(
                "plain_http",
                "is for `oci://` only; elsewhere the URL itself says http:// or https://"
                    .to_owned(),
            );
        }
        if url.scheme == Scheme::Oci && url.url.query().is_some() {
            refuse("url", "the URL of a registry has no query".to_owned());
        }
        let encrypted =
            url.scheme == Scheme::Https || url.scheme == Scheme::Oci && !self.plain_http;
        if self.cert_file.is_some() && !encrypted {
            refuse(
                "cert_file",
                "a client certificate is shown in TLS only; use an https:// URL".to_owned(),
            );
        }
    }

    fn validate_scope(&self, config: &Config, refuse: &mut impl FnMut(&str, String)) {
        for (index, name) in self.clusters.iter().enumerate() {
            let known = config.clusters.iter().any(|cluster| cluster.name == *name);
            // Without clusters in the configuration they are the kubeconfig's contexts.
            if !known && !config.clusters.is_empty() {
                refuse(
                    &format!("clusters[{index}]"),
                    format!("this edge has no cluster `{name}`"),
                );
            }
        }
        for (index, pattern) in self.charts.iter().enumerate() {
            if !is_pattern(pattern) {
                refuse(
                    &format!("charts[{index}]"),
                    "is not the name of a chart, in which `*` may stand for any text".to_owned(),
                );
            }
        }
    }

    fn validate_credentials(&self, refuse: &mut impl FnMut(&str, String)) {
        let password = self.password_file.is_some() || self.password_env.is_some();
        let token = self.token_file.is_some() || self.token_env.is_some();
        for (first, second, both) in [
            (
                "password_file",
                "password_env",
                self.password_file.is_some() && self.password_env.is_some(),
            ),
            (
                "token_file",
                "token_env",
                self.token_file.is_some() && self.token_env.is_some(),
            ),
            ("username", "a token", self.username.is_some() && token),
        ] {
            if both {
                refuse(
                    first,
                    format!("is set and so is {second}; remove one of the two"),
                );
            }
        }
        if self.username.as_deref() == Some("") {
            refuse(
                "username",
                "is empty; remove it, or name the user".to_owned(),
            );
        }
        // In a header it would end there.
        if self
            .username
            .as_ref()
            .is_some_and(|name| name.contains(':'))
        {
            refuse(
                "username",
                "a user of HTTP has no `:` in the name".to_owned(),
            );
        }
        if self.username.is_some() && !password {
            refuse(
                "username",
                "needs a password; set `password_file` or `password_env`".to_owned(),
            );
        }
        if password && self.username.is_none() {
            let key = match self.password_file {
                Some(_) => "password_file",
                None => "password_env",
            };
            refuse(key, "needs `username`".to_owned());
        }
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => refuse("cert_file", "needs `key_file`, its key".to_owned()),
            (None, Some(_)) => refuse("key_file", "needs `cert_file`, its certificate".to_owned()),
            _ => (),
        }
    }
}
