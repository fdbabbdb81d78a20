//! A chart repository, as chartmuseum or nginx serve one: an `index.yaml`, archives, signatures beside them.
//!
//! It is a static site over HTTP or, with an authority of its own, HTTPS; HTTP/2 or HTTP/1.1 as agreed. What a request may
//! have (a login, a bearer token, a client's certificate) is what it must have here. Each request is recorded, and
//! whatever can be wrong with a repository can be switched on and off while it runs.

pub(crate) mod answer;
mod entry;
mod fault;
mod index;
pub(crate) mod listen;
pub(crate) mod pki;
pub mod signed;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::task::AbortHandle;

pub use self::entry::{Entry, archive, digest};
pub use self::fault::{Fault, Hold, Part};
use self::fault::{Faults, Gate};
use self::pki::Pki;

/// Where the repository is below its origin; relative URLs depend on it.
const BASE: &str = "/stable";

/// What callers must have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// Nothing.
    #[default]
    Anybody,
    /// This bearer token.
    Bearer(String),
    /// This user and this password.
    Login(String, String),
}

/// What the index is answered with, to be asked with again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Validators {
    /// `ETag` and `Last-Modified`, as nginx and object stores.
    #[default]
    Both,
    /// `ETag` alone.
    ETag,
    /// `Last-Modified` alone.
    LastModified,
    /// Neither, as chartmuseum.
    None,
}

/// A store to be; see [`store`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    tls: bool,
    certificate: bool,
    access: Access,
    validators: Validators,
    entries: Vec<Entry>,
    filler: usize,
}

/// A store with nothing in it: `sim::store().tls().chart("web", "1.2.3", archive).start().await`.
pub fn store() -> Options {
    Options::default()
}

impl Options {
    /// Serves over TLS, with the certificate of an authority of its own for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Serves over TLS, and only those with the certificate in [`Store::identity`].
    #[must_use]
    pub fn certificate(mut self) -> Self {
        self.certificate = true;
        self.tls()
    }

    /// Serves those with this login.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Login(user.to_owned(), password.to_owned());
        self
    }

    /// Serves those with this token.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.access = Access::Bearer(token.to_owned());
        self
    }

    /// Answers with these validators.
    #[must_use]
    pub fn validators(mut self, validators: Validators) -> Self {
        self.validators = validators;
        self
    }

    /// Has this archive from the start.
    #[must_use]
    pub fn chart(self, name: &str, version: &str, archive: impl Into<Bytes>) -> Self {
        self.entry(Entry::new(name, version, archive))
    }

    /// Has this entry from the start.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Has so many further versions in its index, a hundred of each chart, each as long as entries are in public
    /// repositories (some 400 bytes); none of them has an archive.
    #[must_use]
    pub fn filler(mut self, versions: usize) -> Self {
        self.filler = versions;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it cannot be started, for want of ports or of memory.
    pub async fn start(self) -> Store {
        Store::start(self)
            .await
            .unwrap_or_else(|error| panic!("the chart store does not start: {error:#}"))
    }
}

/// A request that the store has answered, or begun to answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The path, without the query.
    pub path: String,
    /// The query, if there was one.
    pub query: Option<String>,
    /// Whether there was an `Authorization`, right or wrong.
    pub authorization: bool,
    /// Whether there was an `If-None-Match` or `If-Modified-Since`.
    pub conditional: bool,
    /// The status that was answered.
    pub status: u16,
}

/// A running store; dropping it ends it.
#[derive(Debug)]
pub struct Store {
    addr: SocketAddr,
    pki: Option<Pki>,
    home: TempDir,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Debug)]
struct State {
    origin: String,
    access: Access,
    validators: Validators,
    content: Mutex<Content>,
    faults: Faults,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug, Default)]
struct Content {
    entries: Vec<Entry>,
    filler: usize,
    index: Bytes,
    /// Archives and signatures, by their path.
    files: BTreeMap<String, Bytes>,
    /// How often the index has changed.
    changes: u32,
}

