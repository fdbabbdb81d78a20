//! Webhook endpoints as an operator names them.
//!
//! Whatever would let a hook be called by anybody is refused here: no credential where the provider has one, a secret short
//! enough to be guessed, a signature scheme that its provider does not have.

mod secrets;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use rules::{Provider, Rule, compile};
use serde::{Deserialize, Serialize};

use super::{Config, Invalid, Pace, Size, issuer, matches, units};
use crate::access::Principal;

pub(crate) use self::secrets::{BASE64, check as check_secret};
pub use self::secrets::{MIN_SECRET, Secrets, SigningKey, UnusableKey};

/// The longest name of a hook, in bytes.
const MAX_NAME: usize = 63;

/// Who issues the tokens that Pub/Sub sends.
const GOOGLE: &str = "https://accounts.google.com";

/// A delivery that was signed longer ago is of no use to anybody.
const MAX_TOLERANCE: Duration = Duration::from_secs(3600);

/// For longer nobody remembers a body.
const MAX_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// One endpoint, `POST /hooks/{name}`: who may call it, and what that leads to.
///
/// Its deliveries act as the principal `hook:` and its name, with the grants that are for that one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Its name, unique: lower case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Who calls it.
    pub provider: Provider,
    /// What only the provider knows; any of them will do, while one replaces another.
    #[serde(default, skip_serializing_if = "Secrets::is_empty")]
    pub secrets: Secrets,
    /// Files with one such secret each. Read again when they change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_files: Vec<PathBuf>,
    /// The header with the secret or signature, where the provider leaves that to its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How a signature is made, for the provider `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How a signature is written, for the provider `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What stands before a signature, such as `sha256=`, for the provider `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The parameter of the URL with the secret, for Docker Hub and Quay. Default: `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_query: Option<String>,
    /// The TLS client certificate that the provider must show, besides its secret if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<HookCertificate>,
    /// The audience of Pub/Sub's tokens, as the subscription has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The service account of Pub/Sub's tokens, as the subscription has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Who issues Pub/Sub's tokens. Default: Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whether anybody may call it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unsigned: bool,
    /// How far the time of a signature may be from this host's, where the provider signs one; at most an hour.
    #[serde(default = "tolerance", with = "units::duration")]
    pub tolerance: Duration,
    /// For how long a delivery without an id is known again by its content; at most 7 days. Default: see
    /// [`HookConfig::window`].
    #[serde(
        default,
        with = "units::optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub window: Option<Duration>,
    /// The largest payload.
    #[serde(default = "max_body")]
    pub max_body: Size,
    /// How many deliveries are taken; default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Pace>,
    /// What its events lead to.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Whose client certificate is accepted. The ingress has verified it against `certificates.ca_file`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HookCertificate {
    /// Common names or hosts among the alternative names, to the letter; one of them is enough.
    pub subjects: Vec<String>,
}

/// A hash function of an HMAC.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-1, which is still good enough for an HMAC.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Base 64, of the usual or the URL's alphabet, with or without padding.
    Base64,
    /// Hexadecimal.
    #[default]
    Hex,
}

impl HookConfig {
    /// One of that name and provider, with nothing else said.
    #[must_use]
    pub(super) fn new(name: &str, provider: Provider) -> Self {
        Self {
            name: name.to_owned(),
            provider,
            secrets: Secrets::default(),
            secret_files: Vec::new(),
            header: None,
            algorithm: None,
            encoding: None,
            prefix: None,
            token_query: None,
            certificate: None,
            audience: None,
            email: None,
            issuer: None,
            allow_unsigned: false,
            tolerance: tolerance(),
            window: None,
            max_body: max_body(),
            rate: None,
            rules: Vec::new(),
        }
    }

