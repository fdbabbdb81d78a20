//! The file: how it is opened, and what is refused.
//!
//! A file that is not whole is refused rather than used as far as it goes: an operation that is missing would neither be
//! carried out nor be missed by anybody.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags, ffi};
use tracing::warn;

use super::StoreError;
use super::fault::{Fault, WRITABLE, copy};

/// What a file says it is, to tell it from other programs' databases: "till".
const APPLICATION: i32 = 0x7469_6c6c;

/// What makes each version of the tables of the one before.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// A file that is open, and how often it has been.
pub(super) struct File {
    pub(super) sql: Connection,
    pub(super) edition: u32,
}

/// Opens the file at `path`.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    create(path)?;
    let log = log(path);
    let logged = log.exists();
    let error = |fault: Fault| fault.error(path);
    let sql = connect(path).map_err(|sql| error(sql.into()))?;
    known(&sql, path)?;
    if !logged && was_left_open(&sql).map_err(error)? {
        return Err(StoreError::Damaged {
            what: format!(
                "{} was not closed, and {1}, which belongs to it, is gone: put it back, or make it an empty file to go on without what was in it",
                path.display(),
                log.display(),
            ),
            source: None,
        });
    }
    let edition = prepare(&sql).map_err(error)?;
    whole(&sql, path)?;
    Ok(File { sql, edition })
}

/// Notes that nothing is missing, writes everything to the file itself and lets go of it.
pub(super) fn close(sql: Connection) -> Result<(), Fault> {
    sql.execute("UPDATE state SET open = 0", [])?;
    sql.close().map_err(|(_, error)| error.into())
}

/// Moves what was written since the last time from the log to its place.
pub(super) fn checkpoint(sql: &Connection) -> Result<(), Fault> {
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(Fault::from)
}

/// The log beside the file, which what is written goes to first.
pub(super) fn log(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Makes the file if it is not there. One that is there is not even opened: to close it again would take its locks from
/// whoever has them in this process.
fn create(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::Unavailable {
            what: format!("cannot make {}: {WRITABLE}", path.display()),
            source: Some(Box::new(source)),
        }),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let sql = Connection::open_with_flags(path, flags)?;
    if sql.is_readonly(MAIN_DB)? {
        let read_only = ffi::Error::new(ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(read_only, None));
    }
    sql.busy_timeout(Duration::ZERO)?;
    sql.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    Ok(sql)
}

/// Refuses what some other program, or a newer version of this one, has written.
fn known(sql: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |pragma| sql.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let facts = || -> rusqlite::Result<_> {
        Ok((
            read("PRAGMA user_version")?,
            read("PRAGMA application_id")?,
            read("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (version, application, tables) = facts().map_err(|sql| Fault::from(sql).error(path))?;
    let path = path.display();
    let what = if (version, tables) == (0, 0) {
        return Ok(());
    } else if application != APPLICATION {
        format!("{path} is another program's database: name another file")
    } else if usize::try_from(version).is_ok_and(|version| version <= MIGRATIONS.len()) {
        return Ok(());
    } else {
        format!(
            "{path} is of version {version}, which a newer tiller-edge has written, and this one knows versions up to {}: run the newer one, or name another file",
            MIGRATIONS.len()
        )
    };
    Err(StoreError::Damaged { what, source: None })
}

/// Whether whoever had it last did not close it.
fn was_left_open(sql: &Connection) -> Result<bool, Fault> {
    let made = sql.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'state'",
        [],
        |row| row.get::<_, bool>(0),
    )?;
    if !made {
        return Ok(false);
    }
    Ok(sql.query_row("SELECT open FROM state", [], |row| row.get(0))?)
}

/// Brings the tables to this version and takes the file for this process; how often that was done.
fn prepare(sql: &Connection) -> Result<u32, Fault> {
    sql.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let version = sql.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?;
    let made = usize::try_from(version).unwrap_or_default();
    let steps = MIGRATIONS.get(made..).unwrap_or_default().concat();
    sql.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {steps}
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {};
         UPDATE state SET edition = edition + 1, open = 1;
         COMMIT;",
        MIGRATIONS.len()
    ))?;
    // In the file itself, so that it is known if the log is lost.
    checkpoint(sql)?;
    Ok(sql.query_row("SELECT edition FROM state", [], |row| row.get(0))?)
}

/// Refuses what cannot be read whole.
fn whole(sql: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = sql.query_row("PRAGMA integrity_check(1)", [], |row| {
        row.get::<_, String>(0)
    });
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => {
            warn!(found, file = %path.display(), "the file of operations is damaged");
            Err(StoreError::Damaged {
                what: format!(
                    "{0} cannot be read whole: {1}",
                    path.display(),
                    copy(&path.display())
                ),
                source: Some(found.into()),
            })
        }
        Err(sql) => Err(Fault::from(sql).error(path)),
    }
}