impl Store {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let pki = if options.tls {
            Some(Pki::new(home.path(), options.certificate)?)
        } else {
            None
        };
        let listener = listen::bind().await?;
        let addr = listener.local_addr()?;
        let scheme = if options.tls { "https" } else { "http" };
        let state = Arc::new(State {
            origin: format!("{scheme}://{addr}"),
            access: options.access,
            validators: options.validators,
            content: Mutex::new(Content {
                filler: options.filler,
                ..Content::default()
            }),
            faults: Faults::default(),
            asked: Mutex::default(),
        });
        state.put(options.entries);
        let tls = pki.as_ref().map(|pki| pki.server.clone());
        let serving = state.clone();
        let answers = move |request: &Request<Incoming>| answer::answer(&serving, request);
        let task = tokio::spawn(listen::serve(Arc::new(answers), listener, tls)).abort_handle();
        Ok(Self {
            addr,
            pki,
            home,
            state,
            task,
        })
    }

    /// Its URL, as a repository is configured with.
    pub fn url(&self) -> String {
        format!("{}{BASE}", self.state.origin)
    }

    /// The URL of an archive, whether it has it or not.
    pub fn archive_url(&self, name: &str, version: &str) -> String {
        format!("{}/{}", self.url(), entry::file(name, version))
    }

    /// The path of an archive, as [`Asked`] has it.
    pub fn archive_path(&self, name: &str, version: &str) -> String {
        format!("{BASE}/{}", entry::file(name, version))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The file with its authority, as PEM. None without TLS.
    pub fn ca(&self) -> Option<PathBuf> {
        self.pki.as_ref().map(|pki| pki.ca.clone())
    }

    /// The files with a certificate and its key that it accepts, as PEM. None without TLS.
    pub fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        let pki = self.pki.as_ref()?;
        Some((pki.certificate.clone(), pki.key.clone()))
    }

    /// A file of that name and content beside its own, for what is configured by files.
    ///
    /// # Errors
    ///
    /// Those of writing it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.home.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// Adds an entry, or replaces the one of the same name and version.
    pub fn put(&self, entry: Entry) {
        self.state.put([entry]);
    }

    /// Serves this index instead, until an entry is added.
    pub fn set_index(&self, index: impl Into<Bytes>) {
        let mut content = lock(&self.state.content);
        content.index = index.into();
        content.changes += 1;
    }

    /// The index as it is.
    pub fn index(&self) -> Bytes {
        lock(&self.state.content).index.clone()
    }

    /// Answers requests for that part so, until [`Self::clear`].
    pub fn set(&self, part: Part, fault: Fault) {
        self.state.faults.set(part, fault);
    }

    /// Takes all faults back.
    pub fn clear(&self) {
        self.state.faults.clear();
    }

    /// Stops answers for that part after their first byte, while the hold exists.
    #[must_use]
    pub fn hold(&self, part: Part) -> Hold {
        let (gate, hold) = Gate::new();
        self.state.faults.hold(part, gate);
        hold
    }

    /// Every request that came, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    /// The requests for that part, oldest first.
    pub fn asked_for(&self, part: Part) -> Vec<Asked> {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| Part::of(&asked.path) == part)
            .collect()
    }

    /// Forgets the requests that came.
    pub fn forget(&self) {
        lock(&self.state.asked).clear();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn put(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut content = lock(&self.content);
        for entry in entries {
            let same =
                |other: &Entry| (&other.name, &other.version) == (&entry.name, &entry.version);
            content.entries.retain(|other| !same(other));
            let path = format!("{BASE}/{}", entry::file(&entry.name, &entry.version));
            if let Some(signature) = entry.provenance.clone() {
                content.files.insert(format!("{path}.prov"), signature);
            }
            content.files.insert(path, entry.archive.clone());
            content.entries.push(entry);
        }
        content.index = index::write(&content.entries, content.filler, &self.origin).into();
        content.changes += 1;
    }
}

/// A panic while a lock is held fails its test anyway; the others need not fall with it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
