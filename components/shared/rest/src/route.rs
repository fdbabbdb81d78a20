//! Paths: which resource one names and what can be done with it.
//!
//! Every resource of a Tiller exists twice: under `/v1/clusters/{cluster}` for the cluster's default
//! tiller and under `/v1/clusters/{cluster}/tillers/{tiller}` for a named one. Charts belong to no cluster: they are
//! under `/v1/repositories`. `/v1/access` is about the caller alone. Names are one percent-encoded segment each, so that a chart in a registry may be
//! `team%2Fweb`. There are no trailing slashes and no case folding: a path is a route or it is none.

use http::Method;

use crate::{
    problem::{Code, Problem},
    relay::{Target, decode_segment, encode_segment},
};

/// A resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// `/v1/access`
    Access,
    /// `/v1/repositories/{repository}/charts/{chart}/{version}`
    Chart {
        /// The repository.
        repository: String,
        /// The chart's name.
        chart: String,
        /// The version, or a constraint for it.
        version: String,
    },
    /// `/v1/repositories/{repository}/charts`
    Charts {
        /// The repository.
        repository: String,
    },
    /// `/v1/clusters/{c}`
    Cluster(String),
    /// `/v1/clusters`
    Clusters,
    /// `/v1/repositories`
    Repositories,
    /// One of a Tiller's resources.
    Tiller(Target, Resource),
    /// `/v1/repositories/{repository}/charts/{chart}`
    Versions {
        /// The repository.
        repository: String,
        /// The chart's name.
        chart: String,
    },
}

/// A resource of a Tiller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resource {
    /// `…/releases/{r}`
    Release(String),
    /// `…/releases/{r}/…`
    ReleasePart(String, Part),
    /// `…/releases`
    Releases,
    /// `…/version`
    Version,
}

/// What belongs to a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The chart as an archive.
    Chart,
    /// The revisions.
    History,
    /// The hooks' manifests.
    Hooks,
    /// The rendered manifests.
    Manifest,
    /// What NOTES.txt said.
    Notes,
    /// Going back to a revision.
    Rollback,
    /// The status with the resources as the cluster has them.
    Status,
    /// A run of the release's tests.
    Tests,
    /// The values it was given, or with what it was computed.
    Values,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Chart,
        Self::History,
        Self::Hooks,
        Self::Manifest,
        Self::Notes,
        Self::Rollback,
        Self::Status,
        Self::Tests,
        Self::Values,
    ];

    /// Its path segment.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::History => "history",
            Self::Hooks => "hooks",
            Self::Manifest => "manifest",
            Self::Notes => "notes",
            Self::Rollback => "rollback",
            Self::Status => "status",
            Self::Tests => "tests",
            Self::Values => "values",
        }
    }
}

