//! Files out of a gzipped tar, as a stream.
//!
//! Nothing is unpacked before it is counted: a header that claims too much ends the reading, and so does
//! the first byte beyond a limit, however it was compressed.

mod gzip;

use std::io::{self, Read};

use tar::{Archive, EntryType, Header};

use crate::{ChartError, Limits, path};

/// A file of a chart.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the chart.
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
}

/// What is left of the limits that an archive shares with the archives within it.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub(crate) limits: &'a Limits,
    entries: usize,
    /// Of the tar streams.
    unpacked: usize,
    /// Of the files, whose holes are in no stream.
    content: usize,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: limits.entries,
            unpacked: limits.unpacked,
            content: limits.unpacked,
        }
    }

    fn unpacked_exceeded(&self) -> ChartError {
        ChartError::Limit {
            limit: "unpacked",
            value: self.limits.unpacked,
        }
    }
}

/// Unpacks all files; directories and headers of the format are passed over.
pub(crate) fn unpack(archive: &[u8], budget: &mut Budget<'_>) -> Result<Vec<File>, ChartError> {
    if archive.len() > budget.limits.archive {
        return Err(ChartError::Limit {
            limit: "archive",
            value: budget.limits.archive,
        });
    }
    let mut stream = gzip::Stream::new(archive, budget.unpacked);
    let files = read_entries(&mut stream, budget);
    // What the tar reader makes of a stream that was cut at the limit is beside the point.
    if stream.is_exceeded() {
        return Err(budget.unpacked_exceeded());
    }
    let files = files?;
    // The checksum is behind the last entry.
    io::copy(&mut stream, &mut io::sink()).map_err(ChartError::Archive)?;
    if stream.is_exceeded() {
        return Err(budget.unpacked_exceeded());
    }
    budget.unpacked = stream.left();
    if files.is_empty() {
        return Err(ChartError::Empty);
    }
    Ok(files)
}

fn read_entries(
    stream: &mut gzip::Stream<'_>,
    budget: &mut Budget<'_>,
) -> Result<Vec<File>, ChartError> {
    let mut files = Vec::new();
    let mut archive = Archive::new(stream);
    for entry in archive.entries().map_err(ChartError::Archive)? {
        let mut entry = entry.map_err(ChartError::Archive)?;
        budget.entries = budget.entries.checked_sub(1).ok_or(ChartError::Limit {
            limit: "entries",
            value: budget.limits.entries,
        })?;
        let kind = entry.header().entry_type();
        let name = entry.path_bytes();
        if name.len() > budget.limits.path {
            return Err(ChartError::Limit {
                limit: "path",
                value: budget.limits.path,
            });
        }
        if kind.is_dir()
            || is_old_directory(entry.header(), &name)
            || matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader)
        {
            continue;
        }
        // Where it ends for Go, too.
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = str::from_utf8(name)
            .map_err(|_| ChartError::NotUtf8(String::from_utf8_lossy(name).into_owned()))?;
        let name = path::below_top(name)?;

        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        budget.content = budget
            .content
            .checked_sub(size)
            .ok_or_else(|| budget.unpacked_exceeded())?;
        let mut data = Vec::with_capacity(size.min(MAX_TRUST));
        entry.read_to_end(&mut data).map_err(ChartError::Archive)?;
        if data.len() != size {
            return Err(ChartError::Archive(io::ErrorKind::UnexpectedEof.into()));
        }
        files.push(File { name, data });
    }
    Ok(files)
}

/// Before POSIX a directory was a file with a slash.
fn is_old_directory(header: &Header, name: &[u8]) -> bool {
    header.as_old().linkflag == [0] && name.ends_with(b"/")
}

/// Bytes to allocate because a header says so.
const MAX_TRUST: usize = 1 << 20;
