//! Clusters and their Tillers as an operator names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// The name of the Tiller that `/v1/clusters/{c}/…` means.
pub const DEFAULT_TILLER: &str = "default";

/// The longest name of a cluster or tiller, in bytes: it is one segment of every URL.
const MAX_NAME: usize = 253;

/// One cluster: how its API server is reached and which Tillers it has.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// The cluster's name at this edge, unique.
    pub name: String,
    /// Its kubeconfig; default: the edge's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; default: the one called like the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Use the service account of the pod the edge runs in, instead of a kubeconfig.
    #[serde(default)]
    pub in_cluster: bool,
    /// The region the cluster stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Free labels, shown to callers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The namespace of an install that names none; default: the context's, then `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whose credentials the API server sees.
    #[serde(default)]
    pub credentials: CredentialSource,
    /// Whether every object that an install, upgrade or rollback would make is checked against the cluster's own
    /// authorisation of the caller first.
    #[serde(default)]
    pub manifest_authorisation: bool,
    /// Refuses every mutation.
    #[serde(default)]
    pub read_only: bool,
    /// Releases that nobody changes, by name; `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// The cluster's Tillers. Empty: one, with every default of [`TillerConfig`].
    #[serde(default, rename = "tiller", skip_serializing_if = "Vec::is_empty")]
    pub tillers: Vec<TillerConfig>,
}

impl ClusterConfig {
    /// The names of its tillers, default applied.
    pub(crate) fn tiller_names(&self) -> impl Iterator<Item = &str> {
        let only = self.tillers.is_empty().then_some(DEFAULT_TILLER);
        let named = self.tillers.iter().map(|tiller| tiller.name.as_str());
        only.into_iter().chain(named)
    }

    pub(super) fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        validate_name(&format!("{key}.name"), &self.name, refused);
        if self.in_cluster {
            for (other, set) in [
                ("kubeconfig", self.kubeconfig.is_some()),
                ("context", self.context.is_some()),
            ] {
                if set {
                    refused.push(Invalid::new(
                        format!("{key}.{other}"),
                        "has no meaning with `in_cluster = true`; remove one of the two",
                    ));
                }
            }
        }
        let mut names = BTreeSet::new();
        for (index, tiller) in self.tillers.iter().enumerate() {
            let key = format!("{key}.tiller[{index}]");
            if !names.insert(tiller.name.as_str()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!(
                        "cluster `{}` has another tiller called `{}`; give each its own `name`",
                        self.name, tiller.name
                    ),
                ));
            }
            tiller.validate(&key, refused);
        }
    }
}

/// Whose credentials an API server sees.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialSource {
    /// The caller's own `Authorization`, passed on unchanged. A call without one is refused.
    Caller,
    /// Those of the kubeconfig, or of the pod, acting as the caller: `Impersonate-User` and `Impersonate-Group`.
    Impersonate,
    /// Those of the kubeconfig, or of the pod.
    #[default]
    Kubeconfig,
}

/// One Tiller of a cluster.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TillerConfig {
    /// Its name in the cluster, unique; `default` is the one that needs no naming in a URL.
    pub name: String,
    /// The namespace of the service.
    pub namespace: String,
    /// The service; default: `tiller-bridge`, or `tiller-deploy` with `transport = "grpc"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The name or number of the service's port; default: `grpc-web`, or `tiller` with `transport = "grpc"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// How the relay reaches it.
    pub transport: Transport,
}

impl TillerConfig {
    /// The service, default applied.
    #[must_use]
    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or(match self.transport {
            Transport::Grpc => "tiller-deploy",
            Transport::GrpcWeb => "tiller-bridge",
        })
    }

    /// The name or number of the port, default applied.
    #[must_use]
    pub fn port(&self) -> &str {
        self.port.as_deref().unwrap_or(match self.transport {
            Transport::Grpc => "tiller",
            Transport::GrpcWeb => "grpc-web",
        })
    }

    fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        validate_name(&format!("{key}.name"), &self.name, refused);
        for (part, value) in [
            ("namespace", self.namespace.as_str()),
            ("service", self.service()),
            ("port", self.port()),
        ] {
            if !is_kubernetes_name(value) {
                refused.push(Invalid::new(
                    format!("{key}.{part}"),
                    format!(
                        "`{value}` is not a Kubernetes name: lower-case letters, digits and `-`"
                    ),
                ));
            }
        }
    }
}

impl Default for TillerConfig {
    fn default() -> Self {
        Self {
            name: DEFAULT_TILLER.to_owned(),
            namespace: "kube-system".to_owned(),
            service: None,
            port: None,
            transport: Transport::default(),
        }
    }
}

/// How the relay reaches a Tiller through the API server's service proxy.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Native gRPC to a Tiller that has TLS; no bridge.
    Grpc,
    /// grpc-web to a bridge beside Tiller.
    #[default]
    GrpcWeb,
}

/// Context names are free text (`arn:aws:eks:…:cluster/prod`), so nearly anything is a name; what is refused could not
/// be written in a URL or a log line.
fn validate_name(key: &str, name: &str, refused: &mut Vec<Invalid>) {
    let unusable = name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control);
    if unusable {
        refused.push(Invalid::new(
            key,
            format!("a name has 1 to {MAX_NAME} bytes and no control characters"),
        ));
    }
}

fn is_kubernetes_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
