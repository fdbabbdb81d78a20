//! Release records, one a revision, with the rules and texts of Tiller's secret storage.

use std::{collections::BTreeMap, io::Write as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use prost::Message;
use tiller_api::hapi::release::{Release, status::Code};

use super::name::object_name_error;

/// Most that a secret's values may hold together, in bytes.
const MAX_SECRET: usize = 1 << 20;
/// Largest request the APIServer reads, in bytes.
const MAX_REQUEST: usize = 3 << 20;

#[derive(Debug)]
pub(super) struct Store {
    /// By object name, `NAME.vREVISION`: the order in which an APIServer lists them.
    records: BTreeMap<String, Record>,
    history_max: usize,
}

/// What lists sort and filter by, beside the encoded release.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) chart: String,
    pub(super) revision: i32,
    /// Seconds since 1970.
    pub(super) last_deployed: i64,
    /// Absent if the record has no info or no status.
    pub(super) status: Option<i32>,
    pub(super) encoded: Bytes,
}

impl Record {
    fn new(release: &Release) -> Self {
        let info = release.info.as_ref();
        let metadata = release
            .chart
            .as_ref()
            .and_then(|chart| chart.metadata.as_ref());
        Self {
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            chart: metadata
                .map(|metadata| metadata.name.clone())
                .unwrap_or_default(),
            revision: release.version,
            last_deployed: info
                .and_then(|info| info.last_deployed.as_ref())
                .map_or(0, |time| time.seconds),
            status: info
                .and_then(|info| info.status.as_ref())
                .map(|status| status.code),
            encoded: release.encode_to_vec().into(),
        }
    }

    fn release(&self) -> Result<Release, String> {
        // Cannot fail on what was encoded here.
        Release::decode(self.encoded.clone()).map_err(|error| error.to_string())
    }
}

