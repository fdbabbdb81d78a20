//! One repository as it is configured: what it may be used for, and what is in it.

use std::sync::Arc;

use charts::index::{Entry, Index, Search, index_url, resolve};
use rest::repositories::{ChartList, ChartView, RepositoryView, Source};
use tokio::task::spawn_blocking;
use url::Url;

use super::archive::{self, Archive, Shared};
use super::error::RepositoryError;
use super::index::Feed;
use super::oci::{OciError, Registry};
use super::provenance::Keyring;
use super::{Page, RepositoriesError};
use crate::config::{ChartUrl, Network, RepositoryConfig, Scheme, matches};
use crate::net::address::Origin;
use crate::net::credentials::{Credentials, Secret};
use crate::net::fetch::{Access, Fetcher};
use crate::net::{CredentialsError, Proxies};

/// One repository.
pub(super) struct Repository {
    view: Arc<RepositoryView>,
    /// Its URL, with the query that goes along with every request to it.
    base: Url,
    kind: Kind,
    keyring: Option<Arc<Keyring>>,
}

/// How it is asked.
pub(super) enum Kind {
    Http(Arc<Feed>),
    Oci(Box<Registry>),
}

impl Repository {
    /// Reads what does not change while the edge runs: environment variables and the keyring.
    pub(super) fn load(config: &RepositoryConfig) -> Result<Self, RepositoriesError> {
        let name = || config.name.clone();
        let location: ChartUrl = config
            .url
            .parse()
            .map_err(|why| RepositoriesError::Url { name: name(), why })?;
        let credentials = credentials(config).map_err(|source| RepositoriesError::Credentials {
            name: name(),
            source,
        })?;
        let keyring = match &config.keyring {
            Some(path) if config.verify => {
                let keyring = Keyring::load(path).map_err(|source| RepositoriesError::Keyring {
                    name: name(),
                    source,
                })?;
                Some(Arc::new(keyring))
            }
            _ => None,
        };
        let mut base = location.url.clone();
        if config.plain_http {
            base.set_scheme("http").ok();
        }
        if base.scheme() == "http" && !matches!(credentials, Credentials::Anonymous) {
            tracing::warn!(
                repository = config.name,
                "its credentials are sent unencrypted"
            );
        }
        let fetcher = Fetcher::new(Access {
            origin: Origin::of(&base),
            private: true,
            networks: config.addresses.iter().map(|Network(net)| *net).collect(),
            authorities: config.ca_file.clone(),
            identity: config.cert_file.clone().zip(config.key_file.clone()),
            credentials,
            proxies: Proxies::from_environment(),
        });
        let kind = match location.scheme {
            Scheme::Http | Scheme::Https => Kind::Http(Arc::new(Feed {
                name: name(),
                url: index_url(&base),
                fetcher,
            })),
            Scheme::Oci => {
                let registry = Registry::new(fetcher, &base);
                Kind::Oci(Box::new(registry.ok_or_else(|| {
                    RepositoriesError::Url {
                        name: name(),
                        why: "has a path that no registry has",
                    }
                })?))
            }
        };
        Ok(Self {
            view: Arc::new(view(config, &location)),
            base,
            kind,
            keyring,
        })
    }

    pub(super) fn view(&self) -> &RepositoryView {
        &self.view
    }

    pub(super) fn shared_view(&self) -> Arc<RepositoryView> {
        Arc::clone(&self.view)
    }

    /// How it is asked.
    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The charts that fit `text`, best first, by name if it is empty; of each the newest stable version, or `all`.
    pub(super) async fn charts(
        &self,
        shared: &Shared,
        text: &str,
        all: bool,
        page: Page,
    ) -> Result<ChartList, RepositoryError> {
        match &self.kind {
            Kind::Http(feed) => {
                let index = self.index(shared, feed).await?;
                let (view, text) = (Arc::clone(&self.view), text.to_owned());
                // It looks at every version of every chart.
                spawn_blocking(move || {
                    let found = index.search(Search {
                        repository: &view.name,
                        text: &text,
                        all,
                    });
                    page.of(found
                        .filter(|entry| admits(&view, entry.name))
                        .map(|entry| chart_view(&entry)))
                })
                .await
                .map_err(|_| RepositoryError::Internal)
            }
            // A registry tells nothing else of its charts than what they are called.
            Kind::Oci(registry) => {
                let text = text.to_lowercase();
                let mut names = self.names(shared, registry).await?;
                names.retain(|name| {
                    let whole = format!("{}/{name}", self.view.name).to_lowercase();
                    whole.contains(&text)
                });
                Ok(page.of(names.iter().map(|name| named(name, ""))))
            }
        }
    }

