//! Charts of tests, packed as `helm package` does.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, Header};

/// Packs a chart's directory into a `.tgz` with one top directory. `noise` bytes that do not compress are
/// added as a file, if any.
///
/// # Errors
///
/// Those of reading the directory.
pub fn archive(chart: &Path, noise: usize) -> Result<Bytes> {
    let top = chart.file_name().context("a chart has a name")?;
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    add(&mut archive, chart, Path::new(top))
        .with_context(|| format!("packing {}", chart.display()))?;
    if noise > 0 {
        add_file(
            &mut archive,
            &Path::new(top).join("noise.bin"),
            &self::noise(noise),
        )?;
    }
    Ok(archive.into_inner()?.finish()?.into())
}

/// Bytes that look random and are the same every time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(length + 8);
    while noise.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(length);
    noise
}

fn add(archive: &mut Builder<impl io::Write>, directory: &Path, name: &Path) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = name.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            add(archive, &entry.path(), &name)?;
        } else {
            add_file(archive, &name, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Without times and owners, so that the same chart is the same bytes.
fn add_file(archive: &mut Builder<impl io::Write>, name: &Path, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content)
}
