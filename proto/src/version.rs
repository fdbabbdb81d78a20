//! What a Tiller of a given version does not know.
//!
//! Tiller ignores unknown fields, so asking an old one for `cleanup_on_fail` upgrades without it and
//! says nothing. [`FIELDS`] lists every request field that came after 2.0, under the name it has in
//! REST requests; what answers carry is not listed, since a missing answer is visible.

use std::fmt;

use crate::Method;

/// A Tiller's version without prerelease and build parts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TillerVersion {
    /// 2 for every Tiller.
    pub major: u32,
    /// Decides what a Tiller knows.
    pub minor: u32,
    /// Fixes only.
    pub patch: u32,
}

impl TillerVersion {
    /// That version.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads what Tiller answers to GetVersion, such as `v2.14.3+g0e7f3b6`.
    ///
    /// The `v`, the minor and the patch version may be missing. A prerelease counts as its release, as
    /// it has the same fields. `None` if no number leads.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = core.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next()??;
        let minor = parts.next().unwrap_or(Some(0))?;
        let patch = parts.next().unwrap_or(Some(0))?;
        Some(Self::new(major, minor, patch))
    }
}

impl fmt::Display for TillerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A field of a request, or a value of one, that Tillers before [`Field::since`] ignore.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field {
    /// The call it belongs to.
    pub method: Method,
    /// Its name in REST requests; `field=value` where only that value is newer than the field.
    pub name: &'static str,
    /// Its name in the request message; for a value, the value's name.
    pub wire: &'static str,
    /// The first version that knows it.
    pub since: TillerVersion,
}

/// Every request field that is newer than Tiller 2.0, by method, then by version.
pub const FIELDS: &[Field] = &[
    field(Method::InstallRelease, "timeout", "timeout", 2),
    field(Method::InstallRelease, "wait", "wait", 2),
    field(Method::InstallRelease, "description", "description", 10),
    field(
        Method::InstallRelease,
        "disable_crd_hook",
        "disable_crd_hook",
        10,
    ),
    field(Method::InstallRelease, "sub_notes", "subNotes", 13),
    field(Method::ListReleases, "namespace", "namespace", 2),
    field(
        Method::ListReleases,
        "status=pending-install",
        "PENDING_INSTALL",
        6,
    ),
    field(
        Method::ListReleases,
        "status=pending-rollback",
        "PENDING_ROLLBACK",
        6,
    ),
    field(
        Method::ListReleases,
        "status=pending-upgrade",
        "PENDING_UPGRADE",
        6,
    ),
    field(Method::ListReleases, "sort=chart", "CHART_NAME", 11),
    field(Method::RollbackRelease, "recreate_pods", "recreate", 2),
    field(Method::RollbackRelease, "timeout", "timeout", 2),
    field(Method::RollbackRelease, "wait", "wait", 2),
    field(Method::RollbackRelease, "force", "force", 5),
    field(Method::RollbackRelease, "description", "description", 10),
    field(
        Method::RollbackRelease,
        "cleanup_on_fail",
        "cleanup_on_fail",
        14,
    ),
    field(Method::RunReleaseTest, "cleanup", "cleanup", 2),
    field(Method::RunReleaseTest, "timeout", "timeout", 2),
    field(Method::RunReleaseTest, "parallel", "parallel", 13),
    field(Method::RunReleaseTest, "logs", "logs", 15),
    field(Method::RunReleaseTest, "max_parallel", "max_parallel", 15),
    field(Method::UninstallRelease, "timeout", "timeout", 2),
    field(Method::UninstallRelease, "description", "description", 10),
    field(Method::UpdateRelease, "recreate_pods", "recreate", 2),
    field(Method::UpdateRelease, "reset_values", "reset_values", 2),
    field(Method::UpdateRelease, "timeout", "timeout", 2),
    field(Method::UpdateRelease, "wait", "wait", 2),
    field(Method::UpdateRelease, "reuse_values", "reuse_values", 3),
    field(Method::UpdateRelease, "force", "force", 5),
    field(Method::UpdateRelease, "description", "description", 10),
    field(Method::UpdateRelease, "sub_notes", "subNotes", 13),
    field(
        Method::UpdateRelease,
        "cleanup_on_fail",
        "cleanup_on_fail",
        14,
    ),
];

/// The fields that a Tiller of that version ignores.
pub fn lacks(version: TillerVersion) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| version < field.since)
}

const fn field(method: Method, name: &'static str, wire: &'static str, minor: u32) -> Field {
    Field {
        method,
        name,
        wire,
        since: TillerVersion::new(2, minor, 0),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;

    #[test]
    fn versions_are_read_leniently() {
        for (text, expected) in [
            ("v2.14.3+g0e7f3b6", Some((2, 14, 3))),
            ("v2.17.0", Some((2, 17, 0))),
            ("2.17.0", Some((2, 17, 0))),
            ("v2.17+unreleased", Some((2, 17, 0))),
            ("v2.8.0-rc.1", Some((2, 8, 0))),
            (" v2.3.1\n", Some((2, 3, 1))),
            ("2", Some((2, 0, 0))),
            ("v2.1.2.3", Some((2, 1, 2))),
            ("", None),
            ("v", None),
            ("canary", None),
            ("v2.x.1", None),
            ("v2.-1", None),
            ("v99999999999.0.0", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| TillerVersion {
                major,
                minor,
                patch,
            });
            assert_eq!(TillerVersion::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn versions_print_as_tiller_prints_them() {
        assert_eq!(TillerVersion::new(2, 14, 3).to_string(), "v2.14.3");
    }

    #[test]
    fn the_newest_tiller_lacks_nothing_and_the_oldest_everything() {
        assert_eq!(lacks(TillerVersion::new(2, 17, 0)).count(), 0);
        assert_eq!(lacks(TillerVersion::new(2, 15, 0)).count(), 0);
        assert_eq!(lacks(TillerVersion::new(2, 0, 0)).count(), FIELDS.len());
    }

    #[test]
    fn a_tiller_lacks_what_came_after_it() {
        let names: Vec<_> = lacks(TillerVersion::new(2, 13, 1))
            .map(|field| (field.method.name(), field.name))
            .collect();
        assert_eq!(
            names,
            [
                ("RollbackRelease", "cleanup_on_fail"),
                ("RunReleaseTest", "logs"),
                ("RunReleaseTest", "max_parallel"),
                ("UpdateRelease", "cleanup_on_fail"),
            ]
        );
    }

    #[test]
    fn every_wire_name_is_one_of_the_proto() {
        let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let set = FileDescriptorSet::decode(bytes).expect("the build wrote it");
        let tiller = set
            .file
            .iter()
            .find(|file| file.package() == "hapi.services.tiller")
            .expect("it is compiled");
        let message = |name: &str| -> &DescriptorProto {
            tiller
                .message_type
                .iter()
                .find(|message| message.name() == name)
                .expect("the proto has it")
        };
        let values: Vec<&str> = set
            .file
            .iter()
            .flat_map(|file| &file.message_type)
            .flat_map(|message| &message.enum_type)
            .flat_map(|kind| &kind.value)
            .map(|value| value.name())
            .collect();

        for field in FIELDS {
            let rpc = tiller.service[0]
                .method
                .iter()
                .find(|rpc| rpc.name() == field.method.name())
                .expect("the method table is complete");
            let request = rpc.input_type().rsplit('.').next().expect("a name");
            if field.name.contains('=') {
                assert!(values.contains(&field.wire), "{field:?}");
            } else {
                let known = message(request)
                    .field
                    .iter()
                    .any(|known| known.name() == field.wire);
                assert!(known, "{field:?}");
            }
        }
    }
}
