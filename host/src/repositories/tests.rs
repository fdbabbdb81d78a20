//! Repositories against servers on loopback: what is sent where, what is taken, what is kept.

mod archives;
mod direct;
mod fetching;
mod indexes;
mod registries;
pub(crate) mod store;

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

pub(crate) use self::store::{Answer, Seen, Store, ok, redirect, status};
use super::*;
use crate::config::{Network, RepositoryConfig};
pub(crate) use crate::relay::tests::soon;

/// Everything of a list.
const WHOLE: Page = Page {
    start: 0,
    limit: usize::MAX,
};

/// The archive that repositories here have; no more of one is looked at.
pub(crate) const ARCHIVE: &[u8] = b"an archive";

/// Its digest.
pub(crate) const DIGEST: &str = "9e691d5adacf0e102f203100842ffaba4e2a7dfe3dbd536827d3c0db8c7e88f1";

/// An edge to be, with one repository `stable`.
pub(crate) struct Rig {
    pub(crate) config: Config,
    pub(crate) directory: Arc<TempDir>,
}

impl Rig {
    pub(crate) fn new(store: &Store) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mut rig = Self {
            config: Config::default(),
            directory,
        };
        let ca_file = store
            .authority()
            .map(|authority| rig.file("ca.pem", &authority.pem()));
        rig.config.repositories = vec![RepositoryConfig {
            name: "stable".to_owned(),
            url: format!("{}/stable", store.url()),
            ca_file,
            ..RepositoryConfig::default()
        }];
        rig
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut RepositoryConfig)) -> Self {
        change(&mut self.config.repositories[0]);
        self
    }

    /// With a login whose password is `s3cret`.
    pub(crate) fn with_login(mut self) -> Self {
        let file = self.file("password", "s3cret\n");
        let repository = &mut self.config.repositories[0];
        repository.username = Some("edge".to_owned());
        repository.password_file = Some(file);
        self
    }

    pub(crate) fn with_limits(
        mut self,
        change: impl FnOnce(&mut crate::config::ChartsConfig),
    ) -> Self {
        change(&mut self.config.charts);
        self
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn load(&self) -> Loaded {
        self.config.validate().unwrap();
        Loaded {
            repositories: Arc::new(Repositories::load(&self.config).unwrap()),
            _directory: Arc::clone(&self.directory),
        }
    }
}

/// Repositories with the files that they read.
pub(crate) struct Loaded {
    repositories: Arc<Repositories>,
    _directory: Arc<TempDir>,
}

impl Deref for Loaded {
    type Target = Arc<Repositories>;

    fn deref(&self) -> &Arc<Repositories> {
        &self.repositories
    }
}

/// `Authorization` with the rig's login.
const LOGIN: &str = "Basic ZWRnZTpzM2NyZXQ=";

/// All networks of this host.
pub(crate) fn loopback() -> Vec<Network> {
    vec![Network("127.0.0.0/8".parse().unwrap())]
}

/// An index with these versions of `web`, each with this URL and digest.
pub(crate) fn index(versions: &[&str], url: &str, digest: &str) -> String {
    let entries: Vec<_> = versions
        .iter()
        .map(|version| {
            serde_json::json!({
                "name": "web", "version": version, "urls": [url], "digest": digest,
                "description": "serves pages",
            })
        })
        .collect();
    serde_json::json!({"apiVersion": "v1", "entries": {"web": entries}}).to_string()
}

/// A healthy repository, but for what `odd` answers.
pub(crate) fn healthy(
    odd: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |seen| {
        odd(seen).unwrap_or_else(|| match seen.path() {
            "/stable/index.yaml" => ok(index(&["1.1.0", "1.0.0"], "web.tgz", DIGEST)),
            "/stable/web.tgz" => ok(ARCHIVE),
            _ => status(404, "nothing here"),
        })
    }
}

/// What was asked of a store, in order.
fn paths(store: &Store) -> Vec<String> {
    store.seen().into_iter().map(|seen| seen.uri).collect()
}

/// What an error tells callers, and what it must not.
pub(crate) fn told(error: &RepositoryError) -> (::rest::problem::Code, String) {
    let problem = error.problem();
    let text = String::from_utf8(problem.to_json().to_vec()).unwrap();
    for secret in ["s3cret", "ZWRn", "sig=", "nothing here", "/tmp/"] {
        assert!(!text.contains(secret), "{text}");
    }
    (problem.code, problem.detail)
}