    /// How many charts it has.
    pub(super) async fn count(&self, shared: &Shared) -> Result<usize, RepositoryError> {
        match &self.kind {
            Kind::Http(feed) => {
                let index = self.index(shared, feed).await?;
                Ok(index
                    .names()
                    .filter(|name| admits(&self.view, name))
                    .count())
            }
            Kind::Oci(registry) => {
                let names = self.names(shared, registry).await?;
                // Names that are configured are no proof that the registry answers.
                if let (Some(name), true) = (names.first(), self.has_names()) {
                    self.tags(shared, registry, name).await?;
                }
                Ok(names.len())
            }
        }
    }

    /// The versions of a chart, newest first.
    pub(super) async fn versions(
        &self,
        shared: &Shared,
        chart: &str,
        page: Page,
    ) -> Result<ChartList, RepositoryError> {
        self.admit(chart)?;
        match &self.kind {
            Kind::Http(feed) => {
                let index = self.index(shared, feed).await?;
                let versions = index
                    .versions(chart)
                    .ok_or_else(|| self.not_found(chart, ""))?;
                Ok(page.of(versions.map(|entry| chart_view(&entry))))
            }
            Kind::Oci(registry) => {
                let versions = self.tags(shared, registry, chart).await?;
                Ok(page.of(versions.iter().map(|version| named(chart, version))))
            }
        }
    }

    /// The archive of `chart` in the version that `version` chooses; with `cluster` for an install there.
    pub(super) async fn archive(
        &self,
        shared: &Shared,
        chart: &str,
        version: &str,
        cluster: Option<&str>,
    ) -> Result<Archive, RepositoryError> {
        self.admit(chart)?;
        self.admit_cluster(cluster)?;
        let mut archive = match &self.kind {
            Kind::Http(feed) => self.listed(shared, feed, chart, version).await?,
            Kind::Oci(registry) => self.pulled(shared, registry, chart, version).await?,
        };
        archive.source.repository = Some(self.view.name.clone());
        Ok(archive)
    }

    /// An archive that the index lists.
    async fn listed(
        &self,
        shared: &Shared,
        feed: &Arc<Feed>,
        chart: &str,
        version: &str,
    ) -> Result<Archive, RepositoryError> {
        let index = self.index(shared, feed).await?;
        let entry = index
            .get(chart, version)
            .map_err(|error| RepositoryError::lookup(error, &self.view.name, chart, version))?;
        let url = entry
            .urls
            .first()
            .ok_or_else(|| RepositoryError::NoUrls(chart.to_owned()))?;
        let url =
            resolve(&self.base, url).map_err(|_| RepositoryError::WrongUrl(chart.to_owned()))?;
        let mut place = shared.place().await?;
        let deadline = shared.deadline();
        let bytes = shared.fetch(&feed.fetcher, &url, deadline).await?;
        place.shrink(bytes.len());
        let digest = archive::digest(&bytes).await?;
        if let Some(told) = entry.digest
            && archive::spelled(told) != digest
        {
            return Err(RepositoryError::Digest {
                repository: self.view.name.clone(),
                chart: chart.to_owned(),
                found: digest,
            });
        }
        let provenance = match &self.keyring {
            Some(keyring) => {
                Some(archive::signer(&feed.fetcher, &url, &bytes, keyring, deadline).await?)
            }
            None => None,
        };
        Ok(Archive {
            source: Source {
                repository: None,
                name: Some(chart.to_owned()),
                version: Some(entry.version.to_string()),
                url: Some(archive::shown(&url)),
                digest,
                provenance,
            },
            bytes,
            place,
        })
    }

    /// An archive of a registry.
    async fn pulled(
        &self,
        shared: &Shared,
        registry: &Registry,
        chart: &str,
        version: &str,
    ) -> Result<Archive, RepositoryError> {
        let mut place = shared.place().await?;
        let pull = shared.pull(self.keyring.is_some());
        let pulled = registry.pull(chart, version, pull).await;
        let pulled = pulled.map_err(|error| self.registry_error(error, chart, version))?;
        place.shrink(pulled.archive.len());
        let version = pulled.version.unwrap_or_default();
        let provenance = match (&self.keyring, pulled.provenance) {
            (Some(keyring), Some(prov)) => {
                let name = chart.rsplit('/').next().unwrap_or(chart);
                let basename = format!("{name}-{version}.tgz");
                Some(archive::verify(keyring, prov, basename, &pulled.archive).await?)
            }
            (Some(_), None) => {
                return Err(self.registry_error(OciError::NotSigned, chart, &version));
            }
            (None, _) => None,
        };
        Ok(Archive {
            source: Source {
                repository: None,
                name: Some(chart.to_owned()),
                url: Some(format!(
                    "{}/{chart}:{version}",
                    self.view.url.trim_end_matches('/')
                )),
                version: Some(version),
                digest: pulled.digest,
                provenance,
            },
            bytes: pulled.archive,
            place,
        })
    }

