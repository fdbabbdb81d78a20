//! Repositories that are looked at from time to time, where nobody calls.
//!
//! A watch is a hook that the edge calls itself. What a repository has is compared with what it had, by digest, and what is
//! new is delivered like any other delivery: read in the sandbox, held against what is known, stored with what comes of it.
//! Only then is it remembered that it was seen, so that an edge that ends in between delivers it again, and it is known.
//!
//! The first look at a repository leads to nothing: what was there before anybody watched is not new. Of edges that share a
//! store, one at a time looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use rest::problem::Problem;
use rules::{Event, Image, Kind};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::known::Again;
use super::reading::Received;
use super::{Hook, Hooks};
use crate::config::{Config, WatchConfig};
use crate::ingress::RequestId;
use crate::net::Causes;
use crate::operations::{Admission, Delivery, Lane, Store, StoreError};
use crate::repositories::{Listing, Repositories, RepositoryError, Wanted};

/// How many events are delivered at once.
const AT_ONCE: usize = 500;

/// How long one look may take: after that another edge may look.
const LOOK: Duration = Duration::from_secs(600);

/// What was seen is written down again when it is so old, long before a store forgets it.
const REFRESHED: Duration = Duration::from_secs(24 * 3600);

/// A repository that is looked at.
struct Watch {
    config: WatchConfig,
    hook: Arc<Hook>,
    /// What goes before names: a registry and a path, or the repository's name.
    place: String,
}

/// What was seen the last time.
struct Sight {
    at: Timestamp,
    listing: Listing,
}

impl Hooks {
    /// Begins to watch what `config` says, until the tasks are aborted.
    pub(crate) fn watch(
        self: &Arc<Self>,
        config: &Config,
        repositories: &Arc<Repositories>,
    ) -> Vec<JoinHandle<()>> {
        let watches = config.watches.iter().filter_map(|watch| {
            let hook = Arc::clone(self.find(&watch.name)?);
            let repository = config
                .repositories
                .iter()
                .find(|repository| repository.name == watch.repository)?;
            let place = match repository.url.strip_prefix("oci://") {
                Some(place) => place.trim_end_matches('/').to_owned(),
                None => repository.name.clone(),
            };
            Some(Watch {
                config: watch.clone(),
                hook,
                place,
            })
        });
        let start = |watch: Watch| {
            let (hooks, repositories) = (Arc::clone(self), Arc::clone(repositories));
            tokio::spawn(async move { hooks.keep_looking(&watch, &repositories).await })
        };
        watches.map(start).collect()
    }

    async fn keep_looking(&self, watch: &Watch, repositories: &Repositories) {
        let mut ticks = interval(watch.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look(watch, repositories).await {
                tracing::warn!(
                    watch = watch.config.name,
                    repository = watch.config.repository,
                    error = %Causes(&error),
                    "a look at the repository failed"
                );
            }
        }
    }

    async fn look(&self, watch: &Watch, repositories: &Repositories) -> Result<(), WatchError> {
        let store = self.store().map_err(refused)?;
        let lane = Lane::other("watch", &[&watch.config.name]);
        let Some(hold) = store.hold(&lane, LOOK).await? else {
            return Ok(());
        };
        let looked = self.compare(watch, repositories, &**store).await;
        store.free(hold).await?;
        looked
    }

