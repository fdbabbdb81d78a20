//! The ten methods: one table that the relay, the bridge and the components share.
//!
//! A path that is not in it is none of Tiller's methods and goes nowhere.

use std::fmt;

/// The service all methods belong to.
pub const SERVICE: &str = "hapi.services.tiller.ReleaseService";

/// A method of Tiller's release service.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// The newest revisions of one release.
    GetHistory,
    /// One revision, whole.
    GetReleaseContent,
    /// One revision's status, with its resources as the cluster has them.
    GetReleaseStatus,
    /// Tiller's version; the only call that needs no compatible client version.
    GetVersion,
    /// Installs a chart.
    InstallRelease,
    /// Releases by status, namespace and name, in chunks.
    ListReleases,
    /// Goes back to an earlier revision.
    RollbackRelease,
    /// Runs a release's test hooks and tells results as they come.
    RunReleaseTest,
    /// Deletes a release.
    UninstallRelease,
    /// Upgrades a release.
    UpdateRelease,
}

impl Method {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::GetHistory,
        Self::GetReleaseContent,
        Self::GetReleaseStatus,
        Self::GetVersion,
        Self::InstallRelease,
        Self::ListReleases,
        Self::RollbackRelease,
        Self::RunReleaseTest,
        Self::UninstallRelease,
        Self::UpdateRelease,
    ];

    /// The method of a request path `/hapi.services.tiller.ReleaseService/{name}`, exactly.
    pub fn from_path(path: &str) -> Option<Self> {
        let name = path
            .strip_prefix('/')?
            .strip_prefix(SERVICE)?
            .strip_prefix('/')?;
        Self::from_name(name)
    }

    /// The method of that name; upper and lower case differ.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its name, such as `InstallRelease`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetHistory => "GetHistory",
            Self::GetReleaseContent => "GetReleaseContent",
            Self::GetReleaseStatus => "GetReleaseStatus",
            Self::GetVersion => "GetVersion",
            Self::InstallRelease => "InstallRelease",
            Self::ListReleases => "ListReleases",
            Self::RollbackRelease => "RollbackRelease",
            Self::RunReleaseTest => "RunReleaseTest",
            Self::UninstallRelease => "UninstallRelease",
            Self::UpdateRelease => "UpdateRelease",
        }
    }

    /// Its request path, such as `/hapi.services.tiller.ReleaseService/InstallRelease`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::GetHistory => "/hapi.services.tiller.ReleaseService/GetHistory",
            Self::GetReleaseContent => "/hapi.services.tiller.ReleaseService/GetReleaseContent",
            Self::GetReleaseStatus => "/hapi.services.tiller.ReleaseService/GetReleaseStatus",
            Self::GetVersion => "/hapi.services.tiller.ReleaseService/GetVersion",
            Self::InstallRelease => "/hapi.services.tiller.ReleaseService/InstallRelease",
            Self::ListReleases => "/hapi.services.tiller.ReleaseService/ListReleases",
            Self::RollbackRelease => "/hapi.services.tiller.ReleaseService/RollbackRelease",
            Self::RunReleaseTest => "/hapi.services.tiller.ReleaseService/RunReleaseTest",
            Self::UninstallRelease => "/hapi.services.tiller.ReleaseService/UninstallRelease",
            Self::UpdateRelease => "/hapi.services.tiller.ReleaseService/UpdateRelease",
        }
    }

    /// Whether the answer is a stream of messages; a request is always one message.
    pub const fn is_streaming(self) -> bool {
        matches!(self, Self::ListReleases | Self::RunReleaseTest)
    }

    /// Whether a call may change the cluster, so that it must not be sent twice.
    pub const fn is_mutation(self) -> bool {
        match self {
            Self::InstallRelease
            | Self::RollbackRelease
            | Self::RunReleaseTest
            | Self::UninstallRelease
            | Self::UpdateRelease => true,
            Self::GetHistory
            | Self::GetReleaseContent
            | Self::GetReleaseStatus
            | Self::GetVersion
            | Self::ListReleases => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn table_agrees_with_the_service_of_the_proto() {
        let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let set = FileDescriptorSet::decode(bytes).expect("the build wrote it");
        let service = set
            .file
            .iter()
            .find_map(|file| file.service.first())
            .expect("tiller.proto declares it");
        assert_eq!(service.method.len(), Method::ALL.len());
        for rpc in &service.method {
            let method = Method::from_name(rpc.name()).expect("the table has it");
            assert_eq!(method.path(), format!("/{SERVICE}/{}", rpc.name()));
            assert_eq!(method.is_streaming(), rpc.server_streaming(), "{method}");
            assert!(!rpc.client_streaming(), "{method}");
        }
    }

    #[test]
    fn paths_lead_back_to_their_method() {
        for method in Method::ALL {
            assert_eq!(Method::from_path(method.path()), Some(method));
        }
    }

    #[test]
    fn other_paths_are_no_method() {
        for path in [
            "",
            "/",
            "InstallRelease",
            "hapi.services.tiller.ReleaseService/InstallRelease",
            "/hapi.services.tiller.ReleaseService/",
            "/hapi.services.tiller.ReleaseService/installrelease",
            "/hapi.services.tiller.ReleaseService/InstallRelease/",
            "/hapi.services.tiller.ReleaseService/InstallRelease?x=1",
            "//hapi.services.tiller.ReleaseService/InstallRelease",
            "/hapi.services.tiller.ReleaseServiceX/InstallRelease",
            "/grpc.health.v1.Health/Check",
        ] {
            assert_eq!(Method::from_path(path), None, "{path}");
        }
    }

    #[test]
    fn what_changes_the_cluster_is_a_mutation() {
        let mutations: Vec<_> = Method::ALL
            .into_iter()
            .filter(|method| method.is_mutation())
            .map(Method::name)
            .collect();
        assert_eq!(
            mutations,
            [
                "InstallRelease",
                "RollbackRelease",
                "RunReleaseTest",
                "UninstallRelease",
                "UpdateRelease"
            ]
        );
    }
}
