//! What components and the relay say to each other.
//!
//! A component reaches a Tiller by a path under the relay's base URL, never by an address: the relay
//! alone knows where clusters are. Cluster and tiller names travel as one percent-encoded segment
//! each, so that a kubeconfig context such as `arn:aws:eks:eu-west-1:1:cluster/x` survives.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tiller_api::Method;

use crate::problem::Problem;

/// The environment variable with the relay's base URL, without a slash at its end.
pub const BASE_VARIABLE: &str = "TILLER_EDGE_RELAY";

/// The header that ties a call to the request it serves.
pub const REQUEST_ID: &str = "x-request-id";

/// The trailer or header that marks an answer as made on the way, not by Tiller.
pub const ANSWERED_BY: &str = "x-tiller-edge-answered-by";

/// The value of [`ANSWERED_BY`] that the bridge sends.
pub const BRIDGE: &str = "bridge";

/// The trailer that says whether a call that the bridge failed may have reached Tiller:
/// `not_applied` or `unknown`.
pub const OUTCOME: &str = "x-tiller-edge-outcome";

/// The header of an answer that has something left out which its caller may not see; its value is [`VALUES`].
pub const WITHHELD: &str = "x-tiller-edge-withheld";

/// What of releases is left out of an answer: values, and what shows them, which are chart, manifest, hooks and notes.
pub const VALUES: &str = "values";

/// The path at which a caller is told who it is and what it may do.
pub const ACCESS: &str = "/access";

/// The name of a cluster's default tiller.
pub const DEFAULT_TILLER: &str = "default";

/// Unreserved characters stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One tiller of one cluster.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The cluster's name at this edge.
    pub cluster: String,
    /// The tiller's name in the cluster; the default one if none.
    pub tiller: Option<String>,
}

impl Target {
    /// The path of a call, to be put behind the relay's base URL.
    pub fn path(&self, method: Method) -> String {
        format!("{}{}", self.prefix(), method.path())
    }

    /// The path of the target itself: `/clusters/{cluster}` or `/clusters/{cluster}/tillers/{tiller}`.
    pub fn prefix(&self) -> String {
        let cluster = encode_segment(&self.cluster);
        match &self.tiller {
            None => format!("/clusters/{cluster}"),
            Some(tiller) => format!("/clusters/{cluster}/tillers/{}", encode_segment(tiller)),
        }
    }
}

/// The path of the list of clusters, with their reachability if asked for.
pub fn clusters_path(check: bool) -> String {
    format!("/clusters{}", query(check))
}

/// The path of one cluster, with its reachability if asked for.
pub fn cluster_path(cluster: &str, check: bool) -> String {
    format!("/clusters/{}{}", encode_segment(cluster), query(check))
}

/// The call that a path (without the base URL) asks for. `None` if it is none of Tiller's methods, if a
/// name is empty or not UTF-8.
pub fn parse(path: &str) -> Option<(Target, Method)> {
    let rest = path.strip_prefix("/clusters/")?;
    let (cluster, rest) = rest.split_once('/')?;
    let (tiller, call) = match rest.strip_prefix("tillers/") {
        None => (None, rest),
        Some(rest) => {
            let (tiller, call) = rest.split_once('/')?;
            (Some(decode_segment(tiller)?), call)
        }
    };
    let (service, name) = call.split_once('/')?;
    if service != tiller_api::SERVICE {
        return None;
    }
    let target = Target {
        cluster: decode_segment(cluster)?,
        tiller,
    };
    Some((target, Method::from_name(name)?))
}

/// A name as one path segment.
pub fn encode_segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The name in a path segment. `None` if it is empty or not UTF-8.
pub fn decode_segment(segment: &str) -> Option<String> {
    if segment.is_empty() {
        return None;
    }
    Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
}

fn query(check: bool) -> &'static str {
    if check { "?check=true" } else { "" }
}

/// The answer to a request for all clusters.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ClusterList {
    /// Those that the caller may see, by name.
    pub items: Vec<ClusterView>,
}

