//! Opening what operations are kept in, as the configuration has it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task;

use super::{Ids, JetStream, Query, Sqlite, Store, StoreError};
use crate::config::OperationsConfig;
use crate::net::Causes;

/// Why operations cannot be kept where they are to be.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the file is missing and cannot be made.
    #[error("cannot make {directory} for operations; name another place in `operations.file`", directory = directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be used.
    #[error("cannot keep operations in {file}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What stands in the way.
        #[source]
        source: StoreError,
    },
    /// Nothing is configured, and there is no place to take by default.
    #[error(
        "there is no place for operations by default; name a file in `operations.file`, or set `operations.off`"
    )]
    Nowhere,
    /// The store that several edges share cannot be used.
    #[error("cannot keep operations in the bucket of `operations.jetstream`")]
    Shared(#[source] StoreError),
    /// A fault of this program.
    #[error("opening the store of operations failed")]
    Open(#[source] task::JoinError),
}

/// The store that `config` names; none if there are to be no operations, or if nothing is configured, nothing needs them
/// and the default place cannot be used. `needed` says that something does.
///
/// # Errors
///
/// When what is configured or needed cannot be used.
pub async fn open(
    config: &OperationsConfig,
    needed: bool,
) -> Result<Option<Arc<dyn Store>>, OpenError> {
    if config.off {
        return Ok(None);
    }
    if let Some(shared) = &config.jetstream {
        let connected = JetStream::connect(shared).await;
        return Ok(Some(Arc::new(connected.map_err(OpenError::Shared)?)));
    }
    let is_default = config.file.is_none();
    match open_file(config.file.clone()).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_default && !needed => {
            tracing::warn!(
                error = %Causes(&error),
                "requests cannot be accepted now to be carried out later"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What names operations beside those that `store` has.
///
/// # Errors
///
/// When it cannot be read.
pub async fn ids(store: &dyn Store) -> Result<Ids, StoreError> {
    let newest = Query {
        notices: true,
        limit: 1,
        ..Query::default()
    };
    let newest = store.operations(&newest).await?;
    Ok(Ids::after(newest.first().map(|operation| &operation.id)))
}

async fn open_file(file: Option<PathBuf>) -> Result<Arc<dyn Store>, OpenError> {
    let file = file
        .or_else(OperationsConfig::default_file)
        .ok_or(OpenError::Nowhere)?;
    let opened = task::spawn_blocking(move || {
        let directory = file.parent().unwrap_or_else(|| Path::new("."));
        make(directory).map_err(|source| OpenError::Directory {
            directory: directory.to_owned(),
            source,
        })?;
        Sqlite::open(&file).map_err(|source| OpenError::File { file, source })
    });
    Ok(Arc::new(opened.await.map_err(OpenError::Open)??))
}

/// Makes a directory that nobody else may look into: bodies of requests have secrets.
fn make(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}
