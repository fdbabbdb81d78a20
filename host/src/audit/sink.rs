//! One place that lines go to.
//!
//! A line is appended by one write, so that lines of several processes that share a file do not mix. What cannot be
//! written and must not be lost is kept, in order, until it can be.

use std::collections::VecDeque;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, info};

use super::writer::Kept;

/// A file, or standard output.
pub(super) struct Sink {
    out: File,
    /// The file's path; none for standard output.
    path: Option<PathBuf>,
    /// Whether the last line was written in part only.
    torn: bool,
    /// What failed last, unless it is over.
    failed: Option<(io::ErrorKind, String)>,
    kept: VecDeque<Arc<Kept>>,
}

impl Sink {
    /// The file at `path`, made for its owner's eyes only if it is not there.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(open(path)?, Some(path.to_owned())))
    }

    pub(super) fn stdout() -> io::Result<Self> {
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(out.into(), None))
    }

    fn new(out: File, path: Option<PathBuf>) -> Self {
        Self {
            out,
            path,
            torn: false,
            failed: None,
            kept: VecDeque::new(),
        }
    }

    /// How many lines wait.
    pub(super) fn debts(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failed.is_some()
    }

    /// Opens the file again where it was renamed or deleted, and writes what was kept.
    pub(super) fn ready(&mut self) {
        let result = self.reopen().and_then(|()| self.pay());
        self.note(&result);
    }

    /// Appends `line`. After a failure nothing is tried until the next [`Sink::ready`], so that lines stay in order.
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let result = append(&mut self.out, &mut self.torn, line);
        self.note(&result);
        result
    }

    /// Keeps a line until it can be written.
    pub(super) fn keep(&mut self, line: Arc<Kept>) {
        self.kept.push_back(line);
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let result = match self.path {
            Some(_) => self.out.sync_data(),
            None => Ok(()),
        };
        self.note(&result);
        result
    }

    fn pay(&mut self) -> io::Result<()> {
        while let Some(kept) = self.kept.front() {
            append(&mut self.out, &mut self.torn, &kept.line)?;
            self.kept.pop_front();
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let there = match std::fs::metadata(path) {
            Ok(there) => Some(identity(&there)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there != Some(identity(&self.out.metadata()?)) {
            self.out = open(path)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Tells the operator when it begins to fail and when that is over, and not for every line.
    fn note(&mut self, result: &io::Result<()>) {
        let place = match &self.path {
            Some(path) => path.display().to_string(),
            None => "standard output".to_owned(),
        };
        match result {
            Err(error) if !self.is_failing() => {
                error!(%error, place, "the audit log cannot be written: nothing is changed in any cluster until it can");
            }
            Ok(()) if self.is_failing() => info!(place, "the audit log is written again"),
            _ => {}
        }
        self.failed = result
            .as_ref()
            .err()
            .map(|error| (error.kind(), error.to_string()));
    }
}

/// Appends `line` by one write where the system takes it whole. What is left of a line that it did not take is ended
/// before the next.
fn append(out: &mut impl Write, torn: &mut bool, line: &str) -> io::Result<()> {
    let ended;
    let mut rest = if *torn {
        ended = format!("\n{line}");
        ended.as_bytes()
    } else {
        line.as_bytes()
    };
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                *torn = written < rest.len();
                rest = rest.get(written..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe would wait for somebody to read it.
    if std::fs::metadata(path)
        .is_ok_and(|there| there.file_type().is_fifo() || there.file_type().is_socket())
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe or a socket, not a file",
        ));
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Which file it is, whatever its name.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and after so many none.
    struct Disk {
        free: usize,
        at_once: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.at_once).min(self.free);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.free -= taken;
            self.written.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_written_in_part_does_not_spoil_the_next() {
        let mut disk = Disk {
            free: 13,
            at_once: 4,
            written: Vec::new(),
        };
        let mut torn = false;
        append(&mut disk, &mut torn, "{\"one\":1}\n").expect("it fits");
        append(&mut disk, &mut torn, "{\"two\":2}\n").expect_err("it does not");
        append(&mut disk, &mut torn, "{\"three\":3}\n").expect_err("nor that");
        disk.free = 100;
        append(&mut disk, &mut torn, "{\"four\":4}\n").expect("there is room again");
        append(&mut disk, &mut torn, "{\"five\":5}\n").expect("there is room");
        assert_eq!(
            String::from_utf8_lossy(&disk.written),
            "{\"one\":1}\n{\"t\n{\"four\":4}\n{\"five\":5}\n"
        );
    }
}