    async fn compare(
        &self,
        watch: &Watch,
        repositories: &Repositories,
        store: &dyn Store,
    ) -> Result<(), WatchError> {
        let last = watch.remembered(store).await?;
        let nothing = Listing::new();
        let before = last.as_ref().map_or(&nothing, |last| &last.listing);
        let wanted = Wanted {
            names: watch.config.names(),
            versions: &watch.config.versions,
        };
        let repository = &watch.config.repository;
        let listing = repositories.listing(repository, wanted, before).await?;
        let now = Timestamp::now();
        let Some(last) = last else {
            tracing::info!(
                watch = watch.config.name,
                versions = listing.len(),
                "what is there is not new"
            );
            return self.remember(watch, store, now, &listing).await;
        };
        let events = watch.events(&last.listing, &listing);
        for events in events.chunks(AT_ONCE) {
            let received = Received {
                id: self.name_delivery(),
                at: now,
                request_id: RequestId::generate(),
                peer: None,
                headers: HeaderMap::new(),
                payload: serde_json::to_vec(events).unwrap_or_default().into(),
            };
            self.take(&watch.hook, &received, Again::Failed)
                .await
                .map_err(refused)?;
        }
        let is_old = now.duration_since(last.at).unsigned_abs() > REFRESHED;
        if listing != last.listing || is_old {
            self.remember(watch, store, now, &listing).await?;
        }
        Ok(())
    }

    async fn remember(
        &self,
        watch: &Watch,
        store: &dyn Store,
        at: Timestamp,
        listing: &Listing,
    ) -> Result<(), WatchError> {
        let seen: Vec<_> = listing.iter().collect();
        let delivery = Delivery {
            id: self.name_delivery(),
            hook: watch.memory(),
            received_at: at,
            provider_id: None,
            headers: Vec::new(),
            outcome: json!({ "versions": seen.len() }),
            operations: Vec::new(),
            payload: serde_json::to_vec(&seen).unwrap_or_default().into(),
        };
        let admission = Admission {
            delivery: Some(delivery),
            groups: Vec::new(),
        };
        store.admit(admission).await?;
        Ok(())
    }
}

impl Watch {
    /// Under which name it is kept what was seen. No hook is called so.
    fn memory(&self) -> String {
        format!("{}/seen", self.config.name)
    }

    async fn remembered(&self, store: &dyn Store) -> Result<Option<Sight>, WatchError> {
        let memory = self.memory();
        let newest = store.deliveries(&memory, None, 1).await?;
        let Some(newest) = newest.into_iter().next() else {
            return Ok(None);
        };
        let seen = store.delivery(&memory, &newest.id).await?;
        let seen = seen.map(|seen| serde_json::from_slice::<Vec<_>>(&seen.payload));
        Ok(seen.and_then(Result::ok).map(|seen| Sight {
            at: newest.received_at,
            listing: BTreeMap::from_iter(seen),
        }))
    }

    /// What `now` has that was not there `before`, or was something else.
    fn events(&self, before: &Listing, now: &Listing) -> Vec<Event> {
        let is_new =
            |(key, digest): &(&(String, String), &String)| before.get(*key) != Some(*digest);
        now.iter()
            .filter(is_new)
            .map(|(key, digest)| self.event(key, digest, before.get(key)))
            .collect()
    }

    fn event(
        &self,
        (name, version): &(String, String),
        digest: &str,
        previous: Option<&String>,
    ) -> Event {
        let is_digest = digest.contains(':') && !digest.contains('T');
        Event {
            kind: if self.config.images.is_empty() {
                Kind::ChartPushed
            } else {
                Kind::ImagePushed
            },
            name: "watch".to_owned(),
            image: Some(Image {
                name: format!("{}/{name}", self.place),
                digest: is_digest.then(|| digest.to_owned()),
                media_type: None,
            }),
            tag: Some(version.clone()),
            key: Some(format!("{name}@{version}@{digest}")),
            payload: json!({
                "repository": self.config.repository,
                "name": name,
                "version": version,
                "digest": digest,
                "previous": previous,
            }),
            ..Event::default()
        }
    }
}

fn refused(problem: Problem) -> WatchError {
    WatchError::Delivery(problem.detail)
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    /// What is new could not be taken in.
    #[error("what is new in it cannot be taken in: {0}")]
    Delivery(String),
    /// The repository.
    #[error("it cannot be listed")]
    Repository(#[from] RepositoryError),
    /// The store.
    #[error("the store of operations failed")]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
