//! How much a chart may cost.

use crate::yaml;

/// What one archive may contain, sub-charts and the archives within included.
///
/// The defaults let through whatever fits into the largest message that Tiller takes, 20 MiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the archive as it is, compressed. Default: 20 MiB.
    pub archive: usize,
    /// Sub-charts within sub-charts. Default: 16.
    pub depth: usize,
    /// Entries, directories included. Default: 10,000.
    pub entries: usize,
    /// Bytes of an entry's name. Default: 1,024.
    pub path: usize,
    /// Bytes when unpacked, with what the tar format adds, and of files with holes. Default: 32 MiB.
    pub unpacked: usize,
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
            depth: 16,
            entries: 10_000,
            path: 1024,
            unpacked: 32 << 20,
            yaml_bytes: bytes,
            yaml_depth: depth,
            yaml_nodes: nodes,
        }
    }
}
