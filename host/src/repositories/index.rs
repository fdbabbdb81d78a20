//! The indexes of repositories, parsed once and kept.
//!
//! A public index has tens of thousands of entries and takes longer to parse than to fetch, so it is parsed off the
//! request's thread and used by all requests for `charts.fresh`. Then its repository is asked once, for all who wait,
//! whether it has changed. A repository that fails does not stop installs at once: its last index serves on, for so
//! long as [`STALE`] says, and the log has a warning.
//!
//! All indexes together stay below `charts.cache`; the one that was not used for longest goes first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use charts::index::{Index, IndexError, Limits};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use http::header::{ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::memory::{Full, Memory, Place};
use crate::config::ChartsConfig;
use crate::net::Causes;
use crate::net::fetch::{Authorization, FetchError, Fetcher, Get};

/// How many times `charts.fresh` an index may be used after its repository last said that it is good.
const STALE: u32 = 10;

/// How long a repository that failed is left alone while its last index serves.
const RESPITE: Duration = Duration::from_secs(30);

/// How many indexes are parsed at once: each takes a core, and several times its size in memory.
const PARSED_AT_ONCE: usize = 2;

/// Where an index comes from.
pub(super) struct Feed {
    /// The repository's name.
    pub(super) name: String,
    /// The URL of its index.yaml.
    pub(super) url: Url,
    pub(super) fetcher: Fetcher,
}

/// The indexes of all repositories.
pub(super) struct Indexes {
    config: ChartsConfig,
    memory: Arc<Memory>,
    parsing: Arc<Semaphore>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    kept: BTreeMap<String, Kept>,
    under_way: BTreeMap<String, WeakShared<Refresh>>,
    uses: u64,
}

type Refresh = BoxFuture<'static, Result<Arc<Index>, Arc<IndexFailure>>>;

#[derive(Clone)]
struct Kept {
    index: Arc<Index>,
    validators: Validators,
    size: usize,
    /// When its repository last said that it is good.
    confirmed: Instant,
    /// When its repository is to be asked again.
    due: Instant,
    /// The number of its last use.
    used: u64,
}

/// What an index is known by to its server.
#[derive(Clone, Default)]
struct Validators {
    etag: Option<String>,
    modified: Option<String>,
}

impl Indexes {
    pub(super) fn new(config: ChartsConfig, memory: Arc<Memory>) -> Self {
        Self {
            config,
            memory,
            parsing: Arc::new(Semaphore::new(PARSED_AT_ONCE)),
            slots: Mutex::default(),
        }
    }

    /// The index of `feed`: the one that is kept, or one that is fetched for all who ask now.
    pub(super) async fn get(
        self: &Arc<Self>,
        feed: &Arc<Feed>,
    ) -> Result<Arc<Index>, Arc<IndexFailure>> {
        let refresh = {
            let mut slots = self.slots();
            if let Some(index) = slots.fresh(&feed.name) {
                return Ok(index);
            }
            slots.refresh(&feed.name, || {
                Arc::clone(self).refresh(Arc::clone(feed)).boxed()
            })
        };
        refresh.await
    }

    async fn refresh(self: Arc<Self>, feed: Arc<Feed>) -> Result<Arc<Index>, Arc<IndexFailure>> {
        let last = self.slots().kept.get(&feed.name).cloned();
        let failure = match self.fetch(&feed, last.as_ref()).await {
            Ok(kept) => {
                let index = Arc::clone(&kept.index);
                if !self
                    .slots()
                    .keep(&feed.name, kept, self.config.cache.length())
                {
                    warn!(
                        repository = feed.name,
                        "its index does not fit into `charts.cache` and is fetched for every request"
                    );
                }
                return Ok(index);
            }
            Err(failure) => failure,
        };
        let error = Causes(&failure);
        let now = Instant::now();
        match last {
            Some(mut last) if now < last.confirmed + self.config.fresh * STALE => {
                let age = now - last.confirmed;
                warn!(repository = feed.name, %error, ?age, "using the last index of a repository that fails");
                last.due = now + RESPITE.min(self.config.fresh);
                let index = Arc::clone(&last.index);
                self.slots()
                    .keep(&feed.name, last, self.config.cache.length());
                Ok(index)
            }
            _ => {
                warn!(repository = feed.name, %error, "its index cannot be had");
                Err(Arc::new(failure))
            }
        }
    }

