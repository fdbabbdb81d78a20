//! A folder with a file of operations.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sim::contract::Place;
use tempfile::TempDir;
use tiller_edge::operations::{Sqlite, Store, StoreError};

/// A folder of its own, which goes with it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("operations.db")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("operations.db-wal")
    }
}

impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        open(&self.file())
    }
}

pub(crate) fn open(file: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(file).expect("it opens"))
}

/// Why the file is not opened, and what the system says.
pub(crate) fn refused(file: &Path) -> (StoreError, String) {
    let error = Sqlite::open(file).expect_err("it is refused");
    let text = error.to_string();
    (error, text)
}

/// The name of the variable that tells a test that it is a child.
const CHILD: &str = "TILLER_EDGE_TEST_CHILD";

/// This program, as the child of that test, with what it is given. `before` are programs that run it, if any.
pub(crate) fn child(test: &str, before: &[&str], given: &Path) -> Command {
    let own = std::env::current_exe().expect("its own path");
    let mut words = before.iter().map(std::ffi::OsStr::new).collect::<Vec<_>>();
    words.push(own.as_os_str());
    let (program, arguments) = words.split_first().expect("itself at least");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(CHILD, given);
    command
}

/// What this process was given as a child.
pub(crate) fn given() -> PathBuf {
    std::env::var_os(CHILD)
        .expect("it is run by another test")
        .into()
}