impl Route {
    /// The resource that a path names.
    ///
    /// # Errors
    ///
    /// `route_not_found` if it names none.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        Self::find(path).ok_or_else(|| {
            let shown: String = path.chars().take(200).collect();
            Problem::new(Code::RouteNotFound, format!("there is no route {shown}"))
        })
    }

    /// The methods it has, as `Allow` lists them.
    pub const fn allow(&self) -> &'static str {
        match self {
            Self::Access
            | Self::Chart { .. }
            | Self::Charts { .. }
            | Self::Cluster(_)
            | Self::Clusters
            | Self::Repositories
            | Self::Tiller(_, Resource::Version)
            | Self::Versions { .. } => "GET, HEAD",
            Self::Tiller(_, Resource::Releases) => "GET, HEAD, POST",
            Self::Tiller(_, Resource::Release(_)) => "DELETE, GET, HEAD, PUT",
            Self::Tiller(_, Resource::ReleasePart(_, part)) => match part {
                Part::Rollback | Part::Tests => "POST",
                _ => "GET, HEAD",
            },
        }
    }

    /// Whether it has that method.
    pub fn allows(&self, method: &Method) -> bool {
        self.allow()
            .split(", ")
            .any(|allowed| allowed == method.as_str())
    }

    /// The cluster it is about, if it is about one.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Cluster(cluster) => Some(cluster),
            Self::Tiller(target, _) => Some(&target.cluster),
            Self::Access
            | Self::Chart { .. }
            | Self::Charts { .. }
            | Self::Clusters
            | Self::Repositories
            | Self::Versions { .. } => None,
        }
    }

    fn find(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').take(8).collect();
        match segments[..] {
            ["access"] => Some(Self::Access),
            ["clusters"] => Some(Self::Clusters),
            ["clusters", cluster, ref rest @ ..] => {
                Self::of_cluster(decode_segment(cluster)?, rest)
            }
            ["repositories"] => Some(Self::Repositories),
            ["repositories", repository, "charts", ref rest @ ..] => {
                Self::of_repository(decode_segment(repository)?, rest)
            }
            _ => None,
        }
    }

    fn of_cluster(cluster: String, rest: &[&str]) -> Option<Self> {
        let (tiller, rest) = match rest {
            [] => return Some(Self::Cluster(cluster)),
            ["tillers", tiller, rest @ ..] => (Some(decode_segment(tiller)?), rest),
            rest => (None, rest),
        };
        let resource = match rest {
            ["version"] => Resource::Version,
            ["releases"] => Resource::Releases,
            ["releases", release] => Resource::Release(decode_segment(release)?),
            ["releases", release, part] => {
                let part = Part::ALL
                    .into_iter()
                    .find(|known| known.as_str() == *part)?;
                Resource::ReleasePart(decode_segment(release)?, part)
            }
            _ => return None,
        };
        Some(Self::Tiller(Target { cluster, tiller }, resource))
    }

    fn of_repository(repository: String, rest: &[&str]) -> Option<Self> {
        Some(match rest {
            [] => Self::Charts { repository },
            [chart] => Self::Versions {
                repository,
                chart: decode_segment(chart)?,
            },
            [chart, version] => Self::Chart {
                repository,
                chart: decode_segment(chart)?,
                version: decode_segment(version)?,
            },
            _ => return None,
        })
    }
}