    async fn fetch(&self, feed: &Feed, last: Option<&Kept>) -> Result<Kept, IndexFailure> {
        let limit = self.config.index.length();
        let place = self.memory.reserve(limit).await?;
        let asked = Instant::now();
        let fetched = feed
            .fetcher
            .get(Get {
                url: feed.url.clone(),
                accept: "",
                authorization: Authorization::Own,
                if_none_match: last.and_then(|last| last.validators.etag.as_deref()),
                if_modified_since: last.and_then(|last| last.validators.modified.as_deref()),
                limit,
                deadline: asked + self.config.timeout,
            })
            .await?;
        let validators = Validators::of(&fetched.headers);
        let (index, validators) = match (fetched.status, last) {
            (StatusCode::OK, _) => (self.parse(fetched.body, place).await?, validators),
            (StatusCode::NOT_MODIFIED, Some(last)) => {
                (Arc::clone(&last.index), last.validators.clone())
            }
            (status, _) => return Err(IndexFailure::Status(status)),
        };
        Ok(Kept {
            size: index.size(),
            index,
            validators,
            confirmed: asked,
            due: asked + self.config.fresh,
            used: 0,
        })
    }

    async fn parse(&self, text: Bytes, place: Place) -> Result<Arc<Index>, IndexFailure> {
        let turn = Arc::clone(&self.parsing).acquire_owned().await;
        let turn = turn.map_err(|_| IndexFailure::Parser)?;
        let limits = Limits {
            bytes: self.config.index.length(),
            ..Limits::default()
        };
        // It goes on when nobody waits any more, so what bounds it goes along.
        tokio::task::spawn_blocking(move || {
            let _bounds = (turn, place);
            Index::parse(&text, &limits)
        })
        .await
        .map_err(|_| IndexFailure::Parser)?
        .map(Arc::new)
        .map_err(IndexFailure::Malformed)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// The index that is kept and need not be asked for.
    fn fresh(&mut self, name: &str) -> Option<Arc<Index>> {
        self.uses += 1;
        let kept = self.kept.get_mut(name)?;
        kept.used = self.uses;
        (Instant::now() < kept.due).then(|| Arc::clone(&kept.index))
    }

    /// What is under way for `name`, or else what `begin` begins. It ends when nobody waits for it any more.
    fn refresh(&mut self, name: &str, begin: impl FnOnce() -> Refresh) -> Shared<Refresh> {
        let under_way = self.under_way.get(name).and_then(WeakShared::upgrade);
        // One that has ended while others still hold it is an answer to an earlier question.
        if let Some(refresh) = under_way.filter(|refresh| refresh.peek().is_none()) {
            return refresh;
        }
        let refresh = begin().shared();
        if let Some(weak) = refresh.downgrade() {
            self.under_way.insert(name.to_owned(), weak);
        }
        refresh
    }

    /// Keeps an index and lets others go until all are within `bound` bytes; false if it alone is larger.
    fn keep(&mut self, name: &str, kept: Kept, bound: usize) -> bool {
        self.kept.remove(name);
        if kept.size > bound {
            return false;
        }
        self.uses += 1;
        let mut total: usize = self.kept.values().map(|kept| kept.size).sum();
        while total + kept.size > bound {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            total -= self.kept.remove(&oldest).map_or(0, |kept| kept.size);
        }
        let used = self.uses;
        self.kept.insert(name.to_owned(), Kept { used, ..kept });
        true
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            etag: text(ETAG),
            modified: text(LAST_MODIFIED),
        }
    }
}

/// Why there is no index. The texts hold nothing of what the repository sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexFailure {
    /// There is no memory for it.
    #[error("there is no room for its index")]
    Busy(#[from] Full),
    /// There is no answer.
    #[error("its index cannot be fetched")]
    Fetch(#[from] FetchError),
    /// What came is no index.
    #[error("its index.yaml cannot be read")]
    Malformed(#[source] IndexError),
    /// The thread that parses it did not end well.
    #[error("the parser failed")]
    Parser,
    /// The answer is another than an index.
    #[error("its index.yaml is answered with {0}")]
    Status(StatusCode),
}