/// A cluster as callers see it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ClusterView {
    /// Its name at this edge.
    pub name: String,
    /// The region it is in, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What its operator says about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The APIServer's URL, without credentials.
    pub server: String,
    /// Where releases go whose request names no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The APIServer's reachability, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apiserver: Option<Check>,
    /// Its tillers, the default one first; left out of lists that ask for no check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tillers: Vec<TillerView>,
}

/// A tiller of a cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TillerView {
    /// Its name in the cluster; [`DEFAULT_TILLER`] for the default one.
    pub name: String,
    /// The namespace of its service.
    pub namespace: String,
    /// The service it is reached through.
    pub service: String,
    /// The service's port, by name or number.
    pub port: String,
    /// How it is reached: `grpc-web` or `grpc`.
    pub transport: String,
    /// The bridge's reachability, if asked for and the transport has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Check>,
    /// Tiller's reachability, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiller: Option<Check>,
}

/// Whether something could be reached just now.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Check {
    /// Whether it answered as it should.
    pub ok: bool,
    /// How long that took, in milliseconds.
    pub latency_ms: u64,
    /// The version it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
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
    fn a_call_has_one_path_and_the_path_leads_back() {
        for (target, expected) in [
            (
                target("prod", None),
                "/clusters/prod/hapi.services.tiller.ReleaseService/InstallRelease",
            ),
            (
                target("prod", Some("blue")),
                "/clusters/prod/tillers/blue/hapi.services.tiller.ReleaseService/InstallRelease",
            ),
            (
                target("arn:aws:eks:eu-west-1:1:cluster/x", None),
                "/clusters/arn%3Aaws%3Aeks%3Aeu-west-1%3A1%3Acluster%2Fx/hapi.services.tiller.ReleaseService/InstallRelease",
            ),
            (
                target("tillers", Some("100%")),
                "/clusters/tillers/tillers/100%25/hapi.services.tiller.ReleaseService/InstallRelease",
            ),
        ] {
            let path = target.path(Method::InstallRelease);
            assert_eq!(path, expected);
            assert_eq!(parse(&path), Some((target, Method::InstallRelease)));
        }
    }

    #[test]
    fn every_method_has_a_path() {
        for method in Method::ALL {
            let target = target("c", None);
            assert_eq!(parse(&target.path(method)), Some((target, method)));
        }
    }

    #[test]
    fn other_paths_are_no_calls() {
        for path in [
            "",
            "/",
            "/clusters",
            "/clusters/prod",
            "/clusters//hapi.services.tiller.ReleaseService/GetVersion",
            "/clusters/prod/tillers//hapi.services.tiller.ReleaseService/GetVersion",
            "/clusters/prod/tillers/blue",
            "/clusters/prod/hapi.services.tiller.ReleaseService",
            "/clusters/prod/hapi.services.tiller.ReleaseService/",
            "/clusters/prod/hapi.services.tiller.ReleaseService/Nope",
            "/clusters/prod/hapi.services.tiller.ReleaseService/GetVersion/",
            "/clusters/prod/x/hapi.services.tiller.ReleaseService/GetVersion",
            "/clusters/prod/grpc.health.v1.Health/Check",
            "/clusters/%ff/hapi.services.tiller.ReleaseService/GetVersion",
            "clusters/prod/hapi.services.tiller.ReleaseService/GetVersion",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn clusters_have_paths_of_their_own() {
        assert_eq!(clusters_path(false), "/clusters");
        assert_eq!(clusters_path(true), "/clusters?check=true");
        assert_eq!(cluster_path("a/b", true), "/clusters/a%2Fb?check=true");
    }

    #[test]
    fn a_cluster_shows_only_what_is_known_of_it() {
        let view = ClusterView {
            name: "prod".into(),
            server: "https://10.0.0.1:6443".into(),
            ..ClusterView::default()
        };
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"name":"prod","server":"https://10.0.0.1:6443"}"#
        );
        assert_eq!(
            serde_json::from_str::<ClusterView>(
                r#"{"name":"prod","server":"https://10.0.0.1:6443"}"#
            )
            .unwrap(),
            view
        );
    }
}
