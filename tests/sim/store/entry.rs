//! What a store has, and archives to put there.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// One version of a chart.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) keywords: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) address: Address,
    pub(super) digest: Option<String>,
    pub(super) archive: Bytes,
    pub(super) provenance: Option<Bytes>,
}

/// What the index says where an archive is.
#[derive(Clone, Debug)]
pub(super) enum Address {
    /// Below the repository.
    Relative,
    /// The same as a whole URL.
    Absolute,
    /// There.
    Elsewhere(String),
}

impl Entry {
    /// An archive, described by nothing but its name, at a relative URL, with its digest.
    pub fn new(name: &str, version: &str, archive: impl Into<Bytes>) -> Self {
        let archive = archive.into();
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            description: format!("What {name} is for"),
            keywords: Vec::new(),
            deprecated: false,
            address: Address::Relative,
            digest: Some(digest(&archive)),
            archive,
            provenance: None,
        }
    }

    /// Describes it.
    #[must_use]
    pub fn described(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// Adds a keyword.
    #[must_use]
    pub fn keyword(mut self, keyword: &str) -> Self {
        self.keywords.push(keyword.to_owned());
        self
    }

    /// Gives it up.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Is listed with its whole URL.
    #[must_use]
    pub fn absolute(mut self) -> Self {
        self.address = Address::Absolute;
        self
    }

    /// Is listed with another URL than its own.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        self.address = Address::Elsewhere(url.to_owned());
        self
    }

    /// Is listed with this digest, or with none.
    #[must_use]
    pub fn digest(mut self, digest: Option<&str>) -> Self {
        self.digest = digest.map(str::to_owned);
        self
    }

    /// Has this file as its signature.
    #[must_use]
    pub fn provenance(mut self, provenance: impl Into<Bytes>) -> Self {
        self.provenance = Some(provenance.into());
        self
    }
}

/// The archive of a chart with one ConfigMap, which has the chart's version and the value `greeting`.
pub fn archive(name: &str, version: &str) -> Bytes {
    let chart = format!("name: {name}\nversion: {version:?}\ndescription: What {name} is for\n");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  \
                    version: {{ .Chart.Version | quote }}\n  greeting: {{ .Values.greeting | quote }}\n";
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (file, content) in [
        ("Chart.yaml", chart.as_str()),
        ("values.yaml", "greeting: hello\n"),
        ("README.md", "# Read me\n"),
        ("templates/config.yaml", template),
    ] {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}/{file}"), content.as_bytes())
            .expect("in memory");
    }
    let gzip = tar.into_inner().expect("in memory");
    gzip.finish().expect("in memory").into()
}

/// Where an archive is below its repository.
pub(super) fn file(name: &str, version: &str) -> String {
    format!("charts/{name}-{version}.tgz")
}

/// The SHA-256 of an archive, in hex, as an index has it.
pub fn digest(archive: &[u8]) -> String {
    let digest = Sha256::digest(archive);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
