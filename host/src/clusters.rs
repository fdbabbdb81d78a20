//! The clusters of this edge: how each is reached, and the connections to it.
//!
//! kube-client reads kubeconfigs, runs OIDC and knows Kubernetes' ideas of trust. The connection is ours: kube-client's
//! speaks HTTP/1.1 only and sends again what it should not.
//!
//! A cluster that the configuration names must be usable as written, or the edge does not start. Where every context of
//! the kubeconfig is a cluster, those that do not fit are left out and remembered, so that a caller asking for one, and
//! `tiller-edge check`, hear why.

mod access;
mod api;
mod behalf;
mod cluster;
mod connection;
mod connector;
mod credentials;
mod kubeconfig;
mod login;
mod reviews;
mod subject;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube_client::config::Kubeconfig;

use self::access::Access;
pub use self::access::AccessError;
pub use self::api::ApiError;
pub(crate) use self::behalf::Behalf;
pub(crate) use self::cluster::Outgoing;
pub use self::cluster::{Cluster, Tiller};
pub use self::connection::SendError;
pub(crate) use self::connection::Upstream;
pub use self::credentials::{CredentialsError, ExecError};
pub use self::kubeconfig::{EntryError, KubeconfigError};
pub(crate) use self::reviews::{Attributes, Permission, UserInfo};
pub(crate) use self::subject::Subject;
pub use self::subject::Unsendable;
use crate::config::{ClusterConfig, Config};
use crate::net::{Causes, Gauge};
pub use crate::net::{ProxyError, TlsError};

/// The clusters of this edge, by name.
#[derive(Debug)]
pub struct Clusters {
    clusters: BTreeMap<String, Arc<Cluster>>,
    unusable: BTreeMap<String, AccessError>,
    open: Gauge,
}

impl Clusters {
    /// The clusters that `config` names; if it names none, every context of the kubeconfig. Those of another region
    /// than the edge's are left out.
    ///
    /// Certificates, tokens and plugins are not looked at yet: what is wrong with them shows at the first call.
    ///
    /// # Errors
    ///
    /// When a kubeconfig cannot be read, or a cluster that the configuration names cannot be used.
    pub fn load(config: &Config) -> Result<Self, ClustersError> {
        let mut loaded = Self::survey(config)?;
        if !config.clusters.is_empty()
            && let Some((name, source)) = loaded.unusable.pop_first()
        {
            return Err(ClustersError::Cluster {
                name,
                source: Box::new(source),
            });
        }
        for (name, error) in &loaded.unusable {
            let error = Causes(error);
            tracing::warn!(cluster = name, %error, "leaving out a context that cannot be used");
        }
        Ok(loaded)
    }

    /// The same, with those that cannot be used put aside for [`Clusters::unusable`] even where the configuration names
    /// them.
    pub(crate) fn survey(config: &Config) -> Result<Self, ClustersError> {
        let mut found = Self {
            clusters: BTreeMap::new(),
            unusable: BTreeMap::new(),
            open: Gauge::default(),
        };
        if config.clusters.is_empty() {
            found.find_contexts(config)?;
        } else {
            found.find_named(config)?;
        }
        Ok(found)
    }

    /// The cluster of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.get(name).cloned()
    }

    /// All clusters, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.values()
    }

    /// The contexts that cannot be used, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (&str, &AccessError)> {
        self.unusable
            .iter()
            .map(|(name, error)| (name.as_str(), error))
    }

    /// Why the context of that name cannot be used.
    pub(crate) fn why_unusable(&self, name: &str) -> Option<&AccessError> {
        self.unusable.get(name)
    }

    /// How many connections to APIServers are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.count()
    }

    fn find_contexts(&mut self, config: &Config) -> Result<(), ClustersError> {
        let kubeconfig = read(config.kubeconfig.as_deref())?;
        for context in &kubeconfig.contexts {
            let cluster = ClusterConfig {
                name: context.name.clone(),
                ..ClusterConfig::default()
            };
            self.add(config, &cluster, Some(&kubeconfig));
        }
        Ok(())
    }

    fn find_named(&mut self, config: &Config) -> Result<(), ClustersError> {
        let mut kubeconfigs: BTreeMap<Option<&Path>, Kubeconfig> = BTreeMap::new();
        for cluster in &config.clusters {
            if is_elsewhere(config, cluster) {
                continue;
            }
            if cluster.in_cluster {
                self.add(config, cluster, None);
                continue;
            }
            let path = cluster.kubeconfig.as_ref().or(config.kubeconfig.as_ref());
            let kubeconfig = match kubeconfigs.entry(path.map(PathBuf::as_path)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let path = *entry.key();
                    entry.insert(read(path)?)
                }
            };
            self.add(config, cluster, Some(kubeconfig));
        }
        Ok(())
    }

    /// Adds a cluster of `kubeconfig`, or with none the one the edge runs in.
    fn add(&mut self, config: &Config, cluster: &ClusterConfig, kubeconfig: Option<&Kubeconfig>) {
        let context = kubeconfig.map(|_| cluster.context.as_ref().unwrap_or(&cluster.name));
        let access = match (kubeconfig, context) {
            (Some(kubeconfig), Some(context)) => kubeconfig::entry(kubeconfig, context)
                .map_err(AccessError::from)
                .and_then(|entry| Access::from_entry(entry, cluster.credentials)),
            _ => Access::in_cluster(),
        };
        match access {
            Err(error) => {
                self.unusable.insert(cluster.name.clone(), error);
            }
            Ok(access) => {
                let added = Cluster::new(
                    cluster,
                    config.kubernetes.as_ref(),
                    context.cloned(),
                    access,
                    config.relay.connect_timeout,
                    &self.open,
                );
                self.clusters.insert(cluster.name.clone(), Arc::new(added));
            }
        }
    }
}

fn is_elsewhere(config: &Config, cluster: &ClusterConfig) -> bool {
    match (&config.region, &cluster.region) {
        (Some(here), Some(there)) => here != there,
        _ => false,
    }
}

fn read(path: Option<&Path>) -> Result<Kubeconfig, ClustersError> {
    kubeconfig::read(path).map_err(|source| ClustersError::Kubeconfig { source })
}

/// Why the clusters cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ClustersError {
    /// A cluster of the configuration cannot be used.
    #[error("cluster `{name}` cannot be used")]
    Cluster {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<AccessError>,
    },
    /// There is no usable kubeconfig.
    #[error("the clusters cannot be read from a kubeconfig")]
    Kubeconfig {
        /// Why.
        #[source]
        source: KubeconfigError,
    },
}

#[cfg(test)]
mod tests;