    /// For how long a delivery without an id is known again by its content. Quay says the same of every push of a tag; what
    /// the others send differs whenever something happened.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window.unwrap_or(match self.provider {
            Provider::Quay | Provider::Hmac | Provider::Jfrog => Duration::from_secs(60),
            _ => Duration::from_secs(24 * 3600),
        })
    }

    /// Who issues the tokens that Pub/Sub sends.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or(GOOGLE)
    }

    fn has_secret(&self) -> bool {
        !self.secrets.is_empty() || !self.secret_files.is_empty()
    }

    fn validate(&self, key: &str, config: &Config, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: &str| {
            refused.push(Invalid::new(format!("{key}.{part}"), why));
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if !(1..=MAX_NAME).contains(&self.name.len())
            || !self.name.chars().all(is_name)
            || self.name.starts_with('.')
        {
            refuse(
                "name",
                "a hook's name has 1 to 63 lower case letters, digits, `-`, `_` and `.`, of which the first is no `.`",
            );
        }
        self.validate_credentials(&mut refuse);
        self.validate_details(&mut refuse);
        self.validate_certificate(config, &mut refuse);
        self.validate_rules(&mut refuse);
        if self.tolerance.is_zero() || self.tolerance > MAX_TOLERANCE {
            refuse("tolerance", "must be more than zero and at most \"1h\"");
        }
        if self.window.is_some_and(|window| window > MAX_WINDOW) {
            refuse("window", "at most \"7d\"");
        }
        if self.max_body.bytes() == 0 || self.max_body > config.limits.body {
            refuse(
                "max_body",
                "must be more than zero and no more than `limits.body`, which no request exceeds",
            );
        }
    }

    fn validate_credentials(&self, refuse: &mut impl FnMut(&str, &str)) {
        if self.provider == Provider::Watch {
            return refuse(
                "provider",
                "`watch` calls no hook; write a [[watch]] instead",
            );
        }
        let by_token = self.provider == Provider::Pubsub;
        if self.allow_unsigned {
            if self.has_secret() || self.certificate.is_some() || by_token {
                refuse(
                    "allow_unsigned",
                    "lets anybody call the hook, and there is a credential to check; remove one of them",
                );
            }
            return;
        }
        if by_token {
            if self.audience.is_none() || self.email.is_none() {
                refuse(
                    "audience",
                    "write `audience` and `email` as the push subscription has them: without both, anybody's subscription \
                     could call",
                );
            }
        } else if !self.has_secret() && self.certificate.is_none() {
            refuse(
                "secrets",
                "is missing, and so is `secret_files`; write the secret that the provider was given, or, knowing that anybody \
                 may call then, `allow_unsigned = true`",
            );
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            if let Err(why) = secrets::check(self.provider, secret) {
                refuse(&format!("secrets[{index}]"), why);
            }
        }
        if by_token && self.has_secret() {
            refuse("secrets", "Pub/Sub has none: it sends a token of Google's");
        }
        if let Some(issuer_url) = &self.issuer
            && let Err(why) = issuer(issuer_url)
        {
            refuse("issuer", why);
        }
    }

    /// What concerns some providers only.
    fn validate_details(&self, refuse: &mut impl FnMut(&str, &str)) {
        let is = |providers: &[Provider]| providers.contains(&self.provider);
        let hmac = is(&[Provider::Hmac]);
        let pubsub = is(&[Provider::Pubsub]);
        for (part, is_set, fits, whose) in [
            (
                "header",
                self.header.is_some(),
                hmac || is(&[Provider::Acr, Provider::Distribution, Provider::Jfrog]),
                "is for `hmac`, `acr`, `distribution` and `jfrog`; other providers have a header of their own",
            ),
            (
                "algorithm",
                self.algorithm.is_some(),
                hmac,
                "is for `hmac` only",
            ),
            (
                "encoding",
                self.encoding.is_some(),
                hmac,
                "is for `hmac` only",
            ),
            ("prefix", self.prefix.is_some(), hmac, "is for `hmac` only"),
            (
                "token_query",
                self.token_query.is_some(),
                is(&[Provider::DockerHub, Provider::Quay]),
                "is for `docker-hub` and `quay`; others send their secret in a header",
            ),
            (
                "audience",
                self.audience.is_some(),
                pubsub,
                "is for `pubsub` only",
            ),
            (
                "email",
                self.email.is_some(),
                pubsub,
                "is for `pubsub` only",
            ),
            (
                "issuer",
                self.issuer.is_some(),
                pubsub,
                "is for `pubsub` only",
            ),
        ] {
            if is_set && !fits {
                refuse(part, whose);
            }
        }
        if hmac && self.header.is_none() && self.has_secret() {
            refuse("header", "is missing: the header with the signature");
        }
        if let Some(header) = &self.header
            && header.parse::<HeaderName>().is_err()
        {
            refuse("header", "is no name of a header");
        }
        if self.token_query.as_ref().is_some_and(String::is_empty) {
            refuse("token_query", "is empty; write a parameter's name");
        }
    }

    fn validate_certificate(&self, config: &Config, refuse: &mut impl FnMut(&str, &str)) {
        let Some(certificate) = &self.certificate else {
            return;
        };
        if config.certificates.is_none() {
            refuse(
                "certificate",
                "needs [certificates], which says whose client certificates the edge accepts at all",
            );
        }
        if certificate.subjects.is_empty() || certificate.subjects.iter().any(String::is_empty) {
            refuse(
                "certificate.subjects",
                "names nobody; write the common name or the host in the provider's certificate",
            );
        }
    }

    pub(super) fn validate_rules(&self, refuse: &mut impl FnMut(&str, &str)) {
        for error in compile(&self.rules).err().unwrap_or_default() {
            let is_it = |(place, rule): (usize, &Rule)| {
                rule.name == error.rule || error.rule == format!("#{}", place + 1)
            };
            match self.rules.iter().enumerate().position(is_it) {
                Some(place) => refuse(&format!("rule[{place}].{}", error.field), &error.why),
                None => refuse("rule", &error.to_string()),
            }
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.secret_files.iter_mut()
    }
}

impl Config {
    /// A hook without a grant takes deliveries, and nothing that comes of them is ever allowed.
    pub(super) fn warn_of_hooks(&self, warnings: &mut Vec<Invalid>) {
        for (index, hook) in self.hooks.iter().enumerate() {
            let principal = Principal::hook(&hook.name).name;
            let mut grants = self.grants.iter().flat_map(|grant| &grant.principals);
            if !hook.rules.is_empty() && !grants.any(|pattern| matches(pattern, &principal)) {
                warnings.push(Invalid::new(
                    format!("hook[{index}]"),
                    format!(
                        "no [[grant]] is for `{principal}`, so whatever its rules want is refused"
                    ),
                ));
            }
        }
    }

    pub(super) fn validate_hooks(&self, refused: &mut Vec<Invalid>) {
        if self.operations.off && !self.hooks.is_empty() {
            refused.push(Invalid::new(
                "operations.off",
                "what hooks are sent is kept as operations; remove the hooks, or keep operations",
            ));
        }
        let mut names = BTreeSet::new();
        for (index, hook) in self.hooks.iter().enumerate() {
            let key = format!("hook[{index}]");
            if !names.insert(hook.name.as_str()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!(
                        "another hook is called `{}` already; names are unique at an edge",
                        hook.name
                    ),
                ));
            }
            hook.validate(&key, self, refused);
        }
    }
}

const fn tolerance() -> Duration {
    Duration::from_secs(300)
}

const fn max_body() -> Size {
    Size::MIB
}

#[cfg(test)]
mod tests;