    /// The charts of a registry: those that are configured by their whole names, where all are, or else its own list.
    async fn names(
        &self,
        shared: &Shared,
        registry: &Registry,
    ) -> Result<Vec<String>, RepositoryError> {
        if self.has_names() {
            let mut names = self.view.charts.clone();
            names.sort_unstable();
            return Ok(names);
        }
        let listed = registry.catalog(shared.deadline()).await;
        let mut names = listed.map_err(|error| RepositoryError::registry(&self.view.url, error))?;
        names.retain(|name| admits(&self.view, name));
        Ok(names)
    }

    fn has_names(&self) -> bool {
        let patterns = &self.view.charts;
        !patterns.is_empty() && !patterns.iter().any(|pattern| pattern.contains('*'))
    }

    async fn tags(
        &self,
        shared: &Shared,
        registry: &Registry,
        chart: &str,
    ) -> Result<Vec<String>, RepositoryError> {
        let versions = registry.versions(chart, shared.deadline()).await;
        versions.map_err(|error| self.registry_error(error, chart, ""))
    }

    pub(super) fn registry_error(
        &self,
        error: OciError,
        chart: &str,
        version: &str,
    ) -> RepositoryError {
        match error {
            OciError::NotFound => self.not_found(chart, version),
            error => RepositoryError::registry(&self.view.url, error),
        }
    }

    pub(super) async fn index(
        &self,
        shared: &Shared,
        feed: &Arc<Feed>,
    ) -> Result<Arc<Index>, RepositoryError> {
        let index = shared.indexes.get(feed).await;
        index.map_err(|source| RepositoryError::Index {
            url: self.view.url.clone(),
            source,
        })
    }

    fn admit(&self, chart: &str) -> Result<(), RepositoryError> {
        if admits(&self.view, chart) {
            return Ok(());
        }
        Err(RepositoryError::ChartRefused {
            repository: self.view.name.clone(),
            chart: chart.to_owned(),
        })
    }

    fn admit_cluster(&self, cluster: Option<&str>) -> Result<(), RepositoryError> {
        match cluster {
            Some(cluster)
                if !self.view.clusters.is_empty()
                    && !self.view.clusters.iter().any(|name| name == cluster) =>
            {
                Err(RepositoryError::ClusterRefused {
                    repository: self.view.name.clone(),
                    cluster: cluster.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn not_found(&self, chart: &str, version: &str) -> RepositoryError {
        RepositoryError::NotFound {
            repository: self.view.name.clone(),
            chart: chart.to_owned(),
            version: version.to_owned(),
        }
    }
}

/// Whether charts of that name may be taken.
pub(super) fn admits(view: &RepositoryView, chart: &str) -> bool {
    view.charts.is_empty() || view.charts.iter().any(|pattern| matches(pattern, chart))
}

/// What the repository is shown.
fn credentials(config: &RepositoryConfig) -> Result<Credentials, CredentialsError> {
    let password = Secret::load(&config.password_file, &config.password_env)?;
    let token = Secret::load(&config.token_file, &config.token_env)?;
    Ok(match (&config.username, password, token) {
        (Some(username), Some(password), _) => Credentials::Basic {
            username: username.clone(),
            password,
        },
        (_, _, Some(token)) => Credentials::Bearer(token),
        _ => Credentials::Anonymous,
    })
}

fn view(config: &RepositoryConfig, location: &ChartUrl) -> RepositoryView {
    let kind = match location.scheme {
        Scheme::Http | Scheme::Https => "http",
        Scheme::Oci => "oci",
    };
    RepositoryView {
        name: config.name.clone(),
        url: location.shown(),
        kind: kind.to_owned(),
        region: config.region.clone(),
        clusters: config.clusters.clone(),
        charts: config.charts.clone(),
        verify: config.verify,
    }
}

/// All that a registry says of a chart.
fn named(name: &str, version: &str) -> ChartView {
    ChartView {
        name: name.to_owned(),
        version: version.to_owned(),
        ..ChartView::default()
    }
}

fn chart_view(entry: &Entry<'_>) -> ChartView {
    ChartView {
        name: entry.name.to_owned(),
        version: entry.version.to_owned(),
        app_version: entry.app_version.to_owned(),
        description: entry.description.to_owned(),
        home: entry.home.to_owned(),
        icon: entry.icon.to_owned(),
        keywords: entry.keywords.iter().map(str::to_owned).collect(),
        deprecated: entry.deprecated,
        created: entry.created.map(str::to_owned),
        digest: entry.digest.map(archive::spelled),
    }
}