impl Store {
    pub(super) fn new(history_max: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            history_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Stores without any rule.
    pub(super) fn put(&mut self, release: &Release) {
        self.records.insert(key_of(release), Record::new(release));
    }

    /// A new revision, after making room for it.
    pub(super) fn create(&mut self, release: &Release) -> Result<(), String> {
        if self.history_max > 0 {
            self.prune(&release.name, self.history_max - 1);
        }
        let key = key_of(release);
        if self.records.contains_key(&key) {
            return Err(format!("release: {:?} already exists", release.name));
        }
        self.write(key, release)
    }

    pub(super) fn update(&mut self, release: &Release) -> Result<(), String> {
        let key = key_of(release);
        if !self.records.contains_key(&key) {
            return Err(format!("secrets {key:?} not found"));
        }
        self.write(key, release)
    }

    pub(super) fn get(&self, name: &str, revision: i32) -> Result<Release, String> {
        let key = key(name, revision);
        let not_found = || format!("release: {key:?} not found");
        self.records.get(&key).ok_or_else(not_found)?.release()
    }

    /// Every revision, oldest first; never none.
    pub(super) fn history(&self, name: &str) -> Result<Vec<Release>, String> {
        let mut records: Vec<_> = self.revisions(name).collect();
        records.sort_by_key(|record| record.revision);
        let history: Vec<_> = records
            .into_iter()
            .map(Record::release)
            .collect::<Result<_, _>>()?;
        if history.is_empty() {
            return Err(format!("release: {name:?} not found"));
        }
        Ok(history)
    }

    pub(super) fn last(&self, name: &str) -> Result<Release, String> {
        let newest = self.revisions(name).max_by_key(|record| record.revision);
        newest
            .ok_or_else(|| format!("release: {name:?} not found"))?
            .release()
    }

    /// The newest of the deployed revisions.
    pub(super) fn deployed(&self, name: &str) -> Result<Release, String> {
        self.deployed_records(name)
            .max_by_key(|record| record.revision)
            .ok_or_else(|| format!("{name:?} has no deployed releases"))?
            .release()
    }

    pub(super) fn all_deployed(&self, name: &str) -> Result<Vec<Release>, String> {
        self.deployed_records(name).map(Record::release).collect()
    }

    pub(super) fn delete(&mut self, name: &str, revision: i32) -> Result<(), String> {
        let key = key(name, revision);
        let removed = self.records.remove(&key);
        removed
            .map(drop)
            .ok_or_else(|| format!("release: {key:?} not found"))
    }

    fn revisions(&self, name: &str) -> impl Iterator<Item = &Record> {
        let (from, to) = (format!("{name}.v"), format!("{name}.w"));
        let records = self.records.range(from..to).map(|(_, record)| record);
        records.filter(move |record| record.name == name)
    }

    fn deployed_records(&self, name: &str) -> impl Iterator<Item = &Record> {
        self.revisions(name)
            .filter(|record| record.status == Some(Code::Deployed as i32))
    }

    /// Drops the oldest revisions until `keep` are left, but never the newest deployed one, and none
    /// where none is deployed.
    fn prune(&mut self, name: &str, keep: usize) {
        let deployed = self
            .deployed_records(name)
            .map(|record| record.revision)
            .max();
        let Some(deployed) = deployed else { return };
        let mut revisions: Vec<_> = self.revisions(name).map(|record| record.revision).collect();
        revisions.sort_unstable();
        let excess = revisions.len().saturating_sub(keep);
        let droppable = revisions
            .into_iter()
            .filter(|revision| *revision != deployed);
        for revision in droppable.take(excess) {
            self.records.remove(&key(name, revision));
        }
    }

    fn write(&mut self, key: String, release: &Release) -> Result<(), String> {
        let record = Record::new(release);
        if let Some(reason) = object_name_error(&key) {
            return Err(format!(
                "Secret {key:?} is invalid: metadata.name: Invalid value: {key:?}: {reason}"
            ));
        }
        let size = stored_size(&record.encoded);
        if size > MAX_REQUEST {
            return Err(format!("Request entity too large: limit is {MAX_REQUEST}"));
        }
        if size > MAX_SECRET {
            return Err(format!(
                "Secret {key:?} is invalid: data: Too long: may not be more than {MAX_SECRET} bytes"
            ));
        }
        self.records.insert(key, record);
        Ok(())
    }
}

fn key(name: &str, revision: i32) -> String {
    format!("{name}.v{revision}")
}

fn key_of(release: &Release) -> String {
    key(&release.name, release.version)
}

/// Bytes of the release as stored: base64 of gzip. A small one is not compressed to find out, since
/// it fits in any case.
fn stored_size(encoded: &[u8]) -> usize {
    let base64 = |length: usize| length.div_ceil(3) * 4;
    if base64(encoded.len()) < MAX_SECRET - 1024 {
        return base64(encoded.len());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector cannot fail.
    _ = gzip.write_all(encoded);
    base64(
        gzip.finish()
            .map_or(usize::MAX / 2, |compressed| compressed.len()),
    )
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::release::{Info, Status};

    use super::*;

    fn release(name: &str, revision: i32, code: Code) -> Release {
        let status = Status {
            code: code.into(),
            ..Status::default()
        };
        Release {
            name: name.to_owned(),
            version: revision,
            info: Some(Info {
                status: Some(status),
                ..Info::default()
            }),
            ..Release::default()
        }
    }

    #[test]
    fn history_is_of_one_name_and_in_order() {
        let mut store = Store::new(0);
        for revision in [10, 2, 1] {
            store
                .create(&release("web", revision, Code::Superseded))
                .expect("new");
        }
        store
            .create(&release("web.v2", 1, Code::Deployed))
            .expect("new");
        let history = store.history("web").expect("three revisions");
        let revisions: Vec<_> = history.iter().map(|release| release.version).collect();
        assert_eq!(revisions, [1, 2, 10]);
        assert_eq!(store.last("web").expect("three revisions").version, 10);
    }

    #[test]
    fn errors_name_the_release_or_the_revision() {
        let mut store = Store::new(0);
        store.create(&release("web", 1, Code::Failed)).expect("new");
        let again = store.create(&release("web", 1, Code::Failed));
        assert_eq!(again, Err(r#"release: "web" already exists"#.to_owned()));
        let get = store.get("web", 2).map(drop);
        assert_eq!(get, Err(r#"release: "web.v2" not found"#.to_owned()));
        let last = store.last("db").map(drop);
        assert_eq!(last, Err(r#"release: "db" not found"#.to_owned()));
        let deployed = store.deployed("web").map(drop);
        assert_eq!(
            deployed,
            Err(r#""web" has no deployed releases"#.to_owned())
        );
    }

    #[test]
    fn pruning_spares_the_deployed_revision() {
        let mut store = Store::new(2);
        store
            .create(&release("web", 1, Code::Deployed))
            .expect("new");
        for revision in 2..=4 {
            store
                .create(&release("web", revision, Code::Failed))
                .expect("new");
        }
        let history = store.history("web").expect("two revisions");
        let revisions: Vec<_> = history.iter().map(|release| release.version).collect();
        assert_eq!(revisions, [1, 4]);
    }

    #[test]
    fn records_over_a_mebibyte_are_not_stored() {
        let mut big = release("big", 1, Code::Deployed);
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (state >> 24) as u8 % 64)
        });
        big.manifest = noise.take(1_500_000).collect();
        let error = Store::new(0).create(&big).expect_err("too long");
        assert!(
            error.ends_with("may not be more than 1048576 bytes"),
            "{error}"
        );
        big.manifest = "x".repeat(1_500_000);
        Store::new(0).create(&big).expect("compresses well");
    }

    #[test]
    fn names_that_are_no_object_names_are_not_stored() {
        let error = Store::new(0)
            .create(&release("Foo", 1, Code::Deployed))
            .expect_err("upper case");
        assert!(
            error.starts_with(r#"Secret "Foo.v1" is invalid: metadata.name: "#),
            "{error}"
        );
    }
}
