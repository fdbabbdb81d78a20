//! Where a release is: what the relay asks Tiller itself, since most requests name a release and no namespace.
//!
//! It asks the way the call goes, with the same credentials and within the call's own time, and it asks for the record:
//! that Tiller only reads from its storage, whereas for a status it asks the cluster for every object of the release and
//! fails if one of them is of a kind that is gone. What it finds decides about a change at once and is asked for anew for
//! each; for reads it may be a few seconds old. Whatever goes wrong with the question goes wrong with the call.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use rest::problem::Code;
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::services::tiller::{GetReleaseContentRequest, ListReleasesRequest};
use tiller_api::{Method, light};
use tokio::time::Instant;

use super::call::Call;
use super::facts::namespace_or_default;
use super::{Relay, RelayError};

/// How long what was found may be believed by reads.
const FRESH: Duration = Duration::from_secs(3);

/// How many finds are kept.
const KEPT: usize = 4096;

/// Tiller takes 0 for 512, and less ends it.
const EVERYTHING: i64 = i32::MAX as i64;

/// A revision of a release, as far as it matters where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Revision {
    pub(super) namespace: String,
    pub(super) number: i32,
    pub(super) is_deployed: bool,
}

impl Relay {
    /// The revision of `release` that Tiller takes `number` for, the newest unless it is above 0; none if there is none.
    pub(super) async fn revision(
        &self,
        call: &Call<'_>,
        release: &str,
        number: i32,
    ) -> Result<Option<Revision>, RelayError> {
        self.content(call, release, number, read).await
    }

    /// What `read` makes of the same revision's content; none if there is no such revision.
    pub(super) async fn content<T>(
        &self,
        call: &Call<'_>,
        release: &str,
        number: i32,
        read: impl FnOnce(Bytes) -> Result<T, RelayError>,
    ) -> Result<Option<T>, RelayError> {
        let question = GetReleaseContentRequest {
            name: release.to_owned(),
            version: number,
        };
        let answer = async {
            let frames = call.ask(self, Method::GetReleaseContent, &question).await?;
            read(frames.only().await?)
        };
        match answer.await {
            Ok(found) => Ok(Some(found)),
            Err(RelayError::Answered(problem))
                if matches!(problem.code, Code::ReleaseNotFound | Code::RevisionNotFound) =>
            {
                Ok(None)
            }
            Err(error) => Err(RelayError::Lookup(Box::new(error))),
        }
    }

    /// The same for a read, which may be told what was found lately.
    pub(super) async fn revision_lately(
        &self,
        call: &Call<'_>,
        release: &str,
        number: i32,
    ) -> Result<Option<String>, RelayError> {
        let key = Key::new(call, release, number);
        if let Some(namespace) = self.finds.get(&key) {
            return Ok(Some(namespace));
        }
        let found = self.revision(call, release, number).await?;
        let namespace = found.map(|revision| revision.namespace);
        if let Some(namespace) = &namespace {
            self.finds.put(key, namespace.clone());
        }
        Ok(namespace)
    }

    /// The namespaces of all deployed revisions of `release`. There is more than one where a release was replaced in
    /// another namespace while an older revision counted as deployed.
    pub(super) async fn deployed(
        &self,
        call: &Call<'_>,
        release: &str,
    ) -> Result<Vec<String>, RelayError> {
        let found = self.deployed_of(call, release).await;
        found.map_err(|error| RelayError::Lookup(Box::new(error)))
    }

    async fn deployed_of(&self, call: &Call<'_>, release: &str) -> Result<Vec<String>, RelayError> {
        let question = ListReleasesRequest {
            limit: EVERYTHING,
            filter: format!("^{}$", release.replace('.', "\\.")),
            status_codes: vec![Status::Deployed.into()],
            ..ListReleasesRequest::default()
        };
        let mut frames = call.ask(self, Method::ListReleases, &question).await?;
        let mut namespaces = Vec::new();
        while let Some(message) = frames.next().await.map_err(|error| frames.broken(&error))? {
            let chunk = light::ListReleasesResponse::decode(message)
                .map_err(|_| frames.misbehaved(UNREADABLE))?;
            let own = chunk
                .releases
                .into_iter()
                .filter(|found| found.name == release)
                .map(|found| namespace_or_default(&found.namespace).to_owned());
            for namespace in own {
                if !namespaces.contains(&namespace) {
                    namespaces.push(namespace);
                }
            }
        }
        frames.check()?;
        Ok(namespaces)
    }
}

pub(super) const UNREADABLE: &str = "Tiller's answer cannot be decoded";

fn read(message: Bytes) -> Result<Revision, RelayError> {
    let misbehaved = |detail| {
        let problem = rest::problem::Problem::new(Code::TillerMisbehaved, detail);
        RelayError::Answered(Box::new(problem))
    };
    let release = light::ReleaseResponse::decode(message)
        .map_err(|_| misbehaved(UNREADABLE))?
        .release
        .ok_or_else(|| misbehaved("Tiller answers without the release"))?;
    let status = release.info.and_then(|info| info.status);
    Ok(Revision {
        namespace: namespace_or_default(&release.namespace).to_owned(),
        number: release.version,
        is_deployed: status.is_some_and(|status| status.code() == Status::Deployed),
    })
}

/// Which revision of which release.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    cluster: String,
    tiller: String,
    release: String,
    number: i32,
}

impl Key {
    fn new(call: &Call<'_>, release: &str, number: i32) -> Self {
        Self {
            cluster: call.cluster.name().to_owned(),
            tiller: call.tiller.name().to_owned(),
            release: release.to_owned(),
            // Tiller takes all of these for the newest.
            number: number.max(0),
        }
    }
}

/// What was found lately.
#[derive(Debug, Default)]
pub(super) struct Finds {
    kept: Mutex<HashMap<Key, (Instant, String)>>,
}

impl Finds {
    /// Forgets all revisions of the release that `call` has changed.
    pub(super) fn forget(&self, call: &Call<'_>, release: &str) {
        let changed = Key::new(call, release, 0);
        self.lock().retain(|key, _| {
            (&key.cluster, &key.tiller, &key.release)
                != (&changed.cluster, &changed.tiller, &changed.release)
        });
    }

    fn get(&self, key: &Key) -> Option<String> {
        let kept = self.lock();
        let (since, namespace) = kept.get(key)?;
        (since.elapsed() < FRESH).then(|| namespace.clone())
    }

    fn put(&self, key: Key, namespace: String) {
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        // Nobody gains by what everybody has to be looked for again.
        if kept.len() < KEPT {
            kept.insert(key, (Instant::now(), namespace));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (Instant, String)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i32) -> Key {
        Key {
            cluster: "prod".into(),
            tiller: "default".into(),
            release: "web".into(),
            number,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_find_is_believed_for_three_seconds() {
        let finds = Finds::default();
        finds.put(key(0), "a".into());
        tokio::time::advance(Duration::from_millis(2999)).await;
        assert_eq!(finds.get(&key(0)).as_deref(), Some("a"));
        assert_eq!(finds.get(&key(1)), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(finds.get(&key(0)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_finds_are_kept() {
        let finds = Finds::default();
        for number in 0..=KEPT {
            finds.put(key(i32::try_from(number).unwrap()), "a".into());
        }
        assert_eq!(finds.lock().len(), KEPT);
        tokio::time::advance(FRESH).await;
        finds.put(key(-1), "a".into());
        assert_eq!(finds.lock().len(), 1);
    }
}
