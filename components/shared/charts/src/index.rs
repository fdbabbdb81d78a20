//! The index of a chart repository: which versions of which charts there are, and where.
//!
//! It is read as Helm 2.17 reads it, which is more strictly than Chart.yaml: an unknown key at the top, a key that is
//! there twice, or a version that is not text makes all of it unusable. More is accepted only where Helm would crash.
//!
//! Indexes have tens of megabytes and are asked far more often than they change. So reading goes through the text once,
//! without a tree of it, and leaves something smaller than the text in which a chart's versions are parsed and sorted.
//! After that neither a lookup nor a search allocates anything that grows with the index.

mod address;
mod error;
mod events;
mod moment;
mod parse;
mod read;
mod search;
mod texts;
mod version;

use std::mem::size_of_val;

pub use self::{
    address::{ResolveError, index_url, resolve},
    error::{IndexError, LookupError},
    search::Search,
};
use self::{
    texts::{Text, Texts},
    version::{List, Record},
};
use crate::version::{Constraint, Version};

/// How large an index may be.
///
/// The defaults let through what 64 MiB of text usually say, and keep what a hostile text makes of itself within a few
/// times its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Nodes that have anchors or are within one that has; they are kept until the end. Default: 100,000.
    pub anchored: usize,
    /// Bytes of the text, and of what its aliases repeat. Default: 64 MiB.
    pub bytes: usize,
    /// Charts. Default: 100,000.
    pub charts: usize,
    /// Mappings and lists within each other, each of which takes stack. Default: 100.
    pub depth: usize,
    /// Keys of one mapping, `entries` aside. Default: 10,000.
    pub keys: usize,
    /// Mappings, lists and scalars, keys included, with aliases expanded. Default: 8,000,000.
    pub nodes: usize,
    /// Versions of all charts together. Default: 500,000.
    pub versions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            anchored: 100_000,
            bytes: 64 << 20,
            charts: 100_000,
            depth: 100,
            keys: 10_000,
            nodes: 8_000_000,
            versions: 500_000,
        }
    }
}

/// An index.
#[derive(Debug)]
pub struct Index {
    texts: Texts,
    lists: Box<[Text]>,
    /// By name.
    charts: Box<[Chart]>,
    /// All versions, those of a chart together and newest first. What is no version comes after what is.
    records: Box<[Record]>,
}

/// A version of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'i> {
    /// The name it is listed under.
    pub name: &'i str,
    /// Its version as it is written.
    pub version: &'i str,
    /// The version of what it installs. This and other texts are empty if the index does not say.
    pub app_version: &'i str,
    /// What it is.
    pub description: &'i str,
    /// Where more is to be found, a URL.
    pub home: &'i str,
    /// A picture of it, a URL.
    pub icon: &'i str,
    /// What it is about.
    pub keywords: Words<'i>,
    /// Whether its authors have given it up.
    pub deprecated: bool,
    /// When it was published, in RFC 3339.
    pub created: Option<&'i str>,
    /// The digest of its archive as the repository writes it: SHA-256 in hex, perhaps with `sha256:` before it.
    pub digest: Option<&'i str>,
    /// Where its archive is, see [`resolve`]. Helm takes the first.
    pub urls: Words<'i>,
}

/// A list of texts.
#[derive(Clone, Copy, Debug)]
pub struct Words<'i> {
    texts: &'i Texts,
    list: &'i [Text],
}

#[derive(Debug)]
struct Chart {
    name: Text,
    first: u32,
    count: u32,
}

impl Index {
    /// Reads an index.
    ///
    /// # Errors
    ///
    /// [`IndexError`], which for a hostile text comes as soon as a limit is passed.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, IndexError> {
        parse::parse(text, limits)
    }

    /// The version that Helm would take: the one that is written as `version`, or else the newest that `version`
    /// accepts as a constraint. An empty `version` asks for the newest release.
    ///
    /// # Errors
    ///
    /// [`LookupError`]; one that says that `version` is no constraint even if a version is written like that.
    pub fn get(&self, name: &str, version: &str) -> Result<Entry<'_>, LookupError> {
        let chart = self.chart(name).ok_or(LookupError::NoName)?;
        let records = self.records(chart);
        if records.is_empty() {
            return Err(LookupError::NoVersions);
        }
        let constraint = Constraint::wanted(version).map_err(LookupError::Constraint)?;
        let is_written =
            |record: &&Record| !version.is_empty() && self.texts.text(record.version) == version;
        let is_accepted = |record: &&Record| {
            let parsed = record.parsed.as_ref();
            parsed.is_some_and(|version| constraint.matches(version))
        };
        let record = records
            .iter()
            .find(is_written)
            .or_else(|| records.iter().find(is_accepted))
            .ok_or_else(|| LookupError::NotFound {
                name: name.to_owned(),
                version: version.to_owned(),
            })?;
        Ok(self.entry(chart, record))
    }

    /// The names of all charts, in order. A chart may have no versions.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.charts.iter().map(|chart| self.texts.text(chart.name))
    }

    /// The versions of a chart, newest first, and after them what Helm would not call versions. `None` if there is no
    /// such chart.
    pub fn versions(&self, name: &str) -> Option<impl ExactSizeIterator<Item = Entry<'_>>> {
        let chart = self.chart(name)?;
        let records = self.records(chart).iter();
        Some(records.map(|record| self.entry(chart, record)))
    }

    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        let Self {
            texts,
            lists,
            charts,
            records,
        } = self;
        let versions = records.iter().filter_map(|record| record.parsed.as_ref());
        size_of_val(self)
            + texts.size()
            + size_of_val::<[Text]>(lists)
            + size_of_val::<[Chart]>(charts)
            + size_of_val::<[Record]>(records)
            + versions.map(Version::heap).sum::<usize>()
    }

    fn chart(&self, name: &str) -> Option<&Chart> {
        let at = self
            .charts
            .binary_search_by(|chart| self.texts.text(chart.name).cmp(name))
            .ok()?;
        self.charts.get(at)
    }

    fn records(&self, chart: &Chart) -> &[Record] {
        let first = chart.first as usize;
        self.records
            .get(first..first + chart.count as usize)
            .unwrap_or_default()
    }

    fn entry(&self, chart: &Chart, record: &Record) -> Entry<'_> {
        let text = |text| self.texts.text(text);
        let some = |text| Some(self.texts.text(text)).filter(|text| !text.is_empty());
        Entry {
            name: text(chart.name),
            version: text(record.version),
            app_version: text(record.app_version),
            description: text(record.description),
            home: text(record.home),
            icon: text(record.icon),
            keywords: self.words(record.keywords),
            deprecated: record.deprecated,
            created: some(record.created),
            digest: some(record.digest),
            urls: self.words(record.urls),
        }
    }

    fn words(&self, list: List) -> Words<'_> {
        Words {
            texts: &self.texts,
            list: self.lists.get(list.range()).unwrap_or_default(),
        }
    }
}

impl<'i> Words<'i> {
    /// Its texts.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'i str> {
        self.list.iter().map(|text| self.texts.text(*text))
    }

    /// Its first text.
    pub fn first(self) -> Option<&'i str> {
        self.iter().next()
    }
}
