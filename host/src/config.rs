//! What an operator may set, its defaults, and why a setting was refused.
//!
//! One TOML file configures every subcommand. All of it is optional: with no file at all, every context of the
//! kubeconfig is a cluster and the edge listens on loopback. An unknown key is an error, never ignored, since a
//! misspelt limit that silently keeps its default is worse than an edge that does not start.
//!
//! Everything is checked when the file is read, all at once, and each complaint names the file, the line, the key and
//! what to write instead. Relative paths are relative to the file that names them.

mod audit;
mod chart_url;
mod charts;
mod cluster;
mod cors;
mod error;
mod grants;
mod hook;
mod jetstream;
mod limits;
mod listen;
mod notice;
mod oidc;
mod operations;
mod pattern;
mod principals;
mod rate;
mod repository;
mod rules;
mod tls;
mod units;
mod watch;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log;

pub use self::audit::AuditConfig;
pub use self::chart_url::{ChartUrl, Prefix, Scheme};
pub use self::charts::{ChartsConfig, Network};
pub use self::cluster::{ClusterConfig, CredentialSource, DEFAULT_TILLER, TillerConfig, Transport};
pub use self::cors::CorsConfig;
pub(crate) use self::cors::{Origin, OriginPattern};
pub use self::error::{ConfigError, Invalid};
pub use self::grants::{GrantConfig, RefusalConfig};
pub(crate) use self::hook::BASE64;
pub(crate) use self::hook::check_secret;
pub use self::hook::{
    Algorithm, Encoding, HookCertificate, HookConfig, MIN_SECRET, Secrets, SigningKey, UnusableKey,
};
pub use self::jetstream::JetStreamConfig;
pub use self::limits::Limits;
pub(crate) use self::listen::{is_loopback, is_loopback_ip};
pub use self::notice::ReceiverConfig;
pub use self::oidc::{ClaimValue, OidcConfig};
pub(crate) use self::oidc::{is_safe, issuer};
pub use self::operations::OperationsConfig;
pub(crate) use self::principals::unusable_name;
pub use self::principals::{AnonymousConfig, KubernetesConfig, TokenConfig};
pub use self::rate::{NoPace, Pace, RateConfig, Unit};
pub use self::repository::RepositoryConfig;
pub use self::tls::{CertificateName, CertificatesConfig, TlsConfig};
pub use self::units::Size;
pub(crate) use self::units::parse_duration;
pub use self::watch::WatchConfig;
pub use rest::pattern::matches;

/// The whole configuration of one edge.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where `serve` listens for callers. Others than loopback only where callers are authenticated, over TLS.
    #[serde(deserialize_with = "units::socket_address")]
    pub listen: SocketAddr,
    /// Names under which callers know this edge, besides `localhost` and loopback addresses. A request for any other host
    /// is refused: a web page can make a browser send requests here under a name of its own.
    pub hosts: Vec<String>,
    /// The region this edge stands in. With a region set, only clusters of the same region or of none are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The Spin application whose components answer callers.
    pub manifest: PathBuf,
    /// Where compiled components are kept between starts; see [`Config::cache_dir`] for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// The kubeconfig of clusters that name none of their own. Default: `$KUBECONFIG`, then `~/.kube/config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// What is logged and how.
    pub log: LogConfig,
    /// What one request, and all of them together, may use.
    pub limits: Limits,
    /// How the edge ends.
    pub drain: DrainConfig,
    /// The way out of the sandboxes, and the listener of `tiller-edge relay`.
    pub relay: RelayConfig,
    /// Where charts may come from beside the repositories, and what fetching any of them may use.
    pub charts: ChartsConfig,
    /// TLS at the ingress.
    pub tls: TlsConfig,
    /// Which web pages of other origins may call.
    pub cors: CorsConfig,
    /// How often callers may call.
    pub rate: RateConfig,
    /// Where the audit log goes.
    pub audit: AuditConfig,
    /// Where operations are kept, and how they are carried out.
    pub operations: OperationsConfig,
    /// Which client certificates are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificatesConfig>,
    /// Which clusters may say who a caller is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesConfig>,
    /// What callers may do that nothing is known of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<AnonymousConfig>,
    /// The tokens of this edge.
    #[serde(rename = "token", skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenConfig>,
    /// The identity providers whose tokens are accepted.
    #[serde(rename = "oidc", skip_serializing_if = "Vec::is_empty")]
    pub oidc: Vec<OidcConfig>,
    /// What principals may do.
    #[serde(rename = "grant", skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantConfig>,
    /// What is forbidden whatever is granted.
    #[serde(rename = "refusal", skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<RefusalConfig>,
    /// The clusters. Empty: every context of the kubeconfig.
    #[serde(rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterConfig>,
    /// The chart repositories.
    #[serde(rename = "repository", skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryConfig>,
    /// The webhook endpoints.
    #[serde(rename = "hook", skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookConfig>,
    /// What is looked at from time to time, where nobody calls.
    #[serde(rename = "watch", skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<WatchConfig>,
    /// Who is told of operations that are over.
    #[serde(rename = "receiver", skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<ReceiverConfig>,
}