/// The path of a release, for `Location`.
pub fn release_path(target: &Target, release: &str) -> String {
    format!(
        "/v1{}/releases/{}",
        target.prefix(),
        encode_segment(release)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(cluster: &str, tiller: Option<&str>) -> Target {
        Target {
            cluster: cluster.into(),
            tiller: tiller.map(Into::into),
        }
    }

    #[test]
    fn clusters_are_routes_of_their_own() {
        assert_eq!(Route::parse("/v1/clusters"), Ok(Route::Clusters));
        assert_eq!(
            Route::parse("/v1/clusters/prod"),
            Ok(Route::Cluster("prod".into()))
        );
        assert_eq!(
            Route::parse("/v1/clusters/a%2Fb"),
            Ok(Route::Cluster("a/b".into()))
        );
    }

    #[test]
    fn charts_are_found_under_their_repository() {
        assert_eq!(Route::parse("/v1/repositories"), Ok(Route::Repositories));
        assert_eq!(
            Route::parse("/v1/repositories/charts/charts"),
            Ok(Route::Charts {
                repository: "charts".into()
            })
        );
        assert_eq!(
            Route::parse("/v1/repositories/harbor/charts/team%2Fweb"),
            Ok(Route::Versions {
                repository: "harbor".into(),
                chart: "team/web".into()
            })
        );
        for version in ["1.2.3+build.5", "1.2.3%2Bbuild.5"] {
            assert_eq!(
                Route::parse(&format!("/v1/repositories/a%2Fb/charts/web/{version}")),
                Ok(Route::Chart {
                    repository: "a/b".into(),
                    chart: "web".into(),
                    version: "1.2.3+build.5".into()
                })
            );
        }
        let route = Route::parse("/v1/repositories/stable/charts").unwrap();
        assert_eq!(route.cluster(), None);
    }

    #[test]
    fn every_resource_exists_under_both_prefixes() {
        let mut expected = vec![
            ("/version".to_owned(), Resource::Version),
            ("/releases".to_owned(), Resource::Releases),
            ("/releases/web".to_owned(), Resource::Release("web".into())),
        ];
        for part in Part::ALL {
            expected.push((
                format!("/releases/web/{}", part.as_str()),
                Resource::ReleasePart("web".into(), part),
            ));
        }
        for (path, resource) in expected {
            assert_eq!(
                Route::parse(&format!("/v1/clusters/prod{path}")),
                Ok(Route::Tiller(target("prod", None), resource.clone())),
            );
            assert_eq!(
                Route::parse(&format!("/v1/clusters/prod/tillers/blue{path}")),
                Ok(Route::Tiller(target("prod", Some("blue")), resource)),
            );
        }
    }

    #[test]
    fn names_may_be_those_of_resources() {
        assert_eq!(
            Route::parse("/v1/clusters/tillers/tillers/releases/releases/version/status"),
            Ok(Route::Tiller(
                target("tillers", Some("releases")),
                Resource::ReleasePart("version".into(), Part::Status)
            ))
        );
    }

    #[test]
    fn anything_else_is_no_route() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v2/clusters",
            "/v1/access/",
            "/v1/access/alice",
            "/v1/clusters/",
            "/v1/clustersx",
            "/V1/clusters",
            "/v1/clusters//version",
            "/v1/clusters/prod/",
            "/v1/clusters/prod/tillers",
            "/v1/clusters/prod/tillers/blue",
            "/v1/clusters/prod/tillers//version",
            "/v1/clusters/prod/releases/",
            "/v1/clusters/prod/releases/web/",
            "/v1/clusters/prod/releases/web/nope",
            "/v1/clusters/prod/releases/web/status/x",
            "/v1/clusters/prod/tillers/blue/releases/web/status/x/y/z",
            "/v1/clusters/prod/releases/%ff",
            "/v1/clusters/%ff",
            "/v1/repositories/",
            "/v1/repositories/stable",
            "/v1/repositories/stable/",
            "/v1/repositories//charts",
            "/v1/repositories/stable/charts/",
            "/v1/repositories/stable/charts//1.0.0",
            "/v1/repositories/stable/charts/web/",
            "/v1/repositories/stable/charts/web/1.0.0/archive",
            "/v1/repositories/stable/charts/team/web/1.0.0",
            "/v1/repositories/%ff/charts",
            "/v1/repositories/stable/charts/%ff",
            "/v1/repositories/stable/charts/web/%ff",
        ] {
            let problem = Route::parse(path).unwrap_err();
            assert_eq!(problem.code, Code::RouteNotFound, "{path}");
        }
    }

    #[test]
    fn routes_allow_what_they_list() {
        for (path, allow) in [
            ("/v1/access", "GET, HEAD"),
            ("/v1/clusters", "GET, HEAD"),
            ("/v1/clusters/c", "GET, HEAD"),
            ("/v1/clusters/c/version", "GET, HEAD"),
            ("/v1/clusters/c/releases", "GET, HEAD, POST"),
            ("/v1/clusters/c/releases/r", "DELETE, GET, HEAD, PUT"),
            ("/v1/clusters/c/releases/r/status", "GET, HEAD"),
            ("/v1/clusters/c/releases/r/rollback", "POST"),
            ("/v1/clusters/c/releases/r/tests", "POST"),
            ("/v1/repositories", "GET, HEAD"),
            ("/v1/repositories/r/charts", "GET, HEAD"),
            ("/v1/repositories/r/charts/c", "GET, HEAD"),
            ("/v1/repositories/r/charts/c/1.0.0", "GET, HEAD"),
        ] {
            let route = Route::parse(path).unwrap();
            assert_eq!(route.allow(), allow, "{path}");
            assert_eq!(route.allows(&Method::GET), allow.contains("GET"), "{path}");
            assert!(!route.allows(&Method::PATCH), "{path}");
        }
    }

    #[test]
    fn a_release_has_one_path() {
        assert_eq!(
            release_path(&target("a/b", Some("blue")), "web"),
            "/v1/clusters/a%2Fb/tillers/blue/releases/web"
        );
    }
}
