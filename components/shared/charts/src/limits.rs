//! How much a chart may cost.

use crate::yaml;

/// What one archive may contain, sub-charts and the archives within included.
///
/// The defaults let through whatever fits into the largest message that Tiller takes, 20 MiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the archive as it is, compressed. Default: 20 MiB.
    pub archive: usize,
    /// Charts, sub-charts included, before and after requirements are processed, and copies made for that: one for
    /// each requirement that is met, at each place of its chart. Default: 10,000, as many as `entries` lets in.
    pub charts: usize,
    /// Sub-charts within sub-charts. Default: 16.
    pub depth: usize,
    /// Entries, directories included. Default: 10,000.
    pub entries: usize,
    /// Bytes of a chart when its requirements are processed, with what aliases multiply. Default: 32 MiB.
    pub expanded: usize,
    /// Bytes of an entry's name. Default: 1,024.
    pub path: usize,
    /// Bytes when unpacked, with what the tar format adds, and of files with holes. Default: 32 MiB.
    pub unpacked: usize,
    /// Mappings, lists and scalars of values that are in memory at once while they are computed; 64 bytes of text
    /// count as one more. Default: 500,000.
    pub values: usize,
    /// Steps of processing requirements, of all charts together: a value that is merged, a name or version that is
    /// compared. Default: 5,000,000.
    pub work: usize,
    /// See [`yaml::Limits::bytes`]. Default: 8 MiB.
    pub yaml_bytes: usize,
    /// See [`yaml::Limits::depth`]. Default: 100.
    pub yaml_depth: usize,
    /// See [`yaml::Limits::nodes`]. Default: 250,000.
    pub yaml_nodes: usize,
}

impl Limits {
    /// Those that apply to one YAML document.
    pub const fn yaml(&self) -> yaml::Limits {
        yaml::Limits {
            bytes: self.yaml_bytes,
            depth: self.yaml_depth,
            nodes: self.yaml_nodes,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let yaml::Limits {
            bytes,
            depth,
            nodes,
        } = yaml::Limits::default();
        Self {
            archive: 20 << 20,
            charts: 10_000,
            depth: 16,
            entries: 10_000,
            expanded: 32 << 20,
            path: 1024,
            unpacked: 32 << 20,
            values: 500_000,
            work: 5_000_000,
            yaml_bytes: bytes,
            yaml_depth: depth,
            yaml_nodes: nodes,
        }
    }
}