impl Config {
    /// Reads and checks `path`; with no path, the defaults.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not TOML, has an unknown key, or a value is refused. Every refused value is
    /// reported, not only the first.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Checks `text` as if read from `origin`: errors name it, relative paths start from its directory.
    ///
    /// # Errors
    ///
    /// As [`Config::load`], save reading.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::syntax(origin, text, &error))?;
        config
            .validate()
            .map_err(|error| error.located(origin, text))?;
        if let Some(base) = origin.parent() {
            config.resolve(base);
        }
        Ok(config)
    }

    /// Checks values that are well-formed each on its own but make no sense. For configurations that were not read
    /// from a file; [`Config::load`] has done it already.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Refused`] with every complaint.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut refused = Vec::new();
        self.validate_listeners(&mut refused);
        if self.relay.connect_timeout.is_zero() {
            refused.push(Invalid::new(
                "relay.connect_timeout",
                "must be longer than zero",
            ));
        }
        if let Err(error) = log::filter(&self.log.level) {
            refused.push(Invalid::new(
                "log.level",
                format!(
                    "`{}`: {error}; write a level such as \"info\"",
                    self.log.level
                ),
            ));
        }
        self.limits.validate(&mut refused);
        self.tls.validate(&mut refused);
        self.cors.validate(&mut refused);
        if let Some(certificates) = &self.certificates {
            certificates.validate(self, &mut refused);
        }
        self.validate_oidc(&mut refused);
        self.charts.validate(&mut refused);
        self.audit.validate(&mut refused);
        self.operations.validate(&mut refused);
        self.validate_principals(&mut refused);
        self.validate_clusters(&mut refused);
        self.validate_repositories(&mut refused);
        self.validate_receivers(&mut refused);
        self.validate_watches(&mut refused);
        self.validate_rules(&mut refused);
        self.validate_hooks(&mut refused);
        if refused.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Refused {
                origin: None,
                refused,
            })
        }
    }

    /// Where compiled components are kept: `cache_dir`, or `tiller-edge` under `$XDG_CACHE_HOME`, under
    /// `$HOME/.cache`, or under the system's temporary directory.
    #[must_use]
    pub fn cache_dir(&self) -> PathBuf {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        self.cache_dir.clone().unwrap_or_else(|| {
            variable("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
                .unwrap_or_else(env::temp_dir)
                .join("tiller-edge")
        })
    }

    fn validate_clusters(&self, refused: &mut Vec<Invalid>) {
        let mut names = BTreeSet::new();
        for (index, cluster) in self.clusters.iter().enumerate() {
            let key = format!("cluster[{index}]");
            if !names.insert(cluster.name.as_str()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!(
                        "another cluster is called `{}` already; names are unique at an edge",
                        cluster.name
                    ),
                ));
            }
            cluster.validate(&key, refused);
        }
    }

    fn validate_repositories(&self, refused: &mut Vec<Invalid>) {
        let mut names = BTreeSet::new();
        for (index, repository) in self.repositories.iter().enumerate() {
            let key = format!("repository[{index}]");
            if !names.insert(repository.name.as_str()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!(
                        "another repository is called `{}` already; names are unique at an edge",
                        repository.name
                    ),
                ));
            }
            repository.validate(&key, self, refused);
        }
    }

    fn resolve(&mut self, base: &Path) {
        let kubeconfigs = self
            .clusters
            .iter_mut()
            .filter_map(|cluster| cluster.kubeconfig.as_mut());
        let repositories = self
            .repositories
            .iter_mut()
            .flat_map(RepositoryConfig::paths);
        let tokens = self
            .tokens
            .iter_mut()
            .filter_map(|token| token.hash_file.as_mut());
        for path in [&mut self.manifest]
            .into_iter()
            .chain(self.cache_dir.as_mut())
            .chain(self.audit.file.as_mut())
            .chain(self.operations.paths())
            .chain(self.kubeconfig.as_mut())
            .chain(kubeconfigs)
            .chain(repositories)
            .chain(tokens)
            .chain(self.oidc.iter_mut().flat_map(OidcConfig::paths))
            .chain(self.hooks.iter_mut().flat_map(HookConfig::paths))
            .chain(self.receivers.iter_mut().flat_map(ReceiverConfig::paths))
            .chain(self.tls.paths())
            .chain(
                self.certificates
                    .iter_mut()
                    .flat_map(CertificatesConfig::paths),
            )
        {
            *path = base.join(&*path);
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080),
            hosts: Vec::new(),
            region: None,
            manifest: PathBuf::from("spin.toml"),
            cache_dir: None,
            kubeconfig: None,
            log: LogConfig::default(),
            limits: Limits::default(),
            drain: DrainConfig::default(),
            relay: RelayConfig::default(),
            charts: ChartsConfig::default(),
            tls: TlsConfig::default(),
            cors: CorsConfig::default(),
            rate: RateConfig::default(),
            audit: AuditConfig::default(),
            operations: OperationsConfig::default(),
            certificates: None,
            kubernetes: None,
            anonymous: None,
            tokens: Vec::new(),
            oidc: Vec::new(),
            grants: Vec::new(),
            refusals: Vec::new(),
            clusters: Vec::new(),
            repositories: Vec::new(),
            hooks: Vec::new(),
            watches: Vec::new(),
            receivers: Vec::new(),
        }
    }
}

/// What is logged and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// The shape of a line.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or `tracing` filter directives such as
    /// `info,tiller_edge::relay=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// How the edge ends.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// How long requests under way may take after SIGTERM or SIGINT before they are cut off. A second signal cuts them
    /// off at once.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
        }
    }
}

/// The way out of the sandboxes, and the listener of `tiller-edge relay`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Where `tiller-edge relay` listens for components run by another host. Loopback only.
    #[serde(deserialize_with = "units::socket_address")]
    pub listen: SocketAddr,
    /// How long reaching an APIServer may take: name resolution, TCP, TLS.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 4480),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests;
