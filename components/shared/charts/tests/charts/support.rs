//! Archives, and what is in them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use prost_types::Any;
use tar::{Builder, EntryType, Header};
use tiller_api::hapi::chart::{Chart, Config, Metadata};

/// An archive with these files.
pub(crate) fn archive<N: AsRef<[u8]>, D: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (N, D)>,
) -> Vec<u8> {
    gzip(&tar(files))
}

/// A tar with these files; names are written as they are.
pub(crate) fn tar<N: AsRef<[u8]>, D: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (N, D)>,
) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, data) in files {
        let data = data.as_ref();
        let mut header = header(name.as_ref(), EntryType::Regular, data.len());
        if name.as_ref().len() > 100 {
            // Beyond the header's field, by an entry of its own.
            let long = name.as_ref();
            let mut link = self::header(b"././@LongLink", EntryType::GNULongName, long.len());
            link.set_cksum();
            builder.append(&link, long).expect("in memory");
            header = self::header(b"cut", EntryType::Regular, data.len());
        }
        header.set_cksum();
        builder.append(&header, data).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

/// A header with a name as it is, without a checksum.
pub(crate) fn header(name: &[u8], kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    let field = &mut header.as_old_mut().name;
    let len = name.len().min(field.len());
    field[..len].copy_from_slice(&name[..len]);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    gzip_repeated(data, 1)
}

/// The same data over and over, which need not be in memory for it.
pub(crate) fn gzip_repeated(data: &[u8], count: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..count {
        encoder.write_all(data).expect("in memory");
    }
    encoder.finish().expect("in memory")
}

/// An error with its sources, as Helm would print it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A chart that is put together.
pub(crate) trait Build: Sized {
    fn at(self, version: &str) -> Self;
    fn values(self, raw: &str) -> Self;
    fn requires(self, requirements: &str) -> Self;
    fn file(self, name: &str, data: &str) -> Self;
    fn with(self, dependency: Chart) -> Self;
}

/// A chart with a name and version 1.0.0.
pub(crate) fn chart(name: &str) -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            ..Metadata::default()
        }),
        ..Chart::default()
    }
}

impl Build for Chart {
    fn at(mut self, version: &str) -> Self {
        if let Some(metadata) = &mut self.metadata {
            metadata.version = version.to_owned();
        }
        self
    }

    fn values(self, raw: &str) -> Self {
        Self {
            values: Some(Config {
                raw: raw.to_owned(),
                ..Config::default()
            }),
            ..self
        }
    }

    fn requires(self, requirements: &str) -> Self {
        self.file("requirements.yaml", requirements)
    }

    fn file(mut self, name: &str, data: &str) -> Self {
        self.files.push(Any {
            type_url: name.to_owned(),
            value: data.as_bytes().to_vec(),
        });
        self
    }

    fn with(mut self, dependency: Chart) -> Self {
        self.dependencies.push(dependency);
        self
    }
}
