//! What there is in a repository, each version by its digest: what a watch compares with what there was.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::spawn_blocking;

use super::archive::{Shared, spelled};
use super::oci::Registry;
use super::repository::{Kind, Repository, admits};
use super::{Repositories, RepositoryError};
use crate::config::matches;

/// How many tags are asked for at once.
const AT_ONCE: usize = 4;

/// How many versions a listing may have.
pub(crate) const MAX_LISTED: usize = 20_000;

/// Digests by name and version, or by name and tag.
pub(crate) type Listing = BTreeMap<(String, String), String>;

/// What is listed, by patterns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The names: of an HTTP repository's charts, or whole names below a registry's path.
    pub(crate) names: &'a [String],
    /// The versions or tags.
    pub(crate) versions: &'a [String],
}

impl Wanted<'_> {
    fn has(&self, version: &str) -> bool {
        self.versions.is_empty()
            || self
                .versions
                .iter()
                .any(|pattern| matches(pattern, version))
    }
}

impl Repositories {
    /// What `repository` has of what is `wanted`. What is `known` from the last time need not be fetched again.
    ///
    /// # Errors
    ///
    /// When the repository fails, or has more than [`MAX_LISTED`] versions of it.
    pub(crate) async fn listing(
        &self,
        repository: &str,
        wanted: Wanted<'_>,
        known: &Listing,
    ) -> Result<Listing, RepositoryError> {
        let repository = self.repository(repository)?;
        let listing = match repository.kind() {
            Kind::Http(_) => self.indexed(repository, wanted).await?,
            Kind::Oci(registry) => {
                tagged(&self.shared, repository, registry, wanted, known).await?
            }
        };
        if listing.len() > MAX_LISTED {
            return Err(RepositoryError::TooManyVersions(MAX_LISTED));
        }
        Ok(listing)
    }

    async fn indexed(
        &self,
        repository: &Repository,
        wanted: Wanted<'_>,
    ) -> Result<Listing, RepositoryError> {
        let Kind::Http(feed) = repository.kind() else {
            return Ok(Listing::new());
        };
        let index = repository.index(&self.shared, feed).await?;
        let view = repository.shared_view();
        let (names, versions) = (wanted.names.to_owned(), wanted.versions.to_owned());
        // It looks at every version of every chart.
        let listed = spawn_blocking(move || {
            let wanted = Wanted {
                names: &names,
                versions: &versions,
            };
            let is_wanted = |name: &&str| {
                admits(&view, name)
                    && (wanted.names.is_empty()
                        || wanted.names.iter().any(|pattern| matches(pattern, name)))
            };
            let entries = index
                .names()
                .filter(is_wanted)
                .flat_map(|name| index.versions(name).into_iter().flatten());
            let listed = entries
                .filter(|entry| wanted.has(entry.version))
                .map(|entry| {
                    // Without a digest, what can be compared is when it was made.
                    let digest = entry.digest.map(spelled);
                    let digest = digest.or_else(|| entry.created.map(str::to_owned));
                    (
                        (entry.name.to_owned(), entry.version.to_owned()),
                        digest.unwrap_or_default(),
                    )
                });
            listed.take(MAX_LISTED + 1).collect()
        });
        listed.await.map_err(|_| RepositoryError::Internal)
    }
}

async fn tagged(
    shared: &Shared,
    repository: &Repository,
    registry: &Registry,
    wanted: Wanted<'_>,
    known: &Listing,
) -> Result<Listing, RepositoryError> {
    let mut listing = Listing::new();
    for name in wanted.names {
        let failed = |error| repository.registry_error(error, name, "");
        let tags = registry
            .tags(name, shared.deadline())
            .await
            .map_err(failed)?;
        let tags: Vec<String> = tags.into_iter().filter(|tag| wanted.has(tag)).collect();
        if listing.len() + tags.len() > MAX_LISTED {
            return Err(RepositoryError::TooManyVersions(MAX_LISTED));
        }
        let asked = tags.into_iter().map(|tag| async move {
            let key = (name.clone(), tag);
            let before = known.get(&key).map(String::as_str);
            let digest = registry
                .digest(name, &key.1, before, shared.deadline())
                .await;
            digest.map(|digest| digest.map(|digest| (key, digest)))
        });
        let found: Vec<Option<_>> = stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(failed)?;
        listing.extend(found.into_iter().flatten());
    }
    Ok(listing)
}
