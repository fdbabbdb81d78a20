//! The chart repositories of this edge: what may be taken from where, and fetching it.
//!
//! Only this part of the edge reaches out for charts. What comes back is either verified as far as its source allows
//! (the digest of an index, the signature that a repository must have) or it does not come back at all; unpacking it is
//! for the sandbox. Whatever a repository says may be hostile: where it leads is decided by `net::address`, what it is
//! shown by `net::fetch`, how much of it is held by `memory`.
//!
//! Loading reaches nothing: an edge starts while its repositories are down.

mod archive;
mod direct;
mod error;
mod index;
mod listing;
mod memory;
mod oci;
mod provenance;
mod repository;

use std::collections::BTreeMap;
use std::sync::Arc;

use rest::repositories::{ChartList, ChartView, RepositoryList, RepositoryView};

pub(crate) use self::archive::Archive;
use self::archive::Shared;
use self::direct::Direct;
pub(crate) use self::error::RepositoryError;
use self::index::Indexes;
pub(crate) use self::listing::{Listing, Wanted};
use self::memory::Memory;
pub use self::provenance::KeyringError;
use self::repository::Repository;
use crate::config::{ChartUrl, Config, RepositoryConfig};
pub use crate::net::CredentialsError;

/// The chart repositories of this edge, by name, and the URLs that charts may be taken from.
pub struct Repositories {
    repositories: BTreeMap<String, Repository>,
    direct: Direct,
    shared: Shared,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Page {
    /// How many items come before it.
    pub(crate) start: usize,
    /// How many items it has at most.
    pub(crate) limit: usize,
}

impl Repositories {
    /// Those that `config` names, save those of another region than the edge's.
    ///
    /// # Errors
    ///
    /// When an environment variable that holds a credential is not set, or a keyring cannot be used.
    pub fn load(config: &Config) -> Result<Self, RepositoriesError> {
        let (loaded, mut unusable) = Self::survey(config);
        match unusable.pop() {
            Some((_, error)) => Err(error),
            None => Ok(loaded),
        }
    }

    /// The same, with those that cannot be used put aside.
    pub(crate) fn survey(config: &Config) -> (Self, Vec<(&RepositoryConfig, RepositoriesError)>) {
        let mut repositories = BTreeMap::new();
        let mut unusable = Vec::new();
        for repository in &config.repositories {
            if is_elsewhere(config, repository) {
                continue;
            }
            match Repository::load(repository) {
                Ok(loaded) => {
                    repositories.insert(repository.name.clone(), loaded);
                }
                Err(error) => unusable.push((repository, error)),
            }
        }
        let charts = config.charts.clone();
        let largest = charts.archive.max(charts.index).length();
        let memory = Arc::new(Memory::new(largest, config.limits.queue));
        let loaded = Self {
            repositories,
            direct: Direct::new(&charts),
            shared: Shared {
                indexes: Arc::new(Indexes::new(charts.clone(), Arc::clone(&memory))),
                memory,
                config: charts,
            },
        };
        (loaded, unusable)
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> RepositoryList {
        RepositoryList {
            items: self.iter().cloned().collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RepositoryView> {
        self.repositories.values().map(Repository::view)
    }

    /// The charts of one that fit `text`, best first; with no text all, by name. Of each the newest stable version, or
    /// `all` of them.
    pub(crate) async fn charts(
        &self,
        repository: &str,
        text: &str,
        all: bool,
        page: Page,
    ) -> Result<ChartList, RepositoryError> {
        let repository = self.repository(repository)?;
        repository.charts(&self.shared, text, all, page).await
    }

    /// How many charts one has.
    pub(crate) async fn count(&self, repository: &str) -> Result<usize, RepositoryError> {
        self.repository(repository)?.count(&self.shared).await
    }

    /// The versions of one chart, newest first.
    pub(crate) async fn versions(
        &self,
        repository: &str,
        chart: &str,
        page: Page,
    ) -> Result<ChartList, RepositoryError> {
        let repository = self.repository(repository)?;
        repository.versions(&self.shared, chart, page).await
    }

    /// The archive of `chart` in the version that `version` chooses, the newest stable one if it is empty. With
    /// `cluster` it is for an install there, without to be looked at.
    pub(crate) async fn archive(
        &self,
        repository: &str,
        chart: &str,
        version: &str,
        cluster: Option<&str>,
    ) -> Result<Archive, RepositoryError> {
        let repository = self.repository(repository)?;
        let archive = repository.archive(&self.shared, chart, version, cluster);
        archive.await
    }

    /// The archive at `url`.
    pub(crate) async fn url(&self, url: &str) -> Result<Archive, RepositoryError> {
        let url: ChartUrl = url.parse().map_err(|_| RepositoryError::Url)?;
        self.direct.archive(&self.shared, &url).await
    }

    fn repository(&self, name: &str) -> Result<&Repository, RepositoryError> {
        self.repositories
            .get(name)
            .ok_or_else(|| RepositoryError::RepositoryNotFound(name.to_owned()))
    }
}

fn is_elsewhere(config: &Config, repository: &RepositoryConfig) -> bool {
    match (&config.region, &repository.region) {
        (Some(here), Some(there)) => here != there,
        _ => false,
    }
}

impl Page {
    fn of(self, items: impl Iterator<Item = ChartView>) -> ChartList {
        let mut rest = items.skip(self.start);
        let items = rest.by_ref().take(self.limit).collect();
        let end = self.start.saturating_add(self.limit);
        ChartList {
            items,
            next: rest.next().map(|_| end.to_string()),
        }
    }
}

/// Why the repositories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoriesError {
    /// There is no credential.
    #[error("there is no credential for the repository `{name}`")]
    Credentials {
        /// The repository.
        name: String,
        /// Why.
        #[source]
        source: CredentialsError,
    },
    /// The keyring cannot be used.
    #[error("the keyring of the repository `{name}` cannot be used")]
    Keyring {
        /// The repository.
        name: String,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// The URL is none; a configuration that was checked has no such.
    #[error("the URL of the repository `{name}` {why}")]
    Url {
        /// The repository.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[cfg(test)]
pub(crate) mod tests;
